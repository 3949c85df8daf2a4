//! `pxkit snapshots`: the snapshots of a repository.

use std::io::{self, Write as _};

use anyhow::Context as _;
use indicatif::HumanBytes;
use pxkit_core::blob::Manifest;
use serde_json::json;

use super::table;
use crate::cli::Snapshots;
use crate::report::Outcome;
use crate::store::{Local, Repository, SnapshotInfo, locate};

/// Lists snapshots.
///
/// # Errors
/// The repository cannot be read, or nothing can be printed.
pub fn run(args: &Snapshots) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    let namespace = &args.repository.ns;
    let groups = match &args.group {
        Some(group) => vec![group.clone()],
        None => store.groups(namespace)?.into_iter().map(|info| info.group).collect(),
    };
    let mut infos = Vec::new();
    for group in groups {
        infos.extend(store.snapshots(namespace, &group)?);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if args.json { print_json(&infos, &mut out) } else { print(&infos, &mut out) };
    printed.and_then(|()| out.flush()).context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}

fn print(infos: &[SnapshotInfo], out: &mut impl io::Write) -> io::Result<()> {
    let row = |info: &SnapshotInfo| {
        let size = match &info.manifest {
            Some(manifest) => HumanBytes(size(manifest)).to_string(),
            None if info.finished => "damaged".to_owned(),
            None => "unfinished".to_owned(),
        };
        let files = info.manifest.iter().flat_map(|manifest| &manifest.files);
        let files: Vec<_> = files.map(|file| file.filename.as_str()).collect();
        let verified = match info.manifest.as_ref().and_then(Local::verify_state) {
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

/// Bytes of all that a snapshot holds.
fn size(manifest: &Manifest) -> u64 {
    manifest.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size))
}

fn print_json(infos: &[SnapshotInfo], out: &mut impl io::Write) -> io::Result<()> {
    for info in infos {
        let manifest = info.manifest.as_ref();
        let file = |file: &pxkit_core::blob::FileEntry| json!({ "name": file.filename, "size": file.size, "crypt_mode": file.crypt_mode.word() });
        let value = json!({
            "snapshot": info.id.to_string(),
            "time": info.id.time,
            "finished": info.finished,
            "size": manifest.map(size),
            "files": manifest.map(|manifest| manifest.files.iter().map(file).collect::<Vec<_>>()),
            "protected": info.protected,
            "verified": manifest.and_then(Local::verify_state),
            "notes": manifest.and_then(|manifest| manifest.unprotected.get("notes")),
        });
        serde_json::to_writer(&mut *out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
