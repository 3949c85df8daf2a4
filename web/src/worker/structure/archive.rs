//! Items of an archive or its metadata.
//!
//! The tree knows where each entry begins. What lies between there and the beginning of the next one, a *segment*, is read from header to
//! header: the items of the entry, then the tables of the directories that end with it. Segment 0 is what stands before the root.

use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::format::{HEADER_SIZE, Header, ItemType, Kind};

use super::fields::Fields;
use super::{Around, Found, about, content, item};
use crate::protocol::Problem;
use crate::protocol::open::State;
use crate::protocol::structure::Item;
use crate::worker::{Document, Task};

/// Bytes of an item that are read for its fields.
const READ: u64 = 64 << 10;

/// A piece of the stream.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) range: Range<u64>,
    what: What,
    pub(super) entry: Option<u32>,
    depth: u16,
    /// Behind it the stream ends, and should not.
    error: Option<String>,
}

#[derive(Clone, Debug)]
enum What {
    Item(ItemType),
    Damage(String),
    Undecoded,
    Trailing,
}

/// What belongs to an entry, and to the directories that end with it.
#[derive(Debug)]
struct Segment {
    entry: Option<u32>,
    range: Range<u64>,
    depth: u16,
    /// The directories that end behind the entry, the innermost first, with their depth.
    closing: Vec<(u32, u16)>,
    /// It is the last, whose end is that of the stream.
    is_last: bool,
}

/// Items around a position.
pub async fn items(task: &Task, document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let number = segment_at(&document.tree(), around.at);
    let mut pieces = walk(task, document, &segment(document, number, around.size)).await?;
    let mut at = place(&pieces, around.at);
    let mut first = number;
    while at < around.before && first > 0 {
        first -= 1;
        let mut earlier = walk(task, document, &segment(document, first, around.size)).await?;
        at += earlier.len();
        earlier.append(&mut pieces);
        pieces = earlier;
    }
    let mut last = number;
    while pieces.len() < at + around.count && pieces.last().is_some_and(|piece| piece.range.end < around.size)
    {
        last += 1;
        pieces.append(&mut walk(task, document, &segment(document, last, around.size)).await?);
    }
    let wanted = at.saturating_sub(around.before)..pieces.len().min(at + around.count);
    let mut found = Found {
        items: Vec::with_capacity(wanted.len()),
        first: pieces.get(wanted.start).is_some_and(|piece| piece.range.start == 0),
        last: pieces.get(wanted.end - 1).is_some_and(|piece| piece.range.end == around.size),
    };
    for piece in &pieces[wanted] {
        found.items.push(describe(document, piece).await?);
    }
    Ok(found)
}

/// The table at a position: the item's content, and the directory that it ends.
pub async fn goodbye_at(
    task: &Task,
    document: &Rc<Document>,
    offset: u64,
) -> Result<Option<(Range<u64>, Option<u32>)>, Problem> {
    let size = document.meta().size();
    let number = segment_at(&document.tree(), offset);
    let pieces = walk(task, document, &segment(document, number, size)).await?;
    let piece = pieces
        .get(place(&pieces, offset))
        .filter(|piece| matches!(piece.what, What::Item(ItemType::Goodbye)));
    Ok(piece.map(|piece| (piece.range.clone(), piece.entry)))
}

fn place(pieces: &[Piece], at: u64) -> usize {
    pieces.partition_point(|piece| piece.range.end <= at)
}

/// The segment that holds a position.
fn segment_at(tree: &Tree, at: u64) -> u32 {
    let (mut low, mut high) = (0, tree.len() as u32);
    while low < high {
        let middle = low + (high - low) / 2;
        if tree.filename(middle) <= at { low = middle + 1 } else { high = middle }
    }
    // Archives without FORMAT_VERSION begin with the root.
    if low == 0 && !tree.is_empty() && tree.filename(0) == 0 { 1 } else { low }
}

fn segment(document: &Document, number: u32, size: u64) -> Segment {
    let tree = document.tree();
    let len = tree.len() as u32;
    let start = number.checked_sub(1).map_or(0, |entry| tree.filename(entry));
    let end = if number < len { tree.filename(number).min(size) } else { size };
    let mut closing = Vec::new();
    let mut depth: u16 = 0;
    if let Some(entry) = number.checked_sub(1) {
        depth = depth_of(&tree, entry);
        let is_open = tree.kind(entry) == Kind::Directory;
        let (mut at, mut level) =
            if is_open { (entry, depth) } else { (tree.parent(entry), depth.saturating_sub(1)) };
        while tree.end(at) == number {
            closing.push((at, level));
            if at == 0 {
                break;
            }
            (at, level) = (tree.parent(at), level.saturating_sub(1));
        }
    }
    Segment {
        entry: number.checked_sub(1),
        range: start.min(size)..end,
        depth,
        closing,
        is_last: number >= len,
    }
}

