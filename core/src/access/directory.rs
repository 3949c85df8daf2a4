use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::entry::{Node, ReadNode};
use super::machine::{Machine, Source, Step, Want, expect, out_of_range};
use super::open::Archive;
use crate::format::{
    Error, HEADER_SIZE, ItemType, NameHash, Problem, RECORD_SIZE, Record, TAIL_MARKER, hash_name,
};

/// Most bytes of a goodbye table that an open directory keeps.
pub const TOP_SIZE: usize = 43_690 * RECORD_SIZE;

/// A directory whose goodbye table was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Position of its ENTRY.
    pub entry: u64,
    /// Position of its GOODBYE.
    pub goodbye: u64,
    /// Position behind its GOODBYE.
    pub end: u64,
    /// Its children.
    pub len: u64,
    /// The first records of the table: all of most directories, the upper levels of the search tree of huge ones.
    top: Vec<u8>,
}

impl Directory {
    fn record_position(&self, slot: u64) -> u64 {
        self.goodbye + HEADER_SIZE as u64 + slot * RECORD_SIZE as u64
    }

    /// Where the FILENAME of a record's child is, which must be between ENTRY and GOODBYE.
    fn filename(&self, slot: u64, record: Record) -> Result<u64, Error> {
        let filename =
            self.goodbye.checked_sub(record.offset).filter(|&f| f > self.entry && f < self.goodbye);
        filename.ok_or_else(|| {
            let at = self.record_position(slot);
            out_of_range(at, ItemType::Goodbye, "a child within the directory", record.offset)
        })
    }

    /// Where the child of a record ends in the metadata stream, which is certain for directories only.
    fn child_end(&self, filename: u64, record: Record) -> u64 {
        filename.saturating_add(record.size).min(self.goodbye)
    }
}

/// Opens the directory that ends at a position (specification 6.2).
#[derive(Clone, Debug)]
pub struct OpenDirectory {
    end: u64,
    /// Where its ENTRY must be.
    entry: u64,
    /// What the tail says instead, for the root.
    tail_entry: u64,
    state: OpenState,
}

#[derive(Clone, Debug)]
enum OpenState {
    Begin,
    Tail(Want),
    Top(Want, Directory),
}

impl OpenDirectory {
    /// The directory whose ENTRY is at `entry` and whose GOODBYE ends at `end`.
    pub const fn new(entry: u64, end: u64) -> Self {
        Self { end, entry, tail_entry: entry, state: OpenState::Begin }
    }

    /// The root of an archive of `size` bytes, whose tail counts from the archive's start.
    pub(super) const fn root(size: u64, entry: u64) -> Self {
        Self { end: size, entry, tail_entry: 0, state: OpenState::Begin }
    }

    fn tail(&self, bytes: &[u8]) -> Result<Directory, Error> {
        let at = self.end - RECORD_SIZE as u64;
        let error = |problem| Error::new(at, Some(ItemType::Goodbye), problem);
        let tail = Record::parse(bytes);
        if tail.hash != TAIL_MARKER {
            let expected = "the tail marker of a goodbye table";
            return Err(error(Problem::Value { expected, got: tail.hash }));
        }
        let records = tail.size.checked_sub(HEADER_SIZE as u64 + RECORD_SIZE as u64);
        let Some(records) = records.filter(|bytes| bytes.is_multiple_of(RECORD_SIZE as u64)) else {
            let expected = "a table of 24 bytes for each child and the tail";
            return Err(error(Problem::Value { expected, got: tail.size }));
        };
        let goodbye = self.end.checked_sub(tail.size).filter(|&goodbye| goodbye > self.entry);
        let Some(goodbye) = goodbye else {
            return Err(out_of_range(at, ItemType::Goodbye, "a table within the directory", tail.size));
        };
        if goodbye.checked_sub(tail.offset) != Some(self.tail_entry) {
            let expected = "the distance to the directory's ENTRY";
            return Err(error(Problem::Value { expected, got: tail.offset }));
        }
        let (entry, end, len) = (self.entry, self.end, records / RECORD_SIZE as u64);
        Ok(Directory { entry, goodbye, end, len, top: Vec::new() })
    }
}

impl Machine for OpenDirectory {
    type Output = Directory;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Directory>, Error> {
        match &mut self.state {
            OpenState::Begin => {
                let offset = self.end.checked_sub(RECORD_SIZE as u64).ok_or_else(|| {
                    Error::new(self.end, None, Problem::Truncated { expected: 24, got: self.end })
                })?;
                let want = Want { source: Source::Meta, offset, len: RECORD_SIZE };
                self.state = OpenState::Tail(want);
                Ok(Step::Want(want))
            }
            OpenState::Tail(want) => {
                let bytes = expect(supplied, *want)?;
                let directory = self.tail(bytes)?;
                let len = (directory.len * RECORD_SIZE as u64).min(TOP_SIZE as u64) as usize;
                if len == 0 {
                    return Ok(Step::Done(directory));
                }
                let want = Want { source: Source::Meta, offset: directory.record_position(0), len };
                self.state = OpenState::Top(want, directory);
                Ok(Step::Want(want))
            }
            OpenState::Top(want, directory) => {
                directory.top = expect(supplied, *want)?.to_vec();
                Ok(Step::Done(core::mem::take(directory)))
            }
        }
    }
}

