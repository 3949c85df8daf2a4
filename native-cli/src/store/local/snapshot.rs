//! Snapshots that are there: listed, opened, read (datastore specification 10, 11, 14.1).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use pxkit_core::blob::{FileEntry, Frame, MAX_PLAIN_SIZE, Manifest, SEALED_HEADER_SIZE};
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, FixedIndex, ReadDynamic, ReadFixed};

use super::Store;
use super::disk::{is_missing, open_file, read_file};
use super::layout::{MANIFEST, PROTECTED};
use super::lock::ReaderLock;
use super::upid::verify_state;
use crate::codec;
use crate::store::id::parse_time;
use crate::store::{FileInfo, Group, Listed, Namespace, OpenSnapshot, SnapshotId, SnapshotInfo};

/// Largest file of a blob that is read.
const MAX_BLOB: u64 = MAX_PLAIN_SIZE + SEALED_HEADER_SIZE as u64;
/// Bytes of an index that are read at a time.
const STEP: usize = 1 << 18;

/// The times of all snapshots of the group in a directory, oldest first.
pub(super) fn times(group: &Path) -> anyhow::Result<Vec<i64>> {
    let names = super::group::names(group)?;
    let mut times: Vec<i64> = names.iter().filter_map(|name| parse_time(name)).collect();
    times.sort_unstable();
    Ok(times)
}

/// Describes all snapshots of a group, oldest first.
pub(super) fn list(store: &Store, namespace: &Namespace, group: &Group) -> anyhow::Result<Vec<SnapshotInfo>> {
    let directory = store.layout.group(namespace, group);
    if !directory.is_dir() {
        bail!("there is no group {group} in {}", store.place(namespace));
    }
    let owner = super::group::owner(&directory).ok().flatten();
    let mut infos = Vec::new();
    for time in times(&directory)? {
        let id = SnapshotId { group: group.clone(), time };
        // One that vanished meanwhile is none.
        infos.extend(describe(&store.layout.snapshot(namespace, &id), id, owner.as_deref())?);
    }
    Ok(infos)
}

fn describe(directory: &Path, id: SnapshotId, owner: Option<&str>) -> anyhow::Result<Option<SnapshotInfo>> {
    let what = || format!("cannot list {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Err(error) if is_missing(&error) => return Ok(None),
        result => result.with_context(what)?,
    };
    let mut stored = BTreeMap::new();
    for entry in entries {
        let entry = entry.with_context(what)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_file = [".didx", ".fidx", ".blob"].iter().any(|extension| name.ends_with(extension));
        if is_file && let Ok(metadata) = entry.metadata() {
            stored.insert(name, metadata.len());
        }
    }
    let finished = stored.contains_key(MANIFEST);
    let manifest = if finished { load_manifest(directory).ok() } else { None };
    let mut info = SnapshotInfo {
        id,
        finished,
        protected: is_protected(directory),
        size: None,
        files: Vec::new(),
        notes: None,
        verified: None,
        owner: owner.map(str::to_owned),
        key: None,
    };
    if let Some(manifest) = manifest {
        info.size = Some(manifest.files.iter().fold(0, |sum, file| sum.saturating_add(file.size)));
        info.notes = manifest.unprotected.get("notes").and_then(|notes| notes.as_str()).map(str::to_owned);
        info.verified = verify_state(&manifest);
        info.key = manifest.key_fingerprint().map(str::to_owned);
        info.files.extend(manifest.files.into_iter().map(|file| {
            let stored = stored.remove(&file.filename);
            let listed = Some(Listed { size: file.size, crypt_mode: file.crypt_mode });
            FileInfo { name: file.filename, listed, stored, is_missing: stored.is_none() }
        }));
    }
    let other = |(name, size)| FileInfo { name, listed: None, stored: Some(size), is_missing: false };
    info.files.extend(stored.into_iter().map(other));
    Ok(Some(info))
}

/// Whether a snapshot must not be removed. What cannot be told counts as yes.
pub(super) fn is_protected(directory: &Path) -> bool {
    directory.join(PROTECTED).try_exists().unwrap_or(true)
}

/// Reads the manifest of the snapshot in a directory.
pub(super) fn load_manifest(directory: &Path) -> anyhow::Result<Manifest> {
    let path = directory.join(MANIFEST);
    let load = || {
        let mut blob = read_file(&path, MAX_BLOB)?;
        if Frame::parse(&blob)?.seal.is_some() {
            bail!("it is encrypted, which no manifest may be");
        }
        anyhow::Ok(Manifest::parse(&codec::decode_blob(&mut blob, None)?)?)
    };
    load().with_context(|| format!("cannot read the manifest {}", path.display()))
}

/// An index of either kind.
#[derive(Debug)]
pub enum Index {
    /// Of a stream.
    Dynamic(DynamicIndex),
    /// Of an image.
    Fixed(FixedIndex),
}

