use super::bits::Bits;
use super::steps::Step;

/// Uses what a choice leaves of a budget, for which the next lower price was too low: takes stretches of `richer`, the choice at that
/// price, whose further padding fits into `room` bytes.
///
/// Without this, nothing would lie between "all" and "none" where many files are worth the same. One may pass from one choice to
/// the other wherever the next step has the same padding in both: behind a step on which they agree, and where it has no chunk in
/// common with the step before. Between these places are the stretches, whose padding adds up exactly. `richer` is followed from the
/// start while stretches fit; to return to it must be worth the `fragment`s that it makes.
pub(super) fn fill(steps: &[Step], chosen: &mut Bits, richer: &Bits, fragment: u64, mut room: i128) {
    let mut follows = true;
    let mut start = 0;
    while start < steps.len() {
        let stretch = Stretch::measure(steps, chosen, richer, start);
        let is_worth = || stretch.saved >= (stretch.entries + 2) * i128::from(fragment);
        if stretch.differs {
            follows = stretch.padding <= room && (follows || is_worth());
        }
        if stretch.differs && follows {
            (start..stretch.end).for_each(|at| chosen.put(at, richer.get(at)));
            room -= stretch.padding;
        }
        start = stretch.end;
    }
}

/// What `richer` has more than the poorer choice between two places where one may pass.
#[derive(Default)]
struct Stretch {
    end: usize,
    differs: bool,
    padding: i128,
    entries: i128,
    /// Bytes that need not be encoded.
    saved: i128,
}

impl Stretch {
    fn measure(steps: &[Step], poorer: &Bits, richer: &Bits, start: usize) -> Self {
        let mut out = Self { end: start, ..Self::default() };
        // At the start both have the same costs, so it does not matter which step before is taken.
        let (mut poor_before, mut rich_before) = match start.checked_sub(1) {
            Some(before) => (poorer.get(before), poorer.get(before)),
            None => (false, false),
        };
        for step in &steps[start..] {
            if out.end > start && (poor_before == rich_before || step.is_apart()) {
                break;
            }
            let (poor, rich) = (poorer.get(out.end), richer.get(out.end));
            out.differs |= poor != rich;
            for (chosen, before, sign) in [(rich, rich_before, 1), (poor, poor_before, -1)] {
                if chosen {
                    out.padding += sign * step.padding(before);
                    out.entries += sign * step.injected(before) as i128;
                    out.saved += sign * i128::from(step.bytes);
                }
            }
            (poor_before, rich_before) = (poor, rich);
            out.end += 1;
        }
        out
    }
}
