//! `pxkit find`: entries of archives by their paths, from the metadata alone.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, bail};
use pxkit_core::decode::{Entry, Event};
use pxkit_core::format::{Kind, mode};

use super::argument::{self, Needs, Single};
use crate::cli::Find;
use crate::input::{EntryReader, Opened};
use crate::report::{Outcome, Report, Usage, check_signals, is_broken_pipe};
use crate::select::Search;
use crate::text::Lines;

/// Letters of types, as `find` has them, and `h` for further names of files.
const TYPES: &str = "fdlhbcps";

/// Finds entries.
///
/// # Errors
/// A pattern or type is malformed; the archive cannot be read or is damaged.
pub fn run(args: &Find) -> anyhow::Result<Outcome> {
    let types = args.types.clone().unwrap_or_else(|| TYPES.to_owned());
    if let Some(unknown) = types.chars().find(|&letter| letter != ',' && !TYPES.contains(letter)) {
        bail!(Usage(format!("there is no type {unknown:?}; the letters are {TYPES}")));
    }
    let search = Search::new(args.patterns.iter().map(OsString::as_os_str))?;
    let archives = argument::open_all(&args.source, None, &args.repository, &args.open, Needs::Metadata)?;
    let is_alone = archives.len() == 1;
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut finding = Finding { args, search, types, archive: String::new(), out, lines: Lines::new() };
    let report = Report::new(true);
    let mut failed = 0;
    for Single { opened, label, .. } in archives {
        finding.archive = label;
        let Err(error) = finding.search(opened, &report) else { continue };
        if is_alone || check_signals().is_err() || is_unread(&error) {
            return Err(error);
        }
        // What is wrong with one archive is nothing to the others.
        report.error(format_args!("{error:#}"));
        failed += 1;
    }
    Ok(if failed == 0 { report.finish() } else { Outcome::Failed })
}

/// Whether nobody reads any more what is printed.
fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_broken_pipe))
}

struct Finding<'a, W> {
    args: &'a Find,
    search: Search,
    types: String,
    /// What the archive is called among others; empty if there are none.
    archive: String,
    out: W,
    lines: Lines,
}

impl<W: Write> Finding<'_, W> {
    /// Searches an archive, and prints what was found even if not all of it can be read.
    fn search(&mut self, opened: Opened, report: &Report) -> anyhow::Result<()> {
        let Opened { name, stream, .. } = opened.archive()?;
        let result = self.run(EntryReader::new(stream), report);
        self.out.flush().context("cannot write to standard output")?;
        result.with_context(|| format!("cannot search {name}"))
    }

    fn run(&mut self, mut reader: EntryReader, report: &Report) -> anyhow::Result<()> {
        let mut path = Vec::new();
        loop {
            match reader.step()? {
                Event::Entry(entry) => {
                    path.clear();
                    path.push(b'/');
                    path.extend_from_slice(entry.path);
                    if self.takes(&entry) && self.search.finds(&path, entry.kind == Kind::Directory) {
                        self.print(&entry, &path).context("cannot write to standard output")?;
                    }
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
            report.warn(format_args!("offset {}: {}", finding.offset, finding.what));
        }
        Ok(())
    }

    /// Whether it is as the filters want it.
    fn takes(&self, entry: &Entry<'_>) -> bool {
        let Find { size, newer, .. } = self.args;
        let mtime = entry.stat.mtime;
        // The root itself is never meant.
        entry.depth > 0
            && self.types.contains(letter_of(entry))
            && size.is_none_or(|size| entry.kind == Kind::File && size.takes(entry.size()))
            && newer.is_none_or(|newer| {
                // Of a time before 1970 the fraction counts backwards in a timestamp, forwards in an archive.
                let nanos = i128::from(mtime.secs) * 1_000_000_000 + i128::from(mtime.nanos);
                entry.kind != Kind::Hardlink && nanos > newer.as_nanosecond()
            })
    }

    /// Prints an entry; `path` starts with a slash. Below the name of its archive, if it has one.
    fn print(&mut self, entry: &Entry<'_>, path: &[u8]) -> io::Result<()> {
        if self.args.json {
            return self.lines.json_in(&mut self.out, &self.archive, entry);
        }
        let full = [self.archive.as_bytes(), path].concat();
        let is_alone = self.archive.is_empty();
        if self.args.print0 {
            self.out.write_all(if is_alone { b"" } else { b"/" })?;
            self.out.write_all(&full)?;
            return self.out.write_all(b"\0");
        }
        let below = Entry { path: &full, name_start: full.len() - entry.name().len(), ..*entry };
        self.lines.long(&mut self.out, if is_alone { entry } else { &below })
    }
}

fn letter_of(entry: &Entry<'_>) -> char {
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
