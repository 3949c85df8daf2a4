//! Removing snapshots, protecting them, notes (datastore specification 4.2, 10.4, 14).

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use pxkit_core::blob::Manifest;

use super::Store;
use super::disk::is_missing;
use super::layout::{MANIFEST, PROTECTED};
use super::session::remove_snapshot;
use super::snapshot::{is_protected, load_manifest};
use crate::codec;
use crate::store::{Group, Namespace, SnapshotId};

impl Store {
    /// Removes a snapshot, and its group with the last one.
    pub(super) fn forget(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<()> {
        let directory = self.existing(namespace, id)?;
        let snapshot_lock = self.locks.snapshot(namespace, id, &directory)?;
        let manifest_lock = self.locks.manifest(namespace, id)?;
        if is_protected(&directory) {
            bail!("{id} is protected: `pxkit unprotect {id}` allows to remove it");
        }
        remove_snapshot(self, &directory)?;
        manifest_lock.remove();
        snapshot_lock.remove();
        self.forget_empty_group(namespace, &id.group)
    }

    /// Somebody who holds the group's lock removes it himself, or needs it.
    fn forget_empty_group(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<()> {
        if self.locks.old {
            return Ok(());
        }
        let directory = self.layout.group(namespace, group);
        let Ok(lock) = self.locks.group(namespace, group, &directory) else { return Ok(()) };
        if self.remove_empty_group(namespace, group)? {
            lock.remove();
        }
        Ok(())
    }

    /// Lets nobody remove a snapshot, or lets them again.
    pub(super) fn set_protected(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
        protected: bool,
    ) -> anyhow::Result<()> {
        let directory = self.existing(namespace, id)?;
        let path = directory.join(PROTECTED);
        let _lock = self.locks.snapshot(namespace, id, &directory)?;
        let result = match protected {
            true if is_protected(&directory) => Ok(()),
            true => self.disk.create(&path, 0o644).map(drop),
            false => match self.disk.remove_file(&path) {
                Err(error) if is_missing(&error) => Ok(()),
                result => result,
            },
        };
        result.with_context(|| format!("cannot change {}", path.display()))
    }

    /// Changes what the signature of a manifest does not cover (10.4, W18). What does not change is not written.
    pub(super) fn update_manifest(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
        change: impl FnOnce(&mut Manifest),
    ) -> anyhow::Result<()> {
        let directory = self.existing(namespace, id)?;
        let _lock = self.locks.manifest(namespace, id)?;
        let before = load_manifest(&directory)?;
        let mut manifest = before.clone();
        change(&mut manifest);
        if manifest == before {
            return Ok(());
        }
        // Whatever the change did elsewhere would break the signature.
        let manifest = Manifest { unprotected: manifest.unprotected, ..before };
        let blob = codec::encode(manifest.to_json().as_bytes(), |frame| Ok(frame.to_vec()))?;
        let written = self.disk.replace(&directory.join(MANIFEST), &blob, true);
        written.with_context(|| format!("cannot rewrite the manifest of {id}"))
    }

    /// Writes the notes of a group; empty ones are removed.
    pub(super) fn set_group_notes(
        &self,
        namespace: &Namespace,
        group: &Group,
        notes: &str,
    ) -> anyhow::Result<()> {
        let directory = self.layout.group(namespace, group);
        if !directory.is_dir() {
            bail!("there is no group {group} in {}", self.place(namespace));
        }
        let _lock = self.locks.group(namespace, group, &directory)?;
        let path = directory.join("notes");
        let result = if notes.is_empty() {
            match self.disk.remove_file(&path) {
                Err(error) if is_missing(&error) => Ok(()),
                result => result,
            }
        } else {
            self.disk.replace(&path, notes.as_bytes(), false)
        };
        result.with_context(|| format!("cannot write {}", path.display()))
    }

    fn existing(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<PathBuf> {
        let directory = self.layout.snapshot(namespace, id);
        if !directory.is_dir() {
            bail!("there is no snapshot {id} in {}", self.place(namespace));
        }
        Ok(directory)
    }
}
