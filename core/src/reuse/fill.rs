use super::bits::Bits;
use super::steps::Step;

/// Uses what a choice leaves of a budget, for which the next lower price was too low: follows `richer`, the choice at that price, from the
/// first step on, as far as its further padding fits into `room` bytes.
///
/// Without this, nothing would lie between "all" and "none" where many files are worth the same. One may pass from one choice to
/// the other wherever the next step costs the same in both: behind a step on which they agree, and where it has no chunk in common with the
/// step before. Passing once makes at most one fragment more.
pub(super) fn fill(steps: &[Step], chosen: &mut Bits, richer: &Bits, room: i128) {
    let (mut extra, mut take) = (0, 0);
    let (mut reused_before, mut rich_before) = (false, false);
    for (at, step) in steps.iter().enumerate() {
        if extra <= room && (reused_before == rich_before || step.is_apart()) {
            take = at;
        }
        let (reused, rich) = (chosen.get(at), richer.get(at));
        if rich {
            extra += step.padding(rich_before);
        }
        if reused {
            extra -= step.padding(reused_before);
        }
        (reused_before, rich_before) = (reused, rich);
    }
    if extra <= room {
        take = steps.len();
    }
    (0..take).for_each(|at| chosen.put(at, richer.get(at)));
}
