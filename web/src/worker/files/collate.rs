//! The order of names as people expect it: `file2` before `file10`, `readme` beside `README`.
//!
//! Names are compared as sequences of bytes made of them: letters of ASCII without case, and numbers as the count of their digits
//! (without leading zeros) followed by the digits, so that the order of bytes is that of values. Names that are alike in this are told
//! apart by their own bytes.

use std::cmp::Ordering;

/// The first bytes of the sequence: names with different keys compare as their keys do.
pub fn key(name: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (byte, unit) in bytes.iter_mut().zip(Units::of(name)) {
        *byte = unit;
    }
    u128::from_be_bytes(bytes)
}

/// Compares two names.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    Units::of(a).cmp(Units::of(b)).then_with(|| a.cmp(b))
}

/// The sequence that stands for a name.
struct Units<'a> {
    rest: &'a [u8],
    /// Digits of the current number that are still to come.
    digits: usize,
    /// What the count of digits exceeds its first byte by, if that is still to come.
    count: Option<usize>,
}

/// Numbers with fewer digits have their count in one byte.
const LONG: usize = 9;

impl<'a> Units<'a> {
    const fn of(name: &'a [u8]) -> Self {
        Self { rest: name, digits: 0, count: None }
    }
}

impl Iterator for Units<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        if let Some(count) = self.count {
            self.count = (count >= 255).then(|| count - 255);
            return Some(count.min(255) as u8);
        }
        let (&first, rest) = self.rest.split_first()?;
        if self.digits > 0 || !first.is_ascii_digit() {
            self.digits = self.digits.saturating_sub(1);
            self.rest = rest;
            return Some(first.to_ascii_lowercase());
        }
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let zeros = self.rest[..end].iter().take_while(|&&digit| digit == b'0').count();
        self.rest = &self.rest[zeros..];
        self.digits = end - zeros;
        self.count = self.digits.checked_sub(LONG);
        Some(b'0' + self.digits.min(LONG) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_order_them() {
        let long = "9".repeat(300);
        let longer = "1".repeat(301);
        let ordered: &[&str] = &[
            "",
            ".bashrc",
            "0",
            "00",
            "1",
            "01",
            "2",
            "9",
            "10",
            "010",
            "99",
            "100",
            "123456789",
            "1234567890",
            &long,
            &longer,
            "a",
            "A",
            "a1b",
            "a1c",
            "a01c2",
            "a2",
            "a10",
            "B",
            "b-1",
            "b1",
            "file",
            "file 2",
            "file2.txt",
            "file10.txt",
            "file10.txt~",
            "zebra",
            "\u{e9}",
        ];
        for (at, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                let (a, b) = (a.as_bytes(), b.as_bytes());
                if at != other && Units::of(a).eq(Units::of(b)) {
                    assert_eq!(compare(a, b), a.cmp(b));
                    continue;
                }
                assert_eq!(compare(a, b), at.cmp(&other), "{a:?} {b:?}");
                if key(a) != key(b) {
                    assert_eq!(key(a).cmp(&key(b)), at.cmp(&other), "{a:?} {b:?}");
                }
            }
        }
    }
}
