//! Walks a directory tree in archive order, with several threads that list, open and read ahead.
//!
//! [`Walk::next`] gives the steps in the one order that an archive has: children ascending by the bytes of their names, depth
//! first. The threads only decide how soon a step is ready, never what it is or where it stands.
//!
//! The work is cut into tasks: *enter* a directory (open it, read its attributes, list it and `stat` the names) and *prepare* a
//! batch of its other nodes (open, read attributes and small contents). Tasks not yet started stand in a list in archive
//! order; workers take the first that fits the bounds on what may lie ready. The consumer takes the results in order, and
//! where a task was not started yet it does it itself, so no bound can ever block it.

mod batch;
mod dir;
mod enter;
mod file;
mod later;
mod listing;
mod options;
mod pool;
mod report;
mod scope;
mod tasks;
#[cfg(test)]
mod tests;
mod walker;

use pxkit_core::format::{Attributes, Kind, Stat, Timestamp};
use pxkit_core::reuse::state::Marks;

pub(crate) use enter::{Stop, at_open};
pub(crate) use file::read_small;
pub use file::{BLOCK, Change, FileReader};
pub use later::{Fresh, LateOpener, Later};
pub use listing::Identity;
pub use options::{Bounds, Options, Prepare};
pub use report::{Counts, DisplayPath, Problem, Reading, WalkError, Warning, What};
pub use walker::{Walk, open_source};

/// One step of the walk.
#[derive(Debug)]
pub enum Step<'w> {
    /// A directory starts; its children follow until its [`Step::Leave`]. The first step is the root, whose name is empty.
    Enter(Node<'w>),
    /// A node that is no directory.
    Node(Node<'w>),
    /// The directory that was entered last and not left yet ends.
    Leave,
    /// Something was left out or is not as it should be. Stands before the node that it is about, in its
    /// place, or, if it is about a directory that is not left out, right after its [`Step::Enter`].
    Warning(Warning),
}

/// A node of the tree, as it was when its directory was listed; a file that took the place of another since then, as it was
/// when it was opened.
#[derive(Debug)]
pub struct Node<'w> {
    /// Path from the root, without slash at either end.
    pub path: &'w [u8],
    /// Last component of the path.
    pub name: &'w [u8],
    /// What it is. Never [`Kind::Hardlink`]: which name of several is the file is for the consumer to decide.
    pub kind: Kind,
    /// Mode, owner, time and inode flags.
    pub stat: Stat,
    /// Time of the last change of anything, which archives do not store.
    pub ctime: Timestamp,
    /// When the inode was made, in nanoseconds since 1970; 0 if that is not known. Only with [`Prepare::Stat`] or read by name.
    pub birth: i64,
    /// What is known about inode, times and metadata; of inode and times, likewise.
    pub marks: Marks,
    /// Neither inode flags nor attributes were read, see [`Prepare::Stat`].
    pub is_bare: bool,
    /// Attributes; none but of regular files and directories.
    pub attributes: &'w Attributes,
    /// Bytes of contents by `stat`; this many are stored, whatever happens to the file.
    pub size: u64,
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
    /// `st_nlink`.
    pub nlink: u64,
    /// `st_rdev`, for devices.
    pub rdev: u64,
    /// Contents or target.
    pub content: Content<'w>,
}

impl Node<'_> {
    /// What tells whether it is still the same when its contents are wanted.
    pub fn identity(&self) -> Identity {
        Identity { dev: self.dev, ino: self.ino, size: self.size, mtime: self.stat.mtime, ctime: self.ctime }
    }
}

/// What a node holds.
#[derive(Debug)]
pub enum Content<'w> {
    /// Nothing: directories, devices, FIFOs, sockets.
    None,
    /// Target of a symbolic link.
    Target(&'w [u8]),
    /// The contents of a small file, exactly [`Node::size`] bytes.
    Bytes(&'w [u8]),
    /// A larger file, open.
    File(FileReader),
    /// A regular file with [`Prepare::Metadata`].
    Unread,
}
