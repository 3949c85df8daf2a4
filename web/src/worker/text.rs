//! Names and paths as text.

use std::fmt::Write as _;

use pxkit_core::access::Tree;

/// Bytes as text: what is not UTF-8 becomes `\xNN`, what cannot be seen is escaped, too.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '"' => out.push(c),
                c => out.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The path of an entry with a slash before it; `/` for the root.
pub fn path(tree: &Tree, entry: u32) -> String {
    let mut path = b"/".to_vec();
    tree.path(entry, &mut path);
    escape(&path)
}

/// A moment in seconds since 1970 as `2026-11-22 21:15:52 UTC`; what no calendar has as the number.
pub fn time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if !(-719_528..=2_932_896).contains(&days) {
        return format!("{seconds} seconds since 1970");
    }
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that leap days come last, and eras of 400 years repeat.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_382_152, "2026-11-22 21:15:52 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (253_402_300_800, "253402300800 seconds since 1970"),
            (i64::MIN, "-9223372036854775808 seconds since 1970"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn bytes_that_are_no_text() {
        assert_eq!(escape(b"a\xff'\"\n\\ \xc3\xa4"), "a\\xFF'\"\\n\\\\ ä");
    }
}
