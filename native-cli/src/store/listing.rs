//! What listings say of groups, snapshots and repositories.

use pxkit_core::blob::CryptMode;

use super::{Group, SnapshotId};

/// A group in a listing.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    /// Type and id.
    pub group: Group,
    /// Whom it belongs to.
    pub owner: String,
    /// The first line of its notes.
    pub comment: Option<String>,
}

/// A snapshot in a listing.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    /// Group and time.
    pub id: SnapshotId,
    /// Whether there is a manifest.
    pub finished: bool,
    /// It must not be removed.
    pub protected: bool,
    /// Bytes of all that it holds, as its manifest says; `None` if there is none, or it cannot be read.
    pub size: Option<u64>,
    /// Its files: those of the manifest in its order, then all others by name.
    pub files: Vec<FileInfo>,
    /// Its notes, of a snapshot on a server their first line.
    pub notes: Option<String>,
    /// Whether all was well when it was verified last.
    pub verified: Option<bool>,
    /// Whom its group belongs to, if that is known.
    pub owner: Option<String>,
    /// The fingerprint of the key that it was made with, as its manifest has it.
    pub key: Option<String>,
}

impl SnapshotInfo {
    /// The files that the manifest names, with what it says of them.
    pub fn listed(&self) -> impl Iterator<Item = (&str, Listed)> {
        self.files.iter().filter_map(|file| Some((file.name.as_str(), file.listed?)))
    }
}

/// A file of a snapshot in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name, with `.didx`, `.fidx` or `.blob`.
    pub name: String,
    /// What the manifest says of it; nothing of itself, of the log, or if it cannot be read.
    pub listed: Option<Listed>,
    /// Bytes of the file on disk, where that is known: servers tell it of the manifest only.
    pub stored: Option<u64>,
    /// The manifest names it, and it is not there. Servers do not look.
    pub is_missing: bool,
}

/// What a manifest says of a file, in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Of an index the bytes of the archive, of a blob those of its file.
    pub size: u64,
    /// What a key was used for.
    pub crypt_mode: CryptMode,
}

/// How much room a repository has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Of its file system.
    pub total: u64,
    /// Of those free for it.
    pub free: u64,
}
