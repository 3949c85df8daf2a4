//! A datastore with a group of snapshots, made, checked and restored through the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use pxkit::backup::{Contents, Mode, Options, Source, Summary, run};
use pxkit::cli::{Extracting, Restore, Talk};
use pxkit::cmd::restore::restore;
use pxkit::codec;
use pxkit::crypt::{Crypt, EncryptionKey, Keyring, Origin};
use pxkit::report::{Outcome, Report};
use pxkit::store::{
    Backup, IndexWriter, Local, Namespace, NewChunk, NewSnapshot, OpenSnapshot, Options as StoreOptions,
    Repository, Snapshot, SnapshotId, Stored, SyncLevel, Verdict,
};
use pxkit::walk;
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::chunk::{Cuts, Sizes};
use pxkit_core::decode::{Content, Finding, Irregularity};
use pxkit_core::format::{Digest, Header, ItemType, PayloadRef, START_MARKER};
use pxkit_core::index::DynamicIndex;
use pxkit_core::reuse::Policy;
use serde_json::Value;

use crate::disk::Scratch;
use crate::observe;

/// The datastore, with the group `host/a`.
#[derive(Debug)]
pub struct Snapshots {
    scratch: Scratch,
    local: Local,
    next: i64,
    /// What opens the snapshots.
    key: Option<Arc<EncryptionKey>>,
}

/// A snapshot that was made.
#[derive(Debug)]
pub struct Made {
    pub id: SnapshotId,
    pub summary: Summary,
    /// What the summary says of the only archive.
    pub json: Value,
    pub warnings: u64,
}

/// With chunks as small as they come.
pub fn options(mode: Mode) -> Options {
    Options {
        mode,
        walk: walk::Options { threads: Some(2), ..walk::Options::default() },
        policy: Policy::default(),
        cuts: Cuts::Files,
        sizes: Sizes::new(64 << 10).expect("a size"),
        trust_mtime_size: false,
        state: None,
        dry_run: false,
        verify_reused: None,
        threads: 2,
        append: false,
        verbose: false,
        quiet: true,
        crypt: Crypt::NONE,
    }
}

