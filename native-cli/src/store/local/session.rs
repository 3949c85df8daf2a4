//! A snapshot in the making (datastore specification 14, 18.1).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::format::Digest;
use pxkit_core::index::DynamicIndex;
use serde_json::json;

use super::disk::{Temp, is_missing};
use super::index::LocalIndex;
use super::layout::MANIFEST;
use super::lock::Lock;
use super::process::SharedLock;
use super::snapshot::{Opened, times};
use super::{Store, SyncLevel};
use crate::backup::scratch_file;
use crate::codec;
use crate::crypt::EncryptionKey;
use crate::store::id::is_safe;
use crate::store::verify;
use crate::store::{Backup, IndexWriter, NewChunk, NewSnapshot, OpenSnapshot, SnapshotId, Stored};

/// What is counted for the manifest, as the server counts (10.1).
#[derive(Debug, Default)]
struct Uploads {
    count: AtomicU64,
    size: AtomicU64,
    compressed_size: AtomicU64,
    duplicates: AtomicU64,
}

/// A snapshot that is being made. Locks are given back in the order of the fields.
#[derive(Debug)]
pub(super) struct Session {
    store: Arc<Store>,
    new: NewSnapshot,
    directory: PathBuf,
    previous: Option<Arc<Opened>>,
    uploads: Uploads,
    /// Directories outside of the snapshot's that have new names in them.
    changed: Vec<PathBuf>,
    began: i64,
    /// Whether the snapshot's directory is still ours to remove.
    unfinished: bool,
    _busy: SharedLock,
    /// Both until the end.
    snapshot_lock: Option<Lock>,
    group_lock: Option<Lock>,
}

impl Session {
    /// Begins a snapshot; `now` is the time in seconds since 1970.
    pub fn begin(store: &Arc<Store>, new: &NewSnapshot, now: i64) -> anyhow::Result<Self> {
        let (namespace, id) = (&new.namespace, &new.snapshot);
        // First what costs nothing to give back: a busy store must not see a directory come and go.
        let busy = store.process.share(&store.disk, now)?;
        let group = store.layout.group(namespace, &id.group);
        // Where the directory is the lock, it must be there first.
        let early = if store.locks.old { Some(store.ensure_group(namespace, &id.group)?) } else { None };
        let group_lock = store.locks.group(namespace, &id.group, &group)?;
        let changed = match early {
            Some(changed) => changed,
            None => store.ensure_group(namespace, &id.group)?,
        };
        let mut session = Self {
            store: store.clone(),
            new: new.clone(),
            directory: store.layout.snapshot(namespace, id),
            previous: None,
            uploads: Uploads::default(),
            changed,
            began: now,
            unfinished: false,
            _busy: busy,
            snapshot_lock: None,
            group_lock: Some(group_lock),
        };
        session.find_previous(&group)?;
        session.make_directory(&group)?;
        Ok(session)
    }

    /// The newest finished snapshot counts for the time, and as the previous one if its verification did not fail.
    fn find_previous(&mut self, group: &Path) -> anyhow::Result<()> {
        let NewSnapshot { namespace, snapshot: new } = &self.new;
        for time in times(group)?.into_iter().rev() {
            let id = SnapshotId { time, ..new.clone() };
            let directory = self.store.layout.snapshot(namespace, &id);
            if !directory.join(MANIFEST).exists() {
                continue;
            }
            if id.time >= new.time {
                bail!("{new} is not after {id}: the group has that snapshot already");
            }
            // What cannot be read cannot be built upon, but is no reason not to make a backup.
            let opened = Opened::open(&self.store, namespace, &id).ok();
            self.previous = opened.filter(|opened| !has_failed(opened.manifest())).map(Arc::new);
            break;
        }
        Ok(())
    }

    fn make_directory(&mut self, group: &Path) -> anyhow::Result<()> {
        let Self { store, new, directory, .. } = self;
        let what = || format!("cannot make {}", directory.display());
        if store.locks.old {
            // The directory is the lock.
            store.disk.make_dir(directory, 0o755).with_context(what)?;
            self.unfinished = true;
            self.snapshot_lock = Some(store.locks.snapshot(&new.namespace, &new.snapshot, directory)?);
        } else {
            let lock = store.locks.snapshot(&new.namespace, &new.snapshot, directory)?;
            if directory.exists() && !directory.join(MANIFEST).exists() {
                // Nobody works on it, or he would hold the lock: what a crash left behind.
                remove_snapshot(store, directory)?;
            }
            store.disk.make_dir(directory, 0o755).with_context(what)?;
            self.unfinished = true;
            self.snapshot_lock = Some(lock);
        }
        self.changed.push(group.to_owned());
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.store.sync != SyncLevel::None
    }

    /// Everything that the manifest will name is on disk after this (W9).
    fn sync_contents(&self) -> anyhow::Result<()> {
        let disk = &self.store.disk;
        match self.store.sync {
            SyncLevel::None => return Ok(()),
            SyncLevel::Filesystem => disk.sync_all(&self.store.layout.root),
            // Chunks, indexes and blobs are durable since they have their names.
            SyncLevel::File => disk.sync_dir(&self.directory),
        }
        .context("cannot make the backup durable")
    }

