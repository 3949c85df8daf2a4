use core::iter::FusedIterator;
use core::ops::Range;

use crate::format::{Digest, Error, Problem};

/// Bytes of one chunk that belong to a range of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the chunk in its index.
    pub index: usize,
    /// Digest of the chunk.
    pub digest: Digest,
    /// What the chunk holds of the archive; its plain bytes must be as many.
    pub extent: Range<u64>,
    /// Which of the chunk's bytes are meant, from its start; never empty.
    pub within: Range<u64>,
}

/// An index as [`Parts`] needs it.
pub trait Chunks {
    /// Digest and extent of a chunk, or `None` behind the last.
    fn chunk(&self, at: usize) -> Option<(Digest, Range<u64>)>;
}

/// The parts of a range in order; what `parts` of an index gives.
#[derive(Clone, Debug)]
pub struct Parts<'a, T> {
    index: &'a T,
    next: usize,
    rest: Range<u64>,
}

impl<'a, T> Parts<'a, T> {
    /// `range` lies within the archive and `first` holds its start.
    pub(super) fn new(index: &'a T, first: usize, range: Range<u64>) -> Self {
        Self { index, next: first, rest: range }
    }
}

impl<T: Chunks> Iterator for Parts<'_, T> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if self.rest.is_empty() {
            return None;
        }
        let (digest, extent) = self.index.chunk(self.next)?;
        let within = self.rest.start - extent.start..self.rest.end.min(extent.end) - extent.start;
        let part = Part { index: self.next, digest, extent, within };
        self.next += 1;
        self.rest.start = part.extent.end;
        Some(part)
    }
}

impl<T: Chunks> FusedIterator for Parts<'_, T> {}

pub(super) fn check_range(range: &Range<u64>, size: u64) -> Result<(), Error> {
    if range.start > range.end {
        return Err(Error::misuse(range.start, "a range ends behind its start"));
    }
    if range.end > size {
        return Err(Error::new(
            range.start,
            None,
            Problem::Range { expected: "a range of the archive", got: range.end },
        ));
    }
    Ok(())
}
