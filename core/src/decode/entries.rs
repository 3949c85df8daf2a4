use alloc::vec::Vec;

use super::findings::{Findings, Irregularity};
use super::items::Decoder;
use super::step::{Item, Limits, Start, Step};
use crate::format::{Attributes, Device, Error, ItemType, Kind, PayloadRef, Problem, Stat};

/// What makes an entry more than its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A directory, FIFO or socket: nothing.
    None,
    /// A file whose contents follow in the metadata stream, and are skipped next.
    Inline {
        /// Position of the first byte of contents.
        offset: u64,
        /// Bytes.
        size: u64,
    },
    /// A file whose contents lie in the payload stream.
    Reference(PayloadRef),
    /// A symlink's target.
    Target(&'a [u8]),
    /// Numbers of a device.
    Device(Device),
    /// A further name of an earlier file.
    Hardlink {
        /// Bytes from that file's FILENAME to this entry's.
        distance: u64,
        /// Path of that file from the archive's root.
        target: &'a [u8],
    },
}

/// A node of an archive with all that is stored about it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Path from the archive's root without leading slash; empty for the root itself.
    pub path: &'a [u8],
    /// Where in `path` the name starts.
    pub name_start: usize,
    /// What it is.
    pub kind: Kind,
    /// Metadata; all zero for hard links.
    pub stat: &'a Stat,
    /// Extended attributes, ACLs, file capabilities, project id.
    pub attributes: &'a Attributes,
    /// What it holds or points to.
    pub content: Content<'a>,
    /// Position of its FILENAME; of its ENTRY for the root.
    pub filename: u64,
    /// Position behind its last item, contents not counted.
    pub end: u64,
    /// Directories above it; 0 for the root.
    pub depth: usize,
}

impl<'a> Entry<'a> {
    /// The last component of the path; empty for the root.
    pub fn name(&self) -> &'a [u8] {
        &self.path[self.name_start..]
    }

    /// Bytes of contents; 0 for everything but files.
    pub const fn size(&self) -> u64 {
        match self.content {
            Content::Inline { size, .. } | Content::Reference(PayloadRef { size, .. }) => size,
            _ => 0,
        }
    }
}

/// What [`Entries::step`] met.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// FORMAT_VERSION: 1 or 2.
    Version(u64),
    /// A prelude, whose bytes are skipped next (if there are any).
    Prelude {
        /// Bytes.
        size: u64,
    },
    /// An entry. The children of a directory follow, then [`Event::Leave`].
    Entry(Entry<'a>),
    /// The end of the innermost directory; its table is skipped next.
    Leave {
        /// Position of its GOODBYE.
        goodbye: u64,
        /// Bytes of the table.
        size: u64,
        /// Directories that remain open.
        depth: usize,
    },
    /// The window must hold at least this many bytes.
    Need(usize),
    /// The next so many bytes are contents, prelude or table: skip or take them.
    Skip(u64),
    /// The archive is complete.
    End,
}

/// An event, and how far the window moves.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Bytes of the window that are done with.
    pub used: usize,
    /// What was met.
    pub event: Event<'a>,
}

/// Joins items into entries with full paths (see the [module](super)).
#[derive(Clone, Debug)]
pub struct Entries {
    decoder: Decoder,
    path: Vec<u8>,
    /// For each open directory, the length of its path.
    levels: Vec<usize>,
    /// Whether `path` ends with a name of the innermost open directory.
    sibling: bool,
    name_start: usize,
    stat: Stat,
    attributes: Attributes,
    filename: u64,
}

impl Entries {
    /// For a whole archive.
    pub fn new() -> Self {
        Self::at(0, Start::Archive, b"", Limits::default())
    }

    /// Begins at byte `offset`, which is a place as `start` says, within the directory `parent` (a path without leading slash).
    pub fn at(offset: u64, start: Start, parent: &[u8], limits: Limits) -> Self {
        let mut levels = Vec::new();
        if start == Start::Child {
            levels.push(parent.len());
        }
        Self {
            decoder: Decoder::at(offset, start, limits),
            path: parent.to_vec(),
            levels,
            sibling: false,
            name_start: 0,
            stat: Stat::default(),
            attributes: Attributes::new(),
            filename: offset,
        }
    }

    /// Position of the next byte in the metadata stream.
    pub const fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// What was irregular so far.
    pub const fn findings(&mut self) -> &mut Findings {
        self.decoder.findings()
    }

    /// See [`Decoder::truncated`].
    pub fn truncated(&self, needed: usize, available: u64) -> Error {
        self.decoder.truncated(needed, available)
    }

