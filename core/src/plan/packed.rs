//! The numbers of a record in few bytes: a spool of a million records is written and read again in every backup.
//!
//! Most are small, zero, or follow from others. Which of them have which form is said by 16 bits in front, so that a record stands for itself:
//! in append order spools are read in any order.

use super::Identity;
use crate::format::{Stat, Timestamp};
use crate::reuse::state::Marks;

/// The mode has 8 bytes, else 2.
const LONG_MODE: u16 = 1 << 0;
/// There are flags, else none is set.
const FLAGS: u16 = 1 << 1;
/// Owner and group are there, else both are 0.
const OWNER: u16 = 1 << 2;
/// Seconds of the time of modification have 8 bytes, else 4.
const LONG_MTIME: u16 = 1 << 3;
/// The time of last change is there, else it is that of modification.
const CTIME: u16 = 1 << 4;
/// Its seconds have 8 bytes, else 4.
const LONG_CTIME: u16 = 1 << 5;
/// When the inode was made is there, else it is not known.
const BIRTH: u16 = 1 << 6;
/// It has 8 bytes, else 4 of the nanoseconds from it to the time of last change.
const LONG_BIRTH: u16 = 1 << 7;
/// The number of the inode has 8 bytes, else 4.
const LONG_INO: u16 = 1 << 8;
/// The device has 8 bytes, else 4.
const LONG_DEV: u16 = 1 << 9;
/// The number of names is there, else it is 1.
const LINKS: u16 = 1 << 10;
/// The size is there, else it is 0.
const SIZE: u16 = 1 << 11;
/// It has 8 bytes, else 4.
const LONG_SIZE: u16 = 1 << 12;

/// Most bytes of a packed record.
const MOST: usize = 2 + 8 + 8 + 8 + 12 + 12 + 8 + 8 + 8 + 4 + 2 + 8;

/// The numbers of a record as they stand in a spool.
pub(super) struct Packed {
    bytes: [u8; MOST],
    len: usize,
    forms: u16,
}

impl Packed {
    pub(super) fn new(stat: &Stat, identity: &Identity, size: u64) -> Self {
        let mut packed = Self { bytes: [0; MOST], len: 2, forms: 0 };
        let Stat { mode, flags, uid, gid, mtime } = *stat;
        let Identity { dev, ino, birth, ctime, links, marks } = *identity;
        packed.put(marks.bits().to_le_bytes());
        match u16::try_from(mode) {
            Ok(mode) => packed.put(mode.to_le_bytes()),
            Err(_) => packed.put_as(LONG_MODE, mode.to_le_bytes()),
        }
        if flags != 0 {
            packed.put_as(FLAGS, flags.to_le_bytes());
        }
        if (uid, gid) != (0, 0) {
            packed.put_as(OWNER, uid.to_le_bytes());
            packed.put(gid.to_le_bytes());
        }
        packed.time(LONG_MTIME, mtime);
        if ctime != mtime {
            packed.forms |= CTIME;
            packed.time(LONG_CTIME, ctime);
        }
        if birth != 0 {
            packed.forms |= BIRTH;
            match nanos(ctime).and_then(|ctime| u32::try_from(ctime.checked_sub(birth)?).ok()) {
                Some(before) => packed.put(before.to_le_bytes()),
                None => packed.put_as(LONG_BIRTH, birth.to_le_bytes()),
            }
        }
        packed.number(LONG_INO, ino);
        packed.number(LONG_DEV, dev);
        if links != 1 {
            packed.put_as(LINKS, links.to_le_bytes());
        }
        if size != 0 {
            packed.forms |= SIZE;
            packed.number(LONG_SIZE, size);
        }
        let forms = packed.forms.to_le_bytes();
        packed.bytes[..2].copy_from_slice(&forms);
        packed
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn time(&mut self, long: u16, Timestamp { secs, nanos }: Timestamp) {
        match u32::try_from(secs) {
            Ok(secs) => self.put(secs.to_le_bytes()),
            Err(_) => self.put_as(long, secs.to_le_bytes()),
        }
        self.put(nanos.to_le_bytes());
    }

    fn number(&mut self, long: u16, number: u64) {
        match u32::try_from(number) {
            Ok(number) => self.put(number.to_le_bytes()),
            Err(_) => self.put_as(long, number.to_le_bytes()),
        }
    }

    fn put_as<const N: usize>(&mut self, form: u16, bytes: [u8; N]) {
        self.forms |= form;
        self.put(bytes);
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }
}

/// Stat, identity and size that `bytes` begin with, and what is behind them; `None` if they end too early.
pub(super) fn unpack(bytes: &[u8]) -> Option<(Stat, Identity, u64, &[u8])> {
    let mut rest = Rest { forms: 0, bytes };
    rest.forms = u16::from_le_bytes(rest.take()?);
    let marks = Marks::from_bits(u16::from_le_bytes(rest.take()?));
    let mode = if rest.has(LONG_MODE) {
        u64::from_le_bytes(rest.take()?)
    } else {
        u16::from_le_bytes(rest.take()?).into()
    };
    let flags = if rest.has(FLAGS) { u64::from_le_bytes(rest.take()?) } else { 0 };
    let (uid, gid) = if rest.has(OWNER) {
        (u32::from_le_bytes(rest.take()?), u32::from_le_bytes(rest.take()?))
    } else {
        (0, 0)
    };
    let mtime = rest.time(LONG_MTIME)?;
    let ctime = if rest.has(CTIME) { rest.time(LONG_CTIME)? } else { mtime };
    let birth = match (rest.has(BIRTH), rest.has(LONG_BIRTH)) {
        (false, _) => 0,
        (true, true) => i64::from_le_bytes(rest.take()?),
        (true, false) => nanos(ctime)?.checked_sub(u32::from_le_bytes(rest.take()?).into())?,
    };
    let (ino, dev) = (rest.number(LONG_INO)?, rest.number(LONG_DEV)?);
    let links = if rest.has(LINKS) { u32::from_le_bytes(rest.take()?) } else { 1 };
    let size = if rest.has(SIZE) { rest.number(LONG_SIZE)? } else { 0 };
    let stat = Stat { mode, flags, uid, gid, mtime };
    Some((stat, Identity { dev, ino, birth, ctime, links, marks }, size, rest.bytes))
}

/// The bytes that were not looked at yet.
struct Rest<'b> {
    forms: u16,
    bytes: &'b [u8],
}

