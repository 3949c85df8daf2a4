//! `pxkit files`: what a snapshot is made of.

use std::io;

use anyhow::Context as _;
use pxkit_core::blob::CryptMode;
use serde_json::{Map, Value};

use crate::cli::Files;
use crate::crypt::{Keyring, WithoutKey};
use crate::report::{Outcome, Report};
use crate::store::{FileInfo, locate};

/// A file of a snapshot: as the manifest has it, on disk, or both.
struct Line<'a> {
    name: &'a str,
    /// What the manifest says.
    listed: Option<(u64, CryptMode, String)>,
    /// Bytes on disk, if they are known.
    stored: Option<u64>,
    /// It is not there.
    is_missing: bool,
}

/// Lists the files of a snapshot.
///
/// # Errors
/// The snapshot cannot be opened or listed, or nothing can be printed.
pub fn run(args: &Files) -> anyhow::Result<Outcome> {
    let (store, namespace) = (locate::open(&args.repository)?, &args.repository.ns);
    let stored = args.snapshot.open(&*store, namespace)?;
    let snapshot = Keyring::for_reading(&args.open)?.open(stored, WithoutKey::Tell, &Report::new(true))?;
    let all = store.snapshots(namespace, &snapshot.id().group)?;
    let on_disk = all.into_iter().find(|info| info.id == *snapshot.id()).map(|info| info.files);
    let on_disk = on_disk.unwrap_or_default();
    let manifest = snapshot.manifest();
    let mut lines: Vec<Line<'_>> = manifest
        .files
        .iter()
        .map(|file| {
            let stored = on_disk.iter().find(|other| other.name == file.filename);
            Line {
                name: &file.filename,
                listed: Some((file.size, file.crypt_mode, file.csum.to_string())),
                stored: stored.and_then(|file| file.stored),
                is_missing: stored.is_some_and(|file| file.is_missing),
            }
        })
        .collect();
    let others = on_disk.iter().filter(|file| manifest.file(&file.name).is_none());
    lines.extend(others.map(|FileInfo { name, stored, .. }| Line {
        name,
        listed: None,
        stored: *stored,
        is_missing: false,
    }));
    let mut out = io::stdout().lock();
    print(&lines, args.json, &mut out).context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}

fn print(lines: &[Line<'_>], json: bool, out: &mut impl io::Write) -> io::Result<()> {
    if json {
        for line in lines {
            serde_json::to_writer(&mut *out, &Value::Object(line.json()))?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    for Line { name, listed, stored, is_missing } in lines {
        match listed {
            Some((size, mode, csum)) => write!(out, "{name:width$} {size:>16} {:9} {csum}", mode.word())?,
            None => {
                let stored = stored.map_or_else(String::new, |size| size.to_string());
                write!(out, "{name:width$} {stored:>16} not in the manifest")?;
            }
        }
        writeln!(out, "{}", if *is_missing { " missing on disk" } else { "" })?;
    }
    Ok(())
}

impl Line<'_> {
    fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("filename".into(), self.name.into());
        if let Some((size, mode, csum)) = &self.listed {
            object.insert("size".into(), (*size).into());
            object.insert("crypt-mode".into(), mode.word().into());
            object.insert("csum".into(), csum.as_str().into());
        }
        object.insert("stored".into(), self.stored.into());
        object
    }
}
