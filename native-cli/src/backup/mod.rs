//! A backup: trees of files become archives in a snapshot.
//!
//! In three steps for each archive, see [`pxkit_core::plan`]: `detect` walks the tree, compares it with the previous archive and keeps
//! what it finds in a `spool`; core decides; `emit` reads the spool again, with the files that are to be read opened `ahead`, and
//! the streams of the archive become chunks in the [`crate::pipeline`].

mod ahead;
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
use pxkit_core::chunk::{Chunker, Cuts, Cutter, Sizes};
use pxkit_core::format::Timestamp;
use pxkit_core::pattern::{Pattern, encode_prelude, exclude_text};
use pxkit_core::plan::Emit;
use pxkit_core::reuse::{Decision, Policy, Rules, decide};
use rustix::fs::fstatfs;

use crate::codec::{self, Effort};
use crate::crypt::{Crypt, master};
use crate::linux::{is_local, release_large_buffers};
use crate::pipeline::{Budget, Buffers, ChunkStream, Cut, Pool, Storing};
use crate::report::{Report, check_signals};
use crate::store::{Backup, Snapshot, encode_blob};
use crate::walk::{self, Prepare, Walk};
use ahead::{Ahead, Openers};
use catalog::CatalogStream;
use detect::{Detected, How};
use emit::{Emitted, Emitter};
use known::Known;
use old::Old;
use recheck::Recheck;
use reference::Reference;
use sink::Streams;
use spool::Reader as Spooled;
use state::{FinishedState, NewState, Place};

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
    /// See [`Rules::trust_mtime_size`].
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
    if !states.is_empty() {
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

/// One archive of a backup.
struct Archive<'a, 'p, 'env> {
    options: &'a Options,
    previous: Option<&'a Snapshot>,
    openers: &'env Openers,
    storing: &'a Storing<'p, 'env>,
    report: &'a Report,
    source: &'a Source,
    /// Which of the chunks that are used again are compared with files this time.
    turn: u64,
    /// Where its state is.
    place: Option<Place>,
}

