//! Opening a file some time after the walk, for somebody who wants the contents of what the walk recorded.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pxkit_core::format::{Attributes, Features, Kind, Stat};
use rustix::fs::{OFlags, fstat, fstatfs};

use super::enter::{Stop, at_metadata, at_open, open};
use super::listing::{Entry, Identity};
use super::options::Options;
use super::report::{Problem, What};
use crate::linux::{AttributeReader, FileSystem, doing};

/// What stands at a file's name when it is opened.
#[derive(Debug)]
pub enum Later {
    /// The file, as it was recorded: what was recorded holds.
    Same(OwnedFd),
    /// A file that was changed since, or another one: what was read now holds.
    Changed(OwnedFd, Box<Fresh>),
    /// Nothing that may be opened: it is left out, for this reason.
    Gone(What),
    /// No regular file any more: it is left out ([`What::Replaced`]).
    Replaced,
}

/// Metadata of an open regular file, as a [`Node`](super::Node) has it.
#[derive(Debug)]
pub struct Fresh {
    /// Mode, owner, time and inode flags.
    pub stat: Stat,
    /// Attributes.
    pub attributes: Attributes,
    /// Size, times and what else tells it from others. The size is what the contents are to be read with.
    pub identity: Identity,
    /// `st_nlink`.
    pub nlink: u64,
    /// What it lacks.
    pub warning: Option<What>,
}

/// Opens files. Keeps buffers, so one for each thread.
#[derive(Debug)]
pub struct LateOpener {
    reader: AttributeReader,
    wanted: Features,
}

impl LateOpener {
    /// Reads metadata as a walk with these options does.
    pub fn new(options: &Options) -> Self {
        Self { reader: AttributeReader::new(options.read), wanted: options.features }
    }

    /// Opens the file `name` in `dir` for reading and tells whether it is still the one that was recorded. Never follows
    /// symlinks, waits for no writer of a FIFO, and leaves the access time alone if the kernel lets it. One that did not
    /// change takes two system calls.
    ///
    /// # Errors
    /// What would end a walk, too: no descriptors left, the disk fails.
    pub fn open(&mut self, dir: BorrowedFd<'_>, name: &CStr, recorded: &Identity) -> Result<Later, Problem> {
        match self.try_open(dir, name, recorded) {
            Ok(later) => Ok(later),
            Err(Stop::Skip(What::Replaced)) => Ok(Later::Replaced),
            Err(Stop::Skip(what)) => Ok(Later::Gone(what)),
            Err(Stop::Fail(problem)) => Err(problem),
        }
    }

    fn try_open(&mut self, dir: BorrowedFd<'_>, name: &CStr, recorded: &Identity) -> Result<Later, Stop> {
        let file = open(dir, name, OFlags::empty()).map_err(|errno| at_open(errno, "open the file"))?;
        let stat = fstat(&file).map_err(|errno| at_open(errno, "look at the open file"))?;
        let entry = Entry::new(0..0, &stat).map_err(Stop::Fail)?;
        if entry.kind != Kind::File {
            return Ok(Later::Replaced);
        }
        if entry.identity() == *recorded {
            return Ok(Later::Same(file));
        }
        // As the walk sees it: with the eyes of the directory's file system.
        let magic = fstatfs(dir).map_err(doing("tell the file system")).map_err(at_metadata)?.f_type;
        let mut file_system = FileSystem::new(entry.dev, magic as u64, self.wanted);
        let mut attributes = Attributes::new();
        let found = self
            .reader
            .read(file.as_fd(), Kind::File, &mut file_system, &mut attributes)
            .map_err(at_metadata)?;
        let fresh = Fresh {
            stat: entry.stat(found.flags),
            attributes,
            identity: entry.identity(),
            nlink: entry.nlink(),
            warning: found.is_incomplete.then_some(What::XattrsLeftOut),
        };
        Ok(Later::Changed(file, Box::new(fresh)))
    }
}
