//! One mounted archive: entries by their positions, directories, contents. Everything is read when somebody asks for it; what is kept has
//! a bound.

use std::io;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, anyhow};
use lru::LruCache;
use pxkit_core::access::{
    Archive, Children, ContentRange, Contents, Directory, FollowLink, Lookup, Machine, Node, NodeContent,
    OpenDirectory, ReadNode, Source,
};
use pxkit_core::format::Kind;

use super::links::Links;
use crate::input::{Opened, Payload, RandomAccess};
use crate::source::{ByteSource, Readahead};

/// Tables of directories that are kept, in bytes.
const TABLES: usize = 16 << 20;
/// Files whose contents were found and that are kept.
const FILES: usize = 4096;

/// A child in a listing: position of its FILENAME, and where it ends if it is a directory.
pub type Child = (u64, u64);

/// Which entry: the position of its FILENAME, and for a directory where that ends; both are 0 for the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    pub filename: u64,
    pub end: u64,
}

impl At {
    pub const ROOT: Self = Self { filename: 0, end: 0 };
}

/// An entry as a mount shows it: a hard link is the file that it is another name of.
#[derive(Debug)]
pub struct Shown {
    pub node: Node,
    pub at: At,
    /// Names of a file; 1 for everything else.
    pub names: u32,
    /// Whether `names` may still turn out to be more.
    pub is_settled: bool,
}

/// An archive that is open for random access.
#[derive(Debug)]
pub struct MountedArchive {
    meta: Arc<dyn ByteSource>,
    payload: Option<Payload>,
    archive: Archive,
    links: Links,
    tables: Mutex<Tables>,
    files: Mutex<LruCache<u64, Arc<OpenFile>>>,
    readahead: Readahead,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub struct OpenFile {
    source: Arc<dyn ByteSource>,
    range: ContentRange,
}

#[derive(Debug)]
struct Tables {
    tables: LruCache<u64, Arc<Directory>>,
    bytes: usize,
}

impl MountedArchive {
    /// Opens an archive; the contents of a split one must be there.
    ///
    /// # Errors
    /// It is a pipe, damaged, or split and without payload.
    pub fn open(opened: Opened) -> anyhow::Result<Self> {
        let Opened { name, stream, payload, payload_hint } = opened.archive()?;
        let meta = stream
            .source()
            .cloned()
            .ok_or_else(|| anyhow!("{name} is a pipe, which cannot be read here and there"))?;
        let archive = RandomAccess::open(&*meta, payload.as_ref())
            .with_context(|| format!("cannot open {name}"))?
            .archive;
        if archive.version == 2 && payload.is_none() {
            return Err(anyhow!("{name} is a split archive: {payload_hint}"));
        }
        if archive.meta_size >= 1 << super::place::OFFSET_BITS {
            return Err(anyhow!("{name} has {} bytes, more than can be mounted", archive.meta_size));
        }
        let links = Links::count(&meta, payload.is_some());
        let tables = Mutex::new(Tables { tables: LruCache::unbounded(), bytes: 0 });
        let files = Mutex::new(LruCache::new(FILES.try_into().context("not zero")?));
        let archive = Self { meta, payload, archive, links, tables, files, readahead: Readahead::default() };
        // What cannot show its root is of no use.
        archive.node(At::ROOT).with_context(|| format!("cannot read the root of {name}"))?;
        Ok(archive)
    }

    /// Bytes of both streams.
    pub fn size(&self) -> u64 {
        self.meta.size().saturating_add(self.payload.as_ref().map_or(0, Payload::size))
    }

    fn run<M: Machine>(&self, machine: M) -> anyhow::Result<M::Output> {
        RandomAccess::reopen(&*self.meta, self.payload.as_ref(), self.archive.clone()).run(machine)
    }

    /// The entry as it is stored.
    pub fn node(&self, at: At) -> anyhow::Result<Node> {
        match at.filename {
            0 => self.run(ReadNode::root(&self.archive)),
            filename => self.run(ReadNode::new(&self.archive, filename)),
        }
    }

    /// The entry as it is shown.
    pub fn show(&self, at: At) -> anyhow::Result<Shown> {
        let node = self.node(at)?;
        self.show_node(node, at.end)
    }

