//! Commands for the days between making backups and needing them.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{OpenArgs, RepositoryArgs};

/// `pxkit compare`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 nothing differs; 1 something differs; 2 failed, or something could not be compared."
)]
pub struct Compare {
    /// What was: a snapshot (host/elsa/latest), one of its archives (host/elsa/latest/root.pxar), an archive in a file, or a directory
    pub old: PathBuf,
    /// What is, in the same forms
    pub new: PathBuf,
    /// Only what matches (and what is below it); `!` in front takes back
    pub patterns: Vec<OsString>,
    /// The payload file of OLD [default: the .ppxar beside an .mpxar]
    #[arg(long, value_name = "FILE")]
    pub old_payload: Option<PathBuf>,
    /// The payload file of NEW [default: the .ppxar beside an .mpxar]
    #[arg(long, value_name = "FILE")]
    pub new_payload: Option<PathBuf>,
    /// Only how many entries and bytes differ in each way
    #[arg(long)]
    pub stat: bool,
    /// A JSON object for each difference; with --stat one for all
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// `pxkit find`
#[derive(Debug, Args)]
pub struct Find {
    /// Where to look: an archive in a file, SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar), or a snapshot with all its archives; `-` is standard input
    pub source: PathBuf,
    /// What to find: a text that stands anywhere in a path; or, with any of `*?[\\` or `/` in front, a pattern; `!` in front takes back
    #[arg(required = true)]
    pub patterns: Vec<OsString>,
    /// Only these: f file, d directory, l symlink, h hard link, b and c devices, p named pipe, s socket
    #[arg(long = "type", value_name = "LETTERS")]
    pub types: Option<String>,
    /// Only files of this size: N bytes, +N more, -N less; with K, M, G or T behind in units of 1024
    #[arg(long, value_name = "[+-]N", allow_hyphen_values = true)]
    pub size: Option<SizeFilter>,
    /// Only what was modified after this time: 2026-11-22, or 2026-11-22T21:15:52, or with a zone behind
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub newer: Option<Timestamp>,
    /// Only the paths, each with a NUL behind it, for xargs -0
    #[arg(short = '0', long, conflicts_with = "json")]
    pub print0: bool,
    /// A JSON object for each entry
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

/// Sizes that are wanted, see [`Find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeFilter {
    order: Ordering,
    bytes: u64,
}

impl SizeFilter {
    /// Whether a size is wanted.
    pub fn takes(self, size: u64) -> bool {
        size.cmp(&self.bytes) == self.order
    }
}

impl FromStr for SizeFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (order, number) = match text.as_bytes().first() {
            Some(b'+') => (Ordering::Greater, &text[1..]),
            Some(b'-') => (Ordering::Less, &text[1..]),
            _ => (Ordering::Equal, text),
        };
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match number[digits.len()..].to_ascii_uppercase().as_str() {
            "" => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err("a unit is K, M, G or T".into()),
        };
        let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        let bytes =
            bytes.ok_or("expected a number, with + or - in front and K, M, G or T behind if needed")?;
        Ok(Self { order, bytes })
    }
}

/// A time as people write it, in the zone of the system if none is given.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp);
    }
    let civil = text.parse::<DateTime>().map_err(|_| "expected a time such as 2026-11-22T21:15:52")?;
    civil.to_zoned(TimeZone::system()).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

/// `pxkit shell`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 done; 1 a command failed that did not come from a terminal; 2 the source cannot be opened."
)]
pub struct Shell {
    /// Where to look around: an archive in a file, SNAPSHOT/ARCHIVE (host/elsa/latest/root.pxar), or a snapshot, whose archives are then
    /// the first directories if it has several
    pub source: PathBuf,
    /// The payload file of a split archive [default: the .ppxar beside an .mpxar]
    #[arg(long, value_name = "FILE")]
    pub payload_input: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub open: OpenArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_find_takes_them() {
        let takes = |text: &str, size| text.parse::<SizeFilter>().unwrap().takes(size);
        assert!(takes("10", 10) && !takes("10", 11));
        assert!(takes("+1K", 1025) && !takes("+1k", 1024));
        assert!(takes("-2M", 0) && !takes("-2M", 2 << 20));
        for wrong in ["", "+", "1X", "x", "K", "99999999999T", "--1"] {
            assert!(wrong.parse::<SizeFilter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        assert_eq!(time("2026-11-22T21:15:52Z").unwrap().as_second(), 1_795_382_152);
        assert!(time("2026-11-22").is_ok() && time("2026-11-22T21:15:52").is_ok());
        assert!(time("yesterday").is_err());
    }
}
