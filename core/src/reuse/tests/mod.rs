mod brute_force;
mod budget;
mod emission;
mod history;
mod hostile;
mod look_ahead;
mod vectors;

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::*;
use crate::format::Digest;
use crate::index::{DynamicIndex, ReadDynamic, WriteDynamic};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// An index of chunks with these ends and digests, legal or not.
fn index_of(chunks: impl ExactSizeIterator<Item = (u64, Digest)>) -> DynamicIndex {
    let (_, header) = WriteDynamic::new([0; 16], 0);
    let mut reader = ReadDynamic::new(4096 + 40 * chunks.len() as u64).unwrap();
    reader.push(&header).unwrap();
    for (end, digest) in chunks {
        let entry = crate::index::ChunkId { end, digest };
        reader.push(&entry.to_bytes()).unwrap();
    }
    reader.finish().unwrap()
}

/// Each digest says the chunk's number.
fn index(ends: &[u64]) -> DynamicIndex {
    index_of(ends.iter().enumerate().map(|(at, &end)| (end, Digest([at as u8; 32]))))
}

/// Unchanged files at these ranges of the old stream, header and contents.
fn files(ranges: &[Range<u64>]) -> Files {
    let mut files = Files::new();
    for range in ranges {
        files.push(File { size: range.end - range.start - 16, old: Some(range.start) });
    }
    files
}

fn chosen(decision: &Decision, files: &Files) -> Vec<bool> {
    (0..files.len()).map(|at| decision.reuses(at)).collect()
}
