use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::chunks::{ChunkTable, ChunkUse};
use super::sorted::sort_things;
use super::spans::Layout;

/// How chunks are distributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Chunks of 2^k to 2^(k + 1) - 1 bytes.
    pub sizes: [u64; 64],
    /// Chunks of which at least k tenths are used and less than k + 1 tenths; the last is of those without dead bytes.
    pub uses: [u64; 11],
}

impl Histogram {
    /// Counts the chunks of `chunks`, which was made of `layout`.
    pub fn new(layout: &Layout<'_>, chunks: &ChunkTable) -> Self {
        let mut histogram = Self { sizes: [0; 64], uses: [0; 11] };
        for chunk in chunks.iter(layout).filter(|chunk| chunk.size() > 0) {
            histogram.sizes[chunk.size().ilog2() as usize] += 1;
            histogram.uses[chunk.use_per_mille() as usize / 100] += 1;
        }
        histogram
    }
}

/// What it takes, and what it is good for, to write the worst chunks anew: the files with bytes in them are read and stored again, each
/// whole, and chunks in which nothing else is needed are needed no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Number of the chunk that comes in addition to those of the steps before.
    pub chunk: usize,
    /// Bytes of files to be read and stored, of all steps so far, headers included.
    pub reads: u64,
    /// Bytes by which the padding shrinks, of all steps so far. Where a file reaches into a chunk that others need, too, its bytes there become
    /// padding, so this may be negative.
    pub frees: i64,
}

/// The steps from the worst chunk to the best that has padding: the one with most dead bytes for each live byte goes first, of equal ones the
/// first in the stream.
pub fn curve(layout: &Layout<'_>, chunks: &ChunkTable) -> Vec<Rewrite> {
    let mut worst: Vec<ChunkUse> = chunks.iter(layout).filter(|chunk| chunk.dead() > 0).collect();
    sort_things(&mut worst, |a, b| {
        let (left, right) =
            (u128::from(a.dead()) * u128::from(b.live), u128::from(b.dead()) * u128::from(a.live));
        right.cmp(&left).then(b.dead().cmp(&a.dead())).then(a.number.cmp(&b.number))
    });
    let mut curve =
        Curve { layout, chunks, lost: BTreeMap::new(), moved: BTreeSet::new(), reads: 0, frees: 0 };
    worst.iter().map(|chunk| curve.step(chunk)).collect()
}

struct Curve<'a> {
    layout: &'a Layout<'a>,
    chunks: &'a ChunkTable,
    /// Chunks that lost needed bytes, with how many; `None` for those that are gone.
    lost: BTreeMap<usize, Option<u64>>,
    /// Files that reach out of a chunk and were moved, as positions in the map's order.
    moved: BTreeSet<usize>,
    reads: u64,
    /// Streams may claim to have more bytes than an i64 holds.
    frees: i128,
}

impl Curve<'_> {
    fn step(&mut self, chunk: &ChunkUse) -> Rewrite {
        // Gone already, if what was needed of it was moved with others.
        if let Some(lost) = self.lost.insert(chunk.number, None).unwrap_or(Some(0)) {
            self.frees += i128::from(chunk.dead()) + i128::from(lost);
            self.reads += chunk.live - lost;
            // Only the first and the last file of a chunk can reach out of it.
            let files = chunk.files.clone();
            let ends = [files.start, files.end.saturating_sub(1)];
            for &position in &ends[..files.len().min(2)] {
                self.leave(position, chunk);
            }
        }
        let frees = self.frees.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Rewrite { chunk: chunk.number, reads: self.reads, frees }
    }

    /// Moves what of a file lies outside of `chunk`.
    fn leave(&mut self, position: usize, chunk: &ChunkUse) {
        let owned = self.layout.map().owned(self.layout.tree(), position);
        let is_inside = owned.start >= chunk.extent.start && owned.end <= chunk.extent.end;
        if is_inside || owned.is_empty() || !self.moved.insert(position) {
            return;
        }
        let Some(index) = self.layout.index() else { return };
        let end = owned.end.min(index.size());
        self.reads += owned.end - end;
        let Ok(parts) = index.parts(owned.start..end) else { return };
        for part in parts.filter(|part| part.index != chunk.number) {
            let bytes = part.within.end - part.within.start;
            self.reads += bytes;
            let Some(other) = self.chunks.get(self.layout, part.index) else { continue };
            let Some(lost) = self.lost.entry(part.index).or_insert(Some(0)) else { continue };
            *lost += bytes;
            self.frees -= i128::from(bytes);
            if *lost == other.live {
                self.frees += i128::from(other.live + other.dead());
                self.lost.insert(part.index, None);
            }
        }
    }
}
