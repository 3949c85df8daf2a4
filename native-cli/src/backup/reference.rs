//! The previous snapshot's archive as a reference: whether it can be one, and if not, why (change detection 1.3 and 1.4).

use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::Context as _;
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::format::{Digest, Timestamp};
use pxkit_core::index::{ChunkId, DynamicIndex};
use pxkit_core::reuse::Injection;
use serde_json::json;

use crate::input::{EntryReader, Stream};
use crate::pace;
use crate::report::{Report, check_signals};
use crate::source::{ByteSource as _, ChunkReader, ChunkedArchive};
use crate::store::{Backup, Snapshot};

/// Bytes of decoded chunks of the previous metadata archive in memory: it is read once, from its start to its end.
const CACHE: u64 = 20 << 20;

/// Bytes of its beginning that are kept.
const BEGINNING: u64 = 64 << 10;

/// Chunks that are marked at a stretch.
const TOUCHED: usize = 1024;

/// A previous split archive whose chunks may be used again.
#[derive(Debug)]
pub struct Reference {
    snapshot: Snapshot,
    meta_name: String,
    /// The previous metadata index, and what its archive begins with, once it was opened.
    metadata: DynamicIndex,
    beginning: OnceLock<Vec<u8>>,
    /// The previous payload index.
    pub payload: DynamicIndex,
    /// For each of its chunks, whether the repository has lost it.
    pub missing: Vec<bool>,
    /// Names stand in their order in the metadata archive.
    pub is_sorted: bool,
    /// When the previous walk began.
    pub walk_start: Timestamp,
    /// Checksums of the indexes of the metadata and the payload archive.
    pub checksums: [Digest; 2],
}

impl Reference {
    /// Finds the reference of the archive `name` (`root`), kept as `mode`, in the previous snapshot. None if there is nothing to refer to,
    /// with a line that says why where that is not to be expected. Nothing here ends a backup.
    pub fn find(
        snapshot: &Snapshot,
        backup: &dyn Backup,
        name: &str,
        mode: CryptMode,
        report: &Report,
    ) -> Option<Self> {
        let manifest = snapshot.manifest();
        let (meta_name, payload_name) = (format!("{name}.mpxar.didx"), format!("{name}.ppxar.didx"));
        let meta_entry = manifest.file(&meta_name)?;
        let Some(payload_entry) = manifest.file(&payload_name) else {
            report.line("No previous payload index found in manifest, continue without reference");
            return None;
        };
        if payload_entry.crypt_mode != mode || meta_entry.crypt_mode != mode {
            report.line("Crypt mode mismatch, continue without reference");
            return None;
        }
        let checksums = [meta_entry.csum, payload_entry.csum];
        match Self::load(backup, snapshot, meta_name, &payload_name, checksums) {
            Ok(reference) => {
                let lost = reference.missing.iter().filter(|&&missing| missing).count();
                if lost > 0 {
                    report.line(format_args!(
                        "note: the previous snapshot lacks {lost} of {} payload chunks, the files in them are read again",
                        reference.missing.len()
                    ));
                }
                Some(reference)
            }
            Err(error) => {
                report.line(format_args!(
                    "note: the previous snapshot cannot be a reference, all files are read: {error:#}"
                ));
                None
            }
        }
    }

    fn load(
        backup: &dyn Backup,
        snapshot: &Snapshot,
        meta_name: String,
        payload_name: &str,
        checksums: [Digest; 2],
    ) -> anyhow::Result<Self> {
        let metadata = snapshot.index(&meta_name).with_context(|| meta_name.clone())?;
        let payload = snapshot.index(payload_name).with_context(|| payload_name.to_owned())?;
        let missing = touch(payload.chunks(), backup)?;
        let manifest = snapshot.manifest();
        let walk_start = walk_start(manifest, &payload);
        Ok(Self {
            snapshot: snapshot.clone(),
            meta_name,
            metadata,
            beginning: OnceLock::new(),
            missing,
            is_sorted: !is_append_order(manifest),
            walk_start,
            checksums,
            payload,
        })
    }

