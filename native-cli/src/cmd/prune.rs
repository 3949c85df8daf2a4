//! `pxkit prune`: removes the snapshots that no rule keeps.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::Prune;
use crate::pace;
use crate::report::{Outcome, Report, check_signals, watch_signals};
use crate::store::locate::{self, Located};
use crate::store::prune::{Candidate, Keep, Mark, prune};
use crate::store::{Group, Local, Repository as _, SnapshotId, SnapshotInfo};

/// Removes snapshots, oldest first.
///
/// # Errors
/// The repository cannot be read, or something not be removed; the other snapshots are. One that is in use is warned about.
pub fn run(args: &Prune) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    if let Some(cores) = args.limit_cpu {
        pace::limit(cores);
    }
    let store = locate::open(&args.repository)?;
    let groups = match &args.group {
        Some(group) => vec![group.clone()],
        None => store.groups(&args.repository.ns)?.into_iter().map(|info| info.group).collect(),
    };
    let report = Report::new(true);
    let mut failed = 0;
    for group in &groups {
        pace::keep();
        match &store {
            Located::Directory(store) => failed += prune_group(store, group, args, &report)?,
            // It may have another clock, and other days.
            Located::Server(remote) => {
                check_signals()?;
                for (id, mark) in remote.prune(&args.repository.ns, group, &keep(args), args.dry_run)? {
                    print(&id, mark, mark == Mark::Remove && !args.dry_run, args.json)?;
                }
            }
        }
    }
    if failed > 0 {
        bail!("{failed} snapshots cannot be removed");
    }
    Ok(report.finish())
}

/// Returns how many snapshots could not be removed although nobody uses them.
fn prune_group(store: &Local, group: &Group, args: &Prune, report: &Report) -> anyhow::Result<usize> {
    let mut failed = 0;
    let namespace = &args.repository.ns;
    let infos = store.snapshots(namespace, group)?;
    let candidate = |info: &SnapshotInfo| Candidate {
        time: info.id.time,
        finished: info.finished,
        protected: info.protected,
    };
    let candidates: Vec<_> = infos.iter().map(candidate).collect();
    for (info, mark) in infos.iter().zip(prune(&candidates, &keep(args), &TimeZone::system())) {
        pace::keep();
        check_signals()?;
        let id = &info.id;
        let removed = mark == Mark::Remove && !args.dry_run;
        if removed && let Err(error) = store.forget(namespace, id) {
            if error.chain().any(|cause| cause.is::<io::Error>()) {
                report.error(format_args!("{id}: {error:#}"));
                failed += 1;
            } else {
                report.warn(format_args!("{id} stays: {error:#}"));
            }
            continue;
        }
        print(id, mark, removed, args.json)?;
    }
    Ok(failed)
}

fn print(id: &SnapshotId, mark: Mark, removed: bool, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let printed = if as_json {
        let value = json!({ "snapshot": id.to_string(), "mark": mark.word(), "removed": removed });
        writeln!(out, "{value}")
    } else {
        writeln!(out, "{:<12} {id}", mark.word())
    };
    printed.context("cannot write to standard output")
}

fn keep(args: &Prune) -> Keep {
    Keep {
        last: args.keep_last,
        hourly: args.keep_hourly,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
        yearly: args.keep_yearly,
    }
}
