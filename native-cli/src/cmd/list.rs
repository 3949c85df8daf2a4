//! `pxkit list`: the entries of an archive, a line each.

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;
use indicatif::HumanBytes;
use pxkit_core::decode::{Content, Event};
use pxkit_core::format::{HEADER_SIZE, Kind};
use pxkit_core::pattern::MatchType;

use super::argument::{self, Needs};
use super::patterns;
use crate::cli::List;
use crate::input::{EntryReader, Opened, Payload};
use crate::report::{Outcome, Report, check_signals};
use crate::select::Selection;
use crate::text::{Lines, quoted};

/// Lists an archive.
///
/// # Errors
/// The archive cannot be read or is damaged; what comes before the damage is listed.
pub fn run(args: &List) -> anyhow::Result<Outcome> {
    let opened = argument::open(
        &args.archive,
        args.payload_input.as_deref(),
        &args.repository,
        &args.open,
        Needs::Metadata,
    )?;
    let Opened { name, stream, payload, .. } = opened.archive()?;
    let report = Report::new(true);
    let reader = EntryReader::new(stream);
    let selection = Selection::new(patterns(&args.patterns, MatchType::Include)?);
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (lines, printed, payload_end) = (Lines::new(), false, HEADER_SIZE as u64);
    let mut listing = Listing { args, report: &report, payload, selection, out, lines, printed, payload_end };
    let result = listing.run(reader);
    listing.out.flush().context("cannot write to standard output")?;
    result.with_context(|| format!("cannot list {name}"))?;
    Ok(report.finish())
}

struct Listing<'a, W: io::Write> {
    args: &'a List,
    report: &'a Report,
    payload: Option<Payload>,
    selection: Selection,
    out: W,
    lines: Lines,
    printed: bool,
    /// End of the contents that were referred to last.
    payload_end: u64,
}

impl<W: io::Write> Listing<'_, W> {
    fn run(&mut self, mut reader: EntryReader) -> anyhow::Result<()> {
        loop {
            match reader.step()? {
                Event::Need(_) => {}
                Event::Entry(entry) => {
                    if let Content::Reference(reference) = entry.content {
                        self.see_padding(reference.offset, reference.end());
                    }
                    if self.selection.entry(&entry) {
                        self.print(&entry)?;
                    }
                }
                Event::Leave { .. } => self.selection.leave(),
                Event::Skip(bytes) => {
                    check_signals()?;
                    reader.skip(bytes)?;
                }
                Event::Version(version) if self.args.verbose => {
                    self.report.line(format_args!("pxar format version 'Version{version}'"));
                }
                Event::Prelude { size } if self.args.verbose => {
                    self.report.line(format_args!("prelude of size {}", HumanBytes(size)));
                }
                Event::Version(_) | Event::Prelude { .. } => {}
                Event::End => break,
            }
        }
        if !self.printed && !self.selection.is_all() {
            self.report.warn("no entry matches the patterns");
        }
        for finding in reader.warnings() {
            self.report.warn(format_args!("offset {}: {}", finding.offset, finding.what));
        }
        let trailing = reader.trailing_bytes();
        if trailing > 0 {
            self.report.warn(format_args!("{trailing} bytes follow the end of the archive"));
        }
        Ok(())
    }

    fn print(&mut self, entry: &pxkit_core::decode::Entry<'_>) -> anyhow::Result<()> {
        self.printed = true;
        if self.args.json {
            self.lines.json(&mut self.out, entry)?;
        } else if self.args.long {
            self.lines.long(&mut self.out, entry)?;
        } else {
            self.lines.plain(&mut self.out, entry)?;
        }
        if let (Content::Reference(reference), Some(payload), Kind::File) =
            (entry.content, &self.payload, entry.kind)
            && let Err(error) = payload.check(reference)
        {
            self.report.error(format_args!("{}: {error:#}", quoted(entry.path)));
        }
        Ok(())
    }

    fn see_padding(&mut self, offset: u64, end: Option<u64>) {
        let padding = offset.saturating_sub(self.payload_end);
        if padding > 0 && self.args.verbose {
            self.report.line(format_args!("Encountered padding of {padding} bytes"));
        }
        self.payload_end = end.unwrap_or(u64::MAX);
    }
}
