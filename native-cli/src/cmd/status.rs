//! `pxkit status`: where a repository is and what is in it.

use std::io::{self, Write as _};

use anyhow::Context as _;
use indicatif::HumanBytes;
use serde_json::json;

use crate::cli::Status;
use crate::report::Outcome;
use crate::store::{Repository as _, Space, locate};

/// Shows the state of a repository.
///
/// # Errors
/// It cannot be read, or nothing can be printed.
pub fn run(args: &Status) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    let Space { total, free } = store.space()?;
    let (mut namespaces, mut groups, mut snapshots, mut unfinished) = (0_u64, 0_u64, 0_u64, 0_u64);
    for namespace in store.namespaces(&args.repository.ns)? {
        namespaces += 1;
        for info in store.groups(&namespace)? {
            groups += 1;
            for snapshot in store.snapshots(&namespace, &info.group)? {
                *(if snapshot.finished { &mut snapshots } else { &mut unfinished }) += 1;
            }
        }
    }
    let (chunks, bytes) = store.count_chunks()?;
    let last = store.last_collection();
    let mut out = io::stdout().lock();
    let mut print = || {
        if args.json {
            let value = json!({
                "path": store.name(),
                "total": total,
                "free": free,
                "namespaces": namespaces,
                "groups": groups,
                "snapshots": snapshots,
                "unfinished": unfinished,
                "chunks": chunks,
                "chunk_bytes": bytes,
                "last_gc": last.as_ref().map(|last| last.to_json()),
            });
            return writeln!(out, "{value}");
        }
        writeln!(out, "Datastore: {}", store.name())?;
        writeln!(out, "Free space: {} of {}", HumanBytes(free), HumanBytes(total))?;
        let rest = if unfinished > 0 { format!(", {unfinished} unfinished") } else { String::new() };
        writeln!(out, "Snapshots: {snapshots} in {groups} groups of {namespaces} namespaces{rest}")?;
        writeln!(out, "Chunks: {chunks}, {}", HumanBytes(bytes))?;
        match &last {
            None => writeln!(out, "Garbage was not collected yet"),
            Some(last) => {
                let (removed, pending) = (HumanBytes(last.removed_bytes), HumanBytes(last.pending_bytes));
                writeln!(out, "Last garbage collection: removed {removed}, pending {pending}")
            }
        }
    };
    print().context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
