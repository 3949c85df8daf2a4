use core::fmt;

const DAY: i64 = 86_400;
/// The last second of the year 9999 on the clock that showed it.
const LAST: i64 = 253_402_300_799;

/// A second and the offset of the clock that showed it, as key files have them (datastore specification 2 and 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetTime {
    /// Seconds since 1970.
    pub seconds: i64,
    /// What the clock was ahead of UTC, in minutes; less than a day.
    pub offset: i16,
}

impl OffsetTime {
    /// Reads `YYYY-MM-DDTHH:MM:SS` with `Z`, `+HH:MM` or `-HH:MM` behind it. The second may be 60.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (clock, zone) = text.split_at_checked(19)?;
        let number = |from: usize, len: usize| {
            let digits = clock.get(from..from + len)?;
            digits.iter().try_fold(0, |value, digit| {
                digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
            })
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        let is_clock = marks.iter().all(|&(at, mark)| clock[at] == mark)
            && (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let offset = offset(zone)?;
        let local = days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        // A leap second at the end of the last year would have no text.
        (is_clock && local <= LAST).then_some(Self { seconds: local - i64::from(offset) * 60, offset })
    }
}

/// Minutes ahead of UTC.
fn offset(zone: &[u8]) -> Option<i16> {
    let digit =
        |at: usize| zone.get(at).filter(|digit| digit.is_ascii_digit()).map(|digit| i16::from(digit - b'0'));
    let sign = match zone {
        b"Z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digit(1)? * 10 + digit(2)?, digit(4)? * 10 + digit(5)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + is_leap(year) as i64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the years 0 to 9999.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

/// As it is parsed, with a numeric offset. Years beyond 0 to 9999 have no text that can be read again.
impl fmt::Display for OffsetTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds.saturating_add(i64::from(self.offset) * 60);
        let (mut days, time) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // Years have 365 or 366 days: a first guess that is at most a little early.
        let mut year = 1970 + days.div_euclid(366).min(days.div_euclid(365));
        days -= days_before(year, 1, 1);
        while days >= 365 + i64::from(is_leap(year)) {
            days -= 365 + i64::from(is_leap(year));
            year += 1;
        }
        let mut month = 1;
        while days >= days_of(year, month) {
            days -= days_of(year, month);
            month += 1;
        }
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", days + 1)?;
        let (sign, offset) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}
