//! A backup: trees of files become archives in a snapshot.
//!
//! In three steps for each archive, see [`pxkit_core::plan`]: `detect` walks the tree, compares it with the previous archive and keeps
//! what it finds in a `spool`; core decides; `emit` reads the spool again, with the files that are to be read opened `ahead`, and
//! the streams of the archive become chunks in the [`crate::pipeline`].

mod ahead;
mod archive;
mod catalog;
mod detect;
mod dry;
mod emit;
mod image;
mod known;
mod old;
mod recheck;
mod reference;
mod sink;
mod spool;
mod state;
mod summary;

use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use pxkit_core::blob::{CryptMode, FileEntry, Frame, Manifest};
use pxkit_core::chunk::{Chunker, Cuts, Sizes};
use pxkit_core::reuse::Policy;

use crate::codec::{self, Effort};
use crate::crypt::{Crypt, master};
use crate::linux::release_large_buffers;
use crate::pipeline::{Budget, Buffers, ChunkStream, Cut, Pool, Storing};
use crate::report::{Report, check_signals};
use crate::store::{Backup, Snapshot, encode_blob};
use crate::walk;
use ahead::Openers;
use archive::Archive;
use catalog::CatalogStream;
use state::FinishedState;

pub use detect::{Seen, Tally};
pub use dry::DryRun;
pub use image::{Image, ImageSummary};
pub use old::StateUse;
pub use recheck::Checked;
pub use state::{Policy as StatePolicy, States};
pub use summary::{ArchiveSummary, Stages, Summary, human_bytes};

/// Bytes of chunks that wait to be stored or are being stored.
const IN_FLIGHT: usize = 32 << 20;

/// What is kept of an archive, and what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A unified archive and a catalog; everything is read.
    Legacy,
    /// A split archive; everything is read.
    Data,
    /// A split archive; what did not change since the last snapshot is not read, as far as its chunks are worth keeping.
    Metadata,
}

/// How to back up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is read.
    pub mode: Mode,
    /// How the trees are walked.
    pub walk: walk::Options,
    /// Which chunks are used again.
    pub policy: Policy,
    /// Where payload streams are cut.
    pub cuts: Cuts,
    /// How large chunks are.
    pub sizes: Sizes,
    /// See [`trust_mtime_size`](pxkit_core::reuse::Rules::trust_mtime_size).
    pub trust_mtime_size: bool,
    /// Of how many chunks that are used again one is compared with the files on disk, in each run another one; none at all without.
    pub verify_reused: Option<NonZeroU32>,
    /// Threads that read, hash and compress.
    pub threads: usize,
    /// Archives are written in append order: in each directory first what the previous archive has, in its order there, then the rest by
    /// name.
    pub append: bool,
    /// Every entry is named.
    pub verbose: bool,
    /// Nothing is said but warnings.
    pub quiet: bool,
    /// What is done with a key.
    pub crypt: Crypt,
    /// State files, if they are used.
    pub state: Option<States>,
    /// Nothing is written, so no state either.
    pub dry_run: bool,
}

/// A tree to be backed up.
#[derive(Debug)]
pub struct Source {
    /// Name of the archive without suffix: `root`.
    pub name: String,
    /// The directory.
    pub root: OwnedFd,
    /// How messages name it.
    pub path: String,
}

