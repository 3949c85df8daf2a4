//! Bytes a second of the chunker, from memory, on one core.
//!
//! `cargo bench -p pxkit-core --bench chunk [-- MIB]`
//!
//! Beside it stand a loop that hashes every byte with a window array, as the specification has it (change detection 6.2), and the same
//! skip to the least size with one lane instead of two (10.6). All must find the same cuts. Times are the least of several runs that take
//! turns, for machines that have other work, too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pxkit_core::chunk::{Chunker, Sizes, WINDOW};
use table::TABLE;

#[path = "../src/chunk/table.rs"]
mod table;

const ROUNDS: usize = 9;
const SIZES: Sizes = Sizes::ARCHIVE;
/// What streams come in.
const BLOCK: usize = 1 << 20;

type Cuts = Vec<usize>;
type Way = fn(&[u8]) -> Cuts;

fn main() {
    let mib = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(160);
    let data = noise(mib << 20);
    let expected = byte_wise(&data);
    println!("{mib} MiB of noise, {} cuts, chunks around {} MiB", expected.len(), SIZES.average() >> 20);
    let ways: [(&str, Way); 3] =
        [("byte-wise loop", byte_wise), ("one lane", one_lane), ("chunker", chunker)];
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for ((name, cut), best) in ways.iter().zip(&mut best) {
            let start = Instant::now();
            let cuts = black_box(cut(black_box(&data)));
            *best = start.elapsed().min(*best);
            assert_eq!(cuts, expected, "{name}");
        }
    }
    for ((name, _), best) in ways.iter().zip(best) {
        let rate = data.len() as f64 / best.as_secs_f64() / 1e9;
        println!("{name:14} {rate:5.2} GB/s (best of {ROUNDS})");
    }
}

fn chunker(data: &[u8]) -> Cuts {
    let mut chunker = Chunker::new(SIZES);
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let end = data.len().min(at + BLOCK);
        while let Some(n) = chunker.scan(&data[at..end]) {
            at += n;
            cuts.push(at);
        }
        at = end;
    }
    cuts
}

fn byte_wise(data: &[u8]) -> Cuts {
    let (mut cuts, mut window, mut hash, mut size) = (Vec::new(), [0; WINDOW], 0_u32, 0);
    for (at, &byte) in data.iter().enumerate() {
        let slot = &mut window[size % WINDOW];
        hash = hash.rotate_left(1) ^ TABLE[usize::from(byte)];
        if size >= WINDOW {
            hash ^= TABLE[usize::from(*slot)];
        }
        *slot = byte;
        size += 1;
        if ends(size, hash) {
            cuts.push(at + 1);
            (hash, size) = (0, 0);
        }
    }
    cuts
}

fn one_lane(data: &[u8]) -> Cuts {
    let (least, most) = (SIZES.min() as usize, SIZES.max() as usize);
    let (mut cuts, mut start) = (Vec::new(), 0);
    while let Some(first) = data.get(start + least - WINDOW..start + least) {
        let mut hash = first.iter().fold(0_u32, |hash, &byte| hash.rotate_left(1) ^ TABLE[usize::from(byte)]);
        let rest = &data[start + least..data.len().min(start + most)];
        let cut = if ends(least, hash) {
            Some(0)
        } else {
            let leaving = &data[start + least - WINDOW..];
            let hit = rest.iter().zip(leaving).position(|(&entering, &leaving)| {
                hash = hash.rotate_left(1) ^ TABLE[usize::from(leaving)] ^ TABLE[usize::from(entering)];
                ends(least, hash)
            });
            hit.map(|n| n + 1).or((rest.len() == most - least).then_some(rest.len()))
        };
        let Some(cut) = cut else { break };
        start += least + cut;
        cuts.push(start);
    }
    cuts
}

fn ends(size: usize, hash: u32) -> bool {
    let mask = 2 * SIZES.average() as u32 - 1;
    size >= SIZES.min() as usize && (hash & mask >= mask - 2 || size >= SIZES.max() as usize)
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    (0..len / 8).flat_map(|_| next()).collect()
}
