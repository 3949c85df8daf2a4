use alloc::vec::Vec;

use crate::format::{Error, Problem};

/// Most bytes of an unsigned number.
pub(super) const MAX_LEN: usize = 10;

/// Appends 7 bits a byte, least significant first; the high bit says that more follow (12).
pub(super) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// As [`write`]; of a negative number the magnitude with all high bits set, then a zero.
pub(super) fn write_signed(value: i64, out: &mut Vec<u8>) {
    if value >= 0 {
        return write(value as u64, out);
    }
    let mut magnitude = value.unsigned_abs();
    while magnitude > 0 {
        out.push(magnitude as u8 | 0x80);
        magnitude >>= 7;
    }
    out.push(0);
}

/// Takes an unsigned number from the front of `bytes`, which lie at `offset`.
pub(super) fn read(bytes: &mut &[u8], offset: u64) -> Result<u64, Error> {
    let mut value = 0;
    for at in 0..MAX_LEN {
        let byte = take(bytes, offset)?;
        value |= group(byte, at, offset)?;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(too_long(offset))
}

/// Takes a signed number.
pub(super) fn read_signed(bytes: &mut &[u8], offset: u64) -> Result<i64, Error> {
    let mut value = 0;
    for at in 0..=MAX_LEN {
        let byte = take(bytes, offset)?;
        if byte == 0 {
            let negative = 0_i64.checked_sub_unsigned(value);
            return negative.ok_or_else(|| too_long(offset));
        }
        value |= group(byte, at, offset)?;
        if byte < 0x80 {
            return i64::try_from(value).map_err(|_| too_long(offset));
        }
    }
    Err(too_long(offset))
}

fn take(bytes: &mut &[u8], offset: u64) -> Result<u8, Error> {
    let Some((&byte, rest)) = bytes.split_first() else {
        return Err(Error::new(offset, None, Problem::Truncated { expected: 1, got: 0 }));
    };
    *bytes = rest;
    Ok(byte)
}

fn group(byte: u8, at: usize, offset: u64) -> Result<u64, Error> {
    let bits = u64::from(byte & 0x7f);
    match at {
        0..9 => Ok(bits << (7 * at)),
        9 if bits <= 1 => Ok(bits << 63),
        _ => Err(too_long(offset)),
    }
}

#[cold]
fn too_long(offset: u64) -> Error {
    Error::new(offset, None, Problem::Content { expected: "a number of 64 bits" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Datastore specification 19.7.
    #[test]
    fn vectors() {
        let unsigned: [(u64, &[u8]); 11] = [
            (0, &[0]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (4095, &[0xff, 0x1f]),
            (16383, &[0xff, 0x7f]),
            (16384, &[0x80, 0x80, 1]),
            (1 << 32, &[0x80, 0x80, 0x80, 0x80, 0x10]),
            (1 << 63, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for (value, expected) in unsigned {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out, expected);
            assert_eq!(read(&mut &out[..], 0), Ok(value));
            assert!(read(&mut &out[..out.len() - 1], 0).is_err());
        }
        let signed: [(i64, &[u8]); 11] = [
            (0, &[0]),
            (1, &[1]),
            (-1, &[0x81, 0]),
            (127, &[0x7f]),
            (-127, &[0xff, 0]),
            (128, &[0x80, 1]),
            (-128, &[0x80, 0x81, 0]),
            (1_600_000_000, &[0x80, 0xa0, 0xf8, 0xfa, 5]),
            (-1_600_000_000, &[0x80, 0xa0, 0xf8, 0xfa, 0x85, 0]),
            (i64::MIN, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0]),
            (i64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ];
        for (value, expected) in signed {
            let mut out = Vec::new();
            write_signed(value, &mut out);
            assert_eq!(out, expected);
            assert_eq!(read_signed(&mut &out[..], 0), Ok(value));
            assert!(read_signed(&mut &out[..out.len() - 1], 0).is_err());
        }
    }

    #[test]
    fn numbers_that_do_not_end_or_fit() {
        assert!(read(&mut &[0x80; 10][..], 0).is_err());
        assert!(read(&mut &[&[0xff; 9][..], &[2]].concat()[..], 0).is_err());
        assert!(read_signed(&mut &[0x80; 11][..], 0).is_err());
        assert!(read_signed(&mut &[&[0x80; 9][..], &[1]].concat()[..], 0).is_err());
        assert!(read_signed(&mut &[&[0xff; 10][..], &[0]].concat()[..], 0).is_err());
    }
}
