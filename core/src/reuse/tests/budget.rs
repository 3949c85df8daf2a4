//! The budget on listings that are too large to try everything.

use super::*;

/// A thousand chunks of `chunk` bytes with one file of `size` bytes each.
fn alike(chunk: u64, size: u64) -> (DynamicIndex, Files) {
    let ends: Vec<u64> = (1..=1001).map(|at| at * chunk).collect();
    (index(&ends), files(&(1..=1000).map(|at| at * chunk..at * chunk + size).collect::<Vec<_>>()))
}

fn decided(files: &Files, index: &DynamicIndex, budget: Budget) -> Decision {
    let decision = decide(files, index, &Policy::Optimal(Optimal { budget, fragment: 0 }));
    emission::emit(files, index, &decision);
    decision
}

/// All files are worth the same, so a price takes all or none.
#[test]
fn the_budget_is_used_where_prices_are_too_coarse() {
    let (index, files) = alike(1000, 700);
    for (percent, reused) in [(0, 0), (1, 23), (10, 233), (42, 980), (43, 1000), (200, 1000)] {
        let decision = decided(&files, &index, Budget::percent(percent));
        assert_eq!(decision.totals.reused, reused, "{percent} %");
        assert_eq!(decision.padding(), 300 * reused as u64);
    }
}

/// What does not fit does not keep others out that do.
#[test]
fn the_budget_is_used_behind_what_is_too_large() {
    let ends: Vec<u64> = (1..=1001).map(|at| 9_000 + at * 1000).collect();
    let index = index(&ends);
    let file = |at: u64| if at == 0 { 3000..10_000 } else { 9000 + at * 1000..9700 + at * 1000 };
    let files = files(&(0..=1000).map(file).collect::<Vec<_>>());
    let allowed = 2500;
    let decision = decided(&files, &index, Budget::ppm((allowed * 1_000_000 / files.live() + 1) as u32));
    assert_eq!((decision.totals.reused, decision.padding(), decision.reuses(0)), (8, 2400, false));
}

/// With no budget at all an unchanged archive is re-used but for the chunks with its markers.
#[test]
fn no_budget() {
    let (index, files) =
        (index(&[1000, 2000, 3000, 4000]), files(&[16..1000, 1000..2500, 2500..3000, 3000..3984]));
    let decision = decided(&files, &index, Budget::percent(0));
    assert_eq!(chosen(&decision, &files), [false, true, true, false]);
    assert_eq!(decision.padding(), 0);
}

/// A file between two that do not fit is not worth a chunk and a raw segment of its own.
#[test]
fn a_return_must_be_worth_it() {
    let index = index(&[1000, 1100, 2000]);
    let mut files = files(&[16..1000, 1000..1100]);
    files.push(File { size: 100, old: None });
    for (fragment, reused) in [(0, 1), (49, 1), (51, 0), (100, 0)] {
        let optimal = Optimal { budget: Budget::percent(0), fragment };
        let decision = decide(&files, &index, &Policy::Optimal(optimal));
        assert_eq!(decision.totals.reused, reused, "{fragment}");
    }
}

/// Files that are worth it at any price, and a budget that has no room for all of them.
#[test]
fn beyond_the_highest_price() {
    for (chunk, size, in_search) in [(10_000, 9_999, false), (1000, 999, true)] {
        let (index, files) = alike(chunk, size);
        let decision = decided(&files, &index, Budget::ppm((1_000_000 / chunk / 2) as u32));
        assert_eq!(decision.totals.reused, 499);
        assert_eq!(decision.price.is_some(), in_search);
        let exact = Budget::ppm((1_000_000 / size + 1) as u32);
        assert_eq!(decided(&files, &index, exact).totals.reused, 1000);
    }
    let (index, files) = alike(1000, 1000);
    assert_eq!(decided(&files, &index, Budget::percent(0)).totals.reused, 1000);
}

/// The share is exact to the byte.
#[test]
fn the_last_byte_counts() {
    for (live, padding, ppm) in [(900, 100, 111_112), (1000, 0, 0), (990, 10, 10_102)] {
        let index = index(&[1000, 2000]);
        let files = files(core::slice::from_ref(&(1000..1000 + live)));
        assert_eq!((files.live(), decided(&files, &index, Budget::ppm(ppm)).padding()), (live, padding));
        let decision = decided(&files, &index, Budget::ppm(ppm.saturating_sub(1)));
        assert_eq!(decision.totals.reused, usize::from(padding == 0));
        assert_eq!(decision.totals.reencoded, usize::from(padding != 0));
    }
}

/// Changed files count as live, too.
#[test]
fn live_bytes_are_those_of_all_files() {
    let index = index(&[1000, 2000]);
    let mut files = files(core::slice::from_ref(&(1000..1800)));
    assert_eq!(decided(&files, &index, Budget::percent(10)).totals.reused, 0);
    files.push(File { size: 1184, old: None });
    assert_eq!(files.live(), 2000);
    let decision = decided(&files, &index, Budget::percent(10));
    assert_eq!((decision.totals.reused, decision.padding()), (1, 200));
}

/// A quiet tree does not fill its budget: at the least price four bytes of padding weigh as much as one that is read.
#[test]
fn quiet_trees() {
    let (index, files) = alike(1000, 150);
    let decision = decided(&files, &index, Budget::percent(4000));
    assert_eq!((decision.totals.reused, decision.price), (0, Some(Price::LEAST)));
    let (index, files) = alike(1000, 250);
    assert_eq!(decided(&files, &index, Budget::percent(4000)).totals.reused, 1000);
}

/// Prices as people read them.
#[test]
fn prices_are_printed() {
    use alloc::string::ToString;
    assert_eq!(
        [Price::LEAST, Price::ONE, Price::MOST].map(|price| price.to_string()),
        ["0.250", "1.000", "1000.000"]
    );
}

/// Random archives of some thousand files, at all budgets.
#[test]
fn never_exceeded() {
    let mut random = Random(3);
    for round in 0..60 {
        let mut offset = 16;
        let mut listing = Files::new();
        for _ in 0..random.below(3000) {
            let magnitude = random.below(14);
            let size = random.below(1 << magnitude);
            let changed = random.one_in(4 + round);
            listing.push(File { size, old: (!changed).then_some(offset) });
            offset += size + 16;
        }
        let largest = 1 + (16 << (round % 12));
        let mut ends = vec![1 + random.below(largest)];
        while ends[ends.len() - 1] < offset + 16 {
            ends.push(ends[ends.len() - 1] + 1 + random.below(largest));
        }
        let index = index(&ends);
        for ppm in [0, 1, 1000, 50_000, 100_000, 1_000_000] {
            let decision = decide(
                &listing,
                &index,
                &Policy::Optimal(Optimal { budget: Budget::ppm(ppm), ..Optimal::default() }),
            );
            let (padding, live) = (u128::from(decision.padding()), u128::from(listing.live()));
            assert!(padding * 1_000_000 <= live * u128::from(ppm), "{padding} of {live} at {ppm}");
            emission::emit(&listing, &index, &decision);
        }
    }
}
