use super::table::TABLE;
use crate::format::Error;

/// Bytes that the hash covers.
pub const WINDOW: usize = 64;

/// Bytes that each of the two lanes takes at a time.
pub(super) const LANE: usize = 8192;
/// Bytes after which lanes look whether there was a hit.
const GROUP: usize = 16;

/// How large chunks become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    average: u32,
}

impl Sizes {
    /// Of unified, metadata and payload archives, if nothing else is said.
    pub const ARCHIVE: Self = Self { average: 4 << 20 };
    /// Of catalogs.
    pub const CATALOG: Self = Self { average: 512 << 10 };

    /// Sizes around an average in bytes.
    ///
    /// # Errors
    /// The average is no power of two from 512 to 4 MiB; below, the window would not fit into the smallest chunk, and above, a chunk
    /// would be larger than servers take.
    pub const fn new(average: u64) -> Result<Self, Error> {
        if average < 512 || average > 4 << 20 || !average.is_power_of_two() {
            return Err(Error::misuse(0, "the average chunk is a power of two from 512 bytes to 4 MiB"));
        }
        Ok(Self { average: average as u32 })
    }

    /// What the sizes are named after; random data give 0.917 of it.
    pub const fn average(self) -> u64 {
        self.average as u64
    }

    /// Least size of a chunk that ends by its hash.
    pub const fn min(self) -> u64 {
        self.average as u64 / 4
    }

    /// Largest chunk.
    pub const fn max(self) -> u64 {
        self.average as u64 * 4
    }

    /// The bits of a hash that matter.
    #[inline]
    const fn mask(self) -> u32 {
        2 * self.average - 1
    }

    /// Whether a chunk may end behind the bytes of this hash.
    #[inline]
    const fn hits(self, hash: u32) -> bool {
        hash & self.mask() >= self.mask() - 2
    }
}

/// Cuts a stream by the hash of its last 64 bytes.
///
/// Bytes that cannot matter for a cut, those before the 64 that end at the least size, are passed over unread.
#[derive(Clone, Debug)]
pub struct Chunker {
    sizes: Sizes,
    hash: u32,
    /// Bytes since the last cut, at most the largest chunk.
    size: usize,
    /// The last 64 of them, each at its position modulo 64; valid from 64 bytes before the least size on.
    window: [u8; WINDOW],
}

impl Chunker {
    /// Starts at the start of a chunk.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, hash: 0, size: 0, window: [0; WINDOW] }
    }

    /// The sizes.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Starts afresh, as after a cut that something else decided.
    pub fn reset(&mut self) {
        self.hash = 0;
        self.size = 0;
    }

    /// Takes the next bytes of the stream. `Some(n)`: a chunk ends behind the first `n` of them, the rest was not taken and comes
    /// again in the next call. `None`: all were taken, none ends a chunk.
    pub fn scan(&mut self, data: &[u8]) -> Option<usize> {
        let cut = self.find(data);
        if cut.is_some() {
            self.reset();
        }
        cut
    }

    fn find(&mut self, data: &[u8]) -> Option<usize> {
        let (min, max) = (self.sizes.min() as usize, self.sizes.max() as usize);
        let mut at = (min - WINDOW).saturating_sub(self.size).min(data.len());
        self.size += at;
        while self.size < min {
            let byte = *data.get(at)?;
            self.hash = self.hash.rotate_left(1) ^ TABLE[usize::from(byte)];
            self.window[self.size % WINDOW] = byte;
            self.size += 1;
            at += 1;
            if self.size == min && self.sizes.hits(self.hash) {
                return Some(at);
            }
        }
        let end = data.len().min(at + (max - self.size));
        // Up to 64 bytes leave the window that came with earlier calls.
        let carried = end.min(at + WINDOW);
        while at < carried {
            let slot = &mut self.window[self.size % WINDOW];
            self.hash = roll(self.hash, *slot, data[at]);
            *slot = data[at];
            self.size += 1;
            at += 1;
            if self.sizes.hits(self.hash) {
                return Some(at);
            }
        }
        if at < end {
            if let Some(n) = first_hit(self.sizes, &mut self.hash, &data[at - WINDOW..end]) {
                return Some(at + n);
            }
            self.size += end - at;
            for (n, &byte) in data[end - WINDOW..end].iter().enumerate() {
                self.window[(self.size + n) % WINDOW] = byte;
            }
        }
        (self.size == max).then_some(end)
    }
}

/// Where the first chunk ends in `data`, whose first 64 bytes have `hash` and are not counted. `None`: nowhere, and `hash` is that of the
/// last 64 bytes.
fn first_hit(sizes: Sizes, hash: &mut u32, data: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(both) = data[at..].get(..WINDOW + 2 * LANE) {
        match two_lanes(sizes, *hash, both) {
            Ok(last) => *hash = last,
            Err((hits, mut before)) => {
                at += hits;
                return one_lane(sizes, &mut before, &data[at..]).map(|n| at + n);
            }
        }
        at += 2 * LANE;
    }
    one_lane(sizes, hash, &data[at..]).map(|n| at + n)
}

/// [`first_hit`], a byte at a time.
fn one_lane(sizes: Sizes, hash: &mut u32, data: &[u8]) -> Option<usize> {
    let mut rolled = *hash;
    for (n, (&leaving, &entering)) in data.iter().zip(&data[WINDOW..]).enumerate() {
        rolled = roll(rolled, leaving, entering);
        if sizes.hits(rolled) {
            return Some(n + 1);
        }
    }
    *hash = rolled;
    None
}

/// Hashes two lanes in lock step: a hash waits for the one before it, those of the other lane need not. The hash of the last 64 bytes,
/// or if either lane has a hit, up to where the left lane surely has none and its hash there: the first hit is the lowest, whichever
/// lane was quicker.
fn two_lanes(sizes: Sizes, hash: u32, data: &[u8]) -> Result<u32, (usize, u32)> {
    let groups = |from: usize| data[from..from + LANE].as_chunks::<GROUP>().0.iter();
    let left = groups(0).zip(groups(WINDOW));
    let right = groups(LANE).zip(groups(LANE + WINDOW));
    let (mut left_hash, mut right_hash) = (hash, whole(&data[LANE..LANE + WINDOW]));
    for (group, ((left_out, left_in), (right_out, right_in))) in left.zip(right).enumerate() {
        let before = left_hash;
        let mut most = 0;
        for n in 0..GROUP {
            left_hash = roll(left_hash, left_out[n], left_in[n]);
            right_hash = roll(right_hash, right_out[n], right_in[n]);
            most = most.max(left_hash & sizes.mask()).max(right_hash & sizes.mask());
        }
        if sizes.hits(most) {
            return Err((group * GROUP, before));
        }
    }
    Ok(right_hash)
}

/// The hash of 64 bytes.
fn whole(window: &[u8]) -> u32 {
    window.iter().fold(0, |hash, &byte| hash.rotate_left(1) ^ TABLE[usize::from(byte)])
}

/// The hash one byte further. What leaves was rotated by 64, so not at all.
#[inline]
fn roll(hash: u32, leaving: u8, entering: u8) -> u32 {
    hash.rotate_left(1) ^ TABLE[usize::from(leaving)] ^ TABLE[usize::from(entering)]
}
