use alloc::vec::Vec;

use crate::decode::{Content, Entry, Event};
use crate::format::{Attributes, Kind, PayloadRef, Stat};

/// An entry of the previous archive, as far as change detection looks at it.
#[derive(Clone, Debug, Default)]
pub struct OldEntry {
    pub(super) name: Vec<u8>,
    /// What it is.
    pub kind: Option<Kind>,
    /// Fixed metadata.
    pub stat: Stat,
    /// Further metadata.
    pub attributes: Attributes,
    /// Where its contents are, if it is a file of a split archive.
    pub payload: Option<PayloadRef>,
    /// Where it stands in the archive: later entries have greater numbers.
    pub place: u64,
    /// How many entries stand before it.
    pub number: u64,
}

impl OldEntry {
    /// Name in its directory.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn set(&mut self, entry: &Entry<'_>, number: u64) {
        self.number = number;
        self.name.clear();
        self.name.extend_from_slice(entry.name());
        self.kind = Some(entry.kind);
        self.place = entry.filename;
        self.stat = *entry.stat;
        if !(self.attributes.is_empty() && entry.attributes.is_empty()) {
            self.attributes.clone_from(entry.attributes);
        }
        self.payload = match entry.content {
            Content::Reference(reference) => Some(reference),
            _ => None,
        };
    }
}

/// What the previous archive has at a place of the tree.
#[derive(Debug)]
pub enum Found<'a> {
    /// This entry.
    Entry(&'a OldEntry),
    /// Nothing.
    Nothing,
    /// That is not known yet: [`Join::old`] wants what comes next in the previous archive.
    More,
}

/// Joins a walk with the previous archive, both sorted by name: one pass over either, no lookups (change detection 10.3).
///
/// The walk's side calls [`Join::enter`], [`Join::leave`] and [`Join::find`] in archive order. As long as the answer is
/// [`Found::More`] it hands over what the previous archive's decoder says, then asks again. What is not asked for was deleted and is
/// passed over, whole subtrees too. An archive whose names are not in order is joined as far as they are; the rest is not found, which
/// costs nothing but reading those files again.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Directories of the walk, from the root on, that the previous archive has too.
    matched: usize,
    /// Directories of the walk below those.
    foreign: usize,
    /// Directories of the previous archive that are open. Fewer than `matched`: the innermost has no more entries. More: what comes
    /// is below a directory that was passed over, or is `current`.
    open: usize,
    /// The next entry of the innermost matched directory.
    current: OldEntry,
    has_current: bool,
    /// It is what was asked for last.
    is_found: bool,
    /// The previous archive has ended, or is not to be used any further.
    ended: bool,
    /// Entries of the previous archive so far.
    count: u64,
}

impl Join {
    /// A join that stands before the roots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses nothing of the previous archive from here on, for it is damaged.
    pub fn give_up(&mut self) {
        self.ended = true;
        self.has_current = false;
    }

    /// Whether nothing more of the previous archive is wanted: it has ended, or is of no use.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// Takes what comes next in the previous archive.
    pub fn old(&mut self, event: &Event<'_>) {
        match event {
            Event::Entry(entry) => {
                if self.open == self.matched && !self.has_current {
                    self.current.set(entry, self.count);
                    self.has_current = true;
                }
                self.count += 1;
                self.open += usize::from(entry.kind == Kind::Directory);
            }
            Event::Leave { .. } => self.open = self.open.saturating_sub(1),
            Event::End => self.ended = true,
            _ => {}
        }
    }

    /// What the previous archive has under `name` in the directory that the walk is in; the root's name is empty. Names are asked for
    /// in ascending order.
    pub fn find(&mut self, name: &[u8]) -> Found<'_> {
        self.is_found = false;
        loop {
            if self.foreign > 0 {
                return Found::Nothing;
            }
            if self.has_current {
                match self.current.name.as_slice().cmp(name) {
                    core::cmp::Ordering::Less => self.has_current = false,
                    core::cmp::Ordering::Equal => {
                        self.is_found = true;
                        return Found::Entry(&self.current);
                    }
                    core::cmp::Ordering::Greater => return Found::Nothing,
                }
            } else if self.ended || self.open < self.matched {
                return Found::Nothing;
            } else {
                return Found::More;
            }
        }
    }

    /// The walk enters the directory that [`Join::find`] was asked for last.
    pub fn enter(&mut self) {
        if self.is_found && self.current.kind == Some(Kind::Directory) {
            self.matched += 1;
            self.has_current = false;
        } else {
            self.foreign += 1;
        }
        self.is_found = false;
    }

    /// The walk leaves a directory.
    pub fn leave(&mut self) {
        if self.foreign > 0 {
            self.foreign -= 1;
        } else {
            self.matched = self.matched.saturating_sub(1);
            self.has_current = false;
        }
        self.is_found = false;
    }
}
