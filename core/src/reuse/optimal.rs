use core::fmt;

use super::bits::Bits;
use super::files::Files;
use super::fill::fill;
use super::steps::{Step, Steps};
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

    /// From units of 2^-16; at most [`Price::MOST`].
    pub const fn from_raw(raw: u64) -> Self {
        Self(if raw < Self::MOST.0 { raw } else { Self::MOST.0 })
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

/// Passes of the search for a price.
const PASSES: usize = 16;
/// With it, costs of 2^32 files in 2^34 chunks stay far below 2^127.
const MOST_FRAGMENT: u64 = 1 << 32;

/// Which files are re-used, and the least price that keeps the budget; what it leaves is filled at the next lower one.
pub(super) fn choose(files: &Files, index: &DynamicIndex, optimal: &Optimal) -> (Bits, Option<Price>) {
    let steps = Steps::new(files, index);
    let costs = Costs::new(&steps.steps, optimal.fragment);
    let (chosen, price) = costs.keep(optimal.budget.allows(steps.live));
    (steps.expand(&chosen), price)
}

/// What the rules of 10.13 charge.
pub(super) struct Costs<'a> {
    steps: &'a [Step],
    fragment: u64,
}

/// The least that some steps cost, in units of 2^-16 bytes; at equal cost, the one with less padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sum {
    cost: i128,
    padding: i128,
}

impl Sum {
    const ZERO: Self = Self { cost: 0, padding: 0 };
    /// More than anything: what cannot be.
    const NEVER: Self = Self { cost: i128::MAX / 2, padding: 0 };

    fn plus(self, bytes: u128, padding: i128, price: Price) -> Self {
        let bytes = (bytes << Price::PLACES) as i128;
        Self { cost: self.cost + bytes + padding * i128::from(price.0), padding: self.padding + padding }
    }
}

/// The two states behind a step.
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

impl<'a> Costs<'a> {
    pub fn new(steps: &'a [Step], fragment: u64) -> Self {
        Self { steps, fragment: fragment.min(MOST_FRAGMENT) }
    }

    /// The steps to re-use so that padding is at most `allowed`, and the price if there is one.
    fn keep(&self, allowed: i128) -> (Bits, Option<Price>) {
        if self.padding(Price::LEAST) <= allowed {
            return (self.choose(Price::LEAST), Some(Price::LEAST));
        }
        let (mut chosen, room, richer, price) = if self.padding(Price::MOST) <= allowed {
            let (low, high) = self.search(allowed);
            (self.choose(high), allowed - self.padding(high), low, Some(high))
        } else {
            (Bits::new(self.steps.len()), allowed, Price::MOST, None)
        };
        fill(self.steps, &mut chosen, &self.choose(richer), self.fragment, room);
        (chosen, price)
    }

    /// Two prices, as near to each other as the number of passes allows: one that is too low and one that keeps the padding.
    fn search(&self, allowed: i128) -> (Price, Price) {
        let (mut low, mut high) = (Price::LEAST, Price::MOST);
        for _ in 0..PASSES {
            let middle = Price::between(low, high);
            if self.padding(middle) <= allowed { high = middle } else { low = middle }
        }
        (low, high)
    }

    /// Padding of the choice that costs least at this price.
    pub fn padding(&self, price: Price) -> i128 {
        self.follow(price, |_, _| ()).best().padding
    }

    /// The choice that costs least at this price.
    pub fn choose(&self, price: Price) -> Bits {
        let steps = self.steps.len();
        // Whether the step before is re-used on the best way on which this one is encoded, or re-used.
        let (mut to_encoded, mut to_reused) = (Bits::new(steps), Bits::new(steps));
        let mut at = 0;
        let sums = self.follow(price, |encoded, reused| {
            to_encoded.put(at, encoded);
            to_reused.put(at, reused);
            at += 1;
        });
        let mut reuse = sums.ends_reused();
        let mut chosen = Bits::new(steps);
        for at in (0..steps).rev() {
            chosen.put(at, reuse);
            reuse = if reuse { to_reused.get(at) } else { to_encoded.get(at) };
        }
        chosen
    }

    /// Goes through the steps once. For each, `came` is told whether the one before is re-used on the best way on which this
    /// one is encoded, and on the best way on which it is re-used.
    fn follow(&self, price: Price, mut came: impl FnMut(bool, bool)) -> Sums {
        let fragment = u128::from(self.fragment);
        let mut sums = Sums { encoded: Sum::ZERO, reused: Sum::NEVER };
        for step in self.steps {
            // A raw segment starts behind chunks.
            let broken = sums.reused.plus(fragment, 0, price);
            let encoded = broken.min(sums.encoded).plus(step.bytes.into(), 0, price);
            if step.entries == 0 {
                came(broken < sums.encoded, false);
                sums = Sums { encoded, reused: Sum::NEVER };
                continue;
            }
            let way = |from: Sum, shares| {
                from.plus(step.injected(shares) as u128 * fragment, step.padding(shares), price)
            };
            let (fresh, further) = (way(sums.encoded, false), way(sums.reused, true));
            came(broken < sums.encoded, further < fresh);
            sums = Sums { encoded, reused: fresh.min(further) };
        }
        sums
    }
}