    /// The snapshot that it is in.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Opens the previous metadata archive.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(&self) -> anyhow::Result<EntryReader> {
        let reader = ChunkReader::with_cache(self.snapshot.clone(), CACHE);
        let archive = ChunkedArchive::open(Arc::new(reader), &self.meta_name)?;
        let mut beginning = vec![0; archive.size().min(BEGINNING) as usize];
        if archive.read_exact_at(&mut beginning, 0).is_ok() {
            let _ = self.beginning.set(beginning);
        }
        Ok(EntryReader::new(Stream::over(Arc::new(archive))))
    }

    /// Whether the previous metadata archive, which was opened, begins with these bytes.
    pub fn begins_with(&self, bytes: &[u8]) -> bool {
        self.beginning.get().is_some_and(|beginning| beginning.starts_with(bytes))
    }

    /// The chunks of the previous metadata archive, marked as used; `None` if the repository has lost one.
    ///
    /// # Errors
    /// The repository fails.
    pub fn metadata_chunks(&self, backup: &dyn Backup) -> anyhow::Result<Option<Vec<Injection>>> {
        let chunks = self.metadata.chunks();
        if touch(chunks, backup)?.contains(&true) {
            return Ok(None);
        }
        let chunk = |(at, chunk): (usize, &ChunkId)| {
            let extent = self.metadata.extent(at)?;
            let size = extent.end - extent.start;
            Some(Injection { at, digest: chunk.digest, size, used: size })
        };
        Ok(chunks.iter().enumerate().map(chunk).collect())
    }

    /// The previous metadata archive could not be read to its end: where it is because of its chunks, the new one may need the same, which must not be
    /// taken for stored.
    ///
    /// # Errors
    /// A signal came.
    pub fn distrust(&self, backup: &dyn Backup, report: &Report) -> anyhow::Result<()> {
        let mode =
            self.snapshot.manifest().file(&self.meta_name).map_or(CryptMode::None, |file| file.crypt_mode);
        let count = backup.set_damaged_aside(&self.metadata, mode, self.snapshot.key())?;
        if count > 0 {
            let were = if count == 1 { "chunk of it was" } else { "chunks of it were" };
            report.line(format_args!("note: {count} damaged {were} set aside, to be stored again"));
        }
        Ok(())
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.meta_name
    }
}

/// Marks chunks as used, on all cores, as a large archive has hundreds of thousands; says of each whether it is lost.
fn touch(chunks: &[ChunkId], backup: &dyn Backup) -> anyhow::Result<Vec<bool>> {
    let touch_part = |part: &[ChunkId]| -> anyhow::Result<Vec<bool>> {
        let mut missing = Vec::with_capacity(part.len());
        for some in part.chunks(TOUCHED) {
            check_signals()?;
            pace::keep();
            for chunk in some {
                missing.push(!backup.touch(&chunk.digest)?);
            }
        }
        Ok(missing)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (first, rest) = chunks.split_at(chunks.len().div_ceil(threads).max(TOUCHED).min(chunks.len()));
    thread::scope(|scope| {
        let start = |part| (part, thread::Builder::new().spawn_scoped(scope, move || touch_part(part)));
        let others: Vec<_> = rest.chunks(first.len().max(1)).map(start).collect();
        let mut missing = touch_part(first)?;
        for (part, other) in others {
            missing.extend(match other {
                Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic))?,
                // There is no thread for it.
                Err(_) => touch_part(part)?,
            });
        }
        Ok(missing)
    })
}

/// When the walk of a snapshot began: what pxkit noted; of others the earliest time that is known, which is not after it.
fn walk_start(manifest: &Manifest, index: &DynamicIndex) -> Timestamp {
    match manifest.walk_start() {
        Some(nanos) => {
            Timestamp { secs: nanos.div_euclid(1_000_000_000), nanos: nanos.rem_euclid(1_000_000_000) as u32 }
        }
        None => {
            let ctime = index.header().ctime;
            let secs = if ctime > 0 { manifest.backup_time.min(ctime) } else { manifest.backup_time };
            Timestamp { secs, nanos: 0 }
        }
    }
}

/// Notes in a manifest that the archives are in append order.
pub fn note_append_order(manifest: &mut Manifest) {
    let pxkit = manifest.unprotected.entry("pxkit").or_insert_with(|| json!({}));
    pxkit["order"] = "append".into();
}

/// Whether the archive was written in append order, which its snapshot notes.
fn is_append_order(manifest: &Manifest) -> bool {
    let order = manifest.unprotected.get("pxkit").and_then(|pxkit| pxkit.get("order"));
    order.and_then(|order| order.as_str()) == Some("append")
}
