use alloc::vec::Vec;

use super::findings::{Findings, Irregularity};
use super::step::{Item, Step};
use crate::format::{HEADER_SIZE, Kind, NameHash, RECORD_SIZE, Record, TAIL_MARKER, hash_name, layout_slots};

/// A child as the table must describe it.
#[derive(Clone, Copy, Debug)]
struct Child {
    hash: u64,
    filename: u64,
    /// Bytes in the metadata stream; known when the next child, or the table, begins.
    span: u64,
    /// Bytes in the payload stream, which writers add to the size of files that they have just stored.
    payload: u64,
}

/// Checks goodbye tables against the children that a decoder met: hashes, offsets, the search tree, the tail (specification 3).
///
/// Streaming readers do not need the tables; this is for whoever wants to know whether random access will work. Memory: 32 bytes
/// for every child of an open directory, and one table at a time, which is bounded by the children seen.
#[derive(Clone, Debug)]
pub struct GoodbyeCheck {
    hash: NameHash,
    /// The children of all open directories.
    children: Vec<Child>,
    /// For each open directory: position of its ENTRY (0 for the root), and its first child in `children`.
    levels: Vec<(u64, usize)>,
    /// Position of the ENTRY met last.
    entry: u64,
    /// The table that is skipped next.
    table: Option<Table>,
}

#[derive(Clone, Copy, Debug)]
struct Table {
    goodbye: u64,
    /// ENTRY of its directory, 0 for the root.
    entry: u64,
    /// First child of its directory.
    first: usize,
}

impl Default for GoodbyeCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl GoodbyeCheck {
    /// For a whole archive.
    pub fn new() -> Self {
        Self::with_hash(hash_name)
    }

    /// For archives whose tables were made with another hash (tests only).
    pub fn with_hash(hash: NameHash) -> Self {
        Self { hash, children: Vec::new(), levels: Vec::new(), entry: 0, table: None }
    }

    /// Sees every step of the decoder. If it returns a size, the bytes skipped next are a table of that size, to be handed to
    /// [`GoodbyeCheck::table`]; a table of any other size was reported by the decoder already.
    pub fn see(&mut self, step: &Step<'_>) -> Option<u64> {
        match *step {
            Step::Item { offset, item, .. } => match item {
                Item::Filename(name) => {
                    self.end_child(offset);
                    let child = Child { hash: (self.hash)(name), filename: offset, span: 0, payload: 0 };
                    self.children.push(child);
                }
                Item::Entry(_) | Item::EntryV1(_) => self.entry = offset,
                Item::PayloadRef(reference) => {
                    if let Some(child) = self.children.last_mut() {
                        child.payload = reference.size;
                    }
                }
                Item::Goodbye { size } => return self.goodbye(offset, size),
                _ => {}
            },
            Step::Known(Kind::Directory) => {
                let entry = if self.levels.is_empty() { 0 } else { self.entry };
                self.levels.push((entry, self.children.len()));
            }
            _ => {}
        }
        None
    }

    /// The child met last in the innermost directory ends at `offset`.
    fn end_child(&mut self, offset: u64) {
        let first = self.levels.last().map_or(0, |&(_, first)| first);
        if let Some(child) = self.children[first..].last_mut() {
            child.span = offset - child.filename;
        }
    }

    fn goodbye(&mut self, offset: u64, size: u64) -> Option<u64> {
        self.end_child(offset);
        let (entry, first) = self.levels.pop()?;
        let expected = ((self.children.len() - first) as u64 + 1) * RECORD_SIZE as u64;
        if size != expected {
            self.children.truncate(first);
            return None;
        }
        self.table = Some(Table { goodbye: offset, entry, first });
        Some(size)
    }

    /// Checks a table. `bytes` is the whole content of the GOODBYE item for which [`GoodbyeCheck::see`] returned a size.
    pub fn table(&mut self, bytes: &[u8], findings: &mut Findings) {
        let Some(Table { goodbye, entry, first }) = self.table.take() else { return };
        let children = &mut self.children[first..];
        let (records, tail) = bytes.split_at(bytes.len().saturating_sub(RECORD_SIZE));
        if records.len() == children.len() * RECORD_SIZE && tail.len() == RECORD_SIZE {
            children.sort_unstable_by_key(|child| (child.hash, child.filename));
            check_records(records, children, goodbye, findings);
            let size = (HEADER_SIZE + bytes.len()) as u64;
            let expected = Record { hash: TAIL_MARKER, offset: goodbye - entry, size };
            if Record::parse(tail) != expected {
                findings.add(position(goodbye, children.len()), Irregularity::TableTail);
            }
        }
        self.children.truncate(first);
    }
}

fn position(goodbye: u64, slot: usize) -> u64 {
    goodbye + (HEADER_SIZE + slot * RECORD_SIZE) as u64
}

/// Compares the records, in the order of the search tree, with the sorted children.
fn check_records(records: &[u8], children: &mut [Child], goodbye: u64, findings: &mut Findings) {
    let mut before = 0;
    layout_slots(children.len(), |slot, _| {
        let record = Record::parse(&records[slot * RECORD_SIZE..]);
        let slot_number = slot as u64;
        let child = goodbye.checked_sub(record.offset).and_then(|filename| {
            children.binary_search_by_key(&(record.hash, filename), |child| (child.hash, child.filename)).ok()
        });
        // No child is that long: the mark of one that has its record.
        let child = child.map(|index| {
            let child = children[index];
            children[index].span = u64::MAX;
            child
        });
        let irregular = match child {
            None | Some(Child { span: u64::MAX, .. }) => {
                Some(Irregularity::TableRecord { slot: slot_number })
            }
            Some(Child { span, payload, .. })
                if record.size != span && Some(record.size) != span.checked_add(payload) =>
            {
                Some(Irregularity::TableChildSize { slot: slot_number, expected: span, got: record.size })
            }
            Some(_) => None,
        };
        if let Some(irregularity) = irregular {
            findings.add(position(goodbye, slot), irregularity);
        }
        if record.hash < before {
            findings.add(position(goodbye, slot), Irregularity::TableOrder { slot: slot_number });
        }
        before = record.hash;
    });
}