impl Snapshots {
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let root = scratch.join("store");
        // Without the 65,536 directories of chunks, which take long to make; they are made when needed.
        fs::create_dir_all(root.join(".chunks")).expect("a directory");
        let options = StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() };
        let local = Local::open(&root, options).expect("a store");
        Self { scratch, local, next: 1_700_000_000, key: None }
    }

    /// Opens and verifies snapshots with this key; whether they are made with it is a matter of the options.
    pub fn with_key(self, key: &Arc<EncryptionKey>) -> Self {
        Self { key: Some(key.clone()), ..self }
    }

    /// The directory of the datastore.
    pub fn root(&self) -> PathBuf {
        self.scratch.join("store")
    }

    /// Begins a snapshot after all others.
    pub fn begin(&mut self) -> Box<dyn Backup> {
        self.next += 1;
        let snapshot = SnapshotId { group: "host/a".parse().expect("a group"), time: self.next };
        let new = NewSnapshot { namespace: Namespace::default(), snapshot };
        self.local.begin(&new).expect("a new snapshot")
    }

    /// Backs up `tree` as `root.pxar`.
    #[track_caller]
    pub fn backup(&mut self, tree: &Path, options: &Options) -> Made {
        self.backup_with(tree, options, || ()).expect("a backup")
    }

    /// As [`Snapshots::backup`]; `then` comes after the tree was listed, before any contents are read.
    ///
    /// # Errors
    /// Those of the backup.
    pub fn backup_with(
        &mut self,
        tree: &Path,
        options: &Options,
        then: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Made> {
        let then: Then = Mutex::new(Some(Box::new(then)));
        let (inner, then, fails) = (self.begin(), Hidden(then), AtomicU64::new(u64::MAX));
        backup_into(Box::new(Watched { inner, then, fails }), tree, options)
    }

    /// As [`Snapshots::backup`] with a disk that breaks at the chunk or index `fails`, counted from 0 in the order in which they come.
    ///
    /// # Errors
    /// Those of the backup.
    pub fn backup_failing(&mut self, tree: &Path, options: &Options, fails: u64) -> anyhow::Result<Made> {
        let (inner, then, fails) = (self.begin(), Hidden(Mutex::default()), AtomicU64::new(fails));
        backup_into(Box::new(Watched { inner, then, fails }), tree, options)
    }

    /// The snapshots that are finished, oldest first.
    pub fn finished(&self) -> Vec<SnapshotId> {
        let group = "host/a".parse().expect("a group");
        let infos = self.local.snapshots(&Namespace::default(), &group).expect("readable");
        infos.into_iter().filter(|info| info.finished).map(|info| info.id).collect()
    }

    /// Makes a snapshot as somebody else could have: the payload stream of `like`, this metadata stream, and whatever `change` does to the
    /// manifest.
    pub fn forge(
        &mut self,
        like: &SnapshotId,
        meta: &[u8],
        change: impl FnOnce(&mut Manifest),
    ) -> SnapshotId {
        let (old, payload) = (self.open(like).manifest().clone(), self.index(like, "root.ppxar.didx"));
        let backup = self.begin();
        let id = backup.id().clone();
        let mut manifest = Manifest { backup_time: id.time, files: Vec::new(), ..old };
        let mut index = backup.index("root.ppxar.didx").expect("an index");
        let mut start = 0;
        for chunk in payload.chunks() {
            assert!(backup.touch(&chunk.digest).expect("readable"));
            index.push(chunk.digest, chunk.end - start).expect("written");
            start = chunk.end;
        }
        manifest.files.push(index.finish().expect("written"));
        let mut index = backup.index("root.mpxar.didx").expect("an index");
        let digest = codec::digest(meta);
        backup.insert(&NewChunk::plain(meta)).expect("stored");
        index.push(digest, meta.len() as u64).expect("written");
        manifest.files.push(index.finish().expect("written"));
        change(&mut manifest);
        backup.finish(&manifest).expect("finished");
        id
    }

    /// Opens a snapshot.
    pub fn open(&self, id: &SnapshotId) -> Snapshot {
        let stored = self.local.open(&Namespace::default(), id).expect("a finished snapshot");
        Snapshot::with_key(stored, self.key.clone())
    }

    /// Restores `root.pxar` into a new directory.
    pub fn restore(&self, id: &SnapshotId) -> Scratch {
        let target = Scratch::new();
        let args = Restore {
            snapshot: id.to_string().parse().expect("a snapshot"),
            archive: "root.pxar".into(),
            target: target.path().to_owned(),
            patterns: Vec::new(),
            how: Extracting {
                strict: true,
                talk: Talk { quiet: true, ..Talk::default() },
                ..Extracting::default()
            },
            repository: Default::default(),
            open: Default::default(),
        };
        assert_eq!(restore(self.open(id), &args).expect("restored"), Outcome::Complete);
        target
    }

    /// Verifies all snapshots.
    #[track_caller]
    pub fn verify(&self) {
        let (root, verification) = (Namespace::default(), self.local.verification(2, self.next));
        let keyring =
            self.key.clone().map_or_else(Keyring::default, |key| Keyring::with(key, Origin::Default));
        let verification = verification.with_keyring(keyring).expect("the key is open");
        for info in self.local.snapshots(&root, &"host/a".parse().expect("a group")).expect("readable") {
            let verified = verification.snapshot(&root, &info.id).expect("no signal");
            assert_eq!((verified.verdict, &verified.errors), (Verdict::Ok, &vec![]), "{}", info.id);
        }
    }

    /// The bytes of a stream, with each chunk's digest and length checked by whoever reads it.
    pub fn stream(&self, id: &SnapshotId, name: &str) -> Vec<u8> {
        let open = self.open(id);
        let mode = open.manifest().file(name).expect("in the manifest").crypt_mode;
        let (mut bytes, mut start) = (Vec::new(), 0);
        for chunk in open.index(name).expect("an index").chunks() {
            let plain = open.chunk(&chunk.digest, chunk.end - start, mode).expect("a chunk");
            bytes.extend_from_slice(&plain);
            start = chunk.end;
        }
        bytes
    }

    /// The index of a stream.
    pub fn index(&self, id: &SnapshotId, name: &str) -> DynamicIndex {
        self.open(id).index(name).expect("an index")
    }

    /// Paths and references of the split archive `root.pxar`, in archive order.
    pub fn references(&self, id: &SnapshotId) -> Vec<(String, PayloadRef)> {
        let meta = self.stream(id, "root.mpxar.didx");
        let mut references = Vec::new();
        let outcome = observe::entries(&meta, &mut (), &mut observe::one_window(), &mut |entry| {
            if let Some(entry) = entry
                && let Content::Reference(reference) = entry.content
            {
                references.push((entry.path.escape_ascii().to_string(), reference));
            }
        });
        assert_eq!(outcome.result, Ok(()));
        let is_append = self.open(id).manifest().unprotected["pxkit"]["order"] == "append";
        let is_fine = |found: &Finding| is_append && found.what == Irregularity::NameOrder;
        assert!(outcome.findings.iter().all(is_fine), "{:?}", outcome.findings);
        references
    }

    /// Checks the streams of a split archive (change detection 5.5): sizes agree everywhere, references increase, each hits a header with its
    /// size, and every chunk holds a byte of a file or a marker. Returns the bytes that no file uses.
    pub fn check(&self, id: &SnapshotId) -> u64 {
        let payload = self.stream(id, "root.ppxar.didx");
        let (open, index) = (self.open(id), self.index(id, "root.ppxar.didx"));
        let entry = open.manifest().file("root.ppxar.didx").expect("in the manifest").clone();
        assert_eq!((index.size(), entry.size), (payload.len() as u64, payload.len() as u64));
        let tail = Header::new(ItemType::PayloadTailMarker, 0).to_bytes();
        assert!(payload.starts_with(&START_MARKER) && payload.ends_with(&tail));
        let references = self.references(id);
        let mut used = vec![16];
        let mut live = 0;
        for (path, reference) in &references {
            let (start, end) = (reference.offset, reference.end().expect("an end"));
            assert!(start >= *used.last().expect("the marker"), "{path}: references increase");
            let header = Header::new(ItemType::Payload, reference.size).to_bytes();
            assert_eq!(payload[start as usize..start as usize + 16], header, "{path}");
            assert!(end <= payload.len() as u64 - 16, "{path}");
            live += end - start;
            used.extend([start, end]);
        }
        used.push(payload.len() as u64 - 16);
        let mut start = 0;
        for chunk in index.chunks() {
            // Bounds of files in turns with bounds of padding: a chunk lies in padding if both its ends do, in the same.
            let (from, to) =
                (used.partition_point(|&at| at <= start), used.partition_point(|&at| at < chunk.end));
            let is_padding = from == to && from % 2 == 1 && start >= 16 && chunk.end < payload.len() as u64;
            assert!(!is_padding, "nobody uses the chunk {start}..{}", chunk.end);
            start = chunk.end;
        }
        payload.len() as u64 - 32 - live
    }
}

