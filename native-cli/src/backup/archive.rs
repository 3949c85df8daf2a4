//! One archive of a backup: the three steps, one after the other.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::Instant;

use pxkit_core::blob::Manifest;
use pxkit_core::chunk::{Chunker, Cutter};
use pxkit_core::format::{Digest, ItemType, Timestamp};
use pxkit_core::pattern::{Pattern, encode_prelude, exclude_text};
use pxkit_core::plan::Emit;
use pxkit_core::reuse::{Decision, Injection, Rules, decide};
use rustix::fs::fstatfs;

use super::ahead::{Ahead, Keep, Openers};
use super::catalog::CatalogStream;
use super::detect::{self, Detected, How, Seen};
use super::emit::{Emitted, Emitter};
use super::known::Known;
use super::old::Old;
use super::recheck::{self, Recheck};
use super::reference::Reference;
use super::sink::Meta;
use super::sink::{Streams, cut_elsewhere};
use super::spool::Reader as Spooled;
use super::state::{FinishedState, NewState, Place};
use super::summary::ArchiveSummary;
use super::{Mode, Options, Source};
use crate::codec::Effort;
use crate::linux::is_local;
use crate::pipeline::{ChunkStream, Cut, Storing};
use crate::report::Report;
use crate::store::Snapshot;
use crate::walk::{self, Prepare, Walk};

/// One archive of a backup.
pub struct Archive<'a, 'p, 'env> {
    /// How.
    pub options: &'a Options,
    /// What it may refer to.
    pub previous: Option<&'a Snapshot>,
    /// What opens files.
    pub openers: &'env Openers,
    /// Where its chunks go.
    pub storing: &'a Storing<'p, 'env>,
    /// Where notes and warnings go.
    pub report: &'a Report,
    /// The tree.
    pub source: &'a Source,
    /// Which of the chunks that are used again are compared with files this time.
    pub turn: u64,
    /// Where its state is.
    pub place: Option<Place>,
}

