//! The snapshot that a backup goes on from: its indexes come through the backup's own session, which lets their chunks be used again;
//! its chunks through a session for reading (server protocol 8.10, 9.4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use anyhow::{Context as _, ensure};
use pxkit_core::blob::Manifest;
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, FixedIndex};
use tokio::sync::OnceCell;

use super::Remote;
use super::backup::Shared;
use super::reader::{MOST_BLOB, Reading, check_blob, entry, most_index, parse_dynamic, parse_fixed};
use crate::store::{Namespace, OpenSnapshot, SnapshotId};

/// The last finished snapshot of the group.
#[derive(Debug)]
pub(super) struct Previous {
    remote: Remote,
    namespace: Namespace,
    id: SnapshotId,
    manifest: Manifest,
    /// The backup; it may be over.
    shared: Weak<Shared>,
    /// Indexes that were fetched, with their chunks known since then; or why they cannot be used.
    indexes: Mutex<HashMap<String, Arc<Fetched>>>,
    reading: OnceCell<Reading>,
}

type Fetched = OnceCell<Result<DynamicIndex, String>>;

impl Previous {
    pub fn new(
        remote: Remote,
        namespace: Namespace,
        id: SnapshotId,
        manifest: Manifest,
        shared: Weak<Shared>,
    ) -> Self {
        Self { remote, namespace, id, manifest, shared, indexes: Mutex::default(), reading: OnceCell::new() }
    }

    /// Lets the chunks of an index be used again, if there is such an index. One that is wrong is not used, that is all.
    pub fn make_known(&self, name: &str) {
        if self.manifest.file(name).is_none() {
            return;
        }
        if name.ends_with(".fidx") {
            let _ = self.image(name);
        } else {
            let _ = self.fetch(name);
        }
    }

    fn fetch(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        let entry = entry(&self.manifest, &self.id, name)?;
        ensure!(name.ends_with(".didx"), "`{name}` is no archive of files");
        let shared = self.shared.upgrade().context("the backup is over")?;
        let cell = {
            let mut indexes = self.indexes.lock().unwrap_or_else(|e| e.into_inner());
            indexes.entry(name.to_owned()).or_default().clone()
        };
        shared.wait(async {
            let load = async || {
                let bytes = shared.previous_file(name, most_index(entry)).await?;
                let index = parse_dynamic(&bytes, entry)?;
                shared.add_known(index.chunks().iter().map(|chunk| chunk.digest));
                anyhow::Ok(index)
            };
            let index = cell.get_or_init(async || load().await.map_err(|error| format!("{error:#}"))).await;
            index.clone().map_err(anyhow::Error::msg)
        })
    }

    async fn reading(&self) -> anyhow::Result<&Reading> {
        let open = async || {
            let reading = Reading::open(&self.remote, &self.namespace, &self.id).await?;
            // Chunks can be read once their index was asked for in the same session; metadata is what is read.
            for entry in self.manifest.files.iter().filter(|entry| entry.filename.ends_with(".mpxar.didx")) {
                reading.ensure_readable(entry).await?;
            }
            anyhow::Ok(reading)
        };
        self.reading.get_or_try_init(open).await
    }
}

impl OpenSnapshot for Previous {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        self.fetch(name)
    }

    fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        let entry = entry(&self.manifest, &self.id, name)?;
        ensure!(name.ends_with(".fidx"), "`{name}` is no image");
        let shared = self.shared.upgrade().context("the backup is over")?;
        let bytes = shared.wait(shared.previous_file(name, most_index(entry)))?;
        let index = parse_fixed(&bytes, entry)?;
        shared.add_known(index.digests().iter().copied());
        Ok(index)
    }

    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let entry = entry(&self.manifest, &self.id, name)?;
        let shared = self.shared.upgrade().context("the backup is over")?;
        let blob = shared.wait(shared.previous_file(name, MOST_BLOB))?;
        check_blob(&blob, entry)?;
        Ok(blob)
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        *blob = self.remote.api().net.wait(async { self.reading().await?.chunk(digest).await })?;
        Ok(())
    }

    fn is_far(&self) -> bool {
        true
    }
}