    /// As [`MountedArchive::show`] of an entry that was read already and, if it is a directory, ends at `end`.
    pub fn show_node(&self, node: Node, end: u64) -> anyhow::Result<Shown> {
        if node.kind == Kind::Hardlink {
            let target = self.run(FollowLink::new(&self.archive, &node)?)?;
            let at = At { filename: target.filename, end: 0 };
            let (names, is_settled) = self.links.names(target.filename);
            // There are two at least: this one and the first.
            return Ok(Shown { node: target, at, names: names.max(2), is_settled });
        }
        let is_root = node.name.is_empty();
        let at = if is_root { At::ROOT } else { At { filename: node.filename, end } };
        let (names, is_settled) =
            if node.kind == Kind::File { self.links.names(node.filename) } else { (1, true) };
        Ok(Shown { node, at, names, is_settled })
    }

    /// The child of that name; `None` if there is none.
    pub fn lookup(&self, directory: At, name: &[u8]) -> anyhow::Result<Option<Shown>> {
        let table = self.table(directory)?;
        match self.run(Lookup::new(&self.archive, table, name))? {
            Some((node, end)) => self.show_node(node, end).map(Some),
            None => Ok(None),
        }
    }

    /// All children of a directory in archive order.
    pub fn children(&self, directory: At) -> anyhow::Result<Vec<Child>> {
        self.run(Children::new(self.table(directory)?))
    }

    fn table(&self, directory: At) -> anyhow::Result<Arc<Directory>> {
        if directory == At::ROOT {
            return Ok(self.archive.root.clone());
        }
        if let Some(table) = lock(&self.tables).tables.get(&directory.filename) {
            return Ok(table.clone());
        }
        let node = self.node(directory)?;
        if node.kind != Kind::Directory {
            return Err(anyhow!("it is no directory"));
        }
        let table = Arc::new(self.run(OpenDirectory::new(node.entry(), directory.end))?);
        lock(&self.tables).keep(directory.filename, &table);
        Ok(table)
    }

    /// Finds the contents of a file. This reads the header in front of them.
    fn contents(&self, at: At) -> anyhow::Result<Arc<OpenFile>> {
        if let Some(file) = lock(&self.files).get(&at.filename) {
            return Ok(file.clone());
        }
        let node = self.node(at)?;
        let range = self.run(Contents::new(&self.archive, &node)?)?;
        let source = match (range.source, &self.payload) {
            (Source::Payload, Some(payload)) => payload.source(),
            _ => &self.meta,
        };
        let file = Arc::new(OpenFile { source: source.clone(), range });
        lock(&self.files).put(at.filename, file.clone());
        Ok(file)
    }

    /// Fills `buffer` with contents of a file from `offset` on; returns how many there are, fewer only at the end.
    pub fn read(&self, at: At, offset: u64, buffer: &mut [u8]) -> anyhow::Result<usize> {
        let file = self.contents(at)?;
        let rest = file.range.size.saturating_sub(offset);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        if len == 0 {
            return Ok(0);
        }
        let start = file.range.offset + offset;
        self.readahead.passing(&*file.source, start..start + len as u64);
        file.source.read_exact_at(&mut buffer[..len], start)?;
        Ok(len)
    }

    /// The path of an entry for messages, by the positions of the entries above it, innermost first.
    pub fn path(&self, chain: impl Iterator<Item = u64>) -> Vec<u8> {
        let name = |filename| match self.node(At { filename, end: 0 }) {
            Ok(node) => node.name,
            Err(_) => b"?".to_vec(),
        };
        let mut names: Vec<Vec<u8>> = chain.filter(|&filename| filename > 0).map(name).collect();
        names.reverse();
        names.join(&b'/')
    }
}

impl Tables {
    fn keep(&mut self, filename: u64, table: &Arc<Directory>) {
        let weight = |table: &Directory| 128 + (table.len as usize).saturating_mul(24).min(1 << 20);
        self.bytes += weight(table);
        if let Some(old) = self.tables.put(filename, table.clone()) {
            self.bytes -= weight(&old);
        }
        while self.bytes > TABLES {
            let Some((_, old)) = self.tables.pop_lru() else { break };
            self.bytes -= weight(&old);
        }
    }
}

/// What the contents of a node weigh in `stat`.
pub fn size_of(node: &Node) -> u64 {
    match &node.content {
        NodeContent::Inline { size, .. } => *size,
        NodeContent::Reference(reference) => reference.size,
        NodeContent::Target(target) => target.len() as u64,
        _ => 0,
    }
}

/// Images are read as they are.
pub fn read_image(
    image: &dyn ByteSource,
    readahead: &Readahead,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let rest = image.size().saturating_sub(offset);
    let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
    readahead.passing(image, offset..offset + len as u64);
    image.read_exact_at(&mut buffer[..len], offset)?;
    Ok(len)
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
