//! `pxkit catalog`: the names in all archives of a snapshot, from its catalog if it has one, else from the archives.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::blob::CatalogKind;
use pxkit_core::decode::{Entry, Event};
use pxkit_core::format::{Kind, mode};

use super::argument::open_snapshot;
use crate::cli::CatalogArgs;
use crate::crypt::WithoutKey;
use crate::input::{CatalogReader, EntryReader, Opened};
use crate::report::{Outcome, Report, check_signals};
use crate::source::ChunkReader;
use crate::store::{ArchiveName, Snapshot};
use crate::text::Lines;

/// Prints the names in a snapshot.
///
/// # Errors
/// Something cannot be read or is damaged; what comes before the damage is printed.
pub fn run(args: &CatalogArgs) -> anyhow::Result<Outcome> {
    let snapshot = open_snapshot(&args.snapshot, &args.repository, &args.open, WithoutKey::Refuse)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = print(snapshot, &mut out);
    out.flush().context("cannot write to standard output")?;
    result
}

fn print(snapshot: Snapshot, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let manifest = snapshot.manifest().clone();
    let reader = Arc::new(ChunkReader::new(snapshot));
    let report = Report::new(true);
    let mut printer = Printer { out, lines: Lines::new(), path: b".".to_vec() };
    if manifest.file(CatalogReader::NAME).is_some() {
        let read = CatalogReader::open(reader).and_then(|catalog| printer.catalog(&catalog));
        read.with_context(|| format!("cannot read {}", CatalogReader::NAME))?;
        return Ok(report.finish());
    }
    let mut names: Vec<&str> = manifest.files.iter().map(|file| &*file.filename).collect();
    names.retain(|name| name.ends_with(".mpxar.didx") || name.ends_with(".pxar.didx"));
    names.sort_unstable();
    if names.is_empty() {
        bail!("the snapshot has neither a catalog nor file archives");
    }
    for name in names {
        let archive = ArchiveName::find(&manifest, name)?;
        let opened = Opened::stored(&reader, &archive, false)?.archive()?;
        printer
            .archive(name, EntryReader::new(opened.stream), &report)
            .with_context(|| format!("cannot list {}", opened.name))?;
    }
    Ok(report.finish())
}

struct Printer<'o, W> {
    out: &'o mut W,
    lines: Lines,
    /// The directory that is being printed, from `.`.
    path: Vec<u8>,
}

/// Names of a directory in a catalog that are still to be printed.
struct Level {
    names: std::vec::IntoIter<(Vec<u8>, CatalogKind)>,
    /// Length of the path above it.
    above: usize,
}

impl<W: Write> Printer<'_, W> {
    fn catalog(&mut self, catalog: &CatalogReader) -> anyhow::Result<()> {
        let mut budget = catalog.budget();
        let names = catalog.table(catalog.root(), &mut budget)?.into_iter();
        let mut levels = vec![Level { names, above: 1 }];
        while let Some(level) = levels.last_mut() {
            let Some((name, kind)) = level.names.next() else {
                self.path.truncate(level.above);
                levels.pop();
                continue;
            };
            check_signals()?;
            let above = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(&name);
            let (letter, content) = letter_of(kind);
            self.lines.catalog(self.out, letter, &self.path, content)?;
            if let CatalogKind::Directory { table: start } = kind {
                levels.push(Level { names: catalog.table(start, &mut budget)?.into_iter(), above });
            } else {
                self.path.truncate(above);
            }
        }
        Ok(())
    }

    fn archive(&mut self, name: &str, mut reader: EntryReader, report: &Report) -> anyhow::Result<()> {
        loop {
            match reader.step()? {
                Event::Entry(entry) => {
                    self.path.truncate(1);
                    self.path.push(b'/');
                    self.path.extend_from_slice(name.as_bytes());
                    if !entry.path.is_empty() {
                        self.path.push(b'/');
                        self.path.extend_from_slice(entry.path);
                    }
                    let content = (entry.kind == Kind::File).then_some((entry.size(), entry.stat.mtime.secs));
                    self.lines.catalog(self.out, letter_of_entry(&entry), &self.path, content)?;
                }
                Event::Skip(bytes) => {
                    check_signals()?;
                    reader.skip(bytes)?;
                }
                Event::End => break,
                Event::Need(_) | Event::Leave { .. } | Event::Version(_) | Event::Prelude { .. } => {}
            }
        }
        for finding in reader.warnings() {
            report.warn(format_args!("{name}: offset {}: {}", finding.offset, finding.what));
        }
        Ok(())
    }
}

fn letter_of(kind: CatalogKind) -> (char, Option<(u64, i64)>) {
    match kind {
        CatalogKind::Directory { .. } => ('d', None),
        CatalogKind::File { size, mtime } => ('f', Some((size, mtime))),
        CatalogKind::Symlink => ('l', None),
        CatalogKind::Hardlink => ('h', None),
        CatalogKind::BlockDevice => ('b', None),
        CatalogKind::CharDevice => ('c', None),
        CatalogKind::Fifo => ('p', None),
        CatalogKind::Socket => ('s', None),
    }
}

fn letter_of_entry(entry: &Entry<'_>) -> char {
    match entry.kind {
        Kind::File => 'f',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Hardlink => 'h',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::Device if entry.stat.mode & mode::TYPE == mode::BLOCK => 'b',
        Kind::Device => 'c',
    }
}
