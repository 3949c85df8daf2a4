use alloc::vec::Vec;
use core::ops::Range;

use super::super::ages::ages;
use super::super::spans::Layout;
use super::comparison::Comparison;
use crate::compare::Change;
use crate::format::Kind;
use crate::index::DynamicIndex;

/// Contents that had not changed and were stored again nevertheless: they lie in chunks that the previous archive has not got. (Whether a
/// file was read again and came out in the very same chunks, no index tells.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredAgain {
    /// Files with nothing changed at all: number, and bytes of their payloads outside of injected chunks.
    pub unchanged: (u64, u64),
    /// Files with other metadata.
    pub metadata: (u64, u64),
    /// Files that were moved.
    pub moved: (u64, u64),
}

/// Adds up what was stored again; `visit` gets each such file of the new archive with its bytes. Both archives need an index.
pub fn stored_again(
    old: &Layout<'_>,
    new: &Layout<'_>,
    comparison: &Comparison,
    visit: &mut dyn FnMut(u32, u64),
) -> StoredAgain {
    let Some(mut storing) = StoringAgain::new(old, new) else { return StoredAgain::default() };
    storing.step(comparison, 0..new.tree().len() as u32, visit);
    storing.sums()
}

/// [`stored_again`] in steps.
pub struct StoringAgain<'a> {
    new: &'a Layout<'a>,
    index: &'a DynamicIndex,
    ages: Vec<u16>,
    sums: StoredAgain,
}

impl<'a> StoringAgain<'a> {
    /// `None` if one of the archives has no index.
    pub fn new(old: &Layout<'_>, new: &'a Layout<'a>) -> Option<Self> {
        let (before, index) = (old.index()?, new.index()?);
        Some(Self { new, index, ages: ages(index, &[before]), sums: StoredAgain::default() })
    }

    /// Adds up the files among some entries of the new archive.
    pub fn step(&mut self, comparison: &Comparison, ids: Range<u32>, visit: &mut dyn FnMut(u32, u64)) {
        let Self { new, index, ages, sums } = self;
        for id in ids.filter(|&id| new.tree().kind(id) == Kind::File) {
            let sum = match comparison.change(id) {
                Change::Unchanged => &mut sums.unchanged,
                Change::Metadata => &mut sums.metadata,
                Change::Moved => &mut sums.moved,
                _ => continue,
            };
            let Some(parts) = new.owned(id).and_then(|range| index.parts(range).ok()) else {
                continue;
            };
            let fresh = parts.filter(|part| ages[part.index] == 0);
            let bytes = fresh.map(|part| part.within.end - part.within.start).sum();
            if bytes > 0 {
                *sum = (sum.0 + 1, sum.1 + bytes);
                visit(id, bytes);
            }
        }
    }

    /// The sums of what was looked at.
    pub const fn sums(&self) -> StoredAgain {
        self.sums
    }
}