/// A small file that is stored beside the archives.
#[derive(Clone, Debug)]
pub struct Small {
    /// Its name in the snapshot: `config.conf.blob`.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What goes into a snapshot.
#[derive(Debug, Default)]
pub struct Contents {
    /// Trees, each of which becomes an archive.
    pub archives: Vec<Source>,
    /// Files and devices that are stored as they are.
    pub images: Vec<Image>,
    /// Small files.
    pub blobs: Vec<Small>,
}

/// Backs up trees, images and small files, and completes the snapshot.
///
/// # Errors
/// A tree cannot be walked, a file not be read, or the repository not be written; then there is no snapshot.
pub fn run(
    backup: Box<dyn Backup>,
    contents: Contents,
    options: &Options,
    report: &Report,
) -> anyhow::Result<Summary> {
    let Contents { archives, images, blobs } = contents;
    release_large_buffers();
    let id = backup.id().clone();
    let mut manifest = Manifest::new(id.group.backup_type, &id.group.id, id.time);
    let mut summary = Summary::new(&id);
    let start = Instant::now();
    manifest.set_walk_start(now());
    if options.append {
        reference::note_append_order(&mut manifest);
    }
    for Small { name, bytes } in blobs {
        let (encoded, entry) = encode_blob(&name, &bytes, &options.crypt)?;
        backup.blob(&name, &encoded).with_context(|| name.clone())?;
        manifest.files.push(entry);
    }
    let mut states = Vec::new();
    let kept = (&mut summary, &mut states);
    let catalog = write_archives(&*backup, (archives, images), options, report, &mut manifest, kept)?;
    manifest.files.extend(catalog);
    if let Some(sealed) = options.crypt.recovery() {
        manifest.files.push(store_recovery(&*backup, sealed, options.crypt.mode())?);
    }
    options.crypt.sign(&mut manifest);
    let finishing = Instant::now();
    // After this it takes a moment only, and there is a snapshot.
    check_signals()?;
    backup.finish(&manifest)?;
    if !options.dry_run {
        publish(states, options, report);
    }
    summary.finish = finishing.elapsed();
    summary.duration = start.elapsed();
    Ok(summary)
}

/// Puts the state of a finished snapshot in the place of that before.
fn publish(states: Vec<FinishedState>, options: &Options, report: &Report) {
    for state in states {
        let path = state.path().to_owned();
        if let Err(error) = state.publish() {
            report.line(format_args!("note: the state file {} is not replaced: {error:#}", path.display()));
        }
    }
    if let Some(states) = &options.state {
        states.tidy();
    }
}

/// Stores the key for whoever has the master key: plain, although its entry has the mode of the backup (datastore specification 11).
fn store_recovery(backup: &dyn Backup, sealed: &[u8], crypt_mode: CryptMode) -> anyhow::Result<FileEntry> {
    let blob = Frame::choose(sealed, None)?.to_vec();
    backup.blob(master::BLOB, &blob).context(master::BLOB)?;
    let (size, csum) = (blob.len() as u64, codec::digest(&blob));
    Ok(FileEntry { filename: master::BLOB.to_owned(), crypt_mode, size, csum })
}

/// The snapshot before, if this one can go on from it. Nothing here ends a backup.
fn previous(backup: &dyn Backup, crypt: &Crypt, report: &Report) -> Option<Snapshot> {
    let stored = backup.previous()?;
    match crypt.check_previous(stored.manifest()) {
        Ok(()) => Some(Snapshot::with_key(stored, crypt.key().cloned())),
        Err(refusal) => {
            let id = stored.id();
            report
                .line(format_args!("note: nothing of {id} can be used again, all files are read: {refusal}"));
            None
        }
    }
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Writes the images, then the archives; returns the catalog if there is one.
fn write_archives(
    backup: &dyn Backup,
    (sources, images): (Vec<Source>, Vec<Image>),
    options: &Options,
    report: &Report,
    manifest: &mut Manifest,
    (summary, states): (&mut Summary, &mut Vec<FinishedState>),
) -> anyhow::Result<Option<FileEntry>> {
    let openers = Openers::new(&options.walk);
    // What is read may still be there: chunks that a server says it has are not sent.
    let previous = previous(backup, &options.crypt, report);
    if previous.is_some() {
        backup.build_on_previous();
    }
    let turn = recheck::note_turn(previous.as_ref().map(Snapshot::manifest), manifest);
    let previous = previous.filter(|_| options.mode == Mode::Metadata);
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, options.threads);
        let storing = Storing {
            pool: &pool,
            backup,
            budget: Budget::new(IN_FLIGHT),
            buffers: Buffers::default(),
            crypt: &options.crypt,
            effort: Effort::Fast,
        };
        // Before all others: servers want to know which chunks are an image's.
        for image in images {
            let path = image.path.clone();
            let stored = image.store(&storing, report).with_context(|| format!("cannot back up {path}"));
            let (entry, image) = stored?;
            manifest.files.push(entry);
            summary.images.push(image);
        }
        let mut catalog = match options.mode {
            Mode::Legacy => {
                let cut = Cut::Plain(Chunker::new(Sizes::CATALOG));
                let stream = ChunkStream::new(storing.clone(), cut, backup.index("catalog.pcat1.didx")?);
                Some(CatalogStream::new(stream))
            }
            Mode::Data | Mode::Metadata => None,
        };
        for source in sources {
            let (previous, openers, storing) = (previous.as_ref(), &openers, &storing);
            // Unified archives are never referred to.
            let place = options.state.as_ref().filter(|_| options.mode != Mode::Legacy).map(|states| {
                let features = options.walk.features;
                states.of(backup.id(), &source.name, &source.root, &source.path, features)
            });
            let archive =
                Archive { options, previous, openers, storing, report, source: &source, turn, place };
            let root = source.root.try_clone()?;
            let result = archive.write(root, catalog.as_mut(), manifest, states);
            summary.archives.push(result.with_context(|| format!("cannot back up {}", source.path))?);
        }
        let Some(catalog) = catalog else { return Ok(None) };
        let (entry, counters) = catalog.finish()?;
        summary.catalog = Some(counters);
        Ok(Some(entry))
    })
}

/// A file without a name in `directory`, for what is too much for memory.
///
/// # Errors
/// There is no room.
pub fn scratch_file(directory: &Path) -> anyhow::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = match openat(CWD, directory, flags, Mode::from_raw_mode(0o600)) {
        // Not every file system has such files.
        Err(_) if directory != std::env::temp_dir() => return scratch_file(&std::env::temp_dir()),
        result => {
            result.with_context(|| format!("cannot make a temporary file in {}", directory.display()))?
        }
    };
    Ok(file.into())
}

#[cfg(test)]
mod tests;
