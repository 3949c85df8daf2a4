//! `pxkit snapshots`: the snapshots of a repository.

use std::io::{self, Write as _};

use anyhow::Context as _;
use indicatif::HumanBytes;
use serde_json::json;

use super::table;
use crate::cli::Snapshots;
use crate::report::Outcome;
use crate::store::{Listed, SnapshotInfo, locate};

/// Lists snapshots.
///
/// # Errors
/// The repository cannot be read, or nothing can be printed.
pub fn run(args: &Snapshots) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    let namespace = &args.repository.ns;
    let infos = match &args.group {
        Some(group) => store.snapshots(namespace, group)?,
        None => store.all_snapshots(namespace)?,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if args.json { print_json(&infos, &mut out) } else { print(&infos, &mut out) };
    printed.and_then(|()| out.flush()).context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}

fn print(infos: &[SnapshotInfo], out: &mut impl io::Write) -> io::Result<()> {
    let row = |info: &SnapshotInfo| {
        let size = match info.size {
            Some(size) => HumanBytes(size).to_string(),
            None if is_damaged(info) => "damaged".to_owned(),
            None => "unfinished".to_owned(),
        };
        let files: Vec<_> = info.listed().map(|(name, _)| name).collect();
        let verified = match info.verified {
            Some(true) => "ok",
            Some(false) => "failed",
            None => "",
        };
        let protected = if info.protected { "yes" } else { "" };
        [info.id.to_string(), size, protected.to_owned(), verified.to_owned(), files.join(" ")]
    };
    let rows: Vec<_> = infos.iter().map(row).collect();
    table::print(["snapshot", "size", "protected", "verified", "files"], &rows, &[1], out)
}

/// Whether its manifest cannot be read.
const fn is_damaged(info: &SnapshotInfo) -> bool {
    info.finished && info.size.is_none()
}

fn print_json(infos: &[SnapshotInfo], out: &mut impl io::Write) -> io::Result<()> {
    for info in infos {
        let file = |(name, file): (&str, Listed)| json!({ "name": name, "size": file.size, "crypt_mode": file.crypt_mode.word() });
        let value = json!({
            "snapshot": info.id.to_string(),
            "time": info.id.time,
            "finished": info.finished,
            "damaged": is_damaged(info),
            "size": info.size,
            "files": info.size.map(|_| info.listed().map(file).collect::<Vec<_>>()),
            "protected": info.protected,
            "verified": info.verified,
            "notes": info.notes,
            "owner": info.owner,
            "key": info.key,
        });
        serde_json::to_writer(&mut *out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