impl<'p, 'env> Archive<'_, 'p, 'env> {
    /// Writes it; its entries go into the manifest, its state waits for the snapshot to be finished.
    ///
    /// # Errors
    /// The tree cannot be walked, a file not be read, or the repository not be written.
    pub fn write(
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
        states.extend(self.emit(
            root,
            (found, spool),
            decision.as_ref().zip(reference.as_ref()),
            catalog,
            manifest,
            &mut summary,
        )?);
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
        let (has_state, mut is_damaged) = (known.is_some(), false);
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
                    is_damaged = true;
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
        if let Some(reference) = reference.filter(|_| is_damaged || found.is_damaged) {
            reference.distrust(storing.backup, report)?;
        }
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
        let turns = found.turns.clone();
        let mut ahead = Ahead::new(storing.pool, openers, spool, turns, root, Keep::Wanted);
        let (mut checked, differs) = recheck.run(&mut ahead)?;
        if checked.differing > 0 {
            let files = &mut checked.files;
            found.listing.drop_missing(&reference.payload, |at| differs[at], |file| files.add(file.size));
        }
        summary.checked = checked;
        Ok(ahead.into_spool())
    }

    fn decide(&self, reference: &Reference, found: &mut Detected, summary: &mut ArchiveSummary) -> Decision {
        if reference.missing.contains(&true) {
            let (missing, files) = (&reference.missing, &mut summary.missing_chunks);
            found.listing.drop_missing(&reference.payload, |at| missing[at], |file| files.add(file.size));
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
        reuse: Option<(&Decision, &Reference)>,
        catalog: Option<&mut CatalogStream<'p, 'env>>,
        manifest: &mut Manifest,
        summary: &mut ArchiveSummary,
    ) -> anyhow::Result<Option<FinishedState>> {
        let Self { options, openers, storing, report, source, .. } = self;
        let excludes = excludes(&options.walk);
        let is_read = |number: usize| !reuse.is_some_and(|(decision, _)| decision.reuses(number));
        // What nobody touched leaves the traces that it left before; those of a file that is read may be others by then.
        let kept = reuse.map(|(_, reference)| reference.checksums).filter(|_| {
            found.is_the_same() && !options.dry_run && !(0..found.listing.files().len()).any(is_read)
        });
        let Detected { listing, turns, usage, seen, .. } = found;
        let (has_reference, reference) = (reuse.is_some(), reuse.map(|(_, reference)| reference));
        let reuse = reuse.map(|(decision, reference)| (decision, &reference.payload));
        let name = &source.name;
        let is_split = options.mode != Mode::Legacy;
        let stream = |suffix: &str, cut: Cut| {
            let writer = storing.backup.index(&format!("{name}.{suffix}.didx"))?;
            // Little is stored then, and that is worth it.
            let effort = if has_reference { Effort::Good } else { Effort::Fast };
            let storing = Storing { effort, ..Storing::clone(storing) };
            anyhow::Ok(ChunkStream::new(storing, cut, writer))
        };
        let plain = Cut::Plain(Chunker::new(options.sizes));
        let (emit, meta, payload, exclude_cli) = if is_split {
            let prelude = encode_prelude(&excludes)?;
            let payload = Cut::Payload(Cutter::new(options.cuts, options.sizes));
            let payload = stream("ppxar", payload)?;
            let emit = Emit::split(prelude.as_deref(), &listing, reuse, options.sizes.max());
            (emit, stream("mpxar", plain)?, Some(payload), Vec::new())
        } else {
            (Emit::unified(&listing), stream("pxar", plain)?, None, exclude_text(&excludes))
        };
        let mut catalog = catalog;
        if let Some(catalog) = &mut catalog {
            catalog.enter(format!("{name}.pxar.didx").as_bytes())?;
        }
        let mut streams = Streams { meta: Meta::Here(Box::new(meta)), payload, usage, inherited: 0 };
        let same = kept.and(reference).filter(|_| catalog.is_none());
        let same = same.map(|reference| self.same(&emit, reference)).transpose()?.flatten();
        if let Some(metadata) = same {
            emit.repeat_payload(&mut streams)?;
            streams.meta.inject(&metadata)?;
            let Seen { links, files: reused, .. } = seen;
            summary.emitted(Emitted { links, reused, ..Emitted::default() });
            return self.finish(streams, (None, kept), manifest, summary);
        }
        let mut ahead = Ahead::new(storing.pool, openers, spool, turns, root, Keep::All);
        let run = |streams: &mut Streams<'p, 'env>| {
            Emitter::new(emit, streams, catalog.as_deref_mut(), exclude_cli, openers, report)
                .with_state(kept.is_none().then(|| self.begin_state()).flatten())
                .run(&mut ahead, &is_read)
        };
        // A unified archive has the contents in this stream: those had better not be copied once more.
        let (emitted, state): (Emitted, _) =
            if is_split { cut_elsewhere(&mut streams, run)? } else { run(&mut streams)? };
        if let Some(catalog) = catalog {
            catalog.leave()?;
        }
        summary.emitted(emitted);
        self.finish(streams, (state, kept), manifest, summary)
    }

    /// The chunks of the metadata of the previous archive, if the new one is the same: its entries are known to be, see [`Detected::is_the_same`], so it is if
    /// contents stay where they are and it begins with the same patterns.
    fn same(&self, emit: &Emit<'_>, reference: &Reference) -> anyhow::Result<Option<Vec<Injection>>> {
        let mut beginning = emit.beginning().to_vec();
        beginning.extend_from_slice(&ItemType::Entry.htype().to_le_bytes());
        if !reference.begins_with(&beginning) || !emit.has_same_payload() {
            return Ok(None);
        }
        reference.metadata_chunks(self.storing.backup)
    }

    /// Ends the streams, whose entries go into the manifest, and what was made of the state.
    fn finish(
        &self,
        streams: Streams<'p, 'env>,
        (state, kept): (Option<NewState>, Option<[Digest; 2]>),
        manifest: &mut Manifest,
        summary: &mut ArchiveSummary,
    ) -> anyhow::Result<Option<FinishedState>> {
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
        let checksums = payload_checksum.map(|payload| [entry.csum, payload]);
        manifest.files.push(entry);
        summary.metadata = counters;
        let finished = match (state, kept, &self.place, checksums) {
            (Some(state), _, _, Some(new)) => state.finish(new).map(Some),
            (None, Some(old), Some(place), Some(new)) => place.keep(old, new),
            _ => Ok(None),
        };
        Ok(self.without_state(finished))
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
