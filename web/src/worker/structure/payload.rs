//! Items of a payload stream.
//!
//! What is a payload, only references tell, so the layout is what is shown: headers where references lead, and padding between. Padding is
//! walked through for the files and markers that are left in it.

use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::{Machine, Step};
use pxkit_core::format::{HEADER_SIZE, Header, ItemType, PAYLOAD_TAIL_MARKER, START_MARKER};
use pxkit_core::layout::{Class, Gap, GhostWalk, Owner, Remains, Remnant, Span};

use super::fields::Fields;
use super::{Around, Found, about, content, item};
use crate::protocol::structure::Item;
use crate::protocol::{Problem, Stream};
use crate::worker::document::LayoutParts;
use crate::worker::source::Source;
use crate::worker::{Document, Task, text};

const HEADER: u64 = HEADER_SIZE as u64;
/// Reads that a piece of padding is looked at with, at most; a longer one is one item.
const READS: usize = 2000;
/// Headers that are passed in a stream without metadata.
const PASSED: usize = 1 << 20;

/// Items around a position of the payload stream of a split archive.
pub async fn items(task: &Task, document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let Ok(parts) = document.parts() else {
        return alone(task, document, around).await;
    };
    let source = document.stream(Stream::Payload)?;
    let (spans, first, last) = spans_around(&parts, around);
    let mut found = Found { first, last, ..Found::default() };
    for span in spans {
        // Of what lies before, only so much is wanted as is asked for; of what follows, too.
        if found.items.len() >= around.before + around.count + READS {
            found.last = false;
            break;
        }
        match span.owner {
            Owner::Padding(class) => {
                padding(task, &parts, &*source, span.range, class, &mut found.items).await?
            }
            Owner::Payload(id) => found.items.push(payload(&parts, &*source, span.range, id).await?),
            Owner::StartMarker => found.items.push(marker(&*source, span.range, &START_MARKER).await?),
            Owner::TailMarker => found.items.push(marker(&*source, span.range, &PAYLOAD_TAIL_MARKER).await?),
            Owner::Metadata => {
                found.items.push(item::bytes(span.range.start, span.range.end - span.range.start, "BYTES"))
            }
        }
    }
    // The stream may be longer than what the layout was made for.
    let end = found.items.last().map_or(0, |item| item.offset + item.size);
    if found.last && end < around.size {
        found.items.push(item::bytes(end, around.size - end, "BYTES"));
    }
    Ok(found)
}

/// Spans around a position, and whether they reach the start and the end of the stream.
fn spans_around(parts: &LayoutParts, around: Around) -> (Vec<Span>, bool, bool) {
    let layout = parts.layout();
    let order = parts.map.order();
    // The payload at the position or the next one behind it, and from there back.
    let next = layout.spans(around.at..around.size).find_map(|span| match span.owner {
        Owner::Payload(id) => layout.position(id),
        _ => None,
    });
    let from = next.unwrap_or(order.len()).saturating_sub(around.before + 1);
    let start = if from == 0 { 0 } else { layout.owned(order[from]).map_or(0, |owned| owned.start) };
    let mut spans: Vec<Span> = Vec::new();
    let (mut before, mut behind) = (0, 0);
    let mut is_last = true;
    for span in layout.spans(start.min(around.at)..around.size) {
        if span.range.end <= around.at {
            before += 1;
        } else if behind == around.count {
            is_last = false;
            break;
        } else {
            behind += 1;
        }
        spans.push(span);
    }
    let surplus = before - around.before.min(before);
    spans.drain(..surplus);
    let is_first = spans.first().is_none_or(|span| span.range.start == 0);
    (spans, is_first, is_last)
}

async fn marker(
    source: &dyn Source,
    range: Range<u64>,
    expected: &[u8; HEADER_SIZE],
) -> Result<Item, Problem> {
    let kind =
        if *expected == START_MARKER { ItemType::PayloadStartMarker } else { ItemType::PayloadTailMarker };
    let bytes = source.bytes(range.start, (range.end - range.start) as usize).await?;
    let mut fields = Fields::new(range.start, &bytes);
    content::header(&mut fields, kind);
    let is_right = bytes == expected;
    Ok(Item {
        summary: if is_right {
            String::new()
        } else {
            "not what stands at this end of every payload stream".to_owned()
        },
        fields: fields.finish(),
        about: about::of(kind).to_owned(),
        findings: if is_right { Vec::new() } else { vec![format!("{kind} is missing")] },
        ..item::bytes(range.start, range.end - range.start, kind.name())
    })
}

