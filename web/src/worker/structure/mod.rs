//! Items of streams with their fields, around any position.
//!
//! Each kind of stream has a module that finds the pieces around a position without reading more than a few KiB there: in archives the tree
//! says where entries begin, in payload streams the layout says who owns what, records of indexes have one size. Pieces follow each
//! other without gaps from the first byte of a stream to its last; what is none of the format's items is a piece, too.

mod about;
mod archive;
mod blob;
mod catalog;
mod content;
mod fields;
mod goodbye;
mod index;
mod item;
mod payload;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use super::{Document, Task};
use crate::protocol::open::Kind;
use crate::protocol::structure::{Goodbye, Item, Items, Query};
use crate::protocol::{Problem, Stream};

/// Items that are given at once.
const MOST: u32 = 500;

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    /// Where payloads of a payload stream without metadata begin, or tables of a catalog, as far as they were passed.
    starts: RefCell<Vec<u64>>,
}

/// What is wanted of a stream.
#[derive(Clone, Copy, Debug)]
struct Around {
    stream: Stream,
    /// Bytes of the stream.
    size: u64,
    /// The piece that holds this byte is wanted,
    at: u64,
    /// with so many before,
    before: usize,
    /// and so many from it on.
    count: usize,
}

/// Items that follow each other.
#[derive(Debug, Default)]
struct Found {
    items: Vec<Item>,
    /// There are none before.
    first: bool,
    /// There are none behind.
    last: bool,
}

/// Items of a stream from a position.
pub async fn items(task: &Task, document: &Rc<Document>, query: Query) -> Result<Items, Problem> {
    let size = document.stream(query.stream)?.size();
    let around = Around {
        stream: query.stream,
        size,
        at: query.at.min(size.saturating_sub(1)),
        before: query.before.min(MOST) as usize,
        count: query.count.clamp(1, MOST) as usize,
    };
    let found = match (document.kind.get(), query.stream) {
        _ if size == 0 => Found { first: true, last: true, ..Found::default() },
        (Kind::Unified | Kind::Split, Stream::Meta) => archive::items(task, document, around).await?,
        (Kind::Split | Kind::Payload, Stream::Payload) => payload::items(task, document, around).await?,
        (Kind::Payload, Stream::Meta) => payload::alone(task, document, around).await?,
        (Kind::DynamicIndex, _) => index::dynamic(document, around).await?,
        (Kind::FixedIndex, _) => index::fixed(document, around).await?,
        (Kind::Blob | Kind::Manifest, _) => blob::items(document, around).await?,
        (Kind::Catalog, _) => catalog::items(task, document, around).await?,
        (Kind::Unified | Kind::Foreign, _) => {
            Found { items: vec![item::bytes(0, size, "BYTES")], first: true, last: true }
        }
    };
    Ok(cut(document, around, found))
}

/// Leaves as many items before and from the position as are wanted, and adds what was found irregular at them.
fn cut(document: &Document, around: Around, found: Found) -> Items {
    let Found { mut items, mut first, mut last } = found;
    let at =
        items.partition_point(|item| item.offset + item.size <= around.at).min(items.len().saturating_sub(1));
    last &= at + around.count >= items.len();
    items.truncate(at + around.count);
    let surplus = at.saturating_sub(around.before);
    first &= surplus == 0;
    items.drain(..surplus);
    if let (Some(start), Some(end)) =
        (items.first().map(|item| item.offset), items.last().map(|item| item.offset + item.size))
    {
        document.findings.each(|_, finding| {
            if finding.stream == around.stream && (start..end).contains(&finding.offset) {
                let at = items.partition_point(|item| item.offset + item.size <= finding.offset);
                if let Some(item) =
                    items.get_mut(at).filter(|item| item.error.as_deref() != Some(&finding.message))
                {
                    item.findings.push(finding.message.clone());
                }
            }
        });
    }
    Items { stream: around.stream, size: around.size, items, at: (at - surplus) as u32, first, last }
}

/// A goodbye table.
pub async fn goodbye(task: &Task, document: &Rc<Document>, offset: u64) -> Result<Goodbye, Problem> {
    goodbye::table(task, document, offset).await
}