/// Backs up `tree` as `root.pxar` into a session that was begun.
///
/// # Errors
/// Those of the backup.
pub fn backup_into(backup: Box<dyn Backup>, tree: &Path, options: &Options) -> anyhow::Result<Made> {
    let root = walk::open_source(tree).context("the tree is a directory")?;
    let source = Source { name: "root".into(), root, path: tree.display().to_string() };
    let (id, report) = (backup.id().clone(), Report::new(true));
    let summary = run(backup, Contents { archives: vec![source], ..Contents::default() }, options, &report)?;
    let json = summary.to_json()["archives"][0].clone();
    Ok(Made { id, json, summary, warnings: report.warnings() })
}

type Then = Mutex<Option<Box<dyn FnOnce() + Send>>>;

struct Hidden(Then);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

/// A session that does something when the first index of an archive is begun: when the tree was listed and nothing was read. And one
/// that fails.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn Backup>,
    then: Hidden,
    /// Calls before the one that fails.
    fails: AtomicU64,
}

impl Watched {
    fn count(&self) -> anyhow::Result<()> {
        match self.fails.fetch_sub(1, Ordering::Relaxed) {
            0 => anyhow::bail!("the disk is broken"),
            _ => Ok(()),
        }
    }
}

impl Backup for Watched {
    fn id(&self) -> &SnapshotId {
        self.inner.id()
    }

    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>> {
        self.inner.previous()
    }

    fn touch(&self, digest: &Digest) -> anyhow::Result<bool> {
        self.inner.touch(digest)
    }

    fn set_damaged_aside(
        &self,
        index: &DynamicIndex,
        mode: CryptMode,
        key: Option<&Arc<EncryptionKey>>,
    ) -> anyhow::Result<u64> {
        self.inner.set_damaged_aside(index, mode, key)
    }

    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored> {
        self.count()?;
        self.inner.insert(chunk)
    }

    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        if !name.starts_with("catalog") {
            let then = self.then.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(then) = then {
                then();
            }
        }
        self.count()?;
        self.inner.index(name)
    }

    fn image(&self, name: &str, size: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>> {
        self.count()?;
        self.inner.image(name, size)
    }

    fn scratch(&self) -> anyhow::Result<fs::File> {
        self.inner.scratch()
    }

    fn blob(&self, name: &str, encoded: &[u8]) -> anyhow::Result<()> {
        self.inner.blob(name, encoded)
    }

    fn finish(self: Box<Self>, manifest: &Manifest) -> anyhow::Result<()> {
        self.inner.finish(manifest)
    }
}
