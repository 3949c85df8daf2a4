//! Directory trees that have the shape of a datastore, as the inspector reads them.
//!
//! The datastore in a local directory is one ([`super::local`]). Another may exist only in part and fetch on demand: a snapshot on a
//! server is the directory of its group, the files of the snapshot, and the chunks that somebody asks for, under the same names.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use super::place::Place;
use crate::source::ByteSource;

/// A tree with the shape of a datastore. It is used from several threads at once, which may be blocked.
pub trait Served: Debug + Send + Sync {
    /// How people know it.
    fn name(&self) -> String;

    /// What is in a directory, in the order of names. It is one of those that can be listed, see [`Place::can_be_listed`].
    ///
    /// # Errors
    /// It does not exist ([`io::ErrorKind::NotFound`]) or cannot be read.
    fn list(&self, directory: &Place) -> io::Result<Vec<Listed>>;

    /// Opens a file.
    ///
    /// # Errors
    /// It does not exist ([`io::ErrorKind::NotFound`]) or cannot be opened.
    fn open(&self, file: &Place) -> io::Result<Content>;
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name there.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Bytes of a file, where they are known; 0 for a directory.
    pub size: Option<u64>,
}

/// Bytes that can be sent.
#[derive(Debug)]
pub struct Content {
    /// Where they come from.
    pub source: Arc<dyn ByteSource>,
    /// Differs from that of any other content under the same name; characters that can stand in an entity tag.
    pub tag: String,
}
