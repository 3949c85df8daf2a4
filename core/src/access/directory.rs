use alloc::vec::Vec;

use super::machine::{Machine, Source, Step, Want, expect, out_of_range};
use crate::format::{Error, HEADER_SIZE, ItemType, Problem, RECORD_SIZE, Record, TAIL_MARKER};

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
    pub(super) top: Vec<u8>,
}

impl Directory {
    pub(super) fn record_position(&self, slot: u64) -> u64 {
        self.goodbye + HEADER_SIZE as u64 + slot * RECORD_SIZE as u64
    }

    /// Where the FILENAME of a record's child is, which must be between ENTRY and GOODBYE.
    pub(super) fn filename(&self, slot: u64, record: Record) -> Result<u64, Error> {
        let filename =
            self.goodbye.checked_sub(record.offset).filter(|&f| f > self.entry && f < self.goodbye);
        filename.ok_or_else(|| {
            let at = self.record_position(slot);
            out_of_range(at, ItemType::Goodbye, "a child within the directory", record.offset)
        })
    }

    /// Where the child of a record ends in the metadata stream, which is certain for directories only.
    pub(super) fn child_end(&self, filename: u64, record: Record) -> u64 {
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