impl Rest<'_> {
    fn has(&self, form: u16) -> bool {
        self.forms & form != 0
    }

    fn time(&mut self, long: u16) -> Option<Timestamp> {
        let secs = if self.has(long) {
            i64::from_le_bytes(self.take()?)
        } else {
            u32::from_le_bytes(self.take()?).into()
        };
        Some(Timestamp { secs, nanos: u32::from_le_bytes(self.take()?) })
    }

    fn number(&mut self, long: u16) -> Option<u64> {
        Some(if self.has(long) {
            u64::from_le_bytes(self.take()?)
        } else {
            u32::from_le_bytes(self.take()?).into()
        })
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }
}

/// A time in nanoseconds since 1970, if it can be told so.
fn nanos(time: Timestamp) -> Option<i64> {
    time.secs.checked_mul(1_000_000_000)?.checked_add(time.nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers at the bounds between forms, and some beside them.
    const NUMBERS: [u64; 9] =
        [0, 1, 2, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, i64::MAX as u64, u64::MAX];
    const SECS: [i64; 7] = [0, -1, 1_700_000_000, 0xffff_ffff, 0x1_0000_0000, i64::MIN, i64::MAX];

    #[test]
    fn numbers_of_all_forms_come_back() {
        let (mut lengths, mut forms) = ([usize::MAX, 0], [0, u16::MAX]);
        let mut seed = 1u64;
        for step in 0..20_000u16 {
            let mut pick = |count: usize| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as usize % count
            };
            let numbers = [(); 10].map(|()| NUMBERS[pick(NUMBERS.len())]);
            let mut time =
                || Timestamp { secs: SECS[pick(SECS.len())], nanos: [0, 1, 999_999_999, u32::MAX][pick(4)] };
            let (mtime, other) = (time(), time());
            let ctime = if step % 3 == 0 { mtime } else { other };
            let birth = match step % 5 {
                0 => 0,
                1 => numbers[6] as i64,
                2 => nanos(ctime).map_or(-7, |ctime| ctime.saturating_sub(numbers[7] as i64)),
                3 => nanos(ctime).map_or(i64::MIN, |ctime| ctime.saturating_add(1)),
                _ => nanos(ctime).unwrap_or(i64::MAX),
            };
            let stat = Stat {
                mode: numbers[0],
                flags: numbers[1],
                uid: numbers[2] as u32,
                gid: numbers[3] as u32,
                mtime,
            };
            let marks = Marks::from_bits(step & 7);
            let identity =
                Identity { dev: numbers[4], ino: numbers[5], birth, ctime, links: numbers[8] as u32, marks };
            let size = numbers[9];
            let packed = Packed::new(&stat, &identity, size);
            let mut bytes = packed.as_bytes().to_vec();
            let len = bytes.len();
            lengths = [lengths[0].min(len), lengths[1].max(len)];
            forms = [forms[0] | packed.forms, forms[1] & packed.forms];
            assert!((0..len).all(|end| unpack(&bytes[..end]).is_none()), "{stat:?} {identity:?} {size}");
            bytes.push(0xa5);
            assert_eq!(unpack(&bytes), Some((stat, identity, size, &[0xa5][..])));
        }
        // Each form was met and was not.
        assert_eq!(forms, [(LONG_SIZE << 1) - 1, 0]);
        assert!(lengths[0] < 40 && lengths[1] <= MOST, "{lengths:?}");
    }
}
