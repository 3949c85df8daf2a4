use alloc::string::{String, ToString as _};
use core::fmt::{self, Write};
use core::ops::Range;

use super::chunks::ChunkUse;
use super::compare::{Change, Comparison, Evidence};
use super::findings::Findings;
use super::former::{Former, History};
use super::ghosts::{Remains, Remnant};
use super::rows::{Cell, Format, Rows};
use super::spans::{Class, Layout, Owner, Span};
use crate::access::Source;

/// Lists the spans that have bytes of `range`: `start`, `end`, `bytes`, `owner` (payload, padding, marker, metadata), `class` (of padding; start or tail of a
/// marker), `entry`, `path`, `path_hex`.
///
/// # Errors
/// Those of `out`.
pub fn write_ranges(
    layout: &Layout<'_>,
    range: Range<u64>,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    let columns = &["start", "end", "bytes", "owner", "class", "entry", "path", "path_hex"];
    let mut rows = Rows::new(format, columns, out)?;
    for Span { range, owner } in layout.spans(range) {
        let (class, entry) = match owner {
            Owner::StartMarker => (Cell::Text("start"), None),
            Owner::TailMarker => (Cell::Text("tail"), None),
            Owner::Padding(class) => (Cell::Text(class.name()), None),
            Owner::Payload(id) => (Cell::Nothing, Some(id)),
            Owner::Metadata => (Cell::Nothing, None),
        };
        rows.row(&[
            Cell::Number(range.start),
            Cell::Number(range.end),
            Cell::Number(range.end - range.start),
            Cell::Text(owner.name()),
            class,
            entry.map_or(Cell::Nothing, |id| Cell::Number(id.into())),
            Cell::Entry(layout.tree(), entry),
        ])?;
    }
    Ok(())
}

/// Lists chunks: `chunk` (its number), `start`, `end`, `bytes`, `digest`, `live`, `markers` (own markers, and metadata of unified archives), `dead`, `use_percent`,
/// `head`, `tail`, `whole`, `inner`, `files`, `first` and `last` of them with `_hex`, `age` where ages are known.
///
/// # Errors
/// Those of `out`.
pub fn write_chunks(
    layout: &Layout<'_>,
    chunks: impl Iterator<Item = ChunkUse>,
    ages: Option<&[u16]>,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    let columns = &[
        "chunk",
        "start",
        "end",
        "bytes",
        "digest",
        "live",
        "markers",
        "dead",
        "use_percent",
        "head",
        "tail",
        "whole",
        "inner",
        "files",
        "first",
        "first_hex",
        "last",
        "last_hex",
        "age",
    ];
    let mut rows = Rows::new(format, columns, out)?;
    for chunk in chunks {
        let entry = |position: usize| layout.map().order().get(position).copied();
        let last = chunk.files.end.checked_sub(1).filter(|_| !chunk.files.is_empty());
        let first = last.map(|_| chunk.files.start);
        let age = ages.and_then(|ages| ages.get(chunk.number));
        rows.row(&[
            Cell::Number(chunk.number as u64),
            Cell::Number(chunk.extent.start),
            Cell::Number(chunk.extent.end),
            Cell::Number(chunk.size()),
            Cell::Digest(chunk.digest),
            Cell::Number(chunk.live),
            Cell::Number(chunk.markers),
            Cell::Number(chunk.dead()),
            Cell::PerMille(chunk.use_per_mille()),
            Cell::Number(chunk.padding.of(Class::Head)),
            Cell::Number(chunk.padding.of(Class::Tail)),
            Cell::Number(chunk.padding.of(Class::Whole)),
            Cell::Number(chunk.padding.of(Class::Inner)),
            Cell::Number(chunk.files.len() as u64),
            Cell::Entry(layout.tree(), first.and_then(entry)),
            Cell::Entry(layout.tree(), last.and_then(entry)),
            age.map_or(Cell::Nothing, |&age| Cell::Number(age.into())),
        ])?;
    }
    Ok(())
}

