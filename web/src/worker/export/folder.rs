//! A directory with all below as a tar or zip archive.

use std::collections::HashSet;
use std::rc::Rc;

use pxkit_core::access::{ReadNode, Tree};
use pxkit_core::blob::Crc32;
use pxkit_core::decode::Content;
use pxkit_core::format::{Attribute, Attributes, Kind, Timestamp, mode};

use super::sink::Sink;
use super::zip::Zip;
use super::{link_target, tar};
use crate::protocol::export::Archive;
use crate::protocol::{Problem, ProblemKind};
use crate::worker::{Document, Task, problem, text};

/// Reasons that are given.
const REASONS: usize = 100;
/// Longest name that a member of a zip archive can have.
const ZIP_NAME: usize = 0xffff;

/// Writes a directory; returns what was left out, and why, and how many things more.
pub async fn write(
    task: &Task,
    document: &Rc<Document>,
    entry: u32,
    archive: Archive,
    sink: &mut Sink,
) -> Result<(Vec<String>, u64), Problem> {
    let tree = document.whole_tree()?;
    document.check_entry(entry)?;
    if tree.kind(entry) != Kind::Directory {
        return Err(problem::request("This is no directory."));
    }
    let has_files = (entry..tree.end(entry)).find(|&id| tree.kind(id) == Kind::File && tree.size(id) > 0);
    if let Some(file) = has_files {
        // Nothing is begun that would have no contents at all.
        let is_inline = matches!(tree.content(file), Content::Inline { .. });
        document.stream(if is_inline { crate::protocol::Stream::Meta } else { document.layout_stream() })?;
    }
    let mut writer = Writer {
        task,
        document: document.clone(),
        above: path_of(&tree, tree.parent(entry)).len(),
        tree: tree.clone(),
        archive,
        zip: Zip::default(),
        written: HashSet::new(),
        left_out: Vec::new(),
        more: 0,
    };
    let (first, end) = (entry, tree.end(entry));
    for id in first..end {
        writer.member(id, sink).await?;
        task.progress("packing", u64::from(id - first), Some(u64::from(end - first)), false);
        task.breathe().await?;
    }
    match archive {
        Archive::Tar => sink.push(&tar::END),
        Archive::Zip => writer.zip.finish(sink),
    }
    Ok((writer.left_out, writer.more))
}

struct Writer<'a> {
    task: &'a Task,
    document: Rc<Document>,
    tree: Rc<Tree>,
    /// Bytes of the path of the directory above the one that is written.
    above: usize,
    archive: Archive,
    zip: Zip,
    /// Files that hard links can lead to.
    written: HashSet<u32>,
    left_out: Vec<String>,
    more: u64,
}

fn path_of(tree: &Tree, id: u32) -> Vec<u8> {
    let mut path = Vec::new();
    tree.path(id, &mut path);
    path
}

