//! Numbers, sizes, times and modes as people read them. Nothing here depends on a locale: thousands are separated by commas, decimals by a
//! point, times are ISO 8601.

use pxkit_core::format::Kind;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number with separators: `1,048,576`.
pub fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 chunk`, `2 chunks`.
pub fn counted(number: impl Into<u64>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Bytes in three digits or more and a unit: `668 B`, `4.12 MiB`, `1,003 KiB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = (63 - bytes.leading_zeros()) / 10;
    // Rounded to the nearest of that many parts of the unit.
    let parts = |of: u32, unit: u32| {
        ((u128::from(bytes) * u128::from(of) + (1 << (unit * 10 - 1))) >> (unit * 10)) as u64
    };
    if parts(1, unit) >= 1024 {
        unit += 1;
    }
    let name = UNITS[unit as usize - 1];
    match (parts(100, unit), parts(10, unit)) {
        (hundredths @ 0..1000, _) => format!("{}.{:02} {name}", hundredths / 100, hundredths % 100),
        (_, tenths @ 0..1000) => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", count(parts(1, unit))),
    }
}

/// Bytes to the last one: `4,320,133 bytes`.
pub fn exact(bytes: u64) -> String {
    counted(bytes, "byte", "bytes")
}

/// Bytes as people type them: a number, perhaps with a decimal point, and perhaps a unit (`10k`, `1.5 MiB`). Units are powers of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text: String = text.chars().filter(|c| !matches!(c, ' ' | ',' | '_')).collect();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() && !part.is_empty() { 0 } else { whole.parse().ok()? };
    let thousandths: u128 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    u64::try_from((u128::from(whole) << unit) + (thousandths << unit) / 1000).ok()
}

/// Bytes so that [`parse_size`] gives them back: in the largest unit that divides them.
pub fn size_to_type(bytes: u64) -> String {
    let unit = (bytes.trailing_zeros() / 10).min(5) as usize;
    match unit {
        _ if bytes == 0 => "0".to_owned(),
        0 => bytes.to_string(),
        _ => format!("{} {}", bytes >> (unit * 10), UNITS[unit - 1]),
    }
}

/// A position: `0x1a2b3c40`.
pub fn offset(offset: u64) -> String {
    format!("{offset:#x}")
}

/// A part of a whole in percent with one decimal: `3.1 %`. Small parts are not called none, and large ones not all.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let permille = ((u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole)) as u64;
    match permille {
        0 if part > 0 => "< 0.1 %".to_owned(),
        1000 if part < whole => "> 99.9 %".to_owned(),
        _ if permille.is_multiple_of(10) => format!("{} %", count(permille / 10)),
        _ => format!("{}.{} %", count(permille / 10), permille % 10),
    }
}

/// Mode and kind as `ls` shows them: `drwxr-xr-x`. A hard link has the mode of its file.
pub fn mode(kind: u8, bits: u32) -> String {
    let letter = match bits & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ if kind == Kind::Hardlink as u8 => 'h',
        _ => '-',
    };
    let mut out = String::from(letter);
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let three = bits >> shift;
        out.push(if three & 4 != 0 { 'r' } else { '-' });
        out.push(if three & 2 != 0 { 'w' } else { '-' });
        out.push(match (three & 1 != 0, bits & special != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// Permissions in octal: `0644`.
pub fn octal(bits: u32) -> String {
    format!("{:04o}", bits & 0o7777)
}

/// The word for a kind of entry.
pub fn kind(kind: u8) -> &'static str {
    const KINDS: [Kind; 7] =
        [Kind::Directory, Kind::File, Kind::Symlink, Kind::Hardlink, Kind::Device, Kind::Fifo, Kind::Socket];
    KINDS.into_iter().find(|known| *known as u8 == kind).map_or("entry", Kind::name)
}

/// Date and time of seconds since 1970 in the calendar of today, `2026-03-02 11:20:07`; years beyond four digits keep their sign.
pub fn time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let year = if (0..10_000).contains(&year) { format!("{year:04}") } else { format!("{year:+}") };
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a number of days since 1970, by eras of 400 years that begin in March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// A fraction of a second to the last digit that is not zero: `.123`; nothing for whole seconds.
pub fn fraction(nanos: u32) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{nanos:09}").trim_end_matches('0').to_owned()
}

/// The first digits of a digest, by which people tell chunks apart.
pub fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        assert_eq!(
            [0_u64, 999, 1000, 1_048_576, u64::MAX].map(count),
            ["0", "999", "1,000", "1,048,576", "18,446,744,073,709,551,615"]
        );
        assert_eq!(counted(1_u64, "chunk", "chunks"), "1 chunk");
        assert_eq!(counted(0_u64, "chunk", "chunks"), "0 chunks");
    }

    #[test]
    fn sizes_keep_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (10_240, "10.0 KiB"),
            (10_189, "9.95 KiB"),
            (102_349, "100 KiB"),
            (1024 * 1024 - 1, "1.00 MiB"),
            (1000 * 1024, "1,000 KiB"),
            (20 << 30, "20.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn sizes_can_be_typed() {
        let cases = [
            ("10", Some(10)),
            ("10k", Some(10_240)),
            ("1.5 MiB", Some(1_572_864)),
            ("2gb", Some(2 << 30)),
            (".5k", Some(512)),
            ("1,024", Some(1024)),
            ("", None),
            ("x", None),
            ("1.x", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999P", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for bytes in [0, 1, 1023, 1024, 10 << 20, 3 << 40, u64::MAX, 1 << 63] {
            assert_eq!(parse_size(&size_to_type(bytes)), Some(bytes), "{bytes}");
        }
    }

    #[test]
    fn parts_are_never_rounded_to_none_or_all() {
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(31, 1000), "3.1 %");
        assert_eq!(percent(1, 1_000_000), "< 0.1 %");
        assert_eq!(percent(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100 %");
    }

    #[test]
    fn modes_are_those_of_ls() {
        assert_eq!(mode(0, 0o040_755), "drwxr-xr-x");
        assert_eq!(mode(1, 0o106_644), "-rwSr-Sr--");
        assert_eq!(mode(1, 0o104_755), "-rwsr-xr-x");
        assert_eq!(mode(0, 0o041_777), "drwxrwxrwt");
        assert_eq!(mode(0, 0o041_776), "drwxrwxrwT");
        assert_eq!(mode(3, 0o100_644), "hrw-r--r--");
        assert_eq!(octal(0o104_755), "4755");
    }

    #[test]
    fn times_are_right_before_1970_and_far_away() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(-1), "1969-12-31 23:59:59");
        assert_eq!(time(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(time(1_772_450_407), "2026-03-02 11:20:07");
        assert_eq!(time(253_402_300_800), "+10000-01-01 00:00:00");
        for extreme in [i64::MIN, i64::MAX] {
            assert!(time(extreme).len() > 20);
        }
        assert_eq!(fraction(123_000_000), ".123");
        assert_eq!(fraction(0), "");
        assert_eq!(fraction(1), ".000000001");
    }
}
