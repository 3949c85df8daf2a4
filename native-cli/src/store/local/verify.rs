//! Verification of snapshots in a directory: under their locks, with the result in their manifests.

use std::path::PathBuf;
use std::sync::Arc;

use pxkit_core::blob::{FileEntry, Manifest};

use super::Store;
use super::lock::ReaderLock;
use super::snapshot::{load_blob, load_index, load_manifest};
use super::upid::{set_verify_state, upid};
use crate::store::verify::{Chunks, Files, Place, Verdict};
use crate::store::{Index, Namespace, SnapshotId};

/// The store, and when a verification of it began.
#[derive(Debug)]
pub(super) struct Here {
    pub store: Arc<Store>,
    /// In seconds since 1970.
    pub now: i64,
}

impl Place for Here {
    fn open(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
    ) -> anyhow::Result<Result<Box<dyn Files>, (Verdict, String)>> {
        let skipped = |why: String| Ok(Err((Verdict::Skipped, why)));
        let directory = self.store.layout.snapshot(namespace, id);
        let gone = || format!("{id} does not exist (any more)");
        if !directory.is_dir() {
            return skipped(gone());
        }
        let lock = match self.store.locks.reader(namespace, id, &directory) {
            Ok(Some(lock)) => lock,
            Ok(None) => return skipped(format!("{id} is in use: it is being made or removed")),
            Err(error) => return skipped(format!("{error:#}")),
        };
        if !directory.is_dir() {
            return skipped(gone());
        }
        Ok(match load_manifest(&directory) {
            Ok(manifest) => {
                Ok(Box::new(Locked { store: self.store.clone(), directory, manifest, _lock: lock }))
            }
            Err(error) => Err((Verdict::Failed, format!("manifest load error: {error:#}"))),
        })
    }

    /// What has not changed is noted, too: the server tells by it how old the verification is. A store that is read-only keeps none.
    fn note(&self, namespace: &Namespace, id: &SnapshotId, ok: bool) -> anyhow::Result<()> {
        let worker = format!("{}:{id}", self.store.name());
        let upid = upid("verify", &worker, &self.store.auth_id, self.now);
        self.store.update_manifest(namespace, id, |manifest| set_verify_state(manifest, ok, &upid))
    }
}

/// A snapshot that is locked.
#[derive(Debug)]
struct Locked {
    store: Arc<Store>,
    directory: PathBuf,
    manifest: Manifest,
    _lock: ReaderLock,
}

impl Files for Locked {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn blob(&self, entry: &FileEntry) -> anyhow::Result<Vec<u8>> {
        load_blob(&self.directory, entry)
    }

    fn index(&self, entry: &FileEntry) -> anyhow::Result<Index> {
        load_index(&self.directory, entry)
    }

    fn chunks(&self) -> &dyn Chunks {
        &self.store.chunks
    }
}