fn depth_of(tree: &Tree, id: u32) -> u16 {
    let (mut depth, mut at) = (0_u16, id);
    while at != 0 {
        depth = depth.saturating_add(1);
        at = tree.parent(at);
    }
    depth
}

/// Finds the pieces of a segment.
async fn walk(task: &Task, document: &Document, segment: &Segment) -> Result<Vec<Piece>, Problem> {
    let source = document.meta().clone();
    let state = document.state.borrow().clone();
    let stopped = match &state {
        State::Damaged(problem) if segment.is_last => {
            Some((problem.offset.unwrap_or(u64::MAX), problem.message.clone()))
        }
        _ => None,
    };
    let is_loading = matches!(state, State::Loading(_));
    let (mut pieces, mut at) = (Vec::new(), segment.range.start);
    let (mut closing, mut names, mut is_closed) = (segment.closing.iter(), 0, false);
    let end = segment.range.end;
    while at < end {
        let rest = at..end;
        let mut push = |range: Range<u64>, what, entry, depth| {
            pieces.push(Piece { range, what, entry, depth, error: None })
        };
        if is_closed {
            push(rest, What::Trailing, None, 0);
            break;
        }
        if pieces.len() % 1024 == 1023 {
            task.breathe().await?;
        }
        let header = source.bytes(at, HEADER_SIZE.min((end - at) as usize)).await?;
        let mut push = |range: Range<u64>, what, entry, depth| {
            pieces.push(Piece { range, what, entry, depth, error: None })
        };
        let parsed = if header.len() < HEADER_SIZE {
            Err(format!("the data ends within a header: expected 16 bytes, got {}", header.len()))
        } else {
            Header::parse(&header, at).map_err(|error| error.to_string())
        };
        let next = parsed.as_ref().ok().and_then(|header| at.checked_add(header.full_size()));
        let stop =
            stopped.as_ref().filter(|(offset, _)| *offset <= at || next.is_none_or(|next| *offset < next));
        let (header, next) = match (parsed, next.filter(|&next| next <= end), stop) {
            (_, _, Some((_, message))) => {
                push(rest, What::Damage(message.clone()), None, segment.depth);
                break;
            }
            (Err(_), ..) | (_, None, _) if is_loading && segment.is_last => {
                push(rest, What::Undecoded, None, 0);
                break;
            }
            (Err(message), ..) => {
                push(rest, What::Damage(message), None, segment.depth);
                break;
            }
            (Ok(header), None, _) => {
                let message = format!(
                    "{} of {} leads out of the archive",
                    header.item,
                    item::count(header.full_size())
                );
                push(rest, What::Damage(message), None, segment.depth);
                break;
            }
            (Ok(header), Some(next), _) => (header, next),
        };
        names += usize::from(header.item == ItemType::Filename);
        // The name of a child that is not decoded.
        let is_strange = names > usize::from(segment.entry.is_some_and(|entry| entry > 0));
        if is_strange && is_loading {
            push(rest, What::Undecoded, None, 0);
            break;
        }
        let (entry, depth) = match header.item {
            ItemType::Goodbye => match closing.next() {
                Some(&(directory, depth)) => {
                    is_closed = directory == 0 && segment.is_last && !is_loading;
                    (Some(directory), depth)
                }
                None => (None, segment.depth),
            },
            _ if is_strange => (None, segment.depth),
            _ => (segment.entry, segment.depth),
        };
        push(at..next, What::Item(header.item), entry, depth);
        at = next;
    }
    if let (Some((_, message)), Some(last)) = (stopped, pieces.last_mut())
        && !matches!(last.what, What::Damage(_))
    {
        last.error = Some(message);
    }
    Ok(pieces)
}

/// Reads an item and puts it in words.
async fn describe(document: &Document, piece: &Piece) -> Result<Item, Problem> {
    let (offset, size) = (piece.range.start, piece.range.end - piece.range.start);
    let kind = match &piece.what {
        What::Item(kind) => *kind,
        What::Damage(message) => {
            return Ok(Item { depth: piece.depth, ..item::damage(offset, size, message.clone()) });
        }
        What::Undecoded => return Ok(item::bytes(offset, size, "UNDECODED")),
        What::Trailing => return Ok(item::bytes(offset, size, "TRAILING")),
    };
    let len = if kind == ItemType::Payload { HEADER_SIZE as u64 } else { size.min(READ) };
    let bytes = document.meta().bytes(offset, len as usize).await?;
    let mut fields = Fields::new(offset, &bytes);
    content::header(&mut fields, kind);
    let summary = content::fields(document, piece, kind, &mut fields).await?;
    Ok(Item {
        offset,
        size,
        name: kind.name().to_owned(),
        summary,
        entry: piece.entry,
        depth: piece.depth,
        fields: fields.finish(),
        about: about::of(kind).to_owned(),
        findings: Vec::new(),
        error: piece.error.clone(),
    })
}