impl Index {
    /// Reads an index file in pieces: memory is taken for what is there only.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let is_fixed = match path.extension().map(|extension| extension.as_encoded_bytes()) {
            Some(b"fidx") => true,
            Some(b"didx") => false,
            _ => bail!("its name ends in neither .didx nor .fidx"),
        };
        let (mut file, stat) = open_file(path)?;
        let size = stat.st_size as u64;
        let mut buffer = vec![0; STEP];
        let mut feed = |push: &mut dyn FnMut(&[u8]) -> Result<(), pxkit_core::format::Error>| {
            loop {
                let len = file.read(&mut buffer)?;
                if len == 0 {
                    return anyhow::Ok(());
                }
                push(&buffer[..len])?;
            }
        };
        if is_fixed {
            let mut reader = ReadFixed::new(size)?;
            feed(&mut |bytes| reader.push(bytes))?;
            return Ok(Self::Fixed(reader.finish()?));
        }
        let mut reader = ReadDynamic::new(size)?;
        feed(&mut |bytes| reader.push(bytes))?;
        Ok(Self::Dynamic(reader.finish()?))
    }

    pub fn checksum(&self) -> Digest {
        match self {
            Self::Dynamic(index) => index.checksum(),
            Self::Fixed(index) => index.checksum(),
        }
    }

    pub fn size(&self) -> u64 {
        match self {
            Self::Dynamic(index) => index.size(),
            Self::Fixed(index) => index.size(),
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Self::Dynamic(index) => index.count(),
            Self::Fixed(index) => index.digests().len(),
        }
    }

    /// Digest and plain length of chunk `at`.
    pub fn chunk(&self, at: usize) -> Option<(Digest, u64)> {
        let extent = match self {
            Self::Dynamic(index) => index.extent(at),
            Self::Fixed(index) => index.extent(at),
        };
        let extent = extent?;
        let digest = match self {
            Self::Dynamic(index) => index.chunks()[at].digest,
            Self::Fixed(index) => index.digests()[at],
        };
        Some((digest, extent.end - extent.start))
    }
}

/// Reads the index of a file in a snapshot and compares it with the manifest.
pub(super) fn load_index(directory: &Path, entry: &FileEntry) -> anyhow::Result<Index> {
    let path = directory.join(&entry.filename);
    let index = Index::read(&path).with_context(|| format!("cannot read the index {}", path.display()))?;
    if index.checksum() != entry.csum {
        bail!(
            "{}: expected the checksum {} of the manifest, got {}",
            path.display(),
            entry.csum,
            index.checksum()
        );
    }
    if index.size() != entry.size {
        bail!(
            "{}: expected an archive of {} bytes as in the manifest, got {}",
            path.display(),
            entry.size,
            index.size()
        );
    }
    Ok(index)
}

/// Reads the file of a blob in a snapshot and compares it with the manifest; still encoded.
pub(super) fn load_blob(directory: &Path, entry: &FileEntry) -> anyhow::Result<Vec<u8>> {
    let path = directory.join(&entry.filename);
    let blob = read_file(&path, MAX_BLOB).with_context(|| format!("cannot read {}", path.display()))?;
    if blob.len() as u64 != entry.size {
        bail!("{}: expected {} bytes as in the manifest, got {}", path.display(), entry.size, blob.len());
    }
    let got = codec::digest(&blob);
    if got != entry.csum {
        bail!("{}: expected the SHA-256 {} of the manifest, got {got}", path.display(), entry.csum);
    }
    Ok(blob)
}

/// A snapshot that is open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    store: Arc<Store>,
    id: SnapshotId,
    pub directory: PathBuf,
    manifest: Manifest,
    _lock: ReaderLock,
}

impl Opened {
    /// Locks and opens a snapshot.
    pub fn open(store: &Arc<Store>, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<Self> {
        let directory = store.layout.snapshot(namespace, id);
        let missing = || anyhow!("there is no snapshot {id} in {}", store.place(namespace));
        if !directory.is_dir() {
            return Err(missing());
        }
        let Some(lock) = store.locks.reader(namespace, id, &directory)? else {
            bail!("{id} is in use: it is being made or removed; try again later");
        };
        match directory.join(MANIFEST).try_exists() {
            Ok(true) => {}
            Ok(false) if directory.is_dir() => bail!("{id} is not finished: it has no manifest"),
            Ok(false) => return Err(missing()),
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", directory.display())),
        }
        let manifest = load_manifest(&directory)?;
        Ok(Self { store: store.clone(), id: id.clone(), directory, manifest, _lock: lock })
    }

    fn entry(&self, name: &str) -> anyhow::Result<&FileEntry> {
        let names =
            || self.manifest.files.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>().join(", ");
        let entry = self.manifest.file(name);
        entry.ok_or_else(|| anyhow!("{} has no file `{name}`; it has {}", self.id, names()))
    }
}

impl OpenSnapshot for Opened {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        match load_index(&self.directory, self.entry(name)?)? {
            Index::Dynamic(index) => Ok(index),
            Index::Fixed(_) => bail!("`{name}` is an image, no archive of files"),
        }
    }

    fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        match load_index(&self.directory, self.entry(name)?)? {
            Index::Fixed(index) => Ok(index),
            Index::Dynamic(_) => bail!("`{name}` is an archive of files, no image"),
        }
    }

    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let entry = self.entry(name)?;
        if !name.ends_with(".blob") {
            bail!("`{name}` is no blob");
        }
        load_blob(&self.directory, entry)
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        Ok(self.store.chunks.read_encoded(digest, blob)?)
    }
}
