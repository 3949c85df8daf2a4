use alloc::vec::Vec;
use core::ops::Range;

use crate::access::Tree;
use crate::format::Kind;

/// What each directory holds, with all below: 16 bytes for a directory.
#[derive(Clone, Debug, Default)]
pub struct DirectoryTotals {
    /// The directories, ascending.
    ids: Vec<u32>,
    bytes: Vec<u64>,
    files: Vec<u32>,
}

/// See [`DirectoryTotals::get`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryTotal {
    /// Bytes of contents of the files in it; a file with several names counts where its first name is.
    pub bytes: u64,
    /// Those files.
    pub files: u32,
    /// All entries in it, itself not counted.
    pub entries: u32,
}

impl DirectoryTotals {
    /// Adds up all directories in one pass. Sums that no u64 holds are the largest that it holds.
    pub fn new(tree: &Tree) -> Self {
        let mut totals = Self::default();
        // Places in `ids` of the directories around the entry.
        let mut open: Vec<usize> = Vec::new();
        for id in 0..tree.len() as u32 {
            while let Some(&at) = open.last().filter(|&&at| tree.end(totals.ids[at]) <= id) {
                open.pop();
                totals.leave(at, open.last().copied());
            }
            match tree.kind(id) {
                Kind::Directory => {
                    open.push(totals.ids.len());
                    totals.ids.push(id);
                    totals.bytes.push(0);
                    totals.files.push(0);
                }
                Kind::File => {
                    if let Some(&at) = open.last() {
                        totals.bytes[at] = totals.bytes[at].saturating_add(tree.size(id));
                        totals.files[at] += 1;
                    }
                }
                _ => {}
            }
        }
        while let Some(at) = open.pop() {
            totals.leave(at, open.last().copied());
        }
        totals.ids.shrink_to_fit();
        totals.bytes.shrink_to_fit();
        totals.files.shrink_to_fit();
        totals
    }

    fn leave(&mut self, at: usize, parent: Option<usize>) {
        if let Some(parent) = parent {
            self.bytes[parent] = self.bytes[parent].saturating_add(self.bytes[at]);
            self.files[parent] += self.files[at];
        }
    }

    /// What a directory holds; nothing, if it is none.
    pub fn get(&self, tree: &Tree, id: u32) -> DirectoryTotal {
        let Ok(at) = self.ids.binary_search(&id) else { return DirectoryTotal::default() };
        DirectoryTotal { bytes: self.bytes[at], files: self.files[at], entries: tree.end(id) - id - 1 }
    }

    /// Bytes of contents of an entry: its own, or those in it.
    pub fn size(&self, tree: &Tree, id: u32) -> u64 {
        match tree.kind(id) {
            Kind::Directory => self.get(tree, id).bytes,
            _ => tree.size(id),
        }
    }

    /// The directories, ascending.
    pub fn directories(&self) -> &[u32] {
        &self.ids
    }

    /// Bytes of memory that the totals hold.
    pub fn memory(&self) -> usize {
        self.ids.capacity() * 4 + self.bytes.capacity() * 8 + self.files.capacity() * 4
    }
}

/// Adds the bytes of contents of entries to `sums`, each to that of its category. `categories` has the number of one for each entry; entries behind its
/// end are of category 0, numbers behind the last sum mean the last. Sums that no u64 holds are the largest that it holds.
pub fn add_by_category(tree: &Tree, ids: Range<u32>, categories: &[u8], sums: &mut [u64; 16]) {
    for id in ids {
        let category = categories.get(id as usize).copied().unwrap_or_default();
        let sum = &mut sums[usize::from(category.min(15))];
        *sum = sum.saturating_add(tree.size(id));
    }
}
