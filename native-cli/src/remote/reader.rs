//! A snapshot on a server that is open for reading (server protocol 10).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use pxkit_core::blob::{FileEntry, Frame, MAX_ENCODED_SIZE, MAX_PLAIN_SIZE, Manifest, SEALED_HEADER_SIZE};
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, FixedIndex, INDEX_HEADER_SIZE};
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::sleep;

use super::session::{Protocol, Session};
use super::{Refused, Remote};
use crate::codec;
use crate::store::{Namespace, OpenSnapshot, SnapshotId};

/// The manifest's name on the server.
pub(super) const MANIFEST: &str = "index.json.blob";
/// Largest file of a blob that is read.
pub(super) const MOST_BLOB: usize = MAX_PLAIN_SIZE as usize + SEALED_HEADER_SIZE;
/// Largest index that is read: of more than 25 million chunks.
const MOST_INDEX: u64 = 1 << 30;
/// Chunks that are asked for at once.
const IN_FLIGHT: usize = 32;

/// What names a snapshot in a request.
pub(super) fn snapshot_params(
    store: &str,
    namespace: &Namespace,
    id: &SnapshotId,
) -> Vec<(&'static str, Value)> {
    let mut params: Vec<(&str, Value)> = vec![
        ("store", store.into()),
        ("backup-type", id.group.backup_type.word().into()),
        ("backup-id", id.group.id.as_str().into()),
        ("backup-time", id.time.into()),
    ];
    if !namespace.is_root() {
        params.push(("ns", namespace.to_string().into()));
    }
    params
}

/// How often it is tried to read a snapshot that is locked, all in all for two seconds.
const LOCKED: u32 = 10;

fn is_locked(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.status == 400 && refused.text.contains("while reading snapshot"))
}

/// A session in which one snapshot is read.
#[derive(Debug)]
pub(super) struct Reading {
    session: Session,
    /// Indexes whose chunks the server gives in this session.
    readable: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    slots: Semaphore,
}

impl Reading {
    pub async fn open(remote: &Remote, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<Self> {
        let params = snapshot_params(&remote.api().address().store, namespace, id);
        let mut waits = 0;
        let session = loop {
            match Session::open(remote.api(), Protocol::Reader, &params).await {
                // The lock of whoever made it goes a moment after its last request.
                Err(error) if is_locked(&error) && waits < LOCKED => {
                    waits += 1;
                    sleep(Duration::from_millis(200)).await;
                }
                session => break session?,
            }
        };
        Ok(Self { session, readable: Mutex::default(), slots: Semaphore::new(IN_FLIGHT) })
    }

    pub async fn file(&self, name: &str, most: usize) -> anyhow::Result<Vec<u8>> {
        self.session.download("download", &[("file-name", name.into())], most).await
    }

    /// An index; its chunks can be asked for then.
    pub async fn index(&self, entry: &FileEntry) -> anyhow::Result<Vec<u8>> {
        let bytes = self.file(&entry.filename, most_index(entry)).await?;
        let cell = self.readable(&entry.filename);
        let _ = cell.set(());
        Ok(bytes)
    }

    /// Lets the chunks of an index be asked for.
    pub async fn ensure_readable(&self, entry: &FileEntry) -> anyhow::Result<()> {
        let cell = self.readable(&entry.filename);
        let load = async || self.file(&entry.filename, most_index(entry)).await.map(drop);
        cell.get_or_try_init(load).await.map(drop)
    }

    fn readable(&self, name: &str) -> Arc<OnceCell<()>> {
        let mut readable = self.readable.lock().unwrap_or_else(|e| e.into_inner());
        readable.entry(name.to_owned()).or_default().clone()
    }

    pub async fn chunk(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        let _slot = self.slots.acquire().await?;
        let bytes = self
            .session
            .download("chunk", &[("digest", digest.to_string().into())], MAX_ENCODED_SIZE as usize)
            .await;
        match bytes {
            Ok(bytes) if bytes.is_empty() => bail!("it is missing: the server has an empty file of it"),
            Err(error) if is_missing(&error) => Err(error.context("it is missing on the server")),
            result => result,
        }
    }

    pub fn wait<T>(&self, future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.session.net.wait(future)
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| {
        refused.status == 404 || refused.status == 400 && refused.text.contains("No such file")
    })
}

/// Bytes that an index can have at most: no chunk is empty.
pub(super) fn most_index(entry: &FileEntry) -> usize {
    let entries = entry.size.max(1).saturating_mul(40);
    entries.saturating_add(INDEX_HEADER_SIZE as u64).min(MOST_INDEX) as usize
}

/// Reads a manifest as it is stored.
pub(super) fn parse_manifest(mut blob: Vec<u8>, id: &SnapshotId) -> anyhow::Result<Manifest> {
    let mut parse = || {
        ensure!(Frame::parse(&blob)?.seal.is_none(), "it is encrypted, which no manifest may be");
        anyhow::Ok(Manifest::parse(&codec::decode_blob(&mut blob, None)?)?)
    };
    parse().with_context(|| format!("cannot read the manifest of {id}"))
}

/// Which file of a manifest is meant.
pub(super) fn entry<'a>(
    manifest: &'a Manifest,
    id: &SnapshotId,
    name: &str,
) -> anyhow::Result<&'a FileEntry> {
    let names = || manifest.files.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>().join(", ");
    manifest.file(name).ok_or_else(|| anyhow!("{id} has no file `{name}`; it has {}", names()))
}

