//! The header `Range` (RFC 9110, section 14): which bytes a client wants.

use std::ops::Range;

/// What of `size` bytes is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything, with status 200.
    Whole,
    /// These, of which there is at least one, with status 206.
    Bytes(Range<u64>),
    /// Nothing: the range begins behind the end; status 416.
    Nothing,
}

/// What a header asks for. One that nobody understands is as none, and so is one with several ranges: a server need not do what it
/// asks for, and these have no use here.
pub fn part(header: Option<&[u8]>, size: u64) -> Part {
    let wanted = header.and_then(|value| value.split_at_checked(6)).and_then(|(unit, value)| {
        // Units are compared without regard to case.
        unit.eq_ignore_ascii_case(b"bytes=").then_some(value)
    });
    wanted.and_then(|value| single(value, size)).unwrap_or(Part::Whole)
}

/// `FIRST-LAST`, `FIRST-` or `-LENGTH`; `None` for anything else.
fn single(value: &[u8], size: u64) -> Option<Part> {
    let value = value.trim_ascii();
    let dash = value.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&value[..dash], &value[dash + 1..]);
    let range = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(length)) => size - length.min(size)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(_), Some(_)) => return None,
    };
    Some(if range.is_empty() { Part::Nothing } else { Part::Bytes(range) })
}

/// A number of decimal digits, cut to what 64 bits can hold; `Some(None)` for none at all.
fn number(digits: &[u8]) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    let add = |value: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    digits.iter().try_fold(0, add).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(header: &str, size: u64) -> Part {
        part(Some(header.as_bytes()), size)
    }

    #[test]
    fn ranges_within() {
        assert_eq!(part(None, 10), Part::Whole);
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-9", 0..10),
            ("bytes=3-", 3..10),
            ("bytes=9-9", 9..10),
            ("bytes=5-99999999999999999999999", 5..10),
            ("bytes=-1", 9..10),
            ("bytes=-10", 0..10),
            ("bytes=-99999999999999999999999", 0..10),
            ("BYTES= 2-3 ", 2..4),
        ] {
            assert_eq!(ask(header, 10), Part::Bytes(range), "{header}");
        }
        assert_eq!(ask(&format!("bytes={}-", u64::MAX - 1), u64::MAX), Part::Bytes(u64::MAX - 1..u64::MAX));
        assert_eq!(ask(&format!("bytes=0-{}", u64::MAX), u64::MAX), Part::Bytes(0..u64::MAX));
    }

    #[test]
    fn ranges_beyond() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(ask(header, 10), Part::Nothing, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            assert_eq!(ask(header, 0), Part::Nothing, "{header}");
        }
    }

    #[test]
    fn what_is_no_single_range_asks_for_everything() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=3-2",
            "bytes=a-b",
            "bytes=1 - 2",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=0-0,2-3",
            "bytes=0-0, -1",
            "items=0-1",
            "bytes:0-1",
        ] {
            assert_eq!(ask(header, 10), Part::Whole, "{header}");
        }
    }
}
