use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::chunks::{ChunkTable, ChunkUse};
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
/// whole, and the chunks are needed no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Number of the chunk that comes in addition to those of the steps before.
    pub chunk: usize,
    /// Bytes of files to be read and stored, of all steps so far, headers included.
    pub reads: u64,
    /// Bytes by which the padding shrinks, of all steps so far. Where a file reaches into a chunk that stays, its bytes there become
    /// padding, so this may be negative for a while.
    pub frees: i64,
}

/// The steps from the worst chunk to the best that has padding: the one with most dead bytes for each live byte goes first, of equal ones the
/// first in the stream.
pub fn curve(layout: &Layout<'_>, chunks: &ChunkTable) -> Vec<Rewrite> {
    let mut worst: Vec<ChunkUse> = chunks.iter(layout).filter(|chunk| chunk.dead() > 0).collect();
    worst.sort_by(|a, b| {
        let (left, right) =
            (u128::from(a.dead()) * u128::from(b.live), u128::from(b.dead()) * u128::from(a.live));
        right.cmp(&left).then(b.dead().cmp(&a.dead())).then(a.number.cmp(&b.number))
    });
    let mut curve = Curve { layout, moved: BTreeSet::new(), reads: 0, frees: 0 };
    worst.iter().map(|chunk| curve.step(chunk)).collect()
}

struct Curve<'a> {
    layout: &'a Layout<'a>,
    /// Files that reach out of a chunk and move already, as positions in the map's order.
    moved: BTreeSet<usize>,
    reads: u64,
    frees: i64,
}

impl Curve<'_> {
    fn step(&mut self, chunk: &ChunkUse) -> Rewrite {
        self.reads += chunk.live;
        self.frees += chunk.dead() as i64;
        let files = chunk.files.clone();
        // Only the first and the last file of a chunk can reach out of it.
        let ends = [files.start, files.end.saturating_sub(1)];
        for &position in &ends[..files.len().min(2)] {
            let owned = self.layout.map().owned(self.layout.tree(), position);
            let inside = owned.end.min(chunk.extent.end).saturating_sub(owned.start.max(chunk.extent.start));
            let outside = owned.end - owned.start - inside;
            if inside == 0 || outside == 0 {
                continue;
            }
            if self.moved.insert(position) {
                self.reads += outside;
                self.frees -= outside as i64;
            } else {
                self.reads -= inside;
                self.frees += inside as i64;
            }
        }
        Rewrite { chunk: chunk.number, reads: self.reads, frees: self.frees }
    }
}
