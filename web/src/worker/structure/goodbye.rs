//! Goodbye tables as the trees that they are.

use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::decode::Content;
use pxkit_core::format::{HEADER_SIZE, RECORD_SIZE, Record as Stored, TAIL_MARKER, hash_name, layout_slots};
use pxkit_core::layout::sort_things;

use super::archive;
use crate::protocol::Problem;
use crate::protocol::structure::{Goodbye, Record};
use crate::worker::{Document, Task, problem, text};

/// Records that are given: twelve levels.
const RECORDS: u64 = 4095;
const HEADER: u64 = HEADER_SIZE as u64;

/// The table whose item is at `offset`.
pub async fn table(task: &Task, document: &Rc<Document>, offset: u64) -> Result<Goodbye, Problem> {
    let none = || problem::request("There is no goodbye table.");
    if !document.is_archive() {
        return Err(none());
    }
    let (range, directory) = archive::goodbye_at(task, document, offset).await?.ok_or_else(none)?;
    let content = range.end - range.start - HEADER;
    let size = RECORD_SIZE as u64;
    let total =
        if content.is_multiple_of(size) { (content / size).saturating_sub(1) } else { content / size };
    let has_tail = content >= size && content.is_multiple_of(size);
    let shown = total.min(RECORDS);
    let start = range.start + HEADER;
    let source = document.meta();
    let bytes = source.bytes(start, (shown * size) as usize).await?;
    let tail = if has_tail { Some(source.bytes(start + total * size, RECORD_SIZE).await?) } else { None };
    let tree = document.tree();
    let table = Place { tree: &tree, goodbye: range.start, directory };
    let stored: Vec<Stored> = bytes.chunks_exact(RECORD_SIZE).map(Stored::parse).collect();
    let at = |slot: usize| start + (slot * RECORD_SIZE) as u64;
    let mut records: Vec<Record> =
        stored.iter().enumerate().map(|(slot, record)| table.record(at(slot), *record)).collect();
    table.same_child_twice(&mut records);
    out_of_order(&stored, &mut records);
    Ok(Goodbye {
        offset: range.start,
        entry: directory,
        records,
        total: u32::try_from(total).unwrap_or(u32::MAX),
        tail: tail
            .map(|bytes| table.tail(at(total as usize), Stored::parse(&bytes), range.end - range.start)),
    })
}

/// A table and the directory that it ends.
struct Place<'a> {
    tree: &'a Tree,
    goodbye: u64,
    directory: Option<u32>,
}

impl Place<'_> {
    fn record(&self, offset: u64, record: Stored) -> Record {
        let target = self.goodbye.checked_sub(record.offset);
        let child = target.and_then(|target| self.tree.find(target)).filter(|&child| {
            child != 0 && self.directory.is_none_or(|directory| self.tree.parent(child) == directory)
        });
        let hash = child.map(|child| hash_name(self.tree.name(child)));
        let problem = match (child, hash) {
            (None, _) => Some("no child of this directory is there".to_owned()),
            (Some(_), Some(hash)) if hash != record.hash => {
                Some(format!("the hash of the child's name is {hash:016x}"))
            }
            (Some(child), _) => self.size_problem(child, record.size),
        };
        Record {
            offset,
            hash: format!("{:016x}", record.hash),
            target,
            size: record.size,
            child: child.map(|child| (child, text::escape(self.tree.name(child)))),
            problem,
        }
    }

    /// Writers add the size of contents to that of files that they have just stored in the other stream.
    fn size_problem(&self, child: u32, size: u64) -> Option<String> {
        let tree = self.tree;
        let next = tree.end(child);
        let is_sibling = (next as usize) < tree.len() && tree.parent(next) == tree.parent(child);
        let end = if is_sibling { tree.filename(next) } else { self.goodbye };
        let span = end.checked_sub(tree.filename(child))?;
        let payload = match tree.content(child) {
            Content::Reference(reference) => reference.size,
            _ => 0,
        };
        let is_right = size == span || Some(size) == span.checked_add(payload);
        (!is_right).then(|| format!("the child has {span} bytes"))
    }

    fn same_child_twice(&self, records: &mut [Record]) {
        let mut children: Vec<(u32, usize)> = records
            .iter()
            .enumerate()
            .filter_map(|(slot, record)| Some((record.child.as_ref()?.0, slot)))
            .collect();
        sort_things(&mut children, Ord::cmp);
        for pair in children.windows(2) {
            if pair[0].0 == pair[1].0 {
                records[pair[1].1]
                    .problem
                    .get_or_insert_with(|| format!("the child of slot {} again", pair[0].1));
            }
        }
    }

    fn tail(&self, offset: u64, tail: Stored, size: u64) -> Record {
        // The root's counts from the start of the archive.
        let entry = match self.directory {
            Some(0) => Some(0),
            Some(directory) => Some(self.tree.filename(directory) + name_size(self.tree, directory)),
            None => None,
        };
        let target = self.goodbye.checked_sub(tail.offset);
        let problem = if tail.hash != TAIL_MARKER {
            Some(format!("the hash of a tail is {TAIL_MARKER:016x}"))
        } else if tail.size != size {
            Some(format!("this table has {size} bytes"))
        } else if entry.is_some() && target != entry {
            Some(format!("the directory's ENTRY is at {:#x}", entry.unwrap_or_default()))
        } else {
            None
        };
        let child = self.directory.map(|directory| (directory, text::path(self.tree, directory)));
        Record { offset, hash: format!("{:016x}", tail.hash), target, size: tail.size, child, problem }
    }
}

/// Bytes of a FILENAME item.
fn name_size(tree: &Tree, id: u32) -> u64 {
    HEADER + tree.name(id).len() as u64 + 1
}

/// Notes records that a search would miss: those with a smaller hash than one that lies to their left.
fn out_of_order(stored: &[Stored], records: &mut [Record]) {
    let mut before = 0;
    layout_slots(stored.len(), |slot, _| {
        let hash = stored[slot].hash;
        if hash < before {
            let problem = "a search for this hash does not come here";
            records[slot].problem.get_or_insert_with(|| problem.to_owned());
        }
        before = hash;
    });
}
