//! `pxkit restore`: an archive, an image or a small file of a snapshot back to disk.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::argument::open_snapshot;
use super::extraction::Extraction;
use crate::cli::{Restore, StreamFormat};
use crate::crypt::{WithoutKey, master};
use crate::input::Opened;
use crate::output::Output;
use crate::report::{Outcome, Report, Usage, check_signals, watch_signals};
use crate::source::{ByteSource, ChunkReader, ChunkedArchive};
use crate::store::{ArchiveName, Snapshot};

/// Zeros in rows of so many, aligned, become holes.
const HOLE: usize = 64 << 10;

/// Restores from a snapshot.
///
/// # Errors
/// Those of [`restore`]; the snapshot cannot be opened.
pub fn run(args: &Restore) -> anyhow::Result<Outcome> {
    // What the owner of a master key restores the key from needs no key, of course.
    let is_recovery = args.archive == master::BLOB || format!("{}.blob", args.archive) == master::BLOB;
    let without = if is_recovery { WithoutKey::Tell } else { WithoutKey::Refuse };
    restore(open_snapshot(&args.snapshot, &args.repository, &args.open, without)?, args)
}

/// Restores from a snapshot that is open.
///
/// # Errors
/// Those of [`Extraction::run`]; there is no such archive, or it cannot be put where it was asked for.
pub fn restore(snapshot: impl Into<Snapshot>, args: &Restore) -> anyhow::Result<Outcome> {
    let snapshot = snapshot.into();
    let name = ArchiveName::find(snapshot.manifest(), &args.archive)?;
    let to_stdout = args.target == Path::new("-");
    if to_stdout && args.how.talk.json {
        bail!(Usage(format!("--json writes to standard output, where {} goes", args.archive)));
    }
    let is_archive = matches!(name, ArchiveName::Unified(_) | ArchiveName::Split { .. });
    let has_patterns = !args.patterns.is_empty() || args.how.files_from.is_some();
    // Entries of an archive, not its bytes.
    let is_tree = is_archive && (!to_stdout || has_patterns || args.how.format.is_some());
    let reader = Arc::new(ChunkReader::new(snapshot));
    if is_tree {
        let opened = Opened::stored(&reader, &name, true)?;
        // One file is what somebody wants who names no format.
        let format = args.how.format.or(to_stdout.then_some(StreamFormat::Content));
        let extraction =
            Extraction { opened, target: &args.target, patterns: &args.patterns, how: &args.how };
        return extraction.run_as(format);
    }
    if has_patterns {
        bail!("{} goes to {} as a whole: patterns do not apply", args.archive, args.target.display());
    }
    if args.how.format.is_some() {
        bail!("{} is no file archive: --format does not apply", args.archive);
    }
    match &name {
        ArchiveName::Split { .. } => {
            bail!(
                "unable to pipe split archive: it has two streams; name a directory instead of -, or --format tar"
            )
        }
        ArchiveName::Unified(name) | ArchiveName::Image(name) | ArchiveName::Stream(name) => {
            let report = Report::new(args.how.talk.quiet || args.how.talk.json);
            let source = ChunkedArchive::open(reader, name)?;
            write(args, |out| copy(&source, &report, out))
                .with_context(|| format!("cannot restore {name}"))?;
            let outcome = report.finish();
            if args.how.talk.json {
                let seconds = report.elapsed().as_secs_f64();
                writeln!(io::stdout(), "{}", json!({ "contents": report.bytes(), "seconds": seconds }))?;
            }
            Ok(outcome)
        }
        ArchiveName::Blob(name) => {
            let bytes = reader.snapshot().blob(name)?;
            write(args, |out| out.append(&bytes))?;
            Ok(Outcome::Complete)
        }
        ArchiveName::Manifest => {
            let text = reader.snapshot().manifest().to_json();
            write(args, |out| out.append(text.as_bytes()))?;
            Ok(Outcome::Complete)
        }
    }
}

/// Writes the target, which is a file and appears whole or not at all.
fn write(args: &Restore, fill: impl FnOnce(&mut Output) -> anyhow::Result<()>) -> anyhow::Result<()> {
    watch_signals()?;
    let create = if args.how.overwrites_files() { Output::replace } else { Output::create };
    let mut out = create(&args.target)?;
    fill(&mut out)?;
    out.publish()
}

fn copy(source: &ChunkedArchive, report: &Report, out: &mut Output) -> anyhow::Result<()> {
    source.pass(0..source.size(), &mut Vec::new(), &mut |piece| {
        check_signals()?;
        for part in piece.chunks(HOLE) {
            if is_zero(part) { out.append_zeros(part.len() as u64)? } else { out.append(part)? }
        }
        report.count_bytes(piece.len() as u64);
        Ok(())
    })
}

fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; HOLE] = [0; HOLE];
    bytes == &ZEROS[..bytes.len()]
}
