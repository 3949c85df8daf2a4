//! Everything that changes a datastore on disk: owner and mode of what is made, files that appear whole, failures on demand.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, chown,
    fchmod, fchown, openat, statat, syncfs, utimensat,
};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::fault::Faults;

/// How a store is changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// To whom everything belongs that is made, if root makes it for somebody.
    pub owner: Option<(Uid, Gid)>,
    /// Failures on demand.
    pub faults: Option<Arc<Faults>>,
}

impl Disk {
    /// Before a call that needs no space.
    fn step(&self) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.step(false))
    }

    /// Before a call that needs space.
    fn grow(&self) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.step(true))
    }

    /// Makes a file that must not exist, with exactly this mode.
    pub fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.grow()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(CWD, path, flags, Mode::from_raw_mode(mode))?;
        // The umask must not have a say.
        let dressed = fchmod(&file, Mode::from_raw_mode(mode)).and_then(|()| self.give(&file));
        if let Err(errno) = dressed {
            let _ = fs::remove_file(path);
            return Err(errno.into());
        }
        Ok(file.into())
    }

    /// Hands a new file to the store's owner.
    pub fn give(&self, file: impl AsFd) -> rustix::io::Result<()> {
        self.owner.map_or(Ok(()), |(user, group)| fchown(file, Some(user), Some(group)))
    }

    /// Makes a directory with exactly this mode.
    pub fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.grow()?;
        rustix::fs::mkdir(path, Mode::from_raw_mode(mode))?;
        rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Makes a directory unless it is there; whether it was made.
    pub fn ensure_dir(&self, path: &Path, mode: u32) -> io::Result<bool> {
        match self.make_dir(path, mode) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes all of these.
    pub fn write(&self, file: &mut File, parts: &mut [&[u8]]) -> io::Result<()> {
        self.grow()?;
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes over what is there.
    pub fn patch(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.grow()?;
        file.write_all_at(bytes, at)
    }

    /// Gives a file its name.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)
    }

    /// Takes a file away.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::remove_file(path)
    }

    /// Takes an empty directory away.
    pub fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::remove_dir(path)
    }

    /// Makes the contents of a file durable.
    pub fn sync_file(&self, file: impl AsFd) -> io::Result<()> {
        self.step()?;
        Ok(rustix::fs::fsync(file)?)
    }

    /// Makes the names in a directory durable.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.sync_file(open_dir(path)?)
    }

    /// Makes everything on the file system durable that holds `path`.
    pub fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Ok(syncfs(open_dir(path)?)?)
    }

    /// Marks a chunk as used now (5.3).
    pub fn touch(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let same = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: now, last_modification: same };
        Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Writes a small file, which appears whole or not at all, and replaces what is there.
    pub fn replace(&self, path: &Path, contents: &[u8], durable: bool) -> io::Result<()> {
        let mut temp = Temp::beside(self, path)?;
        temp.write(&mut [contents])?;
        temp.publish(durable)
    }
}

/// A file that is not yet complete; it disappears unless it is published.
#[derive(Debug)]
pub(super) struct Temp {
    disk: Disk,
    pub file: File,
    path: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Temp {
    /// Begins a file that shall be `target`, as `<target>.tmp_XXXXXX`.
    pub fn beside(disk: &Disk, target: &Path) -> io::Result<Self> {
        loop {
            let mut name = target.as_os_str().to_owned();
            name.push(".tmp_");
            name.push(random_name());
            match Self::at(disk, name.into(), target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result,
            }
        }
    }

    /// Begins a file that shall be `target`, under the name `path`, which must not exist.
    pub fn at(disk: &Disk, path: PathBuf, target: &Path) -> io::Result<Self> {
        let file = disk.create(&path, 0o644)?;
        Ok(Self { disk: disk.clone(), file, path, target: target.to_owned(), published: false })
    }

    /// Appends.
    pub fn write(&mut self, parts: &mut [&[u8]]) -> io::Result<()> {
        self.disk.write(&mut self.file, parts)
    }

    /// Gives the file its name; `durable` says whether its contents, and then the name, are to survive a power cut.
    pub fn publish(mut self, durable: bool) -> io::Result<()> {
        if durable {
            self.disk.sync_file(&self.file)?;
        }
        self.disk.rename(&self.path, &self.target)?;
        self.published = true;
        if durable && let Some(directory) = self.target.parent() {
            self.disk.sync_dir(directory)?;
        }
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.published {
            // Something else failed already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What crashes left of files that should have been `target`, see [`Temp::beside`].
pub(super) fn remnants(target: &Path) -> io::Result<Vec<PathBuf>> {
    let mut start = target.file_name().unwrap_or_default().to_owned();
    start.push(".tmp_");
    let mut found = Vec::new();
    for entry in fs::read_dir(target.parent().unwrap_or(target))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(start.as_encoded_bytes()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        // Fails only where a filter of system calls forbids it; names that clash are found out then.
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty()).unwrap_or(N);
    }
    bytes
}

/// Six letters, as `mkstemp` has them.
pub(super) fn random_name() -> String {
    const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    random::<6>().iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// Opens a directory.
pub(super) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a regular file for reading; anything else is an error.
pub(super) fn open_file(path: &Path) -> io::Result<(File, Stat)> {
    // Opening a pipe would wait for somebody.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if !is_regular(&stat) {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((file.into(), stat))
}

/// What lies at a path, without following a symlink; `None` for nothing.
pub(super) fn look(path: &Path) -> io::Result<Option<Stat>> {
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether it is a regular file.
pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Whether an error says that there is no such file.
pub(super) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// A whole file of at most `limit` bytes.
pub(super) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let (file, stat) = open_file(path)?;
    let size = stat.st_size as u64;
    if size > limit {
        return Err(io::Error::other(format!(
            "{size} bytes, more than the {limit} that such a file may have"
        )));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