impl Writer<'_> {
    fn leave_out(&mut self, id: u32, why: &str) {
        if self.left_out.len() < REASONS {
            self.left_out.push(format!("{}: {why}", text::path(&self.tree, id)));
        } else {
            self.more += 1;
        }
    }

    /// A path from the directory above the one that is written; of the archive's root itself `./`.
    fn path(&self, id: u32) -> Vec<u8> {
        let mut path = path_of(&self.tree, id);
        if self.above > 0 {
            path.drain(..=self.above);
        }
        match (path.is_empty(), self.tree.kind(id)) {
            (true, _) => b"./".to_vec(),
            (false, Kind::Directory) => [&path[..], b"/"].concat(),
            _ => path,
        }
    }

    async fn member(&mut self, id: u32, sink: &mut Sink) -> Result<(), Problem> {
        let kind = self.tree.kind(id);
        // A link to what is not in this archive becomes the file itself.
        let file = match kind {
            Kind::Hardlink => match link_target(&self.tree, id) {
                Some(file) => file,
                None => {
                    self.leave_out(id, "the hard link leads to no file");
                    return Ok(());
                }
            },
            _ => id,
        };
        match self.archive {
            Archive::Tar => self.tar(id, file, sink).await,
            Archive::Zip => self.zip(id, file, sink).await,
        }
    }

    async fn tar(&mut self, id: u32, file: u32, sink: &mut Sink) -> Result<(), Problem> {
        let tree = self.tree.clone();
        let (path, bits) = (self.path(id), tree.mode(file));
        let (mut link, mut device, mut size) = (Vec::new(), (0, 0), 0);
        let kind = match tree.content(file) {
            _ if id != file && self.written.contains(&file) => {
                link = self.path(file);
                tar::Type::Hardlink
            }
            Content::Target(target) => {
                link = target.to_vec();
                tar::Type::Symlink
            }
            Content::Device(numbers) => {
                let number = |number: u64| u32::try_from(number).ok().filter(|&number| number < 1 << 21);
                match (number(numbers.major), number(numbers.minor)) {
                    (Some(major), Some(minor)) => device = (major, minor),
                    _ => {
                        self.leave_out(id, "the numbers of the device are too large for tar");
                        return Ok(());
                    }
                }
                if u64::from(bits) & mode::TYPE == mode::BLOCK { tar::Type::Block } else { tar::Type::Char }
            }
            Content::Inline { .. } | Content::Reference(_) => {
                size = tree.size(file);
                tar::Type::File
            }
            _ => match tree.kind(file) {
                Kind::Directory => tar::Type::Directory,
                Kind::Fifo => tar::Type::Fifo,
                _ => {
                    self.leave_out(id, "tar has no sockets");
                    return Ok(());
                }
            },
        };
        if kind == tar::Type::File && !self.is_readable(id, file).await? {
            return Ok(());
        }
        let attributes = self.attributes(id, file).await?;
        for attribute in &attributes {
            if let Attribute::Xattr { name, .. } = attribute
                && !tar::can_be_key(name)
            {
                self.leave_out(
                    id,
                    &format!("without its attribute {}, whose name tar cannot hold", text::escape(name)),
                );
            }
        }
        let member = tar::Member {
            path: &path,
            kind,
            link: &link,
            mode: bits,
            owner: tree.owner(file),
            mtime: tree.mtime(file),
            size,
            device,
            attributes: &attributes,
        };
        sink.push(&member.header());
        if kind == tar::Type::File {
            self.contents(id, file, size, sink).await?;
            sink.push(&tar::END[..tar::padding(size)]);
            if id == file {
                self.written.insert(id);
            }
        }
        Ok(())
    }

    async fn zip(&mut self, id: u32, file: u32, sink: &mut Sink) -> Result<(), Problem> {
        let tree = self.tree.clone();
        let path = self.path(id);
        if path == b"./" {
            return Ok(());
        }
        if path.len() > ZIP_NAME {
            self.leave_out(id, "the path is too long for zip");
            return Ok(());
        }
        let (kind, mtime) = match tree.kind(file) {
            Kind::Directory => (mode::DIRECTORY, tree.mtime(file)),
            Kind::File => (mode::REGULAR, tree.mtime(file)),
            Kind::Symlink => (mode::SYMLINK, tree.mtime(file)),
            other => {
                self.leave_out(id, &format!("zip has no entries of the kind {}", other.name()));
                return Ok(());
            }
        };
        let unix = (u64::from(tree.mode(file)) & mode::PERMISSIONS | kind) as u32;
        match tree.content(file) {
            Content::Target(target) => self.small(sink, path, unix, mtime, target),
            Content::Inline { .. } | Content::Reference(_) => {
                if !self.is_readable(id, file).await? {
                    return Ok(());
                }
                let size = tree.size(file);
                let member = Zip::begin(sink, path, unix, mtime, size);
                let crc = self.contents(id, file, size, sink).await?;
                self.zip.end(sink, &member, crc, size);
            }
            _ => self.small(sink, path, unix, mtime, b""),
        }
        Ok(())
    }

    fn small(&mut self, sink: &mut Sink, path: Vec<u8>, mode: u32, mtime: Timestamp, bytes: &[u8]) {
        let member = Zip::begin(sink, path, mode, mtime, bytes.len() as u64);
        sink.push(bytes);
        self.zip.end(sink, &member, Crc32::of(bytes), bytes.len() as u64);
    }

    /// Whether the contents begin where they should, before a member is begun.
    async fn is_readable(&mut self, id: u32, file: u32) -> Result<bool, Problem> {
        match super::open_contents(&self.document, file).await {
            Ok(_) => Ok(true),
            Err(problem) if problem.kind == ProblemKind::Cancelled => Err(problem),
            Err(problem) => {
                self.leave_out(id, &problem.message);
                Ok(false)
            }
        }
    }

    /// Appends contents, `size` bytes in any case: where they cannot be read, zeros stand instead, and that is told. Returns their CRC.
    async fn contents(&mut self, id: u32, file: u32, size: u64, sink: &mut Sink) -> Result<u32, Problem> {
        let (source, range) = super::open_contents(&self.document, file).await?;
        let mut crc = Crc32::new();
        let mut at = range.start;
        while at < range.end {
            let len = super::PIECE.min(range.end - at);
            match source.bytes(at, len as usize).await {
                Ok(piece) => {
                    crc.update(&piece);
                    sink.push(&piece);
                }
                Err(problem) => {
                    let bytes = at - range.start;
                    let why = format!(
                        "zeros stand for {len} of its {size} bytes from {bytes} on: {}",
                        problem.message
                    );
                    self.leave_out(id, &why);
                    let zeros = vec![0; len as usize];
                    crc.update(&zeros);
                    sink.push(&zeros);
                }
            }
            at += len;
            if at < range.end {
                source.will_read(at..(at + super::PIECE).min(range.end));
            }
            self.task.breathe().await?;
        }
        Ok(crc.finish())
    }

    /// Attributes are not kept in trees: they are read again.
    async fn attributes(&mut self, id: u32, file: u32) -> Result<Attributes, Problem> {
        if !self.tree.has_attributes(file) {
            return Ok(Attributes::new());
        }
        let archive = self.document.archive();
        let read = if file == 0 {
            ReadNode::root(&archive)
        } else {
            ReadNode::new(&archive, self.tree.filename(file))
        };
        match self.document.drive(read).await {
            Ok(node) => Ok(node.attributes),
            Err(problem) => {
                self.leave_out(id, &format!("without its attributes: {}", problem.message));
                Ok(Attributes::new())
            }
        }
    }
}
