//! The two kinds of sides: archives and directories.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use pxkit_core::access::{Archive, Directory, Node, ReadNode, Tree, TreeBuilder, drive};
use pxkit_core::decode::{Content, Event};
use pxkit_core::format::{Error, HEADER_SIZE, Kind};

use super::contents::Contents;
use super::directory::{Walked, open_file};
use super::item::{Item, Place};
use super::join::Entries;
use crate::input::{EntryReader, Opened, Payload, Stream};
use crate::report::{Report, check_signals};
use crate::source::ByteSource;
use crate::walk::open_source;

/// A tree that is compared with another one.
#[derive(Debug)]
pub enum Side {
    /// An archive in a file or a snapshot.
    Archive(ArchiveSide),
    /// A directory on disk, with what an archive of it would hold.
    Directory {
        /// How messages name it.
        name: String,
        /// The directory.
        root: OwnedFd,
    },
}

/// An archive that can be read anywhere.
#[derive(Debug)]
pub struct ArchiveSide {
    name: String,
    meta: Arc<dyn ByteSource>,
    payload: Option<Payload>,
    payload_hint: &'static str,
}

impl Side {
    /// An archive.
    ///
    /// # Errors
    /// It is none, or a pipe: it is read twice.
    pub fn archive(opened: Opened) -> anyhow::Result<Self> {
        let Opened { name, stream, payload, payload_hint } = opened.archive()?;
        let Some(meta) = stream.source().cloned() else {
            bail!("{name} is a pipe; only archives in files and snapshots can be compared");
        };
        Ok(Self::Archive(ArchiveSide { name, meta, payload, payload_hint }))
    }

    /// A directory.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn directory(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let root = open_source(path).with_context(|| format!("cannot open the directory {name}"))?;
        Ok(Self::Directory { name, root })
    }

    /// How messages name it.
    pub fn name(&self) -> &str {
        match self {
            Self::Archive(archive) => &archive.name,
            Self::Directory { name, .. } => name,
        }
    }

    pub(super) const fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// Reads the entries, and tells `report` what a walk leaves out; an archive that may be in any order is read into a table first.
    pub(super) fn entries<'a>(
        &'a self,
        in_any_order: bool,
        report: Option<&'a Report>,
    ) -> anyhow::Result<Box<dyn Entries + 'a>> {
        Ok(match self {
            Self::Archive(archive) if in_any_order => Box::new(Sorted::read(archive)?),
            Self::Archive(archive) => {
                let reader = EntryReader::new(Stream::over(archive.meta.clone()));
                Box::new(Streamed { archive, reader })
            }
            Self::Directory { root, .. } => Box::new(Walked::new(root, report)?),
        })
    }

    /// The contents of a file of this side.
    ///
    /// # Errors
    /// They do not lie within their stream, that stream was not given, or the file on disk is not there any more.
    pub fn contents(&self, item: &Item) -> anyhow::Result<Contents> {
        let size = item.size;
        match (self, item.place) {
            (Self::Directory { root, .. }, Place::Disk) => {
                Ok(Contents::whole(Arc::new(open_file(root, item)?)))
            }
            (Self::Archive(archive), Place::Archive(start)) => {
                let source = archive.meta.clone();
                let is_within = start.checked_add(size).is_some_and(|end| end <= source.size());
                ensure!(is_within, "its contents do not lie within the archive");
                Ok(Contents { source, start, size })
            }
            (Self::Archive(archive), Place::Payload(reference)) => {
                let Some(payload) = &archive.payload else {
                    bail!("{} is a split archive: {}", archive.name, archive.payload_hint);
                };
                let is_within = reference.end().is_some_and(|end| end <= payload.size());
                ensure!(is_within, "its contents do not lie within the payload file");
                let start = reference.offset + HEADER_SIZE as u64;
                Ok(Contents { source: payload.source().clone(), start, size })
            }
            _ => bail!("a defect of pxkit: contents that are nowhere"),
        }
    }
}

impl ArchiveSide {
    /// The entry whose FILENAME (the root's: ENTRY) is at a position.
    fn node(&self, filename: u64, is_root: bool) -> anyhow::Result<Node> {
        // No table is needed for this.
        let archive = Archive {
            meta_size: self.meta.size(),
            payload_size: self.payload.as_ref().map(Payload::size),
            version: 1,
            prelude: None,
            root_entry: filename,
            root: Arc::new(Directory::default()),
        };
        let read = if is_root { ReadNode::root(&archive) } else { ReadNode::new(&archive, filename) };
        drive(read, |want, buffer| {
            self.meta.read_exact_at(buffer, want.offset).context("cannot read the archive")
        })
    }