/// Looks a name up in a directory (specification 3.4 and 6.3). Names with equal hashes are all compared, wherever they are.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    /// Bytes of the metadata stream.
    size: u64,
    directory: Arc<Directory>,
    name: &'a [u8],
    hash: u64,
    /// Slots whose subtrees are still to be searched; at most two for each level of the tree.
    slots: Vec<u64>,
    state: LookupState,
}

#[derive(Clone, Debug)]
enum LookupState {
    Search,
    Record { slot: u64, want: Want },
    Candidate { end: u64, read: Box<ReadNode> },
}

impl<'a> Lookup<'a> {
    /// Looks for `name` in `directory`.
    pub fn new(archive: &Archive, directory: Arc<Directory>, name: &'a [u8]) -> Self {
        Self::with_hash(archive, directory, name, hash_name)
    }

    /// As [`Lookup::new`] in an archive that was made with another hash (tests only).
    pub fn with_hash(archive: &Archive, directory: Arc<Directory>, name: &'a [u8], hash: NameHash) -> Self {
        Self::within(archive.meta_size, directory, name, hash)
    }

    /// As [`Lookup::new`] in an archive of `size` bytes of metadata.
    pub(super) fn within(size: u64, directory: Arc<Directory>, name: &'a [u8], hash: NameHash) -> Self {
        let slots = [0].into_iter().filter(|_| directory.len > 0).collect();
        Self { size, directory, name, hash: hash(name), slots, state: LookupState::Search }
    }

    /// Decides where to go on from a record; a match becomes the candidate to compare.
    fn visit(&mut self, slot: u64, record: Record) -> Result<(), Error> {
        let len = self.directory.len;
        if self.hash >= record.hash && 2 * slot + 2 < len {
            self.slots.push(2 * slot + 2);
        }
        if self.hash <= record.hash && 2 * slot + 1 < len {
            self.slots.push(2 * slot + 1);
        }
        if self.hash == record.hash {
            let filename = self.directory.filename(slot, record)?;
            let end = self.directory.child_end(filename, record);
            let read = Box::new(ReadNode::within(self.size, filename));
            self.state = LookupState::Candidate { end, read };
        }
        Ok(())
    }
}

impl Machine for Lookup<'_> {
    /// The entry, and where it ends if it is a directory; `None` if there is no such name.
    type Output = Option<(Node, u64)>;

    fn step(&mut self, mut supplied: &[u8]) -> Result<Step<Self::Output>, Error> {
        loop {
            match &mut self.state {
                LookupState::Search => {
                    let Some(slot) = self.slots.pop() else {
                        return Ok(Step::Done(None));
                    };
                    let at = slot * RECORD_SIZE as u64;
                    let kept = usize::try_from(at).ok().and_then(|at| self.directory.top.get(at..));
                    if let Some(bytes) = kept.filter(|bytes| bytes.len() >= RECORD_SIZE) {
                        let record = Record::parse(bytes);
                        self.visit(slot, record)?;
                        continue;
                    }
                    let offset = self.directory.record_position(slot);
                    let want = Want { source: Source::Meta, offset, len: RECORD_SIZE };
                    self.state = LookupState::Record { slot, want };
                    return Ok(Step::Want(want));
                }
                LookupState::Record { slot, want } => {
                    let (slot, record) = (*slot, Record::parse(expect(supplied, *want)?));
                    self.state = LookupState::Search;
                    self.visit(slot, record)?;
                }
                LookupState::Candidate { end, read } => {
                    let end = *end;
                    match read.step(supplied)? {
                        Step::Want(want) => return Ok(Step::Want(want)),
                        Step::Done(node) if node.name == self.name => {
                            return Ok(Step::Done(Some((node, end))));
                        }
                        Step::Done(_) => self.state = LookupState::Search,
                    }
                }
            }
            supplied = &[];
        }
    }
}

/// Lists the children of a directory: where their FILENAMEs are, in archive order, and where they end if they are directories.
/// [`ReadNode`] reads one.
#[derive(Clone, Debug)]
pub struct Children {
    directory: Arc<Directory>,
    found: Vec<(u64, u64)>,
    want: Option<Want>,
}

impl Children {
    /// Lists all children of `directory`.
    pub const fn new(directory: Arc<Directory>) -> Self {
        Self { directory, found: Vec::new(), want: None }
    }
}

impl Machine for Children {
    type Output = Vec<(u64, u64)>;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Self::Output>, Error> {
        let records = match self.want {
            None => &self.directory.top[..],
            Some(want) => expect(supplied, want)?,
        };
        for bytes in records.chunks_exact(RECORD_SIZE) {
            let record = Record::parse(bytes);
            let filename = self.directory.filename(self.found.len() as u64, record)?;
            self.found.push((filename, self.directory.child_end(filename, record)));
        }
        let slot = self.found.len() as u64;
        if slot == self.directory.len {
            let mut found = core::mem::take(&mut self.found);
            found.sort_unstable();
            return Ok(Step::Done(found));
        }
        let len = ((self.directory.len - slot) * RECORD_SIZE as u64).min(TOP_SIZE as u64) as usize;
        let want = Want { source: Source::Meta, offset: self.directory.record_position(slot), len };
        self.want = Some(want);
        Ok(Step::Want(want))
    }
}
