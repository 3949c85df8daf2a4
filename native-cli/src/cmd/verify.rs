//! `pxkit verify`: whether snapshots are complete and undamaged.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use indicatif::HumanBytes;
use jiff::Timestamp;
use serde_json::json;

use super::task;
use crate::cli::Verify;
use crate::crypt::{Keyring, Origin};
use crate::remote::Remote;
use crate::report::{Outcome, Report, watch_signals};
use crate::store::locate::{self, Located};
use crate::store::{Group, Namespace, Repository, SnapshotId, Verdict, Verification, Verified};

/// A group that servers leave out, because benchmarks fill it.
const BENCHMARK: &str = "host/benchmark";

/// Verifies snapshots.
///
/// # Errors
/// The repository cannot be read, or a snapshot is damaged.
pub fn run(args: &Verify) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    match locate::open(&args.repository)? {
        Located::Server(remote) if args.on_server => on_server(&remote, args),
        Located::Directory(store) if args.on_server => {
            bail!("{} is a directory: there is no server that could do it", store.name())
        }
        store => here(&store, args),
    }
}

/// The server does it, and notes the results.
fn on_server(remote: &Remote, args: &Verify) -> anyhow::Result<Outcome> {
    let (group, time) = match &args.what {
        None => (None, None),
        Some(what) => match what.parse::<SnapshotId>() {
            Ok(id) => (Some(id.group), Some(id.time)),
            Err(_) => (Some(parse_group(what)?), None),
        },
    };
    let task = remote.start_verification(&args.repository.ns, group.as_ref(), time)?;
    task::follow(remote, &task, false)
}

fn parse_group(what: &str) -> anyhow::Result<Group> {
    what.parse().with_context(|| format!("`{what}` is neither a snapshot nor a group"))
}

fn here(store: &Located, args: &Verify) -> anyhow::Result<Outcome> {
    let keyring = keyring(args)?;
    let report = Report::new(args.json);
    let snapshots = snapshots(&**store, args, &report)?;
    let threads =
        args.threads.map_or_else(|| thread::available_parallelism().map_or(1, Into::into), usize::from);
    let verification = match store {
        Located::Directory(store) => store.verification(threads, Timestamp::now().as_second()),
        Located::Server(remote) => Verification::of(Arc::new(remote.clone()), threads),
    };
    let verification = verification.with_keyring(keyring)?;
    let mut failed = 0;
    for (namespace, id) in &snapshots {
        let verified = verification.snapshot(namespace, id)?;
        failed += u64::from(verified.verdict == Verdict::Failed);
        tell(namespace, &verified, args.json, &report)?;
    }
    let outcome = report.finish();
    if !args.json {
        let (chunks, bytes) = (verification.chunks(), HumanBytes(verification.bytes()));
        let printed =
            writeln!(io::stdout(), "Checked {chunks} chunks, {bytes}, of {} snapshots", snapshots.len());
        printed.context("cannot write to standard output")?;
    }
    if failed > 0 {
        let aside = match store {
            Located::Directory(_) if verification.set_aside() > 0 => {
                format!("; {} damaged chunks were set aside", verification.set_aside())
            }
            _ => String::new(),
        };
        bail!("{failed} of {} snapshots failed{aside}", snapshots.len());
    }
    Ok(outcome)
}

/// The key, which is opened before anything else happens. A default one that cannot be opened is none: nobody asked for it.
fn keyring(args: &Verify) -> anyhow::Result<Keyring> {
    let keyring = Keyring::for_reading(&args.open)?;
    match keyring.key() {
        Err(error) if keyring.origin() == Some(Origin::Default) => {
            Report::new(true).line(format_args!("note: signatures are not checked: {error:#}"));
            Ok(Keyring::default())
        }
        result => result.map(|_| keyring),
    }
}

/// The snapshots that are meant, oldest first in each group.
fn snapshots(
    store: &dyn Repository,
    args: &Verify,
    report: &Report,
) -> anyhow::Result<Vec<(Namespace, SnapshotId)>> {
    let root = &args.repository.ns;
    if let Some(what) = &args.what {
        if let Ok(id) = what.parse::<SnapshotId>() {
            return Ok(vec![(root.clone(), id)]);
        }
        return of_group(store, root, &parse_group(what)?, report);
    }
    let mut all = Vec::new();
    for namespace in store.namespaces(root)? {
        for info in store.groups(&namespace)? {
            if info.group.to_string() != BENCHMARK {
                all.extend(of_group(store, &namespace, &info.group, report)?);
            }
        }
    }
    Ok(all)
}

fn of_group(
    store: &dyn Repository,
    namespace: &Namespace,
    group: &Group,
    report: &Report,
) -> anyhow::Result<Vec<(Namespace, SnapshotId)>> {
    let mut out = Vec::new();
    for info in store.snapshots(namespace, group)? {
        if info.finished {
            out.push((namespace.clone(), info.id));
        } else {
            report.line(format_args!("{} is left out: it is not finished", info.id));
        }
    }
    Ok(out)
}

fn tell(namespace: &Namespace, verified: &Verified, as_json: bool, report: &Report) -> anyhow::Result<()> {
    let word = match verified.verdict {
        Verdict::Ok => "ok",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    };
    let id = &verified.id;
    for error in &verified.errors {
        match verified.verdict {
            Verdict::Failed => report.error(format_args!("{id}: {error}")),
            _ => report.warn(error),
        }
    }
    for note in &verified.notes {
        report.warn(format_args!("{id}: {note}"));
    }
    let mut out = io::stdout().lock();
    let printed = if as_json {
        let (errors, notes) = (&verified.errors, &verified.notes);
        let value = json!({
            "namespace": namespace.to_string(),
            "snapshot": id.to_string(),
            "result": word,
            "errors": errors,
            "notes": notes,
        });
        writeln!(out, "{value}")
    } else {
        writeln!(out, "{word:<8} {id}")
    };
    printed.context("cannot write to standard output")
}
