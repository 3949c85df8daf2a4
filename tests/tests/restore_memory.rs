//! Restoring needs memory for some chunks, however large the archive is. In a process of its own: everything allocated counts.

use std::fs;
use std::sync::Arc;

use peak_alloc::PeakAlloc;
use pxkit::cli::{Extracting, OpenArgs, RepositoryArgs, Restore, Talk};
use pxkit::cmd::restore::restore;
use pxkit::codec;
use pxkit::report::Outcome;
use pxkit::store::{OpenSnapshot, SnapshotId};
use pxkit_core::blob::{BackupType, CryptMode, FileEntry, Frame, Manifest};
use pxkit_core::format::{Digest, HEADER_SIZE, Header, ItemType};
use pxkit_core::index::{DynamicIndex, FixedIndex, WriteDynamic};
use pxkit_tests::disk::Scratch;
use pxkit_tests::handmade::Maker;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const CHUNK: u64 = 4 << 20;
const CHUNKS: u64 = 120;
const BOUND: usize = 150 << 20;

/// A snapshot whose chunks are made when they are read: zeros, behind a header where contents begin, and before the chunk's number.
#[derive(Debug)]
struct Zeros {
    id: SnapshotId,
    manifest: Manifest,
    meta: Vec<u8>,
    /// Of the chunks of the payload; before the first file is one that no reference leads to.
    digests: Vec<Digest>,
    /// Bytes of a file's contents.
    size: u64,
}

impl Zeros {
    /// Files of so many chunks each.
    fn new(chunks_of_file: u64) -> Self {
        let id: SnapshotId = "host/elsa/2020-06-26T13:56:05Z".parse().expect("a snapshot");
        let mut manifest = Manifest::new(BackupType::Host, "elsa", id.time);
        for name in ["a.mpxar.didx", "a.ppxar.didx"] {
            let (crypt_mode, csum) = (CryptMode::None, Digest::default());
            manifest.files.push(FileEntry { filename: name.to_owned(), crypt_mode, size: 0, csum });
        }
        let size = chunks_of_file * CHUNK - HEADER_SIZE as u64;
        let mut maker = Maker::split();
        for file in 0..CHUNKS / chunks_of_file {
            maker.reference(format!("{file:03}").as_bytes(), CHUNK + file * chunks_of_file * CHUNK, size);
        }
        let mut snapshot = Self { id, manifest, meta: maker.finish(), digests: Vec::new(), size };
        snapshot.digests = (0..=CHUNKS).map(|number| codec::digest(&snapshot.bytes(number))).collect();
        snapshot
    }

    /// What is in a chunk of the payload.
    fn bytes(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; CHUNK as usize];
        let offset = (number.max(1) - 1) * CHUNK;
        if offset.is_multiple_of(self.size + HEADER_SIZE as u64) {
            bytes[..HEADER_SIZE].copy_from_slice(&Header::new(ItemType::Payload, self.size).to_bytes());
        }
        bytes[CHUNK as usize - 8..].copy_from_slice(&number.to_le_bytes());
        bytes
    }
}

impl OpenSnapshot for Zeros {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        let (mut writer, head) = WriteDynamic::new([0; 16], 0);
        let mut file = head.to_vec();
        if name == "a.mpxar.didx" {
            let digest = codec::digest(&self.meta);
            file.extend_from_slice(&writer.push(digest, self.meta.len() as u64)?.to_bytes());
        } else {
            for &digest in &self.digests {
                file.extend_from_slice(&writer.push(digest, CHUNK)?.to_bytes());
            }
        }
        Ok(DynamicIndex::parse(&file)?)
    }

    fn image(&self, _: &str) -> anyhow::Result<FixedIndex> {
        anyhow::bail!("no image")
    }

    fn encoded_blob(&self, _: &str) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("no blob")
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        let number = self.digests.iter().position(|other| other == digest);
        let bytes = number.map_or_else(|| self.meta.clone(), |number| self.bytes(number as u64));
        let frame = Frame::choose(&bytes, None)?;
        blob.extend_from_slice(frame.header().as_ref());
        blob.extend_from_slice(frame.data);
        Ok(())
    }
}

#[test]
fn memory_does_not_follow_the_archive() {
    for chunks_of_file in [1, 40] {
        let snapshot = Arc::new(Zeros::new(chunks_of_file));
        let scratch = Scratch::new();
        let talk = Talk { quiet: true, ..Talk::default() };
        let args = Restore {
            snapshot: snapshot.id.to_string().parse().unwrap(),
            archive: "a.pxar".into(),
            target: scratch.join("out"),
            patterns: Vec::new(),
            how: Extracting { strict: true, no_owner: true, talk, threads: Some(4), ..Extracting::default() },
            repository: RepositoryArgs::default(),
            open: OpenArgs::default(),
        };
        let before = PEAK.current_usage();
        PEAK.reset_peak_usage();
        assert_eq!(restore(snapshot, &args).unwrap(), Outcome::Complete);
        let peak = PEAK.peak_usage() - before;
        assert!(peak < BOUND, "{peak} bytes for files of {chunks_of_file} chunks");
        let files: Vec<_> = fs::read_dir(scratch.join("out")).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len() as u64, CHUNKS / chunks_of_file);
        for file in files {
            assert_eq!(file.metadata().unwrap().len(), chunks_of_file * CHUNK - HEADER_SIZE as u64);
        }
    }
}
