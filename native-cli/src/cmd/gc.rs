//! `pxkit gc`: removes chunks that no snapshot uses.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use indicatif::HumanBytes;
use jiff::Timestamp;

use super::task;
use crate::cli::Gc;
use crate::remote::Remote;
use crate::report::{Outcome, Report, watch_signals};
use crate::store::locate::{self, Located};
use crate::store::{CUTOFF, Collect, Collected, Local};

/// Collects garbage.
///
/// # Errors
/// The store is busy; something cannot be read that might name chunks, and nothing was removed; something cannot be removed.
pub fn run(args: &Gc) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    match locate::open(&args.repository)? {
        Located::Directory(store) => in_directory(&store, args),
        Located::Server(remote) => on_server(&remote, args),
    }
}

/// The server does it, and decides what is old enough.
fn on_server(remote: &Remote, args: &Gc) -> anyhow::Result<Outcome> {
    if args.dry_run || args.cutoff.is_some() {
        bail!(
            "a server collects its garbage by its own rules: --dry-run and --cutoff are for datastores in directories"
        );
    }
    let outcome = task::follow(remote, &remote.start_collection()?, args.json)?;
    if args.json {
        let printed = writeln!(io::stdout(), "{}", remote.last_collection()?);
        printed.context("cannot write to standard output")?;
    }
    Ok(outcome)
}

fn in_directory(store: &Local, args: &Gc) -> anyhow::Result<Outcome> {
    let report = Report::new(args.json);
    let warn = |what: &str| report.warn(what);
    let mut collect = Collect::new(Timestamp::now().as_second(), &warn);
    collect.cutoff = args.cutoff.map_or(CUTOFF, |minutes| minutes * 60);
    collect.dry_run = args.dry_run;
    let collected = store.collect_garbage(&collect)?;
    let outcome = report.finish();
    let mut out = io::stdout().lock();
    let printed = if args.json {
        let mut value = collected.to_json();
        value["removed-temporary"] = collected.removed_temporary.into();
        value["dry-run"] = args.dry_run.into();
        writeln!(out, "{value}")
    } else {
        print(&collected, args.dry_run, &mut out)
    };
    printed.context("cannot write to standard output")?;
    Ok(outcome)
}

/// The summary in the words of the server.
fn print(collected: &Collected, dry_run: bool, out: &mut impl io::Write) -> io::Result<()> {
    if dry_run {
        writeln!(out, "Nothing was removed (dry run)")?;
    }
    writeln!(out, "Removed garbage: {}", HumanBytes(collected.removed_bytes))?;
    writeln!(out, "Removed chunks: {}", collected.removed_chunks)?;
    if collected.pending_chunks > 0 {
        let (bytes, chunks) = (HumanBytes(collected.pending_bytes), collected.pending_chunks);
        writeln!(out, "Pending removals: {bytes} (in {chunks} chunks)")?;
    }
    if collected.removed_bad > 0 {
        writeln!(out, "Removed bad chunks: {}", collected.removed_bad)?;
    }
    if collected.still_bad > 0 {
        writeln!(out, "Leftover bad chunks: {}", collected.still_bad)?;
    }
    if collected.removed_temporary > 0 {
        writeln!(out, "Removed remnants of interrupted backups: {}", collected.removed_temporary)?;
    }
    writeln!(out, "Original data usage: {}", HumanBytes(collected.index_data_bytes))?;
    let percent = ratio(collected.disk_bytes, collected.index_data_bytes) * 100.0;
    writeln!(out, "On-Disk usage: {} ({percent:.2}%)", HumanBytes(collected.disk_bytes))?;
    writeln!(out, "On-Disk chunks: {}", collected.disk_chunks)?;
    let factor = ratio(collected.index_data_bytes, collected.disk_bytes);
    writeln!(out, "Deduplication factor: {factor:.2}")?;
    if let Some(average) = collected.disk_bytes.checked_div(collected.disk_chunks) {
        writeln!(out, "Average chunk size: {}", HumanBytes(average))?;
    }
    Ok(())
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
