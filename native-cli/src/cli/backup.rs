//! `pxkit backup`: what is backed up, and how.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use pxkit_core::blob::BackupType;
use pxkit_core::reuse::Budget;

use super::everyday::time;
use super::{CryptArgs, RepositoryArgs, SERVER, Talk};
use crate::cmd::backup::{Sampled, Spec};
use crate::pace::Cores;

/// `pxkit backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// NAME.pxar:DIRECTORY, one or several; files and block devices as they are as NAME.img:FILE, small files as NAME.conf:FILE or
    /// NAME.log:FILE
    #[arg(required = true, value_name = "NAME.pxar:DIRECTORY", value_parser = OsStringValueParser::new().try_map(|text| Spec::parse(&text)))]
    pub sources: Vec<Spec>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub crypt: CryptArgs,
    /// Which files are read: all, into one archive with a catalog (legacy) or a split one (data), or what changed (metadata)
    #[arg(long, value_name = "MODE", default_value = "metadata")]
    pub change_detection_mode: DetectionMode,
    /// Name of the group [default: the host's name]
    #[arg(long, value_name = "ID")]
    pub backup_id: Option<String>,
    /// Type of the group
    #[arg(long, value_name = "TYPE", default_value = "host")]
    pub backup_type: BackupTypeArg,
    /// Time of the snapshot: seconds since 1970, or 2026-11-22T21:15:52, with Z or another zone behind if it is not the system's [default: now]
    #[arg(long, value_name = "TIME", value_parser = backup_time)]
    pub backup_time: Option<i64>,
    /// Begin again from the start, up to N times, if the connection to the server is lost; the snapshot gets a new time then
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = SERVER)]
    pub retry: u32,
    /// Leave out what matches; `!` in front takes back, `/` in front ties to the root, `/` behind to directories
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<OsString>,
    /// Enter all mounted file systems
    #[arg(long, conflicts_with = "include_dev")]
    pub all_file_systems: bool,
    /// Enter the file system that holds this path, too
    #[arg(long, value_name = "PATH")]
    pub include_dev: Vec<PathBuf>,
    /// Leave out everything named lost+found
    #[arg(long)]
    pub skip_lost_and_found: bool,
    /// Leave out extended attributes that are too many or too large for Linux to hand out, with a warning
    #[arg(long)]
    pub skip_e2big_xattr: bool,
    /// Fail if a directory and those above it have more entries than this
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    pub entries_max: u64,
    /// Average size of chunks in KiB: 64, 128, 256, 512, 1024, 2048 or 4096
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = chunk_size)]
    pub chunk_size: u32,
    /// Which unchanged files keep their chunks: those that cost least within a budget, or as the reference does it
    #[arg(long, value_name = "POLICY", default_value = "optimal")]
    pub reuse: ReusePolicy,
    /// Most padding in a snapshot, in percent of its contents; what is inherited counts, too
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = crate::cmd::backup::parse_budget)]
    pub padding_budget: Budget,
    /// Where contents are cut into chunks: where files start, or as the reference does [default: as for `--reuse`]
    #[arg(long, value_name = "RULE")]
    pub cuts: Option<CutRule>,
    /// In which order entries stand in the archives: by name, or what was there before first
    #[arg(long, value_name = "ORDER", default_value = "name")]
    pub order: EntryOrder,
    /// Size and time of modification alone tell whether contents changed: no reading after chmod, chown and the like
    #[arg(long)]
    pub trust_mtime_size: bool,
    /// Compare one of N chunks that are used again with the files on disk, in each run others, so that edits that restored the time of their file
    /// and decayed disks are noticed: N, all or off
    #[arg(long, value_name = "N", default_value = "100")]
    pub verify_reused: Sampled,
    /// What the state file of the last backup may tell against files of which nothing that is stored changed: see the guide; off keeps none
    #[arg(long, value_name = "POLICY", default_value = "auto")]
    pub state: StateArg,
    /// Do everything but write
    #[arg(long)]
    pub dry_run: bool,
    /// Threads that read, hash and compress; the snapshot does not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Most processor time, as a number of cores (0.5) or in percent of one (50%) [default: no limit]
    #[arg(long, value_name = "CORES|PERCENT%")]
    pub limit_cpu: Option<Cores>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// What is read, see [`Backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DetectionMode {
    /// Everything, into a unified archive
    Legacy,
    /// Everything, into a split archive
    Data,
    /// What changed
    Metadata,
}

/// Which unchanged files keep their chunks, see [`Backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReusePolicy {
    /// Those that cost least, within the budget
    Optimal,
    /// Runs of files with at most a tenth of padding each
    Threshold,
}

/// Where contents are cut, see [`Backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CutRule {
    /// Where files start, preferably where directories end
    Files,
    /// By hash, or where a file starts
    Reference,
}

/// In which order entries stand in an archive, see [`Backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EntryOrder {
    /// By name, as the reference does
    Name,
    /// In each directory what the previous archive has, in its order there, then the rest by name: less is read again
    Append,
}

/// How the state file is used, see [`Backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// As strict; but where nearly all inodes are new, as in a copy of the tree, as compat
    Auto,
    /// A file is read if something was done to it that nothing explains, or if it is another inode
    Strict,
    /// A file is read if it is another inode
    Loose,
    /// Nothing is read because of it: it only saves time
    Compat,
    /// There is none
    Off,
}

/// Type of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackupTypeArg {
    /// A host
    Host,
    /// A virtual machine
    Vm,
    /// A container
    Ct,
}

impl From<BackupTypeArg> for BackupType {
    fn from(argument: BackupTypeArg) -> Self {
        match argument {
            BackupTypeArg::Host => Self::Host,
            BackupTypeArg::Vm => Self::Vm,
            BackupTypeArg::Ct => Self::Ct,
        }
    }
}

/// Seconds since 1970 within the years that names of snapshots can tell.
fn backup_time(text: &str) -> Result<i64, String> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => time(text)
            .map_err(|_| "expected seconds since 1970, or a time such as 2026-11-22T21:15:52Z")?
            .as_second(),
    };
    let is_valid = (1..=253_402_300_799).contains(&seconds);
    is_valid.then_some(seconds).ok_or_else(|| "snapshots are of the years 1970 to 9999".into())
}

fn chunk_size(text: &str) -> Result<u32, String> {
    let size = text.parse::<u32>().ok().filter(|size| size.is_power_of_two() && (64..=4096).contains(size));
    size.ok_or_else(|| "expected 64, 128, 256, 512, 1024, 2048 or 4096".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_snapshots() {
        assert_eq!(backup_time("1795382152"), Ok(1_795_382_152));
        assert_eq!(backup_time("2026-11-22T21:15:52Z"), Ok(1_795_382_152));
        assert_eq!(backup_time("2026-11-22T22:15:52+01:00"), Ok(1_795_382_152));
        assert!(backup_time("2026-11-22").is_ok());
        for (text, reason) in [
            ("now", "expected"),
            ("", "expected"),
            ("0", "years"),
            ("-5", "years"),
            ("1969-01-01", "years"),
            ("253402300800", "years"),
        ] {
            assert!(backup_time(text).unwrap_err().contains(reason), "{text}");
        }
    }
}