async fn payload(
    parts: &LayoutParts,
    source: &dyn Source,
    range: Range<u64>,
    id: u32,
) -> Result<Item, Problem> {
    let tree = &parts.tree;
    let claimed = parts.map.payload(tree, id).unwrap_or_else(|| range.clone());
    let size = claimed.end.saturating_sub(claimed.start).saturating_sub(HEADER);
    let path = text::path(tree, id);
    let base = item::bytes(range.start, range.end - range.start, ItemType::Payload.name());
    let item = Item { entry: Some(id), about: about::other("PAYLOAD").to_owned(), ..base };
    if range != claimed {
        // Payloads overlap, or lead out of the stream.
        let summary = format!("a part of what {path} claims, {:#x} to {:#x}", claimed.start, claimed.end);
        let findings = vec!["this payload overlaps with another or leads out of the stream".to_owned()];
        return Ok(Item { summary, findings, ..item });
    }
    let bytes = source.bytes(range.start, HEADER_SIZE).await?;
    let mut fields = Fields::new(range.start, &bytes);
    let mut findings = Vec::new();
    match Header::parse(&bytes, range.start) {
        Ok(Header { item: ItemType::Payload, content }) if content == size => {
            content::header(&mut fields, ItemType::Payload)
        }
        other => {
            fields.hex("type", 8, "should be that of PAYLOAD");
            fields.u64("size", |got| format!("should be {}, got {got}", size + HEADER));
            findings.push(match other {
                Ok(header) => format!(
                    "the reference of {path} leads to {} of {}",
                    header.item,
                    item::count(header.content)
                ),
                Err(error) => format!("the reference of {path} leads to no header: {error}"),
            });
        }
    }
    fields.region("contents", range.start + HEADER, size, item::count(size), format!("contents of {path}"));
    fields.link(Stream::Meta, tree.filename(id));
    Ok(Item { summary: format!("{path}, {}", item::count(size)), fields: fields.finish(), findings, ..item })
}

/// Adds the items of a piece of padding.
async fn padding(
    task: &Task,
    parts: &LayoutParts,
    source: &dyn Source,
    range: Range<u64>,
    class: Class,
    out: &mut Vec<Item>,
) -> Result<(), Problem> {
    let index = parts.index.as_deref();
    let chunk = index
        .and_then(|index| index.find(range.start))
        .map(|chunk| format!(" of chunk {chunk}"))
        .unwrap_or_default();
    let place = match class {
        Class::Head => format!("at the head{chunk}"),
        Class::Tail => format!("at the tail{chunk}"),
        Class::Whole => format!("the whole{chunk}"),
        Class::Inner => format!("between payloads{chunk}"),
        Class::Gap => "between references".to_owned(),
    };
    let Some(remnants) = remnants(task, source, range.clone()).await? else {
        let size = range.end - range.start;
        let summary = format!("{place}, {}", item::count(size));
        out.push(Item { summary, ..item::bytes(range.start, size, "PADDING") });
        return Ok(());
    };
    for Remnant { range, what } in remnants {
        let size = range.end - range.start;
        let (name, words) = match what {
            Remains::Ghost { size } => ("GHOST", format!("a file of {} that is gone, ", item::count(size))),
            Remains::Marker => ("OLD_MARKER", String::new()),
            Remains::Unknown => ("PADDING", String::new()),
        };
        let mut fields = Vec::new();
        if what != Remains::Unknown && size >= HEADER {
            let bytes = source.bytes(range.start, HEADER_SIZE).await?;
            let mut header = Fields::new(range.start, &bytes);
            if let Ok(Header { item, .. }) = Header::parse(&bytes, range.start) {
                content::header(&mut header, item);
            }
            fields = header.finish();
        }
        let summary = format!("{words}{place}, {}", item::count(size));
        out.push(Item { summary, fields, ..item::bytes(range.start, size, name) });
    }
    Ok(())
}