    /// Decodes what stands at the beginning of `window`, the bytes from [`Entries::offset`] on.
    ///
    /// # Errors
    /// See [`Decoder::step`]; in addition a path or attributes over the [`Limits`]. What the window held before the error is used
    /// up, as [`Entries::offset`] says, so the next call would want another window: an error is the end.
    #[inline]
    pub fn step<'a>(&'a mut self, window: &'a [u8]) -> Result<Progress<'a>, Error> {
        let mut used = 0;
        loop {
            let event = match self.decoder.step(&window[used..])? {
                Step::Item { offset, used: bytes, item } => {
                    used += bytes;
                    match item {
                        Item::Filename(name) => {
                            self.name(offset, name)?;
                            continue;
                        }
                        Item::Entry(stat) | Item::EntryV1(stat) => {
                            self.begin(offset, stat);
                            continue;
                        }
                        Item::PayloadRef(reference) => {
                            Event::Entry(self.entry(Kind::File, Content::Reference(reference)))
                        }
                        Item::Payload { size } => {
                            let offset = self.decoder.offset();
                            Event::Entry(self.entry(Kind::File, Content::Inline { offset, size }))
                        }
                        Item::Attribute(attribute) => {
                            self.attributes.push_decoded(attribute);
                            let limit = self.decoder.limits().max_attributes;
                            if self.attributes.as_bytes().len() > limit {
                                return Err(over("bytes of attributes in one entry", offset, limit));
                            }
                            continue;
                        }
                        Item::Symlink(target) => {
                            Event::Entry(self.entry(Kind::Symlink, Content::Target(target)))
                        }
                        Item::Device(device) => {
                            Event::Entry(self.entry(Kind::Device, Content::Device(device)))
                        }
                        Item::Hardlink { distance, target } => {
                            self.stat = Stat::default();
                            self.attributes.clear();
                            Event::Entry(self.entry(Kind::Hardlink, Content::Hardlink { distance, target }))
                        }
                        Item::Goodbye { size } => {
                            self.leave();
                            Event::Leave { goodbye: offset, size, depth: self.levels.len() }
                        }
                        Item::FormatVersion(version) => Event::Version(version),
                        Item::Prelude { size } => Event::Prelude { size },
                    }
                }
                Step::Known(kind) => {
                    let depth = self.levels.len();
                    if kind == Kind::Directory {
                        self.levels.push(self.path.len());
                        self.sibling = false;
                    }
                    let mut entry = self.entry(kind, Content::None);
                    entry.depth = depth;
                    Event::Entry(entry)
                }
                Step::Need(bytes) => Event::Need(bytes),
                Step::Skip(bytes) => Event::Skip(bytes),
                Step::End => Event::End,
            };
            return Ok(Progress { used, event });
        }
    }

    #[inline]
    fn entry<'a>(&'a self, kind: Kind, content: Content<'a>) -> Entry<'a> {
        Entry {
            path: &self.path,
            name_start: self.name_start,
            kind,
            stat: &self.stat,
            attributes: &self.attributes,
            content,
            filename: self.filename,
            end: self.decoder.offset(),
            depth: self.levels.len(),
        }
    }

    #[inline]
    fn begin(&mut self, offset: u64, stat: Stat) {
        if self.levels.is_empty() {
            self.filename = offset;
        }
        self.stat = stat;
        if !self.attributes.is_empty() {
            self.attributes.clear();
        }
    }

    #[inline]
    fn name(&mut self, offset: u64, name: &[u8]) -> Result<(), Error> {
        let parent = self.levels.last().copied().unwrap_or_default();
        if self.sibling {
            self.check_order(offset, name);
        }
        self.path.truncate(parent);
        if parent > 0 {
            self.path.push(b'/');
        }
        self.name_start = self.path.len();
        let limit = self.decoder.limits().max_path;
        if self.name_start + name.len() > limit {
            return Err(over("bytes of a path", offset, limit));
        }
        self.path.extend_from_slice(name);
        self.filename = offset;
        self.sibling = true;
        Ok(())
    }

    /// Compares a name with that of the sibling before, which the path still holds.
    #[inline]
    fn check_order(&mut self, offset: u64, name: &[u8]) {
        match name.cmp(&self.path[self.name_start..]) {
            core::cmp::Ordering::Greater => {}
            core::cmp::Ordering::Equal => self.findings().add(offset, Irregularity::DuplicateName),
            // Writers put this entry last in the root, wherever it sorts (specification 5.2).
            core::cmp::Ordering::Less if self.levels.len() == 1 && name == b".pxarexclude-cli" => {}
            core::cmp::Ordering::Less => self.findings().add(offset, Irregularity::NameOrder),
        }
    }

    /// The innermost directory ends: its own name is the sibling of what follows.
    fn leave(&mut self) {
        if let Some(length) = self.levels.pop() {
            self.path.truncate(length);
        }
        let parent = self.levels.last().copied().unwrap_or_default();
        self.name_start = (parent + usize::from(parent > 0)).min(self.path.len());
        self.sibling = true;
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

#[cold]
fn over(what: &'static str, offset: u64, limit: usize) -> Error {
    let problem = Problem::Limit { what, limit: limit as u64 };
    Error::new(offset, Some(ItemType::Filename), problem)
}
