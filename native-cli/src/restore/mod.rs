//! Restores entries of an archive into a directory, safely and with several threads.
//!
//! One thread reads entries in archive order, makes directories, links and special nodes, and hands files in batches to workers,
//! which read the contents (from files and chunks; from a pipe the first thread must) and write them. The files of a batch lie in as
//! few chunks as possible, so that workers seldom wait for each other, and the chunks of batches that wait are read ahead. A directory gets its metadata when
//! nothing is left to be done in it: everything that works in a directory shares its `dir::Dir`, and whoever lets go of it last
//! finishes it.
//!
//! Nothing leaves the target directory, whatever an archive holds: every node is made by a single component of a name in an open
//! directory, directories are opened without following symlinks, and targets of hard links are walked to in the same way.

mod dir;
mod extractor;
mod file;
mod node;
mod pool;
mod receiver;
mod replace;

use std::sync::Arc;

use pxkit_core::format::Features;

pub use extractor::{Extractor, Parent};
pub use receiver::Receiver;

use crate::input::Payload;
use crate::source::ByteSource;

/// How to restore.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Metadata and kinds of nodes to restore.
    pub features: Features,
    /// Directories may exist.
    pub allow_existing_dirs: bool,
    /// Files and special nodes replace what exists.
    pub overwrite_files: bool,
    /// Symlinks replace what exists.
    pub overwrite_symlinks: bool,
    /// Hard links replace what exists.
    pub overwrite_hardlinks: bool,
    /// The first error ends the work.
    pub strict: bool,
    /// Every entry is named on standard error.
    pub verbose: bool,
    /// Threads that write files.
    pub threads: usize,
}

/// Where contents come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The archive, if it can be read anywhere.
    pub archive: Option<Arc<dyn ByteSource>>,
    /// The payload stream of a split archive.
    pub payload: Option<Payload>,
    /// What to do about a payload stream that is missing.
    pub payload_hint: &'static str,
}