impl<'p, 'env> Archive<'_, 'p, 'env> {
    fn write(
        &self,
        root: OwnedFd,
        catalog: Option<&mut CatalogStream<'p, 'env>>,
        manifest: &mut Manifest,
        states: &mut Vec<FinishedState>,
    ) -> anyhow::Result<ArchiveSummary> {
        let Self { options, storing, report, source, .. } = self;
        let mut summary = ArchiveSummary::new(&source.name, options.mode);
        let mode = options.crypt.mode();
        let reference = self
            .previous
            .and_then(|previous| Reference::find(previous, storing.backup, &source.name, mode, report));
        summary.has_reference = reference.is_some();

        let detecting = Instant::now();
        let mut found = self.detect(reference.as_ref(), &mut summary)?;
        if let Some(order) = found.order.take() {
            let (turns, listing) = order.sort(&found.listing);
            (found.turns, found.listing) = (Some(turns), listing);
        }
        summary.stages.detect = detecting.elapsed();

        let mut spool = std::mem::take(&mut found.spool).read();
        if let (Some(reference), Some(sample)) = (&reference, options.verify_reused) {
            let checking = Instant::now();
            spool = self.recheck(reference, sample, &mut found, spool, root.try_clone()?, &mut summary)?;
            summary.stages.recheck = checking.elapsed();
        }

        let deciding = Instant::now();
        let decision = reference.as_ref().map(|reference| self.decide(reference, &mut found, &mut summary));
        summary.stages.decide = deciding.elapsed();

        let emitting = Instant::now();
        let reuse = decision.as_ref().zip(reference.as_ref().map(|reference| &reference.payload));
        states.extend(self.emit(root, (found, spool), reuse, catalog, manifest, &mut summary)?);
        summary.stages.emit = emitting.elapsed();
        Ok(summary)
    }

    fn detect(
        &self,
        reference: Option<&Reference>,
        summary: &mut ArchiveSummary,
    ) -> anyhow::Result<Detected> {
        let Self { options, storing, report, source, .. } = self;
        let known = reference.zip(self.place.as_ref()).zip(options.state.as_ref());
        let known = known.and_then(|((reference, place), states)| {
            let [metadata, payload] = reference.checksums;
            Some(Known::new(place.open(metadata, payload, report)?, states.policy))
        });
        let has_state = known.is_some();
        let old = reference.and_then(|reference| {
            let rules = Rules {
                payload_size: reference.payload.size(),
                racy_from: earlier(reference.walk_start, slack(&source.root)),
                trust_mtime_size: options.trust_mtime_size,
                sharpness: options
                    .state
                    .as_ref()
                    .map_or_else(Default::default, |states| states.policy.sharpness()),
            };
            if !options.quiet {
                let name = reference.name();
                report.line(format_args!("Using previous index as metadata reference for '{name}'"));
            }
            match Old::new(
                Box::new(|| reference.open()),
                &reference.payload,
                rules,
                reference.is_sorted,
                known,
                report,
            ) {
                Ok(old) => Some(old),
                Err(error) => {
                    report.line(format_args!(
                        "note: the previous metadata archive cannot be read, all files are: {error:#}"
                    ));
                    None
                }
            }
        });
        // With a state, most metadata will not be needed.
        let prepare = if has_state && old.is_some() { Prepare::Stat } else { Prepare::Metadata };
        let walk_options = walk::Options { prepare, ..options.walk.clone() };
        let walk = Walk::new(source.root.try_clone()?, walk_options)?;
        let scratch = || storing.backup.scratch();
        let how = How { verbose: options.verbose, append: options.append };
        let found = detect::detect(walk, old, &scratch, report, how)?;
        summary.seen = found.seen.clone();
        summary.reading = found.reading;
        summary.state = found.state;
        if found.state.is_some_and(|state| state.is_void) {
            report.line(format_args!(
                "note: nearly all files of {} are of other inodes or were touched, as in a copy; what is the same by metadata is taken to be the same",
                source.path
            ));
        }
        if let Some(lost) = found.state.map(|state| state.lost).filter(|&lost| lost > 0) {
            report.line(format_args!("note: {lost} blocks of the state file are damaged and were not used"));
        }
        Ok(found)
    }

    /// Compares a sample of the chunks that may be used again with the files that are said to be in them; files in those that differ are read.
    fn recheck(
        &self,
        reference: &Reference,
        sample: NonZeroU32,
        found: &mut Detected,
        spool: Spooled,
        root: OwnedFd,
        summary: &mut ArchiveSummary,
    ) -> anyhow::Result<Spooled> {
        let Self { options, openers, storing, report, .. } = self;
        let recheck = Recheck::new(
            &found.listing,
            reference,
            &options.crypt,
            report,
            recheck::Sample { one_in: sample, turn: self.turn },
        );
        if recheck.is_empty() {
            return Ok(spool);
        }
        let mut ahead = Ahead::new(storing.pool, openers, spool, found.turns.clone(), root);
        let (mut checked, differs) = recheck.run(&mut ahead)?;
        if checked.differing > 0 {
            checked.files = found.listing.drop_missing(&reference.payload, |at| differs[at]);
        }
        summary.checked = checked;
        Ok(ahead.into_spool())
    }

    fn decide(&self, reference: &Reference, found: &mut Detected, summary: &mut ArchiveSummary) -> Decision {
        if reference.missing.contains(&true) {
            summary.missing_chunks =
                found.listing.drop_missing(&reference.payload, |at| reference.missing[at]);
        }
        let decision = decide(found.listing.files(), &reference.payload, &self.options.policy);
        summary.totals = Some(decision.totals);
        summary.price = decision.price;
        summary.live = found.listing.files().live();
        decision
    }

    fn emit(
        &self,
        root: OwnedFd,
        (found, spool): (Detected, Spooled),
        reuse: Option<(&Decision, &pxkit_core::index::DynamicIndex)>,
        catalog: Option<&mut CatalogStream<'p, 'env>>,
        manifest: &mut Manifest,
        summary: &mut ArchiveSummary,
    ) -> anyhow::Result<Option<FinishedState>> {
        let Self { options, openers, storing, report, source, .. } = self;
        let excludes = excludes(&options.walk);
        let Detected { listing, turns, usage, .. } = found;
        let name = &source.name;
        let is_split = options.mode != Mode::Legacy;
        let has_reference = reuse.is_some();
        let stream = |suffix: &str, cut: Cut| {
            let writer = storing.backup.index(&format!("{name}.{suffix}.didx"))?;
            // Little is stored then, and that is worth it.
            let effort = if has_reference { Effort::Good } else { Effort::Fast };
            let storing = Storing { effort, ..Storing::clone(storing) };
            anyhow::Ok(ChunkStream::new(storing, cut, writer))
        };
        let plain = Cut::Plain(Chunker::new(options.sizes));
        let (emit, mut streams, exclude_cli) = if is_split {
            let prelude = encode_prelude(&excludes)?;
            let payload = Cut::Payload(Cutter::new(options.cuts, options.sizes));
            let streams = Streams {
                meta: stream("mpxar", plain)?,
                payload: Some(stream("ppxar", payload)?),
                usage,
                inherited: 0,
            };
            (Emit::split(prelude.as_deref(), &listing, reuse, options.sizes.max()), streams, Vec::new())
        } else {
            let streams = Streams { meta: stream("pxar", plain)?, payload: None, usage: None, inherited: 0 };
            (Emit::unified(&listing), streams, exclude_text(&excludes))
        };
        let is_read = |number: usize| !reuse.is_some_and(|(decision, _)| decision.reuses(number));
        let mut catalog = catalog;
        if let Some(catalog) = &mut catalog {
            catalog.enter(format!("{name}.pxar.didx").as_bytes())?;
        }
        let mut ahead = Ahead::new(storing.pool, openers, spool, turns, root);
        let emitter = Emitter::new(emit, &mut streams, catalog.as_deref_mut(), exclude_cli, openers, report)
            .with_state(self.begin_state());
        let (emitted, state): (Emitted, _) = emitter.run(&mut ahead, &is_read)?;
        if let Some(catalog) = catalog {
            catalog.leave()?;
        }
        summary.emitted(emitted);
        summary.inherited = streams.inherited;
        // The payload before the metadata, as manifests have them.
        let mut payload_checksum = None;
        if let Some(payload) = streams.payload {
            let (entry, counters) = payload.finish()?;
            payload_checksum = Some(entry.csum);
            manifest.files.push(entry);
            summary.payload = Some(counters);
        }
        let (entry, counters) = streams.meta.finish()?;
        let checksums = payload_checksum.map(|payload| (entry.csum, payload));
        manifest.files.push(entry);
        summary.metadata = counters;
        let finished = state.zip(checksums).map(|(state, (meta, payload))| state.finish(meta, payload));
        Ok(self.without_state(finished.transpose()))
    }

    fn begin_state(&self) -> Option<NewState> {
        self.without_state(
            self.place.as_ref().filter(|_| !self.options.dry_run).map(Place::begin).transpose(),
        )
    }

    /// What went wrong with a state is said, and that is all.
    fn without_state<T>(&self, result: anyhow::Result<Option<T>>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.report.line(format_args!("note: no state file is written: {error:#}"));
            None
        })
    }
}

/// All patterns that the archive is to tell of.
fn excludes(options: &walk::Options) -> Vec<Pattern> {
    let skip_lost_and_found = options.skip_lost_and_found.then(Pattern::lost_and_found);
    options.patterns.iter().cloned().chain(skip_lost_and_found).collect()
}

/// How far off the time of a file may be on the file system that holds `root`, in nanoseconds: FAT counts in two seconds, and on a
/// network the clock is another machine's.
fn slack(root: &OwnedFd) -> i64 {
    let magic = fstatfs(root).map_or(0, |answer| answer.f_type);
    if is_local(magic as u64) { 100_000_000 } else { 2_000_000_000 }
}

/// A time, less some nanoseconds.
fn earlier(time: Timestamp, nanos: i64) -> Timestamp {
    let total = i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos) - i128::from(nanos);
    Timestamp {
        secs: i64::try_from(total.div_euclid(1_000_000_000)).unwrap_or(i64::MIN),
        nanos: total.rem_euclid(1_000_000_000) as u32,
    }
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
