//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, linkat, openat};
use rustix::io::Errno;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;
/// Contents from this size on are written as they are instead of being gathered.
const LARGE: usize = 64 << 10;

/// A file that is being written. It gets its name in [`Output::publish`]; until then, and if that is never called, there is no
/// trace of it, even if the process is killed (where the file system can do that; elsewhere it is removed on failure).
#[derive(Debug)]
pub struct Output {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    naming: Naming,
    /// Whether there are holes, behind the last of which nothing may stand.
    has_holes: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Naming {
    /// The file has no name yet.
    Unnamed,
    /// The file system knows only files with names; it has its own already.
    Named,
    /// It is to replace one that exists, and has a name of its own meanwhile.
    Temporary(PathBuf),
    /// Standard output or a block device, which need none, or a file that is complete.
    Done,
}

impl Output {
    /// Begins a file, which must not exist, with mode 0640 less the umask; `-` is standard output.
    ///
    /// # Errors
    /// It exists, or cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let (buffer, path) = (Vec::with_capacity(BUFFER + LARGE), path.to_owned());
        if path == Path::new("-") {
            let stdout = io::stdout().as_fd().try_clone_to_owned().context("cannot open standard output")?;
            return Ok(Self {
                file: File::from(stdout),
                path,
                buffer,
                naming: Naming::Done,
                has_holes: false,
            });
        }
        if path.symlink_metadata().is_ok() {
            bail!("{} exists already", path.display());
        }
        let mode = Mode::from_raw_mode(0o640);
        let unnamed =
            openat(CWD, directory_of(&path), OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode);
        let (file, naming) = match unnamed {
            Ok(file) => (file, Naming::Unnamed),
            // EISDIR: a kernel or file system that does not know such files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                let file = openat(CWD, &path, flags, mode)
                    .with_context(|| format!("cannot create {}", path.display()))?;
                (file, Naming::Named)
            }
            Err(errno) => {
                return Err(errno).with_context(|| format!("cannot create {}", path.display()));
            }
        };
        Ok(Self { file: File::from(file), path, buffer, naming, has_holes: false })
    }

    /// Begins a file that replaces the one of that name when it is published; a block device is written as it is.
    ///
    /// # Errors
    /// It cannot be created; what has that name is neither a regular file nor a block device.
    pub fn replace(path: &Path) -> anyhow::Result<Self> {
        let Ok(metadata) = path.symlink_metadata() else { return Self::create(path) };
        let what = || format!("cannot replace {}", path.display());
        let file_type = path.metadata().with_context(what)?.file_type();
        if file_type.is_block_device() {
            let file = File::options().write(true).open(path).with_context(what)?;
            let buffer = Vec::with_capacity(BUFFER + LARGE);
            return Ok(Self { file, path: path.to_owned(), buffer, naming: Naming::Done, has_holes: false });
        }
        if !metadata.is_file() {
            bail!("{}: it is no regular file", what());
        }
        let name = format!(".pxkit-{}", std::process::id());
        let temporary = directory_of(path).join(name);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(CWD, &temporary, flags, Mode::from_raw_mode(0o640)).with_context(what)?;
        let (file, buffer) = (File::from(file), Vec::with_capacity(BUFFER + LARGE));
        Ok(Self {
            file,
            path: path.to_owned(),
            buffer,
            naming: Naming::Temporary(temporary),
            has_holes: false,
        })
    }

    /// Device and inode of the file if it already has a name, under which a walk may come upon it.
    ///
    /// # Errors
    /// It cannot be examined.
    pub fn identity(&self) -> anyhow::Result<Option<(u64, u64)>> {
        if self.naming == Naming::Unnamed {
            return Ok(None);
        }
        let stat = fstat(&self.file).with_context(|| format!("cannot look at {}", self.path.display()))?;
        // Standard output may be anything.
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then_some((stat.st_dev, stat.st_ino)))
    }

    /// The buffer of what comes next; [`Output::flush_if_full`] empties it now and then.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends contents.
    ///
    /// # Errors
    /// Those of writing.
    pub fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if bytes.len() < LARGE {
            self.buffer.extend_from_slice(bytes);
            return self.flush_if_full();
        }
        self.flush()?;
        self.file.write_all(bytes).with_context(|| self.cannot_write())
    }

    /// Appends zeros, as a hole in a regular file.
    ///
    /// # Errors
    /// Those of writing.
    pub fn append_zeros(&mut self, mut bytes: u64) -> anyhow::Result<()> {
        static ZEROS: [u8; 4096] = [0; 4096];
        if self.naming != Naming::Done {
            self.flush()?;
            self.has_holes = true;
            let bytes = i64::try_from(bytes).with_context(|| self.cannot_write())?;
            self.file.seek(SeekFrom::Current(bytes)).with_context(|| self.cannot_write())?;
            return Ok(());
        }
        while bytes > 0 {
            let part = bytes.min(ZEROS.len() as u64);
            self.append(&ZEROS[..part as usize])?;
            bytes -= part;
        }
        Ok(())
    }

    /// Writes what was gathered if it is much.
    ///
    /// # Errors
    /// Those of writing.
    pub fn flush_if_full(&mut self) -> anyhow::Result<()> {
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.file.write_all(&self.buffer).with_context(|| self.cannot_write())?;
        self.buffer.clear();
        Ok(())
    }

    fn cannot_write(&self) -> String {
        format!("cannot write {}", self.path.display())
    }

    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// Those of writing; or a file of that name was made meanwhile.
    pub fn publish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        if self.has_holes {
            let size = self.file.stream_position().with_context(|| self.cannot_write())?;
            self.file.set_len(size).with_context(|| self.cannot_write())?;
        }
        let what = || format!("cannot name the finished file {}", self.path.display());
        match &self.naming {
            Naming::Unnamed => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, own, CWD, &self.path, AtFlags::SYMLINK_FOLLOW).with_context(what)?;
            }
            Naming::Temporary(temporary) => fs::rename(temporary, &self.path).with_context(what)?,
            Naming::Named | Naming::Done => {}
        }
        self.naming = Naming::Done;
        Ok(())
    }

    /// Takes the name away again, because the file that belongs to it could not be published.
    pub fn retract(&self) {
        // There is a better error to tell than that this failed.
        let _ = fs::remove_file(&self.path);
    }
}

/// The directory of a path to a file.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whether two paths name the same file, which need not exist.
pub fn is_same_place(a: &Path, b: &Path) -> bool {
    let is_same_directory = || {
        let [a, b] = [a, b].map(|path| directory_of(path).canonicalize());
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    };
    a == b || (a.file_name().is_some() && a.file_name() == b.file_name() && is_same_directory())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    /// What was gathered is written when the file is published.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        match &self.naming {
            Naming::Named => self.retract(),
            Naming::Temporary(temporary) => _ = fs::remove_file(temporary),
            Naming::Unnamed | Naming::Done => {}
        }
    }
}
