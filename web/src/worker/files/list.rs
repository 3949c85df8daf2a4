//! The rows of the list of all entries that match.

use std::ops::Range;

use super::PART;
use super::bits::Bits;
use super::order::Order;

/// Which rows there are.
#[derive(Default)]
pub struct List {
    /// The rows; `None` if they are all entries in the order of the archive.
    ids: Option<Vec<u32>>,
    /// The last comes first, of rows in the order of the archive.
    reversed: bool,
    /// Entries that were looked at.
    seen: u32,
    /// Nothing is missing, and nothing that the order depends on will change with the tree.
    is_final: bool,
}

impl List {
    /// Of the matching ones among the first `seen` entries, or of all of them.
    pub fn new(order: &Order<'_>, matches: Option<&Bits>, seen: u32, is_complete: bool) -> Self {
        let reversed = order.is_archive() && order.is_descending();
        let mut list = Self { reversed, ..Self::default() };
        if !order.is_archive() || matches.is_some() {
            list.ids = Some(Vec::new());
        }
        list.fill(order, matches, seen, is_complete);
        list
    }

    /// Takes in what the tree has more than before. Where rows are sorted, that is left for when it is worth it.
    pub fn grow(&mut self, order: &Order<'_>, matches: Option<&Bits>, seen: u32, is_complete: bool) {
        let is_due = order.is_archive() || is_complete || seen / 3 > self.seen / 2;
        if is_due && !self.is_final {
            self.fill(order, matches, seen, is_complete);
        }
    }

    fn fill(&mut self, order: &Order<'_>, matches: Option<&Bits>, seen: u32, is_complete: bool) {
        if let Some(ids) = &mut self.ids {
            let known = if order.is_archive() { self.seen } else { 0 };
            ids.truncate(if order.is_archive() { ids.len() } else { 0 });
            match matches {
                Some(matches) => {
                    for start in (known..seen).step_by(PART as usize) {
                        append(ids, matches, start..seen.min(start + PART));
                    }
                }
                None => ids.extend(known..seen),
            }
            if !order.is_archive() {
                order.list(ids);
            }
            if is_complete {
                ids.shrink_to_fit();
            }
        }
        self.seen = seen;
        self.is_final = is_complete;
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        self.ids.as_ref().map_or(self.seen, |ids| ids.len() as u32)
    }

    /// The entries in rows from `start` on.
    pub fn span(&self, start: u32, count: u32) -> Vec<u32> {
        let rows = self.rows();
        let at = |row: u32| if self.reversed { rows - 1 - row } else { row };
        let id = |row| self.ids.as_ref().map_or(row, |ids| ids[row as usize]);
        (start..rows.min(start.saturating_add(count))).map(|row| id(at(row))).collect()
    }

    /// The row of an entry.
    pub fn row(&self, order: &Order<'_>, id: u32) -> Option<u32> {
        let at = match &self.ids {
            None => (id < self.seen).then_some(id)?,
            Some(ids) if order.is_archive() => ids.binary_search(&id).ok()? as u32,
            Some(ids) => ids.iter().position(|&other| other == id)? as u32,
        };
        Some(if self.reversed { self.rows() - 1 - at } else { at })
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.ids.as_ref().map_or(0, |ids| ids.capacity() * size_of::<u32>())
    }
}

/// Appends those of a part of the entries that match.
#[inline(never)]
fn append(ids: &mut Vec<u32>, matches: &Bits, part: Range<u32>) {
    ids.extend(matches.iter(part));
}
