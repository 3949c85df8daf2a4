//! Totals of the layout, what lies where, and what padding once was.

use std::cell::{Cell, RefCell};
use std::ops::Range as Bytes;
use std::rc::Rc;

use pxkit_core::access::Source;
use pxkit_core::format::Digest;
use pxkit_core::layout::{
    Class, DigestOrder, Former, History, Layout, Owner, Remains, Remnants, Trace, sort_things,
};

use super::document::LayoutParts;
use super::paint::ranges;
use super::{Document, Task, text};
use crate::protocol::export::Totals;
use crate::protocol::layout::{Padding, Spot, Summary, What};
use crate::protocol::{DocId, Problem};

/// Most ghosts that are kept, 16 bytes for each.
const GHOSTS: usize = 1 << 20;

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    found: RefCell<Found>,
    /// How often streams or index changed.
    changes: Cell<u32>,
    /// The chunks by digest.
    order: RefCell<Option<Rc<DigestOrder>>>,
    /// All ghosts.
    traced: RefCell<Option<Traced>>,
}

/// Documents of which something was made, each with how often its streams or its index had changed.
pub type Made = Vec<(DocId, u32)>;

/// What ghosts were made of, in how many gaps some were looked for, and the ghosts.
type Traced = (Made, usize, Rc<[Bytes<u64>]>);

/// Ghosts that reading the padding showed.
#[derive(Default)]
struct Found {
    /// Gaps that were looked through, in order.
    gaps: Vec<Bytes<u64>>,
    /// Ghosts in order.
    ghosts: Vec<Bytes<u64>>,
    count: u64,
    bytes: u64,
}

impl State {
    /// Whether the gap that begins at `start` was looked through.
    pub fn has_searched(&self, start: u64) -> bool {
        self.found.borrow().gaps.binary_search_by_key(&start, |gap| gap.start).is_ok()
    }

    /// Takes what looking through a gap showed, once for each.
    pub fn searched(&self, gap: Bytes<u64>, remnants: &Remnants) {
        let mut found = self.found.borrow_mut();
        let Err(place) = found.gaps.binary_search_by_key(&gap.start, |gap| gap.start) else { return };
        found.count += remnants.ghosts;
        found.bytes += remnants.ghost_bytes;
        let ghosts = remnants.kept.iter().filter(|remnant| matches!(remnant.what, Remains::Ghost { .. }));
        let room = GHOSTS - found.ghosts.len().min(GHOSTS);
        let first = found.ghosts.partition_point(|ghost| ghost.start < gap.start);
        found.ghosts.splice(first..first, ghosts.map(|ghost| ghost.range.clone()).take(room));
        found.gaps.insert(place, gap);
    }

    /// Streams or index changed.
    pub fn forget(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
        self.order.take();
    }

    /// Bytes of padding that were looked through.
    pub fn searched_bytes(&self) -> u64 {
        self.found.borrow().gaps.iter().map(|gap| gap.end - gap.start).sum()
    }

    /// Number and bytes of the ghosts that were found.
    pub fn ghosts(&self) -> (u64, u64) {
        let found = self.found.borrow();
        (found.count, found.bytes)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let found = self.found.borrow();
        let order = self.order.borrow().as_ref().map_or(0, |order| order.memory());
        let traced = self.traced.borrow().as_ref().map_or(0, |(.., traced)| traced.len() * 16);
        (found.gaps.capacity() + found.ghosts.capacity()) * 16 + order + traced
    }
}

/// An older archive that is open, too.
pub struct Older {
    /// Which.
    pub document: Rc<Document>,
    /// Its layout.
    pub parts: LayoutParts,
    order: Rc<DigestOrder>,
}

impl Older {
    /// Whether it has a chunk with this digest.
    pub fn has(&self, digest: &Digest) -> bool {
        self.parts.index.as_ref().is_some_and(|index| self.order.contains(index.chunks(), digest))
    }
}

/// The archives that are open, have chunks and are older than this one, the youngest first; those of other groups are left out.
pub fn older(task: &Task, document: &Rc<Document>) -> Vec<Older> {
    // Of a snapshot the time that its name says: its indexes may have been written at another time, when it was copied for instance.
    let time = |document: &Document| {
        let index = document.index()?;
        let snapshot =
            document.origin.as_ref().and_then(|(_, snapshot)| snapshot.snapshot.rsplit('/').next());
        let as_text = |time: &str| time.replace('T', " ").replace('Z', " UTC");
        Some(snapshot.map_or_else(|| text::time(index.header().ctime), as_text))
    };
    let Some(now) = time(document) else { return Vec::new() };
    let group = |document: &Document| {
        let (store, snapshot) = document.origin.as_ref()?;
        let group = snapshot.snapshot.rsplit_once('/')?.0.to_owned();
        Some((*store, snapshot.namespace.clone(), group, snapshot.archive.clone()))
    };
    let mine = group(document);
    let is_meant = |other: &Rc<Document>| {
        let is_other = mine.as_ref().zip(group(other).as_ref()).is_some_and(|(mine, other)| mine != other);
        other.id() != document.id() && !is_other && time(other).is_some_and(|time| time < now)
    };
    let mut older: Vec<_> = task.worker().documents().into_iter().filter(is_meant).collect();
    sort_things(&mut older, |a, b| (time(b), b.id()).cmp(&(time(a), a.id())));
    let ready = |document: Rc<Document>| {
        let parts = document.parts().ok()?;
        let order = order(&document, &parts)?;
        Some(Older { document, parts, order })
    };
    older.into_iter().filter_map(ready).collect()
}

/// What is made of a document and older ones.
pub fn made(document: &Document, older: &[Older]) -> Made {
    let all = std::iter::once(document).chain(older.iter().map(|older| &*older.document));
    all.map(|document| (document.id(), document.layout.changes.get())).collect()
}