/// Lists findings: `stream` (payload, or archive), `offset`, `code`, `level` (error, or notice), `finding` (a sentence), `entry`, `path`, `path_hex`.
///
/// # Errors
/// Those of `out`.
pub fn write_findings(
    layout: &Layout<'_>,
    findings: &Findings,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    let columns = &["stream", "offset", "code", "level", "finding", "entry", "path", "path_hex"];
    let mut rows = Rows::new(format, columns, out)?;
    for finding in findings.kept() {
        rows.row(&[
            Cell::Text(stream_name(finding.source)),
            Cell::Number(finding.offset),
            Cell::Text(finding.what.code()),
            Cell::Text(if finding.what.is_notice() { "notice" } else { "error" }),
            Cell::Text(&finding.what.to_string()),
            finding.entry.map_or(Cell::Nothing, |id| Cell::Number(id.into())),
            Cell::Entry(layout.tree(), finding.entry),
        ])?;
    }
    Ok(())
}

/// The word for a stream in JSON and CSV.
pub(super) const fn stream_name(source: Source) -> &'static str {
    match source {
        Source::Meta => "archive",
        Source::Payload => "payload",
    }
}

/// Lists padding: `start`, `end`, `bytes`, `class`, `remains` and `size` (ghost with bytes of contents, marker, unknown: see [`write_remnants`]), and what it was in an older
/// archive, if `history` has one that tells: `former` (number of the archive, 0 for the youngest), `former_offset`, `path`, `path_hex`.
///
/// # Errors
/// Those of `out`.
pub fn write_padding(
    layout: &Layout<'_>,
    range: Range<u64>,
    history: &History<'_>,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    PaddingList::new(layout, history, format, out)?.spans(range)
}

/// As [`write_padding`], of what [`GhostWalk`](super::GhostWalk)s found.
///
/// # Errors
/// Those of `out`.
pub fn write_remnants(
    layout: &Layout<'_>,
    remnants: &[Remnant],
    history: &History<'_>,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    PaddingList::new(layout, history, format, out)?.remnants(remnants)
}

/// A list of padding that is written piece by piece, see [`write_padding`].
#[derive(Debug)]
pub struct PaddingList<'a, 'w, W> {
    layout: &'a Layout<'a>,
    history: &'a History<'a>,
    rows: Rows<'w, W>,
}

