//! A snapshot in memory that counts what is read of it and can lose chunks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use pxkit::store::{OpenSnapshot, SnapshotId};
use pxkit_core::blob::{BackupType, CryptMode, FileEntry, Frame, Manifest};
use pxkit_core::format::Digest;
use pxkit_core::index::{ChunkId, DynamicIndex, FixedIndex, WriteDynamic};
use sha2::{Digest as _, Sha256};

/// A finished snapshot.
#[derive(Debug)]
pub struct Memory {
    id: SnapshotId,
    manifest: Manifest,
    indexes: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    chunks: HashMap<Digest, Vec<u8>>,
    lost: HashSet<Digest>,
    reads: Mutex<Vec<Digest>>,
}

impl Default for Memory {
    fn default() -> Self {
        let id: SnapshotId = "host/elsa/2020-06-26T13:56:05Z".parse().expect("a snapshot");
        let manifest = Manifest::new(BackupType::Host, "elsa", id.time);
        let (indexes, blobs, chunks, lost, reads) = Default::default();
        Self { id, manifest, indexes, blobs, chunks, lost, reads }
    }
}

impl Memory {
    /// Adds a stream, cut into chunks of these lengths; returns their digests in order.
    pub fn stream(&mut self, name: &str, bytes: &[u8], mut length: impl FnMut() -> usize) -> Vec<Digest> {
        let (mut writer, head) = WriteDynamic::new([7; 16], 1_600_000_000);
        let (mut index, mut digests, mut rest) = (head.to_vec(), Vec::new(), bytes);
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(length().clamp(1, rest.len()));
            let digest = self.chunk_of(chunk);
            let id: ChunkId = writer.push(digest, chunk.len() as u64).expect("a chunk");
            index.extend_from_slice(&id.to_bytes());
            digests.push(digest);
            rest = behind;
        }
        let written = writer.finish().expect("at least one chunk");
        index[..80].copy_from_slice(&written.header);
        self.add(name, index, written.size, written.checksum);
        digests
    }

    /// Adds an image of chunks of `chunk_size` bytes.
    pub fn disk(&mut self, name: &str, bytes: &[u8], chunk_size: usize) {
        let mut index = vec![0; 4096];
        index[..8].copy_from_slice(&[0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd]);
        index[64..72].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        index[72..80].copy_from_slice(&(chunk_size as u64).to_le_bytes());
        for chunk in bytes.chunks(chunk_size) {
            let digest = self.chunk_of(chunk);
            index.extend_from_slice(&digest.0);
        }
        let checksum = Digest(Sha256::digest(&index[4096..]).into());
        self.add(name, index, bytes.len() as u64, checksum);
    }

    /// Adds a small file.
    pub fn small(&mut self, name: &str, bytes: &[u8]) {
        self.blobs.insert(name.to_owned(), bytes.to_vec());
        self.list(name, bytes.len() as u64, Digest(Sha256::digest(bytes).into()), CryptMode::None);
    }

    /// Adds a file of the manifest that is not there.
    pub fn list(&mut self, name: &str, size: u64, csum: Digest, crypt_mode: CryptMode) {
        self.manifest.files.push(FileEntry { filename: name.to_owned(), crypt_mode, size, csum });
    }

    fn add(&mut self, name: &str, index: Vec<u8>, size: u64, checksum: Digest) {
        self.indexes.insert(name.to_owned(), index);
        self.list(name, size, checksum, CryptMode::None);
    }

    fn chunk_of(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest(Sha256::digest(bytes).into());
        self.chunks.insert(digest, bytes.to_vec());
        digest
    }

    /// Loses a chunk.
    pub fn lose(&mut self, digest: Digest) {
        self.lost.insert(digest);
    }

    /// For the traits.
    pub fn share(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// The chunks that were asked for since the last call, in the order of their digests; with repetitions.
    pub fn take_reads(&self) -> Vec<Digest> {
        let mut reads = std::mem::take(&mut *self.reads.lock().expect("no panic"));
        reads.sort();
        reads
    }
}

impl OpenSnapshot for Memory {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        Ok(DynamicIndex::parse(self.indexes.get(name).context("no such index")?)?)
    }

    fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        Ok(FixedIndex::parse(self.indexes.get(name).context("no such image")?)?)
    }

    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        Ok(Frame::choose(self.blobs.get(name).context("no such blob")?, None)?.to_vec())
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        self.reads.lock().expect("no panic").push(*digest);
        if self.lost.contains(digest) {
            bail!("it is missing");
        }
        let bytes = self.chunks.get(digest).context("never was there")?;
        *blob = Frame::choose(bytes, None)?.to_vec();
        Ok(())
    }
}
