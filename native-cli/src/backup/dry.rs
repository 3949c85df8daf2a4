//! A backup that writes nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use pxkit_core::blob::{CryptMode, FileEntry, Frame, Manifest};
use pxkit_core::format::Digest;
use pxkit_core::index::{WriteDynamic, WriteFixed, WriteIndex};

use crate::store::{Backup, IndexWriter, NewChunk, OpenSnapshot, SnapshotId, Stored};

/// Does all the work of a backup but for storing: what it says would be new is what the previous snapshot does not have.
#[derive(Debug)]
pub struct DryRun {
    id: SnapshotId,
    previous: Option<Arc<dyn OpenSnapshot>>,
    known: Mutex<HashSet<Digest>>,
}

impl DryRun {
    /// As if the snapshot `id` were made after `previous`.
    pub fn new(id: SnapshotId, previous: Option<Arc<dyn OpenSnapshot>>) -> Self {
        let mut known = HashSet::new();
        if let Some(previous) = &previous {
            for file in &previous.manifest().files {
                // What cannot be read is not known, that is all.
                if let Ok(index) = previous.index(&file.filename) {
                    known.extend(index.chunks().iter().map(|chunk| chunk.digest));
                } else if let Ok(image) = previous.image(&file.filename) {
                    known.extend(image.digests());
                }
            }
        }
        Self { id, previous, known: Mutex::new(known) }
    }
}

impl Backup for DryRun {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>> {
        self.previous.clone()
    }

    fn touch(&self, _: &Digest) -> anyhow::Result<bool> {
        Ok(true)
    }

    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored> {
        let is_new = self.known.lock().unwrap_or_else(|e| e.into_inner()).insert(*chunk.digest());
        let length = |frame: &Frame<'_>| Ok((frame.header().as_ref().len() + frame.data.len()) as u64);
        let encoded = if is_new { chunk.encode(length)? } else { 0 };
        Ok(Stored { is_new, encoded })
    }

    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        let (writer, _) = WriteDynamic::new([0; 16], 0);
        Ok(Box::new(DryIndex {
            name: name.to_owned(),
            writer: WriteIndex::Dynamic(writer),
            file: Vec::new(),
        }))
    }

    fn image(&self, name: &str, _: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>> {
        let (writer, _) = WriteFixed::new([0; 16], 0);
        Ok(Box::new(DryIndex { name: name.to_owned(), writer: WriteIndex::Fixed(writer), file: Vec::new() }))
    }

    fn blob(&self, _: &str, _: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Manifest) -> anyhow::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct DryIndex {
    name: String,
    writer: WriteIndex,
    /// An entry, which nobody writes.
    file: Vec<u8>,
}

impl IndexWriter for DryIndex {
    fn push(&mut self, digest: Digest, len: u64) -> anyhow::Result<()> {
        self.file.clear();
        self.writer.push(digest, len, &mut self.file)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<FileEntry> {
        let written = self.writer.finish()?;
        let (size, csum) = (written.size, written.checksum);
        Ok(FileEntry { filename: self.name, crypt_mode: CryptMode::None, size, csum })
    }
}
