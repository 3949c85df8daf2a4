use alloc::vec;
use alloc::vec::Vec;

use crate::access::Tree;
use crate::compare::{Change, Fields};

/// Why contents count as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// They lie in the same chunks, or there are none.
    Certain,
    /// Size and time of modification are the same.
    Likely,
}

/// Entries and bytes by [`Change`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Entries, by number of the change.
    pub entries: [u64; 7],
    /// Bytes of contents: of what was removed those of the old archive, else those of the new.
    pub bytes: [u64; 7],
}

impl Sums {
    /// Entries and bytes of one kind of change.
    pub const fn of(&self, change: Change) -> (u64, u64) {
        (self.entries[change as usize], self.bytes[change as usize])
    }

    fn add(&mut self, change: Change, bytes: u64) {
        self.entries[change as usize] += 1;
        let sum = &mut self.bytes[change as usize];
        *sum = sum.saturating_add(bytes);
    }
}

const NOBODY: u32 = u32::MAX;
/// Beside the number of the change: the contents are certainly the same.
const CERTAIN: u8 = 0x80;

/// What became of every entry of two archives; see [`super::compare`].
#[derive(Clone, Debug)]
pub struct Comparison {
    /// For each old entry the new one that it became, or `NOBODY`.
    old: Vec<u32>,
    /// For each new entry the old one that it was.
    new: Vec<u32>,
    changes: Vec<u8>,
    fields: Vec<Fields>,
}

impl Comparison {
    /// All old entries are removed and all new ones added.
    pub(super) fn new(old: usize, new: usize) -> Self {
        Self {
            old: vec![NOBODY; old],
            new: vec![NOBODY; new],
            changes: vec![Change::Added as u8; new],
            fields: vec![Fields::NONE; new],
        }
    }

    /// How an entry of the new archive changed.
    pub fn change(&self, new: u32) -> Change {
        Change::ALL[usize::from(self.changes[new as usize] & !CERTAIN)]
    }

    /// What else differs.
    pub fn fields(&self, new: u32) -> Fields {
        self.fields[new as usize]
    }

    /// How certain it is that contents are the same; `None` where they are not, and of what is no file.
    pub fn evidence(&self, tree: &Tree, new: u32) -> Option<Evidence> {
        let is_same = matches!(self.change(new), Change::Unchanged | Change::Metadata | Change::Moved);
        let is_file = matches!(tree.kind(new), crate::format::Kind::File | crate::format::Kind::Hardlink);
        let is_certain = self.changes[new as usize] & CERTAIN != 0;
        let evidence = if is_certain { Evidence::Certain } else { Evidence::Likely };
        (is_same && is_file).then_some(evidence)
    }

    /// What an entry of the new archive was in the old one.
    pub fn before(&self, new: u32) -> Option<u32> {
        Some(self.new[new as usize]).filter(|&id| id != NOBODY)
    }

    /// What became of an entry of the old archive; `None` if it was removed.
    pub fn after(&self, old: u32) -> Option<u32> {
        Some(self.old[old as usize]).filter(|&id| id != NOBODY)
    }

    /// Everything that is not unchanged, as old and new entry: those of the new archive in its order, then what was removed in that of the old.
    pub fn changes(&self) -> impl Iterator<Item = (Change, Option<u32>, Option<u32>)> + '_ {
        let new = (0..self.new.len() as u32).map(|id| (self.change(id), self.before(id), Some(id)));
        let removed = (0..self.old.len() as u32).filter(|&id| self.after(id).is_none());
        let removed = removed.map(|id| (Change::Removed, Some(id), None));
        new.filter(|&(change, ..)| change != Change::Unchanged).chain(removed)
    }

    /// Adds everything up.
    pub fn sums(&self, old: &Tree, new: &Tree) -> Sums {
        let mut sums = Sums::default();
        for id in 0..self.new.len() as u32 {
            sums.add(self.change(id), new.size(id));
        }
        for id in (0..self.old.len() as u32).filter(|&id| self.after(id).is_none()) {
            sums.add(Change::Removed, old.size(id));
        }
        sums
    }

    /// New entries that have attributes in both archives, which only the archives themselves can tell apart: read both with
    /// [`ReadNode`](crate::access::ReadNode) and tell the result to [`Comparison::attributes`].
    pub fn pending(&self) -> impl Iterator<Item = u32> + '_ {
        let is_pending = |id: &u32| self.fields[*id as usize].contains(Fields::PENDING);
        (0..self.new.len() as u32).filter(is_pending)
    }

    /// The attributes of a new entry and of what it was are the same, or not.
    pub fn attributes(&mut self, new: u32, are_same: bool) {
        let at = new as usize;
        if !self.fields[at].contains(Fields::PENDING) {
            return;
        }
        self.fields[at].settle();
        self.fields[at].set(Fields::ATTRIBUTES, !are_same);
        if !are_same && self.change(new) == Change::Unchanged {
            self.changes[at] = Change::Metadata as u8 | self.changes[at] & CERTAIN;
        }
    }

    /// Bytes of memory that the comparison holds.
    pub fn memory(&self) -> usize {
        self.old.capacity() * 4
            + self.new.capacity() * 4
            + self.changes.capacity()
            + self.fields.capacity() * 2
    }

    /// An old entry became a new one.
    pub(super) fn pair(&mut self, old: u32, new: u32, change: Change, fields: Fields, is_certain: bool) {
        self.old[old as usize] = new;
        self.new[new as usize] = old;
        self.changes[new as usize] = change as u8 | if is_certain { CERTAIN } else { 0 };
        self.fields[new as usize] = fields;
    }
}
