//! The local datastore. Numbers in names are those of the list of behaviours in the datastore specification (20).

mod commands;
mod faults;
mod gc;
mod golden;
mod helper;
mod images;
mod session;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxkit::store::{
    Backup, Faults, Local, Namespace, NewChunk, NewSnapshot, Options, Repository, SnapshotId, SyncLevel,
};
use pxkit_core::blob::{FileEntry, Manifest};
use pxkit_core::format::Digest;
use tempfile::TempDir;

/// A store of a test. It lacks the 65,536 directories of chunks, which take long to make and to remove; they are made when needed.
struct Store {
    _temp: TempDir,
    root: PathBuf,
    local: Local,
}

fn options(sync: SyncLevel, faults: Option<Arc<Faults>>) -> Options {
    Options { sync, faults, ..Options::default() }
}

impl Store {
    fn new() -> Self {
        // What is made durable takes long on some disks.
        let memory = Path::new("/dev/shm");
        let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let temp = temp.expect("a directory");
        let root = temp.path().join("store");
        fs::create_dir_all(root.join(".chunks")).expect("a directory");
        let local = Local::open(&root, options(SyncLevel::None, None)).expect("a store");
        Self { _temp: temp, root, local }
    }

    /// The same store, opened once more.
    fn with(&self, sync: SyncLevel, faults: Option<Arc<Faults>>) -> Local {
        Local::open(&self.root, options(sync, faults)).expect("a store")
    }

    /// A snapshot of `host/a` with these chunks in one archive.
    fn backup(&self, time: i64, chunks: &[&[u8]]) -> SnapshotId {
        let (backup, manifest) = fill(&self.local, time, chunks).expect("a backup");
        backup.finish(&manifest).expect("a backup");
        snapshot(time)
    }

    fn path(&self, id: &SnapshotId) -> PathBuf {
        self.root.join(id.to_string())
    }

    fn chunk(&self, digest: &Digest) -> PathBuf {
        self.root.join(".chunks").join(&digest.to_string()[..4]).join(digest.to_string())
    }

    /// All files and directories but those of locks and the empty ones of chunks.
    fn tree(&self) -> Vec<String> {
        fn gather(root: &Path, directory: &Path, out: &mut Vec<String>) {
            for entry in fs::read_dir(directory).expect("readable").flatten() {
                let path = entry.path();
                let name = path.strip_prefix(root).expect("below").to_str().expect("text").to_owned();
                if name == ".pxkit-locks" || name == ".lock" {
                    continue;
                }
                if path.is_dir() {
                    gather(root, &path, out);
                    let is_chunks = name.starts_with(".chunks");
                    if !is_chunks {
                        out.push(name + "/");
                    }
                } else {
                    out.push(name);
                }
            }
        }
        let mut out = Vec::new();
        gather(&self.root, &self.root, &mut out);
        out.sort();
        out
    }
}

/// A snapshot of the group `host/a`.
fn snapshot(time: i64) -> SnapshotId {
    SnapshotId { group: "host/a".parse().expect("a group"), time }
}

fn new_snapshot(time: i64) -> NewSnapshot {
    NewSnapshot { namespace: Namespace::default(), snapshot: snapshot(time) }
}

/// Begins a snapshot and puts chunks into its only archive, `x.pxar.didx`.
fn fill(store: &Local, time: i64, chunks: &[&[u8]]) -> anyhow::Result<(Box<dyn Backup>, Manifest)> {
    let backup = store.begin(&new_snapshot(time))?;
    let file = archive(&*backup, chunks)?;
    let id = backup.id();
    let mut manifest = Manifest::new(id.group.backup_type, &id.group.id, id.time);
    manifest.files.push(file);
    Ok((backup, manifest))
}

fn archive(backup: &dyn Backup, chunks: &[&[u8]]) -> anyhow::Result<FileEntry> {
    let mut index = backup.index("x.pxar.didx")?;
    for chunk in chunks {
        let new = NewChunk::plain(chunk);
        backup.insert(&new)?;
        index.push(*new.digest(), chunk.len() as u64)?;
    }
    index.finish()
}

/// Bytes that no compressor makes smaller, different for each seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}

/// What a failed call says.
#[track_caller]
fn refusal<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => format!("{error:#}"),
    }
}
