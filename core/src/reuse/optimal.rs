use core::fmt;

use super::bits::Bits;
use super::cover::{Cover, Cursor};
use super::files::Files;
use crate::index::DynamicIndex;

/// How much padding a snapshot may hold, inherited padding included, as a share of its live bytes ([`Files::live`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    ppm: u32,
}

impl Budget {
    /// In millionths.
    pub const fn ppm(ppm: u32) -> Self {
        Self { ppm }
    }

    /// In hundredths; at most 4294.
    pub const fn percent(percent: u32) -> Self {
        Self { ppm: percent.saturating_mul(10_000) }
    }

    /// In millionths.
    pub const fn as_ppm(self) -> u32 {
        self.ppm
    }

    /// Bytes of padding that `live` bytes allow.
    fn allows(self, live: u128) -> i128 {
        i128::try_from(live.saturating_mul(self.ppm.into()) / 1_000_000).unwrap_or(i128::MAX)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::percent(10)
    }
}

/// What a byte of padding costs, where a byte that is read and hashed costs 1: a number with 16 binary places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// A byte that is read and hashed.
    pub const ONE: Self = Self(1 << Self::PLACES);
    /// A quarter: with less, a quiet tree would fill its budget for nothing.
    pub const LEAST: Self = Self(Self::ONE.0 / 4);
    /// A thousand.
    pub const MOST: Self = Self(Self::ONE.0 * 1000);

    const PLACES: u32 = 16;

    /// In units of 2^-16.
    pub const fn raw(self) -> u64 {
        self.0
    }

    fn between(low: Self, high: Self) -> Self {
        Self((low.0 * high.0).isqrt())
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (self.0 * 1000 + Self::ONE.0 / 2) >> Self::PLACES;
        write!(f, "{}.{:03}", thousandths / 1000, thousandths % 1000)
    }
}

/// The choice with the least cost that keeps a budget of padding (change detection 10.5 and 10.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optimal {
    /// How much padding is allowed. It is never exceeded.
    pub budget: Budget,
    /// What an index entry and the start of a raw segment cost, in bytes that are read; above 4 GiB like 4 GiB.
    pub fragment: u64,
}

impl Default for Optimal {
    /// 10 % and 16 KiB.
    fn default() -> Self {
        Self { budget: Budget::default(), fragment: 16 << 10 }
    }
}

/// Steps of the search for a price.
const STEPS: usize = 16;
/// With it, costs of 2^32 files in 2^34 chunks stay far below 2^127.
const MOST_FRAGMENT: u64 = 1 << 32;

/// Which files are re-used, and the price that was found.
pub(super) fn choose(files: &Files, index: &DynamicIndex, optimal: &Optimal) -> (Bits, Option<Price>) {
    let live = files.iter().map(|file| u128::from(file.size) + 16).sum();
    let allowed = optimal.budget.allows(live);
    let costs = Costs { files, index, fragment: optimal.fragment.min(MOST_FRAGMENT) };
    let padding = |price| costs.follow(price, |_, _| ()).best().padding;
    if padding(Price::LEAST) <= allowed {
        return (costs.choose(Price::LEAST), Some(Price::LEAST));
    }
    if padding(Price::MOST) > allowed {
        return (Bits::new(files.len()), None);
    }
    let (mut low, mut high) = (Price::LEAST, Price::MOST);
    for _ in 0..STEPS {
        let middle = Price::between(low, high);
        if padding(middle) <= allowed { high = middle } else { low = middle }
    }
    (costs.choose(high), Some(high))
}

/// What the rules of 10.13 charge.
struct Costs<'a> {
    files: &'a Files,
    index: &'a DynamicIndex,
    fragment: u64,
}

/// The least that some files cost, in units of 2^-16 bytes; at equal cost, the one with less padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sum {
    cost: i128,
    padding: i128,
}

impl Sum {
    /// More than anything: what cannot be.
    const NEVER: Self = Self { cost: i128::MAX / 2, padding: 0 };

    fn plus(self, bytes: u128, padding: i128, price: Price) -> Self {
        let bytes = (bytes << Price::PLACES) as i128;
        Self { cost: self.cost + bytes + padding * i128::from(price.0), padding: self.padding + padding }
    }
}

/// The two states behind a file.
#[derive(Clone, Copy, Debug)]
struct Sums {
    encoded: Sum,
    reused: Sum,
}

impl Sums {
    fn ends_reused(&self) -> bool {
        self.reused < self.encoded
    }

    fn best(&self) -> Sum {
        self.reused.min(self.encoded)
    }
}

impl Costs<'_> {
    /// The choice that costs least at this price.
    fn choose(&self, price: Price) -> Bits {
        let files = self.files.len();
        // Whether the file before is re-used on the best way on which this one is encoded, or re-used.
        let mut to_encoded = Bits::new(files);
        let mut to_reused = Bits::new(files);
        let mut at = 0;
        let sums = self.follow(price, |encoded, reused| {
            to_encoded.put(at, encoded);
            to_reused.put(at, reused);
            at += 1;
        });
        let mut reuse = sums.ends_reused();
        let mut chosen = to_reused.clone();
        for at in (0..files).rev() {
            chosen.put(at, reuse);
            reuse = if reuse { to_reused.get(at) } else { to_encoded.get(at) };
        }
        chosen
    }

    /// Goes through the files once. For each, `came` is told whether the file before is re-used on the best way on which this
    /// one is encoded, and on the best way on which it is re-used.
    fn follow(&self, price: Price, mut came: impl FnMut(bool, bool)) -> Sums {
        let mut cursor = Cursor::new(self.index);
        let fragment = u128::from(self.fragment);
        let mut before: Option<Cover> = None;
        let mut sums = Sums { encoded: Sum { cost: 0, padding: 0 }, reused: Sum::NEVER };
        for file in self.files.iter() {
            let cover = cursor.file(file);
            // A raw segment starts behind chunks.
            let broken = sums.reused.plus(fragment, 0, price);
            let encoded = broken.min(sums.encoded);
            let Some(cover) = cover else {
                came(broken < sums.encoded, false);
                sums = Sums { encoded, reused: Sum::NEVER };
                before = None;
                continue;
            };
            let way = |from: Sum, before: Option<&Cover>| {
                let entries = cover.injected(before) as u128;
                from.plus(entries * fragment, cover.padding(before), price)
            };
            let (fresh, further) = (way(sums.encoded, None), way(sums.reused, before.as_ref()));
            came(broken < sums.encoded, further < fresh);
            sums = Sums { encoded: encoded.plus(file.stored().into(), 0, price), reused: fresh.min(further) };
            before = Some(cover);
        }
        sums
    }
}
