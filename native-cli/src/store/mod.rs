//! Where snapshots are kept: a repository. There are two kinds, the datastore in a local directory and the one on a server
//! ([`crate::remote`]); whatever a command does with either goes through the traits here.
//!
//! A [`Repository`] opens snapshots for reading ([`OpenSnapshot`]) and begins new ones ([`Backup`]). What is open keeps its locks until
//! it is dropped. All of it may be used from several threads at once.
//!
//! Repositories keep blobs and chunks as they are encoded and know no keys: [`NewChunk`] encodes, [`Snapshot`] decodes.

mod id;
mod listing;
mod local;
pub mod locate;
mod names;
mod new;
pub mod prune;
mod snapshot;
pub mod verify;

use std::fmt::Debug;
use std::fs::File;
use std::sync::Arc;

use pxkit_core::blob::{CryptMode, FileEntry, Manifest};
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, FixedIndex};

pub(crate) use id::is_safe;
pub use id::{Group, Namespace, ParseError, SnapshotId};
pub use listing::{FileInfo, GroupInfo, Listed, SnapshotInfo, Space};
use local::Index;
pub use local::{
    CUTOFF, ChunkError, ChunkProblem, Collect, Collected, Fault, Faults, Local, Options, Server, SyncLevel,
};
pub use names::{ArchiveName, SnapshotName, split_archive};
pub use new::{NewChunk, encode_blob};
pub use snapshot::Snapshot;
pub use verify::{Verdict, Verification, Verified};

use crate::crypt::EncryptionKey;

/// Where snapshots are kept.
pub trait Repository: Debug + Send + Sync {
    /// How messages name it.
    fn name(&self) -> String;

    /// The namespace and all below it.
    ///
    /// # Errors
    /// It does not exist or cannot be read.
    fn namespaces(&self, below: &Namespace) -> anyhow::Result<Vec<Namespace>>;

    /// The groups of a namespace in their order (by type; numbers before other ids).
    ///
    /// # Errors
    /// The namespace does not exist or cannot be read.
    fn groups(&self, namespace: &Namespace) -> anyhow::Result<Vec<GroupInfo>>;

