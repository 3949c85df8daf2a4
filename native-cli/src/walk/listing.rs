//! The names of a directory and what `stat` says of them.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use pxkit_core::format::{Kind, Stat, Timestamp};
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxAttributes, StatxFlags, makedev, statat};
use rustix::io::Errno;

use super::report::Problem;
use super::scope::EXCLUDE_FILE;
use crate::linux::doing;

/// The real file of this name in the root would clash with the one that archives make up.
const CLI_FILE: &CStr = c".pxarexclude-cli";

/// An entry of a directory. There may be a million of them in memory, hence no [`Stat`] in it.
#[derive(Debug)]
pub(super) struct Entry {
    name_start: usize,
    name_len: u16,
    pub kind: Kind,
    /// `STATX_ATTR_COMPRESSED`, if it came from `statx`.
    pub is_compressed: bool,
    /// See [`pxkit_core::reuse::state::Marks::SETTLED`]; never, if it did not come from `statx`.
    is_settled: bool,
    nlink: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    nanos: u32,
    ctime_nanos: u32,
    secs: i64,
    ctime_secs: i64,
    /// When the inode was made, in nanoseconds since 1970; 0 if that is not known.
    birth: i64,
    pub size: u64,
    pub dev: u64,
    pub ino: u64,
    pub rdev: u64,
}

impl Entry {
    /// What `stat` answered; an error if the type is unknown.
    pub(super) fn new(name: Range<usize>, stat: &rustix::fs::Stat) -> Result<Self, Problem> {
        Ok(Self {
            name_start: name.start,
            name_len: u16::try_from(name.len()).map_err(|_| Problem::BadName)?,
            kind: kind_of(stat.st_mode)?,
            is_compressed: false,
            is_settled: false,
            birth: 0,
            nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            nanos: stat.st_mtime_nsec as u32,
            ctime_nanos: stat.st_ctime_nsec as u32,
            secs: stat.st_mtime,
            ctime_secs: stat.st_ctime,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            dev: stat.st_dev,
            ino: stat.st_ino,
            rdev: stat.st_rdev,
        })
    }

    /// What `statx` answered, which tells a little more.
    pub(super) fn of_statx(
        name: Range<usize>,
        stat: &Statx,
        settled_before: Timestamp,
    ) -> Result<Self, Problem> {
        let mode = stat.stx_mode.into();
        let ctime = Timestamp { secs: stat.stx_ctime.tv_sec, nanos: stat.stx_ctime.tv_nsec };
        let birth = || {
            let nanos = stat.stx_btime.tv_sec.wrapping_mul(1_000_000_000);
            nanos.wrapping_add(stat.stx_btime.tv_nsec.into())
        };
        Ok(Self {
            name_start: name.start,
            name_len: u16::try_from(name.len()).map_err(|_| Problem::BadName)?,
            kind: kind_of(mode)?,
            is_compressed: stat.stx_attributes.contains(StatxAttributes::COMPRESSED),
            is_settled: ctime < settled_before,
            birth: if stat.stx_mask & StatxFlags::BTIME.bits() != 0 { birth() } else { 0 },
            nlink: stat.stx_nlink,
            mode,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            nanos: stat.stx_mtime.tv_nsec,
            ctime_nanos: stat.stx_ctime.tv_nsec,
            secs: stat.stx_mtime.tv_sec,
            ctime_secs: stat.stx_ctime.tv_sec,
            size: stat.stx_size,
            dev: makedev(stat.stx_dev_major, stat.stx_dev_minor),
            ino: stat.stx_ino,
            rdev: makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
        })
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            dev: self.dev,
            ino: self.ino,
            size: self.size,
            mtime: Timestamp { secs: self.secs, nanos: self.nanos },
            ctime: self.ctime(),
        }
    }

    pub(super) fn ctime(&self) -> Timestamp {
        Timestamp { secs: self.ctime_secs, nanos: self.ctime_nanos }
    }

    /// The part of its metadata that archives store, with the inode flags, which `stat` does not tell.
    pub(super) fn stat(&self, flags: u64) -> Stat {
        let mtime = Timestamp { secs: self.secs, nanos: self.nanos };
        Stat { mode: self.mode.into(), flags, uid: self.uid, gid: self.gid, mtime }
    }

    /// Where its name is in the listing.
    pub(super) fn name_range(&self) -> Range<usize> {
        self.name_start..self.name_start + usize::from(self.name_len)
    }

    pub(super) fn birth(&self) -> i64 {
        self.birth
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    pub(super) fn nlink(&self) -> u64 {
        self.nlink.into()
    }
}