/// Reads an index and compares it with the manifest.
pub(super) fn parse_dynamic(bytes: &[u8], entry: &FileEntry) -> anyhow::Result<DynamicIndex> {
    let index = DynamicIndex::parse(bytes).with_context(|| format!("the index {}", entry.filename))?;
    check_index(entry, index.checksum(), index.size())?;
    Ok(index)
}

pub(super) fn parse_fixed(bytes: &[u8], entry: &FileEntry) -> anyhow::Result<FixedIndex> {
    let index = FixedIndex::parse(bytes).with_context(|| format!("the index {}", entry.filename))?;
    check_index(entry, index.checksum(), index.size())?;
    Ok(index)
}

fn check_index(entry: &FileEntry, checksum: Digest, size: u64) -> anyhow::Result<()> {
    let FileEntry { filename, csum, size: expected, .. } = entry;
    ensure!(
        checksum == *csum,
        "the index {filename}: expected the checksum {csum} of the manifest, got {checksum}"
    );
    ensure!(
        size == *expected,
        "the index {filename}: expected an archive of {expected} bytes as in the manifest, got {size}"
    );
    Ok(())
}

/// Compares a blob as it is encoded with the manifest.
pub(super) fn check_blob(blob: &[u8], entry: &FileEntry) -> anyhow::Result<()> {
    let FileEntry { filename, csum, size, .. } = entry;
    ensure!(
        blob.len() as u64 == *size,
        "{filename}: expected {size} bytes as in the manifest, got {}",
        blob.len()
    );
    let got = codec::digest(blob);
    ensure!(got == *csum, "{filename}: expected the SHA-256 {csum} of the manifest, got {got}");
    Ok(())
}

/// A finished snapshot that is open for reading.
#[derive(Debug)]
struct Opened {
    id: SnapshotId,
    manifest: Manifest,
    reading: Reading,
}

impl Remote {
    /// See [`crate::store::Repository::open`].
    pub(super) fn open_snapshot(
        &self,
        namespace: &Namespace,
        id: &SnapshotId,
    ) -> anyhow::Result<Arc<dyn OpenSnapshot>> {
        self.api().net.wait(async {
            let reading =
                Reading::open(self, namespace, id).await.with_context(|| format!("cannot open {id}"))?;
            let blob = match reading.file(MANIFEST, MOST_BLOB).await {
                Err(error) if is_missing(&error) => bail!("{id} is not finished: it has no manifest"),
                blob => blob.with_context(|| format!("cannot read the manifest of {id}"))?,
            };
            let manifest = parse_manifest(blob, id)?;
            Ok(Arc::new(Opened { id: id.clone(), manifest, reading }) as _)
        })
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
        let entry = entry(&self.manifest, &self.id, name)?;
        ensure!(name.ends_with(".didx"), "`{name}` is no archive of files");
        parse_dynamic(&self.reading.wait(self.reading.index(entry))?, entry)
    }

    fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        let entry = entry(&self.manifest, &self.id, name)?;
        ensure!(name.ends_with(".fidx"), "`{name}` is no image");
        parse_fixed(&self.reading.wait(self.reading.index(entry))?, entry)
    }

    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let entry = entry(&self.manifest, &self.id, name)?;
        ensure!(name.ends_with(".blob"), "`{name}` is no blob");
        let blob = self.reading.wait(self.reading.file(name, MOST_BLOB))?;
        check_blob(&blob, entry)?;
        Ok(blob)
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        *blob = self.reading.wait(self.reading.chunk(digest))?;
        Ok(())
    }

    fn is_far(&self) -> bool {
        true
    }
}