    /// The snapshots of a group, oldest first, unfinished ones too.
    ///
    /// # Errors
    /// The group does not exist or cannot be read.
    fn snapshots(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<Vec<SnapshotInfo>>;

    /// The snapshots of all groups of a namespace: the groups in their order, in each the oldest first.
    ///
    /// # Errors
    /// The namespace does not exist, or something in it cannot be read.
    fn all_snapshots(&self, namespace: &Namespace) -> anyhow::Result<Vec<SnapshotInfo>> {
        let mut all = Vec::new();
        for info in self.groups(namespace)? {
            all.extend(self.snapshots(namespace, &info.group)?);
        }
        Ok(all)
    }

    /// Opens a finished snapshot; nobody removes it before it is dropped.
    ///
    /// # Errors
    /// It does not exist, is not finished, is being removed, or its manifest cannot be read.
    fn open(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<Arc<dyn OpenSnapshot>>;

    /// How many indexes a new snapshot may have at most, if there is a bound.
    fn most_indexes(&self) -> Option<usize> {
        None
    }

    /// Begins a snapshot. Nobody sees it before [`Backup::finish`]; dropped without that it leaves no trace but chunks.
    ///
    /// # Errors
    /// Somebody else backs up this group, garbage is being collected, the time is not after that of the last snapshot, the group
    /// belongs to somebody else, or nothing can be written.
    fn begin(&self, new: &NewSnapshot) -> anyhow::Result<Box<dyn Backup>>;

    /// Removes a snapshot, and its group with the last one.
    ///
    /// # Errors
    /// It does not exist, is protected or in use, or cannot be removed.
    fn forget(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<()>;

    /// Lets nobody remove a snapshot (`protected`), or lets them again.
    ///
    /// # Errors
    /// It does not exist or is in use, or nothing can be written.
    fn set_protected(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        protected: bool,
    ) -> anyhow::Result<()>;

    /// The notes of a snapshot; empty if there are none.
    ///
    /// # Errors
    /// It does not exist, or its manifest cannot be read.
    fn notes(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<String>;

    /// Writes the notes of a snapshot; empty ones are removed.
    ///
    /// # Errors
    /// It does not exist, its manifest is in use or cannot be read, or nothing can be written.
    fn set_notes(&self, namespace: &Namespace, snapshot: &SnapshotId, notes: &str) -> anyhow::Result<()>;

    /// The notes of a group; empty if there are none.
    ///
    /// # Errors
    /// The group does not exist, or they cannot be read.
    fn group_notes(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<String>;

    /// Writes the notes of a group, whose first line listings show; empty ones are removed.
    ///
    /// # Errors
    /// It does not exist or is in use, or nothing can be written.
    fn set_group_notes(&self, namespace: &Namespace, group: &Group, notes: &str) -> anyhow::Result<()>;

    /// Gives a group to another user or token (`user@realm` or `user@realm!token`).
    ///
    /// # Errors
    /// It does not exist or is in use, that is no user, or nothing can be written.
    fn change_owner(&self, namespace: &Namespace, group: &Group, owner: &str) -> anyhow::Result<()>;

    /// Makes a namespace; those around it must exist. It may exist already.
    ///
    /// # Errors
    /// Its last name has more than 32 characters, the one around it does not exist, or nothing can be written.
    fn create_namespace(&self, namespace: &Namespace) -> anyhow::Result<()>;

    /// Removes a namespace with all below it; with their groups and snapshots, too, if `groups` says so.
    ///
    /// # Errors
    /// It is the root or does not exist, there are groups that must stay, a snapshot is protected or in use, or something cannot be
    /// removed.
    fn delete_namespace(&self, namespace: &Namespace, groups: bool) -> anyhow::Result<()>;

    /// How much room there is.
    ///
    /// # Errors
    /// Nobody can tell.
    fn space(&self) -> anyhow::Result<Space>;
}

/// What is to be begun.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    /// Where; it must exist, but for the root.
    pub namespace: Namespace,
    /// Group and time.
    pub snapshot: SnapshotId,
}

/// A finished snapshot that is open for reading.
pub trait OpenSnapshot: Debug + Send + Sync {
    /// Group and time.
    fn id(&self) -> &SnapshotId;

    /// What it is made of.
    fn manifest(&self) -> &Manifest;

    /// The index of an archive by its name in the manifest (`root.mpxar.didx`). Checksum and size are those of the manifest.
    ///
    /// # Errors
    /// The manifest names no such file, it cannot be read, or it is not what the manifest says.
    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex>;

    /// The index of an image by its name in the manifest (`disk.img.fidx`). Checksum and size are those of the manifest.
    ///
    /// # Errors
    /// As for [`OpenSnapshot::index`].
    fn image(&self, name: &str) -> anyhow::Result<FixedIndex>;

    /// A blob by its name in the manifest, as it is encoded. Size and checksum are those of the manifest.
    ///
    /// # Errors
    /// As for [`OpenSnapshot::index`].
    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>>;

    /// Fills `blob` with a chunk as it is encoded. Nothing of it was checked.
    ///
    /// # Errors
    /// It is missing or cannot be read; messages need not name it.
    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()>;

    /// Whether chunks take long to come, so that many should be asked for at once.
    fn is_far(&self) -> bool {
        false
    }
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// It was not there before.
    pub is_new: bool,
    /// Bytes of the encoded chunk, if it is new.
    pub encoded: u64,
}

/// A snapshot in the making.
pub trait Backup: Debug + Send + Sync {
    /// Group and time.
    fn id(&self) -> &SnapshotId;

    /// The last finished snapshot of the group, which cannot be removed meanwhile. Not one whose verification failed: its chunks are
    /// to be stored again.
    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>>;

    /// Chunks of the previous snapshot need not be stored again: whoever has the key has looked at its manifest.
    fn build_on_previous(&self) {}

    /// Marks a chunk as used and tells whether it is there. Chunks that are to be injected must have been marked.
    ///
    /// # Errors
    /// Nobody can tell.
    fn touch(&self, digest: &Digest) -> anyhow::Result<bool>;

    /// Something is wrong with an index of the previous snapshot that is kept as `mode`: its chunks that are damaged are set aside, so that they are
    /// stored again where they are needed. How many were; servers let nobody do that but themselves.
    ///
    /// # Errors
    /// A signal came.
    fn set_damaged_aside(
        &self,
        _: &DynamicIndex,
        _: CryptMode,
        _: Option<&Arc<EncryptionKey>>,
    ) -> anyhow::Result<u64> {
        Ok(0)
    }

    /// Stores a chunk unless it is there already.
    ///
    /// # Errors
    /// It cannot be encoded or written. Nothing of it is left then.
    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored>;

    /// Starts the index of an archive by its name in the manifest (`root.mpxar.didx`).
    ///
    /// # Errors
    /// It exists, or cannot be written.
    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>>;

    /// Starts the index of an image by its name in the manifest (`disk.img.fidx`); its size in bytes if that is known. While it is
    /// written no other index is.
    ///
    /// # Errors
    /// As for [`Backup::index`].
    fn image(&self, name: &str, size: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>>;

    /// A file without a name, for what a backup must remember for a while.
    ///
    /// # Errors
    /// There is no room for one.
    fn scratch(&self) -> anyhow::Result<File> {
        crate::backup::scratch_file(&std::env::temp_dir())
    }

    /// Stores a small file, encoded by [`encode_blob`], by its name in the manifest (`config.conf.blob`).
    ///
    /// # Errors
    /// It exists, or cannot be written.
    fn blob(&self, name: &str, encoded: &[u8]) -> anyhow::Result<()>;

    /// Makes the snapshot visible, with all that was stored durable before (as the sync level says).
    ///
    /// # Errors
    /// It cannot be written, or the previous snapshot is gone. The snapshot is removed then.
    fn finish(self: Box<Self>, manifest: &Manifest) -> anyhow::Result<()>;
}

/// An index in the making. Dropped without [`IndexWriter::finish`] it leaves no trace.
pub trait IndexWriter: Debug + Send {
    /// Adds a chunk that is stored already.
    ///
    /// # Errors
    /// It cannot be written, or the chunk has no possible length.
    fn push(&mut self, digest: Digest, len: u64) -> anyhow::Result<()>;

    /// Completes the index; returns what the manifest says of it, but for the mode of encryption, which whoever knows it sets.
    ///
    /// # Errors
    /// It cannot be written, or there is no chunk.
    fn finish(self: Box<Self>) -> anyhow::Result<FileEntry>;
}
