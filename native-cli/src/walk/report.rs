//! What can go wrong on a walk: warnings, after which it goes on, and errors that end it.

use std::fmt::{self, Write};

use pxkit_core::pattern::PatternError;

use super::file::Change;
use crate::linux::CallError;

/// Something that the user should know; the walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path from the root, without slash at either end.
    pub path: Vec<u8>,
    /// What about it.
    pub what: What,
}

/// What a [`Warning`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The node vanished or may not be read, and is left out.
    LeftOut(CallError),
    /// Another kind of node has its name now; it is left out.
    Replaced,
    /// The contents are not as long as they were when the directory was listed.
    Changed(Change),
    /// It has extended attributes that are too many or too large for Linux to hand out; the node stands without them, and
    /// without what would come after them ([`crate::linux::ReadOptions::skip_e2big_xattr`]).
    XattrsLeftOut,
    /// The contents of a mount point are left out, as they should be.
    MountPoint {
        /// It is a view of the kernel's on itself.
        is_virtual: bool,
    },
    /// The patterns of this `.pxarexclude` file are not used.
    ExcludeFile(CallError),
    /// A `.pxarexclude` file is too large to be one.
    ExcludeFileSize,
    /// A line of a `.pxarexclude` file is no pattern.
    ExcludeLine {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        error: PatternError,
    },
}

impl What {
    /// Whether the archive lacks something that it should have; the rest is only worth a note.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::MountPoint { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", DisplayPath(&self.path), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut(error) => write!(f, "left out: {error}"),
            Self::Replaced => f.write_str("left out: replaced by another kind of node since it was listed"),
            Self::Changed(change) => change.fmt(f),
            Self::XattrsLeftOut => {
                f.write_str("extended attributes left out: too many or too large to be read")
            }
            Self::MountPoint { is_virtual: true } => f.write_str("contents left out: virtual file system"),
            Self::MountPoint { is_virtual: false } => f.write_str("contents left out: another file system"),
            Self::ExcludeFile(error) => write!(f, "its patterns are not used: {error}"),
            Self::ExcludeFileSize => f.write_str("its patterns are not used: the file is too large"),
            Self::ExcludeLine { line, error } => write!(f, "line {line} is not used: {error}"),
        }
    }
}

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkError {
    /// Path from the root, without slash at either end.
    pub path: Vec<u8>,
    /// What about it.
    pub problem: Problem,
}

/// What a [`WalkError`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A system call failed.
    Call(CallError),
    /// The root lies on one of the kernel's views of itself.
    VirtualRoot,
    /// More entries than [`super::Options::entries_max`].
    TooManyEntries {
        /// The limit.
        max: u64,
    },
    /// A type of node that archives have no word for.
    UnknownType {
        /// Its mode.
        mode: u32,
    },
    /// The file system has a name that is none.
    BadName,
    /// A defect of this program.
    Panicked,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", DisplayPath(&self.path))?;
        match &self.problem {
            Problem::Call(error) => error.fmt(f),
            Problem::VirtualRoot => f.write_str("this is a virtual file system, it cannot be archived"),
            Problem::TooManyEntries { max } => {
                write!(f, "more than {max} entries in this directory and those above it, see --entries-max")
            }
            Problem::UnknownType { mode } => write!(f, "expected a known type of node, got mode {mode:#o}"),
            Problem::BadName => f.write_str("the file system lists a name that no file can have"),
            Problem::Panicked => f.write_str("a defect of pxkit: a worker thread panicked here"),
        }
    }
}

impl std::error::Error for WalkError {}

/// Shows a path in messages: what is neither UTF-8 nor printable is escaped, hence backslashes, too; the root is a dot.
pub struct DisplayPath<'a>(
    /// The path.
    pub &'a [u8],
);

impl fmt::Display for DisplayPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_char('.');
        }
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || c == '\\' {
                    write!(f, "{}", c.escape_default())?
                } else {
                    f.write_char(c)?
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// How the metadata of regular files was read with [`super::Prepare::Metadata`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Files that were not opened.
    pub by_name: u64,
    /// Files that were opened, because of the kernel or their file system.
    pub opened: u64,
}

/// What a walk has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes, with the root and all directories.
    pub nodes: u64,
    /// Warnings of which [`What::is_loss`] holds.
    pub losses: u64,
}
