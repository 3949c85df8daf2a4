//! `pxkit layout`: what lies where in an archive, how much of it is padding and since when, what its chunks hold.

mod picture;
mod previous;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use pxkit_core::layout::{
    Batching, ChunkTable, Findings, Format, GhostWalk, HeaderCheck, History, MarkerCheck, PaddingList,
    Remnants, Report, ages, write_changes, write_chunks, write_findings, write_ranges,
};

use self::previous::Previous;
use super::argument::{self, Needs};
use crate::cli::{Layout, LayoutList};
use crate::input::LaidOut;
use crate::report::{Outcome, Report as Talk, check_signals};

/// Remnants of one gap of padding that are kept and listed.
const REMNANTS: usize = 100_000;

/// Shows the layout of an archive.
///
/// # Errors
/// It cannot be read or is damaged, or what was asked for needs more than was given.
pub fn run(args: &Layout) -> anyhow::Result<Outcome> {
    let archive = read(args, &args.archive, args.payload_input.as_deref(), args.index.as_deref())?;
    let older =
        args.previous.iter().map(|text| read_previous(args, text)).collect::<anyhow::Result<Vec<_>>>()?;
    let talk = Talk::new(args.json.is_some() || args.csv.is_some());
    let view = View::new(args, &archive, &older, &talk)?;
    let mut out = Sink::new(BufWriter::with_capacity(1 << 16, io::stdout().lock()));
    let result = view.print(&mut out);
    out.finish().context("cannot write to standard output")?;
    result?;
    talk.finish();
    Ok(if view.findings.errors() == 0 { Outcome::Complete } else { Outcome::Incomplete })
}

fn read(
    args: &Layout,
    archive: &Path,
    payload: Option<&Path>,
    index: Option<&Path>,
) -> anyhow::Result<LaidOut> {
    LaidOut::read(argument::open(archive, payload, &args.repository, &args.open, Needs::Contents)?, index)
}

/// An older archive: `SNAPSHOT/ARCHIVE`, or a file, with a comma and the index behind it.
fn read_previous(args: &Layout, text: &Path) -> anyhow::Result<LaidOut> {
    let bytes = text.as_os_str().as_bytes();
    let comma = bytes.iter().rposition(|&byte| byte == b',').filter(|_| text.symlink_metadata().is_err());
    let Some(comma) = comma else { return read(args, text, None, None) };
    let part = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_owned();
    read(args, &part(&bytes[..comma]), None, Some(&part(&bytes[comma + 1..])))
}

/// Everything that is known, as far as it was asked for.
struct View<'a> {
    args: &'a Layout,
    archive: &'a LaidOut,
    older: &'a [LaidOut],
    chunks: ChunkTable,
    findings: Findings,
    remnants: Option<Remnants>,
    ages: Option<Vec<u16>>,
    history: Option<History<'a>>,
    previous: Option<Previous<'a>>,
}

impl<'a> View<'a> {
    fn new(
        args: &'a Layout,
        archive: &'a LaidOut,
        older: &'a [LaidOut],
        talk: &Talk,
    ) -> anyhow::Result<Self> {
        let layout = archive.layout();
        let chunks = ChunkTable::new(&layout);
        let mut findings = layout.anomalies(&chunks);
        if args.check {
            check(archive, &mut findings)?;
        }
        let remnants = args.ghosts.then(|| ghosts(archive)).transpose()?;
        let indexes: Option<Vec<_>> = older.iter().map(|older| older.layout().index()).collect();
        let mut history = None;
        if !older.is_empty() {
            let mut all = History::new();
            for older in older {
                if older.layout().index().is_none() {
                    talk.caution(format_args!(
                        "{}: without its index it says nothing about padding",
                        older.name
                    ));
                } else if !older.shares_digests(archive) {
                    talk.caution(format_args!(
                        "{}: it was made with another key, so its chunks are others",
                        older.name
                    ));
                }
                all.push(older.layout(), older.order());
            }
            history = Some(all);
        }
        let ages = match (layout.index(), indexes) {
            (Some(index), Some(older)) if !older.is_empty() => Some(ages(index, &older)),
            _ => None,
        };
        let previous = older.first().map(|older| Previous::new(older, archive)).transpose()?;
        Ok(Self { args, archive, older, chunks, findings, remnants, ages, history, previous })
    }