    fn write_manifest(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let Self { store, new, .. } = self;
        let mut manifest = manifest.clone();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let uploads = json!({
            "count": count(&self.uploads.count),
            "size": count(&self.uploads.size),
            "compressed_size": count(&self.uploads.compressed_size),
            "duplicates": count(&self.uploads.duplicates),
        });
        manifest.unprotected.insert("chunk_upload_stats".to_owned(), uploads);
        let blob = codec::encode(manifest.to_json().as_bytes(), |frame| Ok(frame.to_vec()))?;
        let lock = store.locks.manifest(&new.namespace, &new.snapshot)?;
        let written = store.disk.replace(&self.directory.join(MANIFEST), &blob, self.is_durable());
        drop(lock);
        written.with_context(|| format!("cannot write the manifest of {}", new.snapshot))
    }

    fn check_files(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let id = &self.new.snapshot;
        for file in &manifest.files {
            if !self.directory.join(&file.filename).is_file() {
                bail!("{id} cannot be finished: its manifest names `{}`, which is not there", file.filename);
            }
        }
        if let Some(previous) = &self.previous
            && !previous.directory.join(MANIFEST).exists()
        {
            bail!("{id} cannot be finished: {}, whose chunks it uses, was removed meanwhile", previous.id());
        }
        Ok(())
    }

    fn new_index(&self, name: &str, kind: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        let durable = self.store.sync == SyncLevel::File;
        let index = LocalIndex::create(&self.store.disk, &self.directory, (name, kind), self.began, durable)?;
        Ok(Box::new(index))
    }

    /// Removes what was made; `Ok` if nothing is left.
    fn undo(&mut self) -> anyhow::Result<()> {
        if self.unfinished {
            remove_snapshot(&self.store, &self.directory)?;
            self.unfinished = false;
        }
        if let Some(lock) = self.snapshot_lock.take() {
            lock.remove();
        }
        let NewSnapshot { namespace, snapshot } = &self.new;
        let is_removed =
            !self.store.locks.old && self.store.remove_empty_group(namespace, &snapshot.group)?;
        if let Some(lock) = self.group_lock.take()
            && is_removed
        {
            lock.remove();
        }
        Ok(())
    }
}

/// Whether the last verification of a snapshot failed.
fn has_failed(manifest: &Manifest) -> bool {
    super::upid::verify_state(manifest).is_some_and(|state| !state)
}

/// Removes the directory of a snapshot that is locked, the manifest first: what is left of it after a crash is not finished.
pub(super) fn remove_snapshot(store: &Store, directory: &Path) -> anyhow::Result<()> {
    let what = |path: &Path| format!("cannot remove {}", path.display());
    let remove = |path: &Path| match store.disk.remove_file(path) {
        Err(error) if is_missing(&error) => Ok(()),
        result => result.with_context(|| what(path)),
    };
    remove(&directory.join(MANIFEST))?;
    let entries = match fs::read_dir(directory) {
        Err(error) if is_missing(&error) => return Ok(()),
        result => result.with_context(|| what(directory))?,
    };
    for entry in entries {
        remove(&entry.with_context(|| what(directory))?.path())?;
    }
    store.disk.remove_dir(directory).with_context(|| what(directory))
}

impl Backup for Session {
    fn id(&self) -> &SnapshotId {
        &self.new.snapshot
    }

    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>> {
        self.previous.clone().map(|previous| previous as _)
    }

    fn touch(&self, digest: &Digest) -> anyhow::Result<bool> {
        Ok(self.store.chunks.touch(digest)?.is_some())
    }

    fn set_damaged_aside(
        &self,
        index: &DynamicIndex,
        mode: CryptMode,
        key: Option<&Arc<EncryptionKey>>,
    ) -> anyhow::Result<u64> {
        verify::set_damaged_aside(&self.store.chunks, index, mode, key)
    }

    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored> {
        let (stored, encoded) = self.store.chunks.insert_new(chunk)?;
        let add = |counter: &AtomicU64, value| counter.fetch_add(value, Ordering::Relaxed);
        add(&self.uploads.count, 1);
        add(&self.uploads.size, chunk.bytes().len() as u64);
        add(&self.uploads.compressed_size, encoded);
        add(&self.uploads.duplicates, u64::from(!stored.is_new));
        Ok(stored)
    }

    fn scratch(&self) -> anyhow::Result<File> {
        scratch_file(&self.store.layout.root)
    }

    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        self.new_index(name, "didx")
    }

    fn image(&self, name: &str, _: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>> {
        self.new_index(name, "fidx")
    }

    fn blob(&self, name: &str, encoded: &[u8]) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        if !name.ends_with(".blob") || !is_safe(name) || name == MANIFEST {
            bail!(
                "`{name}` is no name of a blob: expected letters, digits, '_', '.' and '-', and .blob at the end"
            );
        }
        if path.exists() {
            bail!("{} has a file `{name}` already", self.id());
        }
        let write = || {
            let mut temp = Temp::beside(&self.store.disk, &path)?;
            temp.write(&mut [encoded])?;
            temp.publish(self.store.sync == SyncLevel::File)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn finish(mut self: Box<Self>, manifest: &Manifest) -> anyhow::Result<()> {
        self.check_files(manifest)?;
        self.sync_contents()?;
        self.write_manifest(manifest)?;
        if self.is_durable() {
            for directory in self.changed.iter().rev() {
                self.store.disk.sync_dir(directory).context("cannot make the backup durable")?;
            }
        }
        self.unfinished = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A group with a snapshot in it stays, so this is right for finished ones, too; and there was a better error to tell.
        if self.unfinished || self.snapshot_lock.is_none() {
            let _ = self.undo();
        }
    }
}
