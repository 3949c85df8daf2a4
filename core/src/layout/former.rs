use alloc::vec::Vec;
use core::ops::Range;

use super::sorted::sort_ids;
use super::spans::{Layout, Owner};
use crate::format::Digest;
use crate::index::{ChunkId, DynamicIndex};

/// Places of one digest that are looked at, however often an index repeats it.
const PLACES: usize = 16;

/// The chunks of an index by digest: 4 bytes for each.
#[derive(Clone, Debug, Default)]
pub struct DigestOrder(Vec<u32>);

impl DigestOrder {
    /// Sorts the chunks of `index`.
    pub fn new(index: &DynamicIndex) -> Self {
        let chunks = index.chunks();
        let mut order: Vec<u32> = (0..chunks.len() as u32).collect();
        sort_ids(&mut order, &mut |a, b| chunks[a as usize].digest.cmp(&chunks[b as usize].digest));
        Self(order)
    }

    /// Numbers of the chunks with `digest`, ascending; `chunks` are those that were sorted.
    pub fn find<'o>(&'o self, chunks: &'o [ChunkId], digest: &Digest) -> impl Iterator<Item = usize> + 'o {
        let digest = *digest;
        let first = self.0.partition_point(|&at| chunks[at as usize].digest < digest);
        let numbers = self.0[first..].iter().map(|&at| at as usize);
        numbers.take_while(move |&at| chunks[at].digest == digest)
    }

    /// Whether there is a chunk with `digest`.
    pub fn contains(&self, chunks: &[ChunkId], digest: &Digest) -> bool {
        self.find(chunks, digest).next().is_some()
    }

    /// Bytes of memory that the order holds.
    pub fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

/// Older archives of the same tree, the youngest first, to tell what padding once was: chunks that were injected are in their
/// indexes, too. Nothing of the streams themselves is read.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    archives: Vec<(Layout<'a>, &'a DigestOrder)>,
}

/// What bytes of a stream were in an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Where they are now.
    pub range: Range<u64>,
    /// When they were needed last.
    pub former: Option<Former>,
}

/// An archive in which bytes were needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// Which archive: 0 for the youngest of the history.
    pub archive: usize,
    /// Position of the first of the bytes in its stream.
    pub offset: u64,
    /// Whose they were there; never padding.
    pub owner: Owner,
}

impl<'a> History<'a> {
    /// No archive yet.
    pub const fn new() -> Self {
        Self { archives: Vec::new() }
    }

    /// Adds the next older archive; `order` is that of its index, without which it tells nothing.
    pub fn push(&mut self, layout: Layout<'a>, order: &'a DigestOrder) {
        self.archives.push((layout, order));
    }

    /// The archives, the youngest first.
    pub fn archives(&self) -> impl ExactSizeIterator<Item = &Layout<'a>> {
        self.archives.iter().map(|(layout, _)| layout)
    }

    /// Tells of each byte of `range`, which lies in the stream of `layout`, when it was needed last. `visit` gets the pieces in order and says
    /// whether to go on. Takes O(log n) for each chunk and older archive, and what it visits.
    pub fn trace(&self, layout: &Layout<'_>, range: Range<u64>, visit: &mut dyn FnMut(Trace) -> bool) {
        let Some(index) = layout.index() else { return };
        let range = range.start..range.end.min(index.size()).min(layout.size());
        let Ok(parts) = index.parts(range.start.min(range.end)..range.end) else { return };
        for part in parts {
            let place = Place {
                digest: part.digest,
                len: part.extent.end - part.extent.start,
                within: part.within,
                start: part.extent.start,
            };
            if !self.look(0, &place, visit) {
                return;
            }
        }
    }

    /// Adds up the padding of `layout` by the archive of the history that needed it last; what none needed comes last.
    pub fn padding(&self, layout: &Layout<'_>) -> Vec<u64> {
        let mut sums = alloc::vec![0; self.archives.len() + 1];
        for gap in layout.gaps(0..layout.size()) {
            let mut unknown = gap.range.end - gap.range.start;
            self.trace(layout, gap.range, &mut |trace| {
                if let Some(former) = trace.former {
                    let bytes = trace.range.end - trace.range.start;
                    sums[former.archive] += bytes;
                    unknown -= bytes;
                }
                true
            });
            sums[self.archives.len()] += unknown;
        }
        sums
    }

    /// Tells of bytes of a chunk from archive `at` on.
    fn look(&self, at: usize, place: &Place, visit: &mut dyn FnMut(Trace) -> bool) -> bool {
        let found = self.archives.get(at).map(|(layout, order)| (layout, place.find(layout, order)));
        let Some((layout, Some(old))) = found else {
            // A chunk that one archive has not got can still be in an older one.
            return match self.archives.get(at) {
                Some(_) => self.look(at + 1, place, visit),
                None => visit(Trace { range: place.now(), former: None }),
            };
        };
        for span in layout.spans(old + place.within.start..old + place.within.end) {
            let start = (span.range.start.max(old) - old).max(place.within.start);
            let within = start..(span.range.end - old).min(place.within.end);
            let piece = Place { within, ..*place };
            let go_on = match span.owner {
                Owner::Padding(_) => self.look(at + 1, &piece, visit),
                owner => {
                    let former = Former { archive: at, offset: old + piece.within.start, owner };
                    visit(Trace { range: piece.now(), former: Some(former) })
                }
            };
            if !go_on {
                return false;
            }
        }
        true
    }
}

/// Bytes of a chunk.
#[derive(Clone, Debug)]
struct Place {
    digest: Digest,
    /// Bytes of the chunk.
    len: u64,
    /// Which of them.
    within: Range<u64>,
    /// Where the chunk starts in the stream that is asked about.
    start: u64,
}

impl Place {
    fn now(&self) -> Range<u64> {
        self.start + self.within.start..self.start + self.within.end
    }

    /// Where the chunk starts in an older stream; where it is there more than once, where most of the bytes are needed first.
    fn find(&self, layout: &Layout<'_>, order: &DigestOrder) -> Option<u64> {
        let index = layout.index()?;
        let is_there = |start: &u64| start.saturating_add(self.len) <= layout.size();
        let extents = order.find(index.chunks(), &self.digest).take(PLACES).filter_map(|at| index.extent(at));
        let same = extents.filter(|extent| extent.end - extent.start == self.len);
        let mut starts = same.map(|extent| extent.start).filter(is_there);
        let first = starts.next()?;
        let is_needed = |start: &u64| {
            let owner = layout.at(start + self.within.start).map(|span| span.owner);
            matches!(owner, Some(Owner::Payload(_)))
        };
        if is_needed(&first) {
            return Some(first);
        }
        Some(starts.find(is_needed).unwrap_or(first))
    }
}