    fn print<W: Write>(&self, out: &mut Sink<W>) -> anyhow::Result<()> {
        match (self.args.csv, self.args.json) {
            (Some(list), _) => self.list(list, Format::Csv, out),
            (None, Some(Some(list))) => self.list(list, Format::Json, out),
            (None, Some(None)) => {
                let mut report = self.report().to_json();
                if let Some(object) = report.as_object_mut() {
                    object.insert("archive".into(), self.archive.name.clone().into());
                    object.insert("size_is_known".into(), self.archive.is_size_known.into());
                    if let Some(previous) = &self.previous {
                        object.insert("previous".into(), previous.to_json());
                    }
                }
                serde_json::to_writer(&mut out.out, &report)?;
                Ok(out.out.write_all(b"\n")?)
            }
            (None, None) => Ok(picture::print(self, &mut out.out)?),
        }
    }

    /// Names of the older archives, the youngest first.
    fn older(&self) -> impl Iterator<Item = &str> {
        self.older.iter().map(|older| older.name.as_str())
    }

    fn report(&self) -> Report<'_> {
        Report {
            layout: self.archive.layout(),
            chunks: &self.chunks,
            findings: &self.findings,
            checked: self.args.check,
            remnants: self.remnants.as_ref(),
            ages: self.ages.as_deref(),
            history: self.history.as_ref(),
        }
    }

    fn list<W: Write>(&self, list: LayoutList, format: Format, out: &mut Sink<W>) -> anyhow::Result<()> {
        let layout = self.archive.layout();
        let written = match list {
            LayoutList::Ranges => write_ranges(&layout, 0..layout.size(), format, out),
            LayoutList::Chunks => {
                ensure!(
                    layout.index().is_some(),
                    "without an index nothing is known of chunks: name it with --index"
                );
                write_chunks(&layout, self.chunks.iter(&layout), self.ages.as_deref(), format, out)
            }
            LayoutList::Findings => write_findings(&layout, &self.findings, format, out),
            LayoutList::Padding => return self.padding(format, out),
            LayoutList::Changes => {
                let Some(previous) = &self.previous else {
                    bail!("changes from what? Name the older archive with --previous");
                };
                let old = previous.archive.layout();
                write_changes(&old, &layout, &previous.comparison, format, out)
            }
        };
        // If it failed, the sink knows why.
        let _ = written;
        Ok(())
    }

    fn padding<W: Write>(&self, format: Format, out: &mut Sink<W>) -> anyhow::Result<()> {
        let (layout, none) = (self.archive.layout(), History::new());
        let history = self.history.as_ref().unwrap_or(&none);
        let Ok(mut list) = PaddingList::new(&layout, history, format, out) else { return Ok(()) };
        if self.remnants.is_none() {
            let _ = list.spans(0..layout.size());
            return Ok(());
        }
        for gap in layout.gaps(0..layout.size()) {
            check_signals()?;
            let found = self.archive.run(GhostWalk::new(gap, REMNANTS))?;
            if list.remnants(&found.kept).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Looks at everything that references lead to.
fn check(archive: &LaidOut, findings: &mut Findings) -> anyhow::Result<()> {
    let layout = archive.layout();
    findings.append(&archive.run(MarkerCheck::new(&layout))?);
    let mut positions = 0..archive.map.files();
    while let Some(check) = HeaderCheck::next(&layout, &mut positions, Batching::default()) {
        check_signals()?;
        findings.append(&archive.run(check)?);
    }
    Ok(())
}

/// Walks through all padding. Nothing is kept but sums.
fn ghosts(archive: &LaidOut) -> anyhow::Result<Remnants> {
    let layout = archive.layout();
    let mut all = Remnants::default();
    for gap in layout.gaps(0..layout.size()) {
        check_signals()?;
        all.append(archive.run(GhostWalk::new(gap, 0))?, 0);
    }
    Ok(all)
}

/// Bytes for text; remembers why writing failed, which `fmt` does not.
struct Sink<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> Sink<W> {
    const fn new(out: W) -> Self {
        Self { out, error: None }
    }

    fn finish(mut self) -> io::Result<()> {
        self.error.map_or_else(|| self.out.flush(), Err)
    }
}

impl<W: Write> fmt::Write for Sink<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error.get_or_insert(error);
            fmt::Error
        })
    }
}