/// The chunks of a document by digest.
fn order(document: &Document, parts: &LayoutParts) -> Option<Rc<DigestOrder>> {
    let index = parts.index.as_ref()?;
    let mut kept = document.layout.order.borrow_mut();
    Some(kept.get_or_insert_with(|| Rc::new(DigestOrder::new(index))).clone())
}

fn history(older: &[Older]) -> History<'_> {
    let mut history = History::new();
    older.iter().for_each(|older| history.push(older.parts.layout(), &older.order));
    history
}

/// Where forgotten payloads lie in padding, in order and apart: those that were found by reading it, and those of which older archives tell.
pub async fn ghosts(task: &Task, document: &Rc<Document>) -> Result<Rc<[Bytes<u64>]>, Problem> {
    let older = older(task, document);
    let made = made(document, &older);
    let looked = document.layout.found.borrow().gaps.len();
    if let Some((of, at, traced)) = &*document.layout.traced.borrow()
        && (of, *at) == (&made, looked)
    {
        return Ok(traced.clone());
    }
    let mut ghosts = document.layout.found.borrow().ghosts.clone();
    if !older.is_empty() {
        let parts = document.parts()?;
        let (layout, history) = (parts.layout(), history(&older));
        let mut at = 0;
        let mut told = Vec::new();
        while let Some(gap) = layout.gaps(at..layout.size()).next() {
            history.trace(&layout, gap.range.clone(), &mut |trace| {
                told.extend(payload(&trace).map(|_| trace.range.clone()));
                told.len() < GHOSTS
            });
            at = gap.range.end;
            if told.len() >= GHOSTS {
                break;
            }
            task.breathe().await?;
        }
        merge(&mut ghosts, &told);
    }
    let ghosts: Rc<[Bytes<u64>]> = ghosts.into();
    *document.layout.traced.borrow_mut() = Some((made, looked, ghosts.clone()));
    Ok(ghosts)
}

/// Adds ranges that touch none that is there.
fn merge(ghosts: &mut Vec<Bytes<u64>>, told: &[Bytes<u64>]) {
    let known = std::mem::take(ghosts);
    let mut more = told.iter().peekable();
    let mut end = 0;
    for ghost in known {
        while let Some(other) = more.next_if(|other| other.start < ghost.end) {
            if other.start >= end && other.end <= ghost.start {
                ghosts.push(other.clone());
            }
        }
        end = ghost.end;
        ghosts.push(ghost);
    }
    ghosts.extend(more.filter(|other| other.start >= end).cloned());
}

/// The entry that padding belonged to.
fn payload(trace: &Trace) -> Option<(usize, u32)> {
    match trace.former? {
        Former { archive, owner: Owner::Payload(id), .. } => Some((archive, id)),
        _ => None,
    }
}

/// What lies at a position.
pub async fn spot(task: &Task, document: &Rc<Document>, offset: u64) -> Result<Spot, Problem> {
    let ghosts = ghosts(task, document).await?;
    let (parts, table) = (document.parts()?, document.table()?);
    let layout = parts.layout();
    let mut spot = Spot { offset, ..Spot::default() };
    let Some(span) = layout.at(offset) else { return Ok(spot) };
    ranges::each(&layout, &ghosts, span, &mut |range| {
        if (range.start..range.end).contains(&offset) {
            spot.range = Some(range);
        }
    });
    spot.path = match spot.range.as_ref().map(|range| range.what) {
        Some(What::Payload(id)) => Some(text::path(&parts.tree, id)),
        Some(What::Padding(Padding::Ghost)) => lost_path(&older(task, document), &layout, offset),
        _ => None,
    };
    if let Some(number) = parts.index.as_ref().and_then(|index| index.find(offset)) {
        spot.chunk = ranges::chunk(&layout, number);
        spot.chunk_dead = table.get(&layout, number).map_or(0, |chunk| chunk.dead());
    }
    Ok(spot)
}

/// The path that padding had in the youngest archive that still needed it.
fn lost_path(older: &[Older], layout: &Layout<'_>, offset: u64) -> Option<String> {
    let mut path = None;
    history(older).trace(layout, offset..offset + 1, &mut |trace| {
        path = payload(&trace).map(|(archive, id)| text::path(&older[archive].parts.tree, id));
        false
    });
    path
}

/// Totals.
pub async fn summary(task: &Task, document: &Rc<Document>) -> Result<Summary, Problem> {
    // Beside those that were found by reading, those that older archives tell of: they are in the map, too.
    let known = ghosts(task, document).await?;
    let known = (known.len() as u64, known.iter().map(|ghost| ghost.end - ghost.start).sum());
    let parts = document.parts()?;
    let layout = parts.layout();
    let totals = layout.totals();
    let content = document.counts.get().content;
    let padding = totals.padding.total();
    let of = |class| totals.padding.of(class);
    let totals = Totals {
        entries: parts.tree.len() as u64,
        files: totals.files,
        stream: layout.size(),
        live: totals.live,
        content,
        padding,
        classes: [of(Class::Head), of(Class::Inner), of(Class::Tail), of(Class::Whole), of(Class::Gap)],
        ghosts: known.max(document.layout.ghosts()),
        padding_permille: u64::try_from(u128::from(padding) * 1000 / u128::from(totals.live.max(1)))
            .unwrap_or(u64::MAX),
        chunks: parts.index.as_ref().map_or(0, |index| index.count() as u64),
        markers: totals.markers,
        metadata: totals.metadata,
    };
    debug_assert!(parts.map.source() == Source::Payload || padding == 0);
    Ok(Summary { totals, ghosts_searched: document.layout.searched_bytes() })
}
