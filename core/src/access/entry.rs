use alloc::vec::Vec;

use super::archive::Archive;
use super::machine::{Machine, Source, Step, Want, expect, out_of_range};
use crate::decode::{Content, Entries, Event, Limits, Start};
use crate::format::{Attributes, Device, Error, ItemType, Kind, PayloadRef, Stat};

/// Bytes of a first read of an entry: enough for a name, an ENTRY and what follows of nearly all.
const FIRST: usize = 384;

/// An entry with what is stored about it, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name; empty for the root.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Metadata; all zero for hard links.
    pub stat: Stat,
    /// Further metadata.
    pub attributes: Attributes,
    /// What it holds or points to.
    pub content: NodeContent,
    /// Position of its FILENAME; of its ENTRY for the root.
    pub filename: u64,
    /// Position behind its last item, contents not counted.
    pub end: u64,
}

/// As [`Content`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeContent {
    /// A directory, FIFO or socket: nothing.
    None,
    /// A file whose contents lie in the metadata stream.
    Inline {
        /// Position of the first byte of contents.
        offset: u64,
        /// Bytes.
        size: u64,
    },
    /// A file whose contents lie in the payload stream.
    Reference(PayloadRef),
    /// A symlink's target.
    Target(Vec<u8>),
    /// Numbers of a device.
    Device(Device),
    /// A further name of an earlier file.
    Hardlink {
        /// Bytes from that file's FILENAME to this entry's.
        distance: u64,
        /// Path of that file from the archive's root.
        target: Vec<u8>,
    },
}

impl Node {
    /// Position of its ENTRY; of a hard link, of its HARDLINK.
    pub fn entry(&self) -> u64 {
        let filename = if self.name.is_empty() { 0 } else { 16 + self.name.len() as u64 + 1 };
        self.filename + filename
    }
}

/// Reads the entry whose FILENAME (the root's: ENTRY) is at a position, by the decoder of streams.
#[derive(Clone, Debug)]
pub struct ReadNode {
    filename: u64,
    /// Bytes of the metadata stream.
    size: u64,
    /// Keeps what was decoded, so that every item is read once and a want is never longer than an item.
    entries: Entries,
    want: Option<Want>,
}

impl ReadNode {
    /// Reads the child whose FILENAME is at `filename`.
    pub fn new(archive: &Archive, filename: u64) -> Self {
        Self::within(archive.meta_size, filename)
    }

    /// As [`ReadNode::new`] in an archive of `size` bytes of metadata.
    pub(super) fn within(size: u64, filename: u64) -> Self {
        Self::at(size, filename, Start::Child)
    }

    /// Reads the root's own metadata.
    pub fn root(archive: &Archive) -> Self {
        Self::at(archive.meta_size, archive.root_entry, Start::Root)
    }

    fn at(size: u64, filename: u64, start: Start) -> Self {
        let entries = Entries::at(filename, start, b"", Limits::default());
        Self { filename, size, entries, want: None }
    }

    /// Asks for the next bytes: `needed`, and more where there is more, because most entries are short.
    fn want(&mut self, needed: usize) -> Result<Step<Node>, Error> {
        let offset = self.entries.offset();
        let there = self.size.saturating_sub(offset);
        if there < needed as u64 {
            return Err(self.entries.truncated(needed, there));
        }
        let len = there.min(needed.max(FIRST) as u64) as usize;
        let want = Want { source: Source::Meta, offset, len };
        self.want = Some(want);
        Ok(Step::Want(want))
    }
}

impl Machine for ReadNode {
    type Output = Node;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Node>, Error> {
        let Some(want) = self.want else {
            if self.filename >= self.size {
                let expected = "a FILENAME within the archive";
                return Err(out_of_range(self.filename, ItemType::Filename, expected, self.filename));
            }
            return self.want(1);
        };
        let window = expect(supplied, want)?;
        let progress = self.entries.step(window)?;
        match progress.event {
            Event::Entry(entry) => {
                let content = match entry.content {
                    Content::None => NodeContent::None,
                    Content::Inline { offset, size } => NodeContent::Inline { offset, size },
                    Content::Reference(reference) => NodeContent::Reference(reference),
                    Content::Target(target) => NodeContent::Target(target.to_vec()),
                    Content::Device(device) => NodeContent::Device(device),
                    Content::Hardlink { distance, target } => {
                        NodeContent::Hardlink { distance, target: target.to_vec() }
                    }
                };
                Ok(Step::Done(Node {
                    name: entry.name().to_vec(),
                    kind: entry.kind,
                    stat: *entry.stat,
                    attributes: entry.attributes.clone(),
                    content,
                    filename: self.filename,
                    end: entry.end,
                }))
            }
            Event::Need(needed) => self.want(needed),
            // A start at a FILENAME or the root's ENTRY gives an entry first.
            _ => Err(Error::misuse(self.filename, "no entry starts here")),
        }
    }
}
