use alloc::vec;
use alloc::vec::Vec;

use super::chunks::ChunkTable;
use super::former::DigestOrder;
use super::sorted::sort_things;
use super::spans::Layout;
use crate::index::{ChunkId, DynamicIndex};

/// For each chunk of `index` how many of the `older` ones, the youngest first, have had it without interruption: 0 is new, 1 was injected from
/// the previous archive (or written again, the same), and so on. Of older ones than 65,535 nothing is known.
pub fn ages(index: &DynamicIndex, older: &[&DynamicIndex]) -> Vec<u16> {
    let mut ages = vec![0; index.count()];
    for (at, old) in older.iter().enumerate().take(usize::from(u16::MAX)) {
        let order = DigestOrder::new(old);
        for (chunk, age) in index.chunks().iter().zip(&mut ages) {
            if usize::from(*age) == at && order.contains(old.chunks(), &chunk.digest) {
                *age += 1;
            }
        }
    }
    ages
}

/// Chunks of one age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// How many.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that nobody needs.
    pub dead: u64,
}

/// Sums chunks up by age; `ages` is that of each.
pub fn generations(layout: &Layout<'_>, chunks: &ChunkTable, ages: &[u16]) -> Vec<Generation> {
    let most = ages.iter().copied().max().unwrap_or_default();
    let mut generations = vec![Generation::default(); usize::from(most) + 1];
    for (chunk, &age) in chunks.iter(layout).zip(ages) {
        let generation = &mut generations[usize::from(age)];
        generation.chunks += 1;
        generation.bytes += chunk.size();
        generation.dead += chunk.dead();
    }
    generations
}

/// Chunks that two archives have in common and that one of them has alone, each digest once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Number and bytes of chunks in both.
    pub both: (u64, u64),
    /// Number and bytes of chunks in the first only.
    pub first: (u64, u64),
    /// Number and bytes of chunks in the second only.
    pub second: (u64, u64),
}

impl Sharing {
    /// Compares two indexes.
    pub fn new(first: &DynamicIndex, second: &DynamicIndex) -> Self {
        let mut sharing = Self::default();
        let (first, second) = (distinct(first), distinct(second));
        let count = |(chunks, bytes): &mut (u64, u64), len: u64| {
            *chunks += 1;
            *bytes += len;
        };
        let (mut left, mut right) = (first.iter().peekable(), second.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(&b.0),
                (Some(_), None) => core::cmp::Ordering::Less,
                (None, Some(_)) => core::cmp::Ordering::Greater,
                (None, None) => return sharing,
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            match (a, b) {
                (Some(chunk), Some(_)) => count(&mut sharing.both, chunk.1),
                (Some(chunk), None) => count(&mut sharing.first, chunk.1),
                (_, Some(chunk)) => count(&mut sharing.second, chunk.1),
                (None, None) => {}
            }
        }
    }
}

/// Digests of an index with the lengths of their chunks, sorted, each once.
fn distinct(index: &DynamicIndex) -> Vec<(crate::format::Digest, u64)> {
    let mut start = 0;
    let len = |&ChunkId { end, digest }: &ChunkId| {
        let len = end - core::mem::replace(&mut start, end);
        (digest, len)
    };
    let mut chunks: Vec<_> = index.chunks().iter().map(len).collect();
    sort_things(&mut chunks, Ord::cmp);
    chunks.dedup_by_key(|chunk| chunk.0);
    chunks
}
