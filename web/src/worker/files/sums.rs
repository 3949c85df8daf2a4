//! Bytes of contents below any directory, without a number for each.

use pxkit_core::access::Tree;

use super::PART;

/// Entries between two of the sums that are kept.
const STEP: u32 = 32;

/// Sums of sizes over ranges of entries, hence over directories; a quarter of a byte for each entry. It grows with the tree.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Bytes of all entries before every 32nd; modulo 2^64, as archives may claim more.
    before: Vec<u64>,
    seen: u32,
    total: u64,
}

impl Sums {
    /// Takes in what the tree has more than before.
    pub fn grow(&mut self, tree: &Tree) {
        let len = tree.len() as u32;
        while self.seen < len {
            self.take(tree, len.min(self.seen + PART));
        }
    }

    /// Takes in a part of it, up to `end`.
    #[inline(never)]
    fn take(&mut self, tree: &Tree, end: u32) {
        for id in self.seen..end {
            if id.is_multiple_of(STEP) {
                self.before.push(self.total);
            }
            self.total = self.total.wrapping_add(tree.size(id));
        }
        self.seen = end;
    }

    /// Bytes of contents of an entry, or of all that is in it.
    pub fn size(&self, tree: &Tree, id: u32) -> u64 {
        let end = tree.end(id).min(self.seen);
        if end <= id + 1 { tree.size(id) } else { self.until(tree, end).wrapping_sub(self.until(tree, id)) }
    }

    fn until(&self, tree: &Tree, end: u32) -> u64 {
        let Some(&before) = self.before.get((end / STEP) as usize) else { return self.total };
        (end / STEP * STEP..end).fold(before, |sum, id| sum.wrapping_add(tree.size(id)))
    }

    /// Bytes of memory that they hold.
    pub fn memory(&self) -> usize {
        self.before.capacity() * size_of::<u64>()
    }
}