impl<'a, 'w, W: Write> PaddingList<'a, 'w, W> {
    /// Begins a list.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(
        layout: &'a Layout<'a>,
        history: &'a History<'a>,
        format: Format,
        out: &'w mut W,
    ) -> Result<Self, fmt::Error> {
        let columns = &[
            "start",
            "end",
            "bytes",
            "class",
            "remains",
            "size",
            "former",
            "former_offset",
            "path",
            "path_hex",
        ];
        Ok(Self { layout, history, rows: Rows::new(format, columns, out)? })
    }

    /// Adds the padding of the spans that have bytes of `range`.
    ///
    /// # Errors
    /// Those of the output.
    pub fn spans(&mut self, range: Range<u64>) -> fmt::Result {
        self.layout.spans(range).try_for_each(|span| match span.owner {
            Owner::Padding(_) => self.traced(span.range, None),
            _ => Ok(()),
        })
    }

    /// Adds what a [`GhostWalk`](super::GhostWalk) found.
    ///
    /// # Errors
    /// Those of the output.
    pub fn remnants(&mut self, remnants: &[Remnant]) -> fmt::Result {
        let (layout, history) = (self.layout, self.history);
        remnants.iter().try_for_each(|remnant| match remnant.what {
            // Several may have had the bytes of what is unknown.
            Remains::Unknown => self.traced(remnant.range.clone(), Some(Remains::Unknown)),
            what => {
                let mut former = None;
                let start = remnant.range.start;
                history.trace(layout, start..start + 1, &mut |trace| {
                    former = trace.former;
                    false
                });
                self.row(remnant.range.clone(), Some(what), former)
            }
        })
    }

    /// A row for each piece of `range` that was somebody else's.
    fn traced(&mut self, range: Range<u64>, remains: Option<Remains>) -> fmt::Result {
        let (layout, history) = (self.layout, self.history);
        if history.archives().len() == 0 {
            return self.row(range, remains, None);
        }
        let (mut result, mut at) = (Ok(()), range.start);
        history.trace(layout, range.clone(), &mut |trace| {
            at = trace.range.end;
            result = self.row(trace.range, remains, trace.former);
            result.is_ok()
        });
        result?;
        // Behind the end of the index nothing can be traced.
        if at < range.end { self.row(at..range.end, remains, None) } else { Ok(()) }
    }

    fn row(&mut self, range: Range<u64>, remains: Option<Remains>, former: Option<Former>) -> fmt::Result {
        let class = match self.layout.at(range.start).map(|span| span.owner) {
            Some(Owner::Padding(class)) => Cell::Text(class.name()),
            _ => Cell::Nothing,
        };
        let (remains, size) = match remains {
            None => (Cell::Nothing, Cell::Nothing),
            Some(Remains::Ghost { size }) => (Cell::Text("ghost"), Cell::Number(size)),
            Some(Remains::Marker) => (Cell::Text("marker"), Cell::Nothing),
            Some(Remains::Unknown) => (Cell::Text("unknown"), Cell::Nothing),
        };
        let older = former.and_then(|former| self.history.archives().nth(former.archive));
        let entry = match former.map(|former| former.owner) {
            Some(Owner::Payload(id)) => Some(id),
            _ => None,
        };
        self.rows.row(&[
            Cell::Number(range.start),
            Cell::Number(range.end),
            Cell::Number(range.end - range.start),
            class,
            remains,
            size,
            former.map_or(Cell::Nothing, |former| Cell::Number(former.archive as u64)),
            former.map_or(Cell::Nothing, |former| Cell::Number(former.offset)),
            Cell::Entry(older.map_or(self.layout.tree(), Layout::tree), entry),
        ])
    }
}

/// Lists what is not unchanged: `change`, `type`, `fields` (separated by blanks), `evidence` (certain, likely), `size`, `old_size`, `path`, `path_hex`, and of what was moved
/// `old_path`, `old_path_hex`.
///
/// # Errors
/// Those of `out`.
pub fn write_changes(
    old: &Layout<'_>,
    new: &Layout<'_>,
    comparison: &Comparison,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    let columns = &[
        "change",
        "type",
        "fields",
        "evidence",
        "size",
        "old_size",
        "path",
        "path_hex",
        "old_path",
        "old_path_hex",
    ];
    let mut rows = Rows::new(format, columns, out)?;
    let mut fields = String::new();
    for (change, before, after) in comparison.changes() {
        fields.clear();
        for name in after.into_iter().flat_map(|id| comparison.fields(id).names()) {
            fields.push_str(if fields.is_empty() { "" } else { " " });
            fields.push_str(name);
        }
        let evidence = after.and_then(|id| comparison.evidence(new.tree(), id));
        let evidence = evidence.map_or(Cell::Nothing, |evidence| {
            Cell::Text(if evidence == Evidence::Certain { "certain" } else { "likely" })
        });
        let size = |layout: &Layout<'_>, id: Option<u32>| id.map(|id| layout.tree().size(id));
        let number = |size: Option<u64>| size.map_or(Cell::Nothing, Cell::Number);
        let is_moved = change == Change::Moved;
        let kind = match (before, after) {
            (_, Some(id)) => new.tree().kind(id).name(),
            (Some(id), None) => old.tree().kind(id).name(),
            (None, None) => "",
        };
        let path = match after {
            Some(id) => Cell::Entry(new.tree(), Some(id)),
            None => Cell::Entry(old.tree(), before),
        };
        rows.row(&[
            Cell::Text(change.name()),
            Cell::Text(kind),
            if fields.is_empty() { Cell::Nothing } else { Cell::Text(&fields) },
            evidence,
            number(size(new, after)),
            number(size(old, before)),
            path,
            Cell::Entry(old.tree(), before.filter(|_| is_moved)),
        ])?;
    }
    Ok(())
}
