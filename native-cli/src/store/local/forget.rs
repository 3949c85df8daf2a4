//! Removing snapshots and namespaces, protecting, notes (datastore specification 4.2, 10.4, 14).

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use pxkit_core::blob::{BackupType, Manifest};

use super::Store;
use super::disk::is_missing;
use super::group;
use super::layout::{MANIFEST, PROTECTED, TYPES};
use super::session::remove_snapshot;
use super::snapshot::{is_protected, load_manifest, times};
use crate::codec;
use crate::report::check_signals;
use crate::store::{Group, Namespace, SnapshotId};
use crate::text::counted;

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

    /// Removes a namespace with all below it. Nothing is removed if it is known before that something must stay.
    pub(super) fn delete_namespace(&self, namespace: &Namespace, groups: bool) -> anyhow::Result<()> {
        if namespace.is_root() {
            bail!("the root is the datastore itself: name a namespace in it");
        }
        let namespaces = group::namespaces(&self.layout, namespace)?;
        let mut all = Vec::new();
        for namespace in &namespaces {
            all.extend(group::all(&self.layout, namespace)?.into_iter().map(|group| (namespace, group)));
        }
        if let Some((first, group)) = all.first().filter(|_| !groups) {
            bail!(
                "the namespace `{namespace}` is not empty: it has {}, such as {group} in \
                `{first}`; --delete-groups removes them, too",
                counted(all.len(), "group")
            );
        }
        let mut snapshots = Vec::new();
        for (namespace, group) in &all {
            for time in times(&self.layout.group(namespace, group))? {
                let id = SnapshotId { group: group.clone(), time };
                if is_protected(&self.layout.snapshot(namespace, &id)) {
                    bail!("{id} in the namespace `{namespace}` is protected: nothing was removed");
                }
                snapshots.push((*namespace, id));
            }
        }
        for (namespace, id) in &snapshots {
            check_signals()?;
            self.forget(namespace, id)?;
        }
        for (namespace, group) in &all {
            // One that never had a snapshot, or whose lock somebody held.
            if self.layout.group(namespace, group).is_dir() {
                self.forget_empty_group(namespace, group)?;
            }
        }
        // The inner ones go first.
        namespaces.iter().rev().try_for_each(|namespace| self.remove_namespace(namespace))
    }

    /// Removes the directories of a namespace that is empty, and `ns` around it with the last one.
    fn remove_namespace(&self, namespace: &Namespace) -> anyhow::Result<()> {
        let directory = self.layout.namespace(namespace);
        let inner = TYPES.map(BackupType::word).into_iter().chain(["ns"]).map(|name| directory.join(name));
        for path in inner.chain([directory.clone()]) {
            match self.disk.remove_dir(&path) {
                Err(error) if is_missing(&error) => {}
                result => result.with_context(|| format!("cannot remove {}", path.display()))?,
            }
        }
        // Another namespace may be in it.
        let _ = directory.parent().map(|around| self.disk.remove_dir(around));
        Ok(())
    }

    fn existing(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<PathBuf> {
        let directory = self.layout.snapshot(namespace, id);
        if !directory.is_dir() {
            bail!("there is no snapshot {id} in {}", self.place(namespace));
        }
        Ok(directory)
    }
}
