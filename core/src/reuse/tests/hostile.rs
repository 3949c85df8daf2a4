//! Numbers that no honest archive has.

use super::*;

const POLICIES: [Policy; 2] = [
    Policy::Optimal(Optimal { budget: Budget::ppm(u32::MAX), fragment: u64::MAX }),
    Policy::Threshold { limit: usize::MAX },
];

#[test]
fn only_what_lies_in_the_old_stream_is_reused() {
    let index = index(&[1000, 2000]);
    let bad = [
        (984, 0),
        (968, 15),
        (984, 1001),
        (0, 2000),
        (0, u64::MAX),
        (u64::MAX, 16),
        (u64::MAX, u64::MAX),
        (u64::MAX - 15, u64::MAX),
        (u64::MAX - 32, 16),
        (u64::MAX - 1016, 1000),
    ];
    let mut files = Files::new();
    bad.iter().for_each(|&(size, old)| files.push(File { size, old: Some(old) }));
    // The only good one.
    files.push(File { size: 984, old: Some(1000) });
    for policy in POLICIES {
        let decision = decide(&files, &index, &policy);
        let last = if decision.price.is_some() { 0 } else { 1 };
        assert_eq!((decision.totals.reused, decision.reuses(bad.len())), (last, last == 1), "{policy:?}");
    }
    let zero = Policy::Optimal(Optimal { fragment: 0, ..Optimal::default() });
    let decision = decide(&files, &index, &zero);
    assert_eq!(
        (decision.totals.reused, decision.reuses(bad.len()), decision.reuses(bad.len() + 1)),
        (1, true, false)
    );
    assert_eq!(decision.totals.reencoded, bad.len() - 1, "position 0 is none");
    assert_eq!(decision.totals.reencoded_bytes, u64::MAX);
    assert_eq!(files.live(), u64::MAX);
    let mut placement = Placement::new(&index);
    let mut out = Vec::new();
    for (size, old) in bad {
        assert!(placement.reuse(old, size.saturating_add(16), 16, &mut out).is_err(), "{size} at {old}");
    }
    assert!(placement.reuse(16, 0, 16, &mut out).is_err());
    assert_eq!((out.len(), placement.pending()), (0, 0));
}

/// Nobody may write such a chunk into an index again.
#[test]
fn chunks_of_illegal_size_are_not_reused() {
    let huge = 16 << 20;
    let index = index(&[1000, 2000, 2001 + huge, 3000 + huge, u64::MAX]);
    let files = files(&[1000..2000, 2000..2016, 1999..2020, 2001 + huge..3000 + huge, huge * 2..u64::MAX]);
    for policy in [Policy::Optimal(Optimal { fragment: 0, ..Optimal::default() }), POLICIES[1]] {
        let decision = decide(&files, &index, &policy);
        assert_eq!(chosen(&decision, &files), [true, false, false, false, false]);
    }
    let legal = self::index(&[huge, 2 * huge]);
    let files = self::files(core::slice::from_ref(&(huge..2 * huge)));
    assert!(decide(&files, &legal, &Policy::default()).reuses(0));
}

#[test]
fn positions_near_the_end_of_numbers() {
    let index = index(&[1000, 2000]);
    let mut placement = Placement::new(&index);
    let mut out = Vec::new();
    let most = i64::MAX as u64;
    assert_eq!(placement.reuse(1000, 500, most - 1000, &mut out), Ok(most - 1000));
    // The chunk is there already, so this fits; a second time it does not.
    assert_eq!(placement.reuse(1500, 500, most - 1000, &mut out), Ok(most - 500));
    for position in [most - 1000, most, u64::MAX] {
        assert!(placement.reuse(1000, 500, position, &mut out).is_err());
    }
    assert_eq!((out.len(), placement.pending()), (0, 1000));
    placement.flush(&mut out);
    assert_eq!((out[0].at, out[0].used), (1, 1000));
}

/// Files that all claim the same range: each takes the chunks anew.
#[test]
fn overlapping_files() {
    let ends: Vec<u64> = (1..=100).map(|at| at << 23).collect();
    let index = index(&ends);
    let mut files = Files::new();
    (0..200).for_each(|_| files.push(File { size: (99 << 23) - 16, old: Some(1 << 23) }));
    let decision = decide(&files, &index, &Policy::default());
    assert_eq!((decision.totals.reused, decision.totals.injected, decision.padding()), (200, 200 * 99, 0));
    emission::emit(&files, &index, &decision);
    let decision = decide(&files, &index, &Policy::Threshold { limit: 512 });
    assert_eq!(decision.totals.reused, 1);
}

#[test]
fn nothing_to_decide() {
    let index = index(&[1]);
    for policy in POLICIES {
        let decision = decide(&Files::new(), &index, &policy);
        assert_eq!(decision.totals, Totals::default());
        assert!(!decision.reuses(0));
    }
}
