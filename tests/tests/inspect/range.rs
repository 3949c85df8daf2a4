//! The arithmetic of ranges against a model that looks at every single byte.

use pxkit::serve::range::{Part, part};
use pxkit_tests::cases;
use pxkit_tests::random::Rng;

/// The bytes that a range names, found one by one; `None` if it is no range.
fn model(first: Option<u64>, last: Option<u64>, size: u64) -> Option<Vec<u64>> {
    let named: Vec<u64> = match (first, last) {
        (None, None) => return None,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), last) => {
            (0..size).filter(|&at| at >= first && last.is_none_or(|last| at <= last)).collect()
        }
        (None, Some(length)) => (0..size).filter(|&at| size - at <= length).collect(),
    };
    Some(named)
}

#[test]
fn ranges_are_those_of_the_model() {
    let mut counts = [0; 3];
    for case in cases::only().map_or(0..cases::count(20_000, 1_000_000), |only| only..only + 1) {
        let mut rng = Rng::new(case);
        let size = rng.below(40) as u64;
        let mut number = || (!rng.one_in(3)).then(|| rng.below(50) as u64);
        let (first, last) = (number(), number());
        let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let header = format!("bytes={}-{}", text(first), text(last));
        let found = part(Some(header.as_bytes()), size);
        let expected = match model(first, last, size) {
            None => Part::Whole,
            Some(bytes) => match (bytes.first(), bytes.last()) {
                (Some(&first), Some(&last)) => {
                    assert_eq!(bytes.len() as u64, last - first + 1);
                    Part::Bytes(first..last + 1)
                }
                _ => Part::Nothing,
            },
        };
        assert_eq!(found, expected, "case {case}: {header} of {size}");
        counts[match found {
            Part::Whole => 0,
            Part::Bytes(_) => 1,
            Part::Nothing => 2,
        }] += 1;
    }
    assert!(cases::only().is_some() || counts.iter().all(|&count| count > 1000), "{counts:?}");
}

#[test]
fn whatever_a_header_says_the_answer_lies_within() {
    let pieces: [&[u8]; 13] = [
        b"bytes=",
        b"bytes",
        b"=",
        b"-",
        b",",
        b" ",
        b"0",
        b"7",
        b"18446744073709551615",
        b"18446744073709551616",
        b"99999999999999999999999",
        b"\xff",
        b"x",
    ];
    for case in cases::only().map_or(0..cases::count(20_000, 1_000_000), |only| only..only + 1) {
        let mut rng = Rng::new(case);
        let count = rng.below(8);
        let mut header = if rng.one_in(4) { Vec::new() } else { b"bytes=".to_vec() };
        for _ in 0..count {
            header.extend_from_slice(pieces[rng.below(pieces.len())]);
        }
        let size = *rng.pick(&[0, 1, 10, u64::MAX - 1, u64::MAX]);
        if let Part::Bytes(range) = part(Some(&header), size) {
            assert!(range.start < range.end && range.end <= size, "case {case}: {}", header.escape_ascii());
        }
    }
}
