//! `pxkit status`: where a repository is and what is in it.

use std::io::{self, Write as _};

use anyhow::Context as _;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use crate::cli::Status;
use crate::report::Outcome;
use crate::store::Space;
use crate::store::locate::{self, Located};
use crate::text::counted;

/// Shows the state of a repository.
///
/// # Errors
/// It cannot be read, or nothing can be printed.
pub fn run(args: &Status) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    let Space { total, free } = store.space()?;
    let (mut namespaces, mut groups, mut snapshots, mut unfinished) = (0, 0, 0_u64, 0_u64);
    for namespace in store.namespaces(&args.repository.ns)? {
        namespaces += 1;
        groups += store.groups(&namespace)?.len();
        for snapshot in store.all_snapshots(&namespace)? {
            *(if snapshot.finished { &mut snapshots } else { &mut unfinished }) += 1;
        }
    }
    let garbage = Garbage::of(&store)?;
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
                "chunks": garbage.chunks.map(|(count, _)| count),
                "chunk_bytes": garbage.chunks.map(|(_, bytes)| bytes),
                "last_gc": garbage.last,
            });
            return writeln!(out, "{value}");
        }
        writeln!(out, "Datastore: {}", store.name())?;
        writeln!(out, "Free space: {} of {}", HumanBytes(free), HumanBytes(total))?;
        let rest = if unfinished > 0 { format!(", {unfinished} unfinished") } else { String::new() };
        writeln!(
            out,
            "Snapshots: {snapshots} in {} of {}{rest}",
            counted(groups, "group"),
            counted(namespaces, "namespace")
        )?;
        if let Some((chunks, bytes)) = garbage.chunks {
            writeln!(out, "Chunks: {chunks}, {}", HumanBytes(bytes))?;
        }
        let Some(last) = &garbage.last else { return writeln!(out, "Garbage was not collected yet") };
        let bytes = |key: &str| HumanBytes(last[key].as_u64().unwrap_or(0));
        let (removed, pending) = (bytes("removed-bytes"), bytes("pending-bytes"));
        writeln!(out, "Last garbage collection: removed {removed}, pending {pending}")
    };
    print().context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}

/// What is known of chunks.
struct Garbage {
    /// How many there are, and their bytes; those of a server at its last collection.
    chunks: Option<(u64, u64)>,
    /// The last collection, in the words of servers.
    last: Option<Value>,
}

impl Garbage {
    fn of(store: &Located) -> anyhow::Result<Self> {
        match store {
            Located::Directory(store) => Ok(Self {
                chunks: Some(store.count_chunks()?),
                last: store.last_collection().map(|last| last.to_json()),
            }),
            Located::Server(remote) => {
                // Whoever may only back up is not told.
                let last = remote.last_collection().ok().filter(|last| last["disk-chunks"].is_u64());
                let number = |key: &str| last.as_ref()?[key].as_u64();
                let chunks = number("disk-chunks").zip(number("disk-bytes"));
                Ok(Self { chunks: chunks.filter(|&(count, _)| count > 0), last })
            }
        }
    }
}
