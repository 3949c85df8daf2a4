//! Damage to archives, seeded: bits, bytes, lengths, numbers, blocks, ends, and parts of other archives.

use pxkit_core::decode::{Decoder, Step};
use pxkit_core::format::HEADER_SIZE;

use crate::random::Rng;

/// An archive, and where its items begin, so that damage can be aimed at what matters.
#[derive(Clone, Debug)]
pub struct Seed {
    pub bytes: Vec<u8>,
    items: Vec<usize>,
}

impl Seed {
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut decoder = Decoder::new();
        let (mut at, mut items) = (0usize, Vec::new());
        loop {
            match decoder.step(bytes.get(at..).unwrap_or_default()) {
                Ok(Step::Item { used, .. }) => {
                    items.push(at);
                    at += used;
                }
                Ok(Step::Skip(size)) => at = at.saturating_add(size as usize),
                Ok(Step::Known(_)) => {}
                Ok(Step::Need(_) | Step::End) | Err(_) => break,
            }
        }
        items.retain(|&at| at + HEADER_SIZE <= bytes.len());
        Self { bytes, items }
    }

    fn item(&self, rng: &mut Rng) -> usize {
        if self.items.is_empty() { 0 } else { *rng.pick(&self.items) }
    }
}

/// Numbers that are on some edge.
const NUMBERS: [u64; 16] = [
    0,
    1,
    15,
    16,
    17,
    24,
    40,
    4097,
    65791,
    1 << 20,
    1 << 31,
    1 << 32,
    1 << 63,
    u64::MAX - 16,
    u64::MAX - 15,
    u64::MAX,
];

/// Kinds of damage, see [`once`].
const ALL: usize = 10;
const IN_PLACE: usize = 5;

/// A damaged copy of one of `seeds`.
pub fn mutate(rng: &mut Rng, seeds: &[Seed]) -> Vec<u8> {
    let seed = rng.pick(seeds);
    let mut bytes = seed.bytes.clone();
    // Half of the time everything stays where it was, so that random access, which starts at the end, gets somewhere.
    let kinds = if rng.one_in(2) { IN_PLACE } else { ALL };
    for _ in 0..1 + rng.below(4) {
        once(rng, kinds, seed, seeds, &mut bytes);
    }
    bytes
}

fn once(rng: &mut Rng, kinds: usize, seed: &Seed, seeds: &[Seed], bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        *bytes = rng.clone().bytes(rng.below(100));
        return;
    }
    // Items of the seed: after an earlier cut or insertion they may be elsewhere, and then the damage is a random one.
    let item = seed.item(rng).min(bytes.len() - 1);
    let anywhere = rng.below(bytes.len());
    // Contents are most bytes of some archives and matter least.
    let place = if rng.one_in(4) { anywhere } else { (item + rng.below(80)).min(bytes.len() - 1) };
    match rng.below(kinds) {
        0 => bytes[place] ^= 1 << rng.below(8),
        1 => bytes[place] = *rng.pick(&[0, 1, b'.', b'/', 0x7f, 0xff]),
        2 => {
            let size = size_near(rng, bytes, item);
            put(bytes, item + 8, size);
        }
        3 => {
            let at = item + 16 + 8 * rng.below(5);
            let value = number(rng);
            put(bytes, at, value);
        }
        4 => {
            // Somewhere in what is likely the table of a directory.
            let goodbye = *seed.items.last().unwrap_or(&0);
            let at = goodbye + 16 + 8 * rng.below(1 + bytes.len().saturating_sub(goodbye) / 8);
            let value = if rng.one_in(2) { number(rng) } else { rng.below(bytes.len() * 2) as u64 };
            put(bytes, at, value);
        }
        5 => bytes.truncate(if rng.one_in(2) { item } else { anywhere }),
        6 => {
            let block = block(rng, seed, bytes.len());
            let copy = bytes[block].to_vec();
            bytes.splice(item..item, copy);
        }
        7 => {
            let block = block(rng, seed, bytes.len());
            bytes.drain(block);
        }
        8 => {
            // A whole number of items from the start of one archive, the rest from another.
            let other = rng.pick(seeds);
            let from = other.item(rng).min(other.bytes.len());
            bytes.truncate(item);
            bytes.extend_from_slice(&other.bytes[from..]);
        }
        _ => {
            let other = rng.pick(seeds);
            let from = other.item(rng).min(other.bytes.len());
            let to = (from + rng.below(400)).min(other.bytes.len());
            bytes.splice(item..item, other.bytes[from..to].iter().copied());
        }
    }
}

/// Mostly from one item to another, else any bytes.
fn block(rng: &mut Rng, seed: &Seed, len: usize) -> std::ops::Range<usize> {
    let (a, b) =
        if rng.one_in(3) { (rng.below(len), rng.below(len)) } else { (seed.item(rng), seed.item(rng)) };
    let (a, b) = (a.min(b).min(len), a.max(b).min(len));
    // Long ones would leave little, or make archives double again and again.
    a..b.min(a + 3000)
}

fn number(rng: &mut Rng) -> u64 {
    if rng.one_in(5) { rng.next() } else { *rng.pick(&NUMBERS) }
}

fn size_near(rng: &mut Rng, bytes: &[u8], item: usize) -> u64 {
    let size = bytes.get(item + 8..item + 16).map_or(0, |b| u64::from_le_bytes(b.try_into().expect("8")));
    match rng.below(4) {
        0 => size.wrapping_add(1),
        1 => size.wrapping_sub(1),
        2 => size.wrapping_add(rng.below(200) as u64).wrapping_sub(100),
        _ => number(rng),
    }
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
