//! What OLD and NEW name, and what is in a snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use pxkit_core::blob::CryptMode;

use crate::cli::Compare;
use crate::cmd::argument::{self, Needs, open_snapshot, single_archive};
use crate::cmd::extraction::refuse_missing_payload;
use crate::compare::Side;
use crate::crypt::{WithoutKey, master};
use crate::input::Opened;
use crate::source::{ByteSource, ChunkReader, ChunkedArchive};
use crate::store::{ArchiveName, SnapshotName};

/// One of the two arguments, open.
pub enum Operand {
    /// A snapshot as a whole.
    Snapshot(Stored),
    /// A tree.
    Tree(Side),
}

/// A snapshot whose chunks are read.
pub struct Stored(Arc<ChunkReader>);

/// What can be compared in a snapshot.
pub enum Member {
    Tree(ArchiveName),
    Image(String),
    Blob(String),
}

impl Operand {
    /// Opens OLD: something on disk, an archive of a snapshot, or a snapshot.
    pub fn old(args: &Compare) -> anyhow::Result<Self> {
        let hint = "name its payload file (.ppxar) with --old-payload";
        Self::open(&args.old, args.old_payload.as_deref(), hint, args)
    }

    /// Opens NEW, which may be the same.
    pub fn new(args: &Compare) -> anyhow::Result<Self> {
        let hint = "name its payload file (.ppxar) with --new-payload";
        Self::open(&args.new, args.new_payload.as_deref(), hint, args)
    }

    fn open(argument: &Path, payload: Option<&Path>, hint: &str, args: &Compare) -> anyhow::Result<Self> {
        let metadata = argument.metadata();
        if metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            ensure!(payload.is_none(), "{} is a directory: it has no payload file", argument.display());
            return Side::directory(argument).map(Self::Tree);
        }
        let snapshot = argument.to_str().and_then(|text| text.parse::<SnapshotName>().ok());
        if let (Err(_), Some(name)) = (&metadata, snapshot) {
            ensure!(payload.is_none(), "{name} is a snapshot: its payload archives are found");
            let snapshot = open_snapshot(&name, &args.repository, &args.open, WithoutKey::Refuse)?;
            return Ok(Self::Snapshot(Stored(Arc::new(ChunkReader::new(snapshot)))));
        }
        let beside = argument.with_extension("ppxar");
        let is_split = argument.extension().is_some_and(|extension| extension == "mpxar");
        let beside = (metadata.is_ok() && is_split && beside.exists()).then_some(&*beside);
        let opened =
            argument::open(argument, payload.or(beside), &args.repository, &args.open, Needs::Contents)?;
        if let (None, Some(archive)) = (&opened.payload, opened.stream.source()) {
            // It would be said of each file.
            refuse_missing_payload(archive, &opened.name, hint)?;
        }
        Side::archive(opened).map(Self::Tree)
    }

    /// The one tree that is meant.
    pub fn into_side(self) -> anyhow::Result<Side> {
        let stored = match self {
            Self::Tree(side) => return Ok(side),
            Self::Snapshot(stored) => stored,
        };
        let archive = single_archive(stored.0.snapshot())?;
        stored.side(&archive)
    }
}

impl Stored {
    /// A file archive.
    pub fn side(&self, archive: &ArchiveName) -> anyhow::Result<Side> {
        Side::archive(Opened::stored(&self.0, archive, true)?)
    }

    /// An image.
    pub fn image(&self, name: &str) -> anyhow::Result<Arc<dyn ByteSource>> {
        Ok(Arc::new(ChunkedArchive::open(self.0.clone(), name)?))
    }

    /// The bytes of a small file.
    pub fn blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        self.0.snapshot().blob(name)
    }

    /// Whether two images consist of the same chunks, which have the same digests only with the same key.
    pub fn has_same_index(&self, name: &str, other: &Self, other_name: &str) -> bool {
        let of = |stored: &Self, name: &str| {
            let snapshot = stored.0.snapshot();
            let file = snapshot.manifest().file(name)?.clone();
            let key = snapshot.key().filter(|_| file.crypt_mode == CryptMode::Encrypt);
            Some((file.csum, file.size, key.map(|key| *key.fingerprint())))
        };
        let (a, b) = (of(self, name), of(other, other_name));
        a.is_some() && a == b
    }
}

/// What is in a snapshot that is not made from the rest (the catalog) or about the backup itself (its log, the key).
pub fn members(stored: &Stored) -> anyhow::Result<BTreeMap<String, Member>> {
    let manifest = stored.0.snapshot().manifest();
    let mut members = BTreeMap::new();
    for file in &manifest.files {
        let name = &file.filename;
        if name == master::BLOB || name == "client.log.blob" || name.ends_with(".ppxar.didx") {
            continue;
        }
        let (label, member) = match ArchiveName::find(manifest, name)? {
            tree @ (ArchiveName::Unified(_) | ArchiveName::Split { .. }) => {
                let base = name.trim_end_matches(".didx");
                let base = base.strip_suffix(".mpxar").or(base.strip_suffix(".pxar")).unwrap_or(base);
                (format!("{base}.pxar"), Member::Tree(tree))
            }
            ArchiveName::Image(name) => (name.trim_end_matches(".fidx").to_owned(), Member::Image(name)),
            ArchiveName::Blob(name) => (name.trim_end_matches(".blob").to_owned(), Member::Blob(name)),
            ArchiveName::Stream(_) | ArchiveName::Manifest => continue,
        };
        members.insert(label, member);
    }
    Ok(members)
}
