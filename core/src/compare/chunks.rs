use core::iter::FusedIterator;
use core::ops::Range;

use crate::index::Part;

/// Whether two ranges of as many bytes hold the same, as far as the chunks tell that they lie in: yes if these are the same chunks at the same places, no
/// if a whole chunk differs at the same place, else nobody knows.
///
/// Digests must mean the same: those of archives with different keys do not.
pub fn same_parts(
    mut left: impl Iterator<Item = Part>,
    mut right: impl Iterator<Item = Part>,
) -> Option<bool> {
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(true),
            (Some(a), Some(b)) if a.digest == b.digest && a.within == b.within => {}
            // Where their bytes are all of both chunks, and as many, the digests are theirs.
            (Some(a), Some(b)) if is_whole(&a) && is_whole(&b) && a.within == b.within => return Some(false),
            _ => return None,
        }
    }
}

fn is_whole(part: &Part) -> bool {
    part.within.start == 0 && part.within.end == part.extent.end - part.extent.start
}

/// The ranges of two files of one size, counted from their first bytes, that do not lie at the same place of equal chunks: only these have to be read.
/// In order, neighbours joined. As for [`same_parts`], digests must mean the same.
#[derive(Clone, Debug)]
pub struct Unshared<L, R> {
    left: L,
    right: R,
    /// The parts at the position, and how many of their bytes are left.
    first: Option<Part>,
    second: Option<Part>,
    position: u64,
}

impl<L: Iterator<Item = Part>, R: Iterator<Item = Part>> Unshared<L, R> {
    /// The parts of both files, from their first bytes on.
    pub const fn new(left: L, right: R) -> Self {
        Self { left, right, first: None, second: None, position: 0 }
    }

    /// The next bytes that lie in one chunk on both sides, and whether they are at the same place of equal chunks.
    fn next_piece(&mut self) -> Option<(Range<u64>, bool)> {
        if self.first.as_ref().is_none_or(|part| part.within.is_empty()) {
            self.first = self.left.next();
        }
        if self.second.as_ref().is_none_or(|part| part.within.is_empty()) {
            self.second = self.right.next();
        }
        let (first, second) = (self.first.as_mut()?, self.second.as_mut()?);
        let len = (first.within.end - first.within.start).min(second.within.end - second.within.start);
        let is_shared = first.digest == second.digest && first.within.start == second.within.start;
        first.within.start += len;
        second.within.start += len;
        let start = self.position;
        self.position += len;
        Some((start..self.position, is_shared))
    }
}

impl<L: Iterator<Item = Part>, R: Iterator<Item = Part>> Iterator for Unshared<L, R> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let mut found: Option<Range<u64>> = None;
        loop {
            match (self.next_piece(), &mut found) {
                (Some((_, true)), None) => {}
                (Some((piece, false)), None) => found = Some(piece),
                (Some((piece, false)), Some(found)) => found.end = piece.end,
                (Some((_, true)) | None, _) => return found,
            }
        }
    }
}

impl<L: Iterator<Item = Part>, R: Iterator<Item = Part>> FusedIterator for Unshared<L, R>
where
    L: FusedIterator,
    R: FusedIterator,
{
}