    /// Completes a hard link by the file that it is a name of.
    fn follow(&self, item: &mut Item, filename: u64, distance: u64) -> anyhow::Result<()> {
        let target = filename.checked_sub(distance).filter(|_| distance > 0);
        let target = target.ok_or_else(|| Error::misuse(filename, "a hard link leads forwards"))?;
        let node = self.node(target, false)?;
        ensure!(node.kind == Kind::File, "a hard link leads to something that is no file");
        item.set(node)
    }
}

/// The entries of an archive as they come.
struct Streamed<'a> {
    archive: &'a ArchiveSide,
    reader: EntryReader,
}

impl Entries for Streamed<'_> {
    fn next(&mut self, item: &mut Item) -> anyhow::Result<bool> {
        let (filename, distance) = loop {
            match self.reader.step()? {
                Event::Entry(entry) => {
                    item.path.clear();
                    item.path.extend_from_slice(entry.path);
                    (item.kind, item.stat) = (entry.kind, *entry.stat);
                    item.attributes.clone_from(entry.attributes);
                    (item.size, item.device, item.link, item.place) = (0, None, None, Place::Nowhere);
                    item.target.clear();
                    match entry.content {
                        Content::None => {}
                        Content::Inline { offset, size } => {
                            (item.size, item.place) = (size, Place::Archive(offset));
                        }
                        Content::Reference(reference) => {
                            (item.size, item.place) = (reference.size, Place::Payload(reference));
                        }
                        Content::Target(target) => item.target.extend_from_slice(target),
                        Content::Device(device) => item.device = Some(device),
                        Content::Hardlink { distance, target } => {
                            item.link = Some(target.to_vec());
                            break (entry.filename, distance);
                        }
                    }
                    return Ok(true);
                }
                Event::Skip(bytes) => {
                    check_signals()?;
                    self.reader.skip(bytes)?;
                }
                Event::End => return Ok(false),
                Event::Need(_) | Event::Leave { .. } | Event::Version(_) | Event::Prelude { .. } => {}
            }
        };
        self.archive.follow(item, filename, distance)?;
        Ok(true)
    }
}

/// The entries of an archive in another order than its own: sorted by name.
struct Sorted<'a> {
    archive: &'a ArchiveSide,
    tree: Tree,
    /// Those that come next, the last first.
    open: Vec<u32>,
}

impl<'a> Sorted<'a> {
    fn read(archive: &'a ArchiveSide) -> anyhow::Result<Self> {
        let mut reader = EntryReader::new(Stream::over(archive.meta.clone()));
        let mut builder = TreeBuilder::new();
        loop {
            match reader.step()? {
                Event::Entry(entry) => builder.add(&entry)?,
                Event::Leave { .. } => builder.leave(),
                Event::Skip(bytes) => {
                    check_signals()?;
                    reader.skip(bytes)?;
                }
                Event::Need(_) | Event::Version(_) | Event::Prelude { .. } => {}
                Event::End => break,
            }
        }
        let tree = builder.finish();
        let open = (!tree.is_empty()).then_some(0).into_iter().collect();
        Ok(Self { archive, tree, open })
    }
}

impl Entries for Sorted<'_> {
    fn next(&mut self, item: &mut Item) -> anyhow::Result<bool> {
        let Some(id) = self.open.pop() else { return Ok(false) };
        item.path.clear();
        self.tree.path(id, &mut item.path);
        item.link = None;
        let filename = self.tree.filename(id);
        match self.tree.content(id) {
            Content::Hardlink { distance, target } => {
                item.link = Some(target.to_vec());
                self.archive.follow(item, filename, distance)?;
            }
            _ => item.set(self.archive.node(filename, id == 0)?)?,
        }
        let start = self.open.len();
        self.open.extend(self.tree.children(id));
        let tree = &self.tree;
        self.open[start..].sort_by(|&a, &b| tree.name(b).cmp(tree.name(a)).then(b.cmp(&a)));
        Ok(true)
    }
}