fn kind_of(mode: u32) -> Result<Kind, Problem> {
    let stat = Stat { mode: mode.into(), ..Stat::default() };
    stat.kind().ok_or(Problem::UnknownType { mode })
}

/// What tells whether a file is still the one that was listed, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Time of the last change of the contents.
    pub mtime: Timestamp,
    /// Time of the last change of anything.
    pub ctime: Timestamp,
}

/// The entries of a directory that are to be stored, in archive order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Every name with a NUL after it, including those that were left out.
    names: Vec<u8>,
    pub entries: Vec<Entry>,
}

impl Listing {
    /// The listing of what lies above the root: the root, without a name.
    pub(super) fn of_root(root: Entry) -> Self {
        Self { names: vec![0], entries: vec![root] }
    }

    /// A listing without entries over the names that were read.
    pub(super) fn of_names(names: Names) -> Self {
        Self { names: names.bytes, entries: Vec::new() }
    }

    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        &self.names[entry.name_start..][..entry.name_len.into()]
    }

    pub(super) fn c_name(&self, entry: &Entry) -> &CStr {
        let bytes = &self.names[entry.name_start..][..usize::from(entry.name_len) + 1];
        // Names came as C strings, so they hold no other NUL.
        CStr::from_bytes_with_nul(bytes).unwrap_or_default()
    }

    pub(super) fn name_at(&self, record: &Record) -> &CStr {
        c_str(&self.names, record)
    }
}

fn c_str<'n>(names: &'n [u8], record: &Record) -> &'n CStr {
    CStr::from_bytes_with_nul(&names[record.range().start..=record.range().end]).unwrap_or_default()
}

/// A name as it was read.
#[derive(Debug)]
pub(super) struct Record {
    /// The first eight bytes, so that sorting seldom has to look at the name.
    prefix: u64,
    start: usize,
    len: u16,
    pub file_type: FileType,
}

impl Record {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + usize::from(self.len)
    }

    /// Whether it is a directory, without a system call where the file system told the type.
    pub(super) fn is_dir(&self, dir: &OwnedFd, name: &CStr) -> bool {
        match self.file_type {
            FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            known => known == FileType::Directory,
        }
    }
}

/// The names of a directory, sorted.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    pub records: Vec<Record>,
    /// There is a `.pxarexclude` file.
    pub has_exclude_file: bool,
}

impl Names {
    /// Reads and sorts the names in `dir`.
    pub(super) fn read(
        dir: &OwnedFd,
        is_root: bool,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<Self, ReadError> {
        let mut names = Self::default();
        let mut raw = RawDir::new(dir.as_fd(), buffer);
        while let Some(entry) = raw.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(ReadError::Call(errno)),
            };
            let name = entry.file_name();
            if name == c"." || name == c".." || (is_root && name == CLI_FILE) {
                continue;
            }
            names.has_exclude_file |= name == EXCLUDE_FILE;
            names.push(name, entry.file_type())?;
        }
        let Self { bytes, records, .. } = &mut names;
        records.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| bytes[a.range()].cmp(&bytes[b.range()]))
        });
        Ok(names)
    }

    fn push(&mut self, name: &CStr, file_type: FileType) -> Result<(), ReadError> {
        let bytes = name.to_bytes();
        if bytes.is_empty() || bytes.contains(&b'/') {
            return Err(ReadError::BadName);
        }
        let mut prefix = [0; 8];
        let short = bytes.len().min(8);
        // Names hold no NUL, so the zeros after a short one sort it before its continuations.
        prefix[..short].copy_from_slice(&bytes[..short]);
        let len = u16::try_from(bytes.len()).map_err(|_| ReadError::BadName)?;
        self.records.push(Record {
            prefix: u64::from_be_bytes(prefix),
            start: self.bytes.len(),
            len,
            file_type,
        });
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        Ok(())
    }
}

/// Why names could not be read.
pub(super) enum ReadError {
    Call(Errno),
    BadName,
}

impl ReadError {
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::Call(errno) => Problem::Call(doing("read the directory")(errno)),
            Self::BadName => Problem::BadName,
        }
    }
}