/// What a piece of padding consists of; `None` if it cannot be looked at, or it would take too long.
async fn remnants(
    task: &Task,
    source: &dyn Source,
    range: Range<u64>,
) -> Result<Option<Vec<Remnant>>, Problem> {
    let mut walk = GhostWalk::new(Gap { range: range.clone(), borders: Vec::new() }, READS);
    let mut supplied = Vec::new();
    for _ in 0..READS {
        match walk.step(&supplied) {
            Ok(Step::Want(want)) => supplied = source.bytes(want.offset, want.len).await?,
            Ok(Step::Done(found)) => {
                let is_whole = found.kept.last().is_some_and(|last| last.range.end == range.end);
                return Ok(is_whole.then_some(found.kept));
            }
            Err(_) => return Ok(None),
        }
        task.breathe().await?;
    }
    Ok(None)
}

/// Items around a position of a payload stream without metadata: headers are passed from the start for as long as one follows the other.
pub async fn alone(task: &Task, document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let source = document.stream(around.stream)?;
    let starts = &document.structure.starts;
    if starts.borrow().is_empty() {
        starts.borrow_mut().push(0);
    }
    let wanted = |starts: &[u64]| {
        let place = starts.partition_point(|&start| start <= around.at);
        starts.len() >= place + around.count
    };
    // The last start is that of what was not looked at yet.
    let mut is_over = false;
    while !is_over && !wanted(&starts.borrow()) && starts.borrow().len() < PASSED {
        let at = starts.borrow().last().copied().unwrap_or_default();
        match header_at(&*source, at, around.size).await? {
            Some((_, size)) if at + size < around.size => starts.borrow_mut().push(at + size),
            _ => is_over = true,
        }
        task.progress("passing headers", at, Some(around.size), true);
        task.breathe().await?;
    }
    let known = starts.borrow().clone();
    let at = known.partition_point(|&start| start <= around.at).saturating_sub(1);
    let range = at.saturating_sub(around.before)..known.len().min(at + around.count);
    let mut found = Found { first: range.start == 0, ..Found::default() };
    for number in range {
        let start = known[number];
        let end = known.get(number + 1).copied();
        let item = match header_at(&*source, start, around.size).await? {
            Some((kind, size)) if end.is_none_or(|end| end == start + size) => {
                let bytes = source.bytes(start, HEADER_SIZE).await?;
                let mut fields = Fields::new(start, &bytes);
                content::header(&mut fields, kind);
                let about = if kind == ItemType::Payload { about::other("PAYLOAD") } else { about::of(kind) };
                let summary =
                    if kind == ItemType::Payload { item::count(size - HEADER) } else { String::new() };
                Item {
                    summary,
                    fields: fields.finish(),
                    about: about.to_owned(),
                    ..item::bytes(start, size, kind.name())
                }
            }
            _ => {
                let size = end.unwrap_or(around.size) - start;
                let summary = format!(
                    "no header follows here: only the metadata archive tells what these {} are",
                    item::count(size)
                );
                Item { summary, ..item::bytes(start, size, "BYTES") }
            }
        };
        let end = item.offset + item.size;
        found.items.push(item);
        found.last = end == around.size;
        if end == around.size {
            break;
        }
    }
    // What comes behind the last header that was passed, if it was given a size of its own.
    let end = found.items.last().map_or(0, |item| item.offset + item.size);
    if !found.last && found.items.len() < around.before + around.count {
        let summary = format!("not looked at: {}", item::count(around.size - end));
        found.items.push(Item { summary, ..item::bytes(end, around.size - end, "BYTES") });
        found.last = true;
    }
    Ok(found)
}

/// The item at a position of a payload stream, with its size; `None` if there is none.
async fn header_at(source: &dyn Source, at: u64, size: u64) -> Result<Option<(ItemType, u64)>, Problem> {
    if size - at < HEADER {
        return Ok(None);
    }
    let bytes = source.bytes(at, HEADER_SIZE).await?;
    let Ok(header) = Header::parse(&bytes, at) else { return Ok(None) };
    let is_one = match header.item {
        ItemType::Payload => true,
        ItemType::PayloadStartMarker | ItemType::PayloadTailMarker => header.content == 0,
        _ => false,
    };
    Ok(at
        .checked_add(header.full_size())
        .filter(|&end| is_one && end <= size)
        .map(|end| (header.item, end - at)))
}
