//! The chunks of the stream.

use std::cell::RefCell;
use std::rc::Rc;

use pxkit_core::format::HEADER_SIZE;
use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::{self as core, ChunkTable, ChunkUse, DigestOrder, Padding, Sharing};

use super::document::LayoutParts;
use super::layout::Made;
use super::{Document, Task, layout, problem, text};
use crate::protocol::chunks::{Chunk, Needed, Query, Row, Rows, Sort, Summary};
use crate::protocol::{EntryId, Problem};

/// Most rows of an answer.
const ROWS: u32 = 1000;
/// Most files of a chunk that are named.
const FILES: usize = 1000;
/// Most other places of a digest that are named.
const PLACES: usize = 100;
/// Most runs of chunks that are named.
const RUNS: usize = 1000;
/// Most points of the curve.
const POINTS: usize = 200;

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    past: RefCell<Option<Past>>,
    order: RefCell<Option<(Order, Rc<[u32]>)>>,
}

impl State {
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let past = self.past.borrow().as_ref().map_or(0, |past| past.ages.len() * 3);
        let order = self.order.borrow().as_ref().map_or(0, |(_, order)| order.len() * 4);
        past + order
    }
}

/// What older snapshots tell of the chunks.
#[derive(Clone)]
pub struct Past {
    /// For each chunk how many of the older snapshots, the youngest first, have had it without interruption.
    pub ages: Rc<[u16]>,
    /// Whether any of them has it.
    pub shared: Rc<[bool]>,
    /// What it was made of.
    pub made: Made,
}

/// The past of the chunks; `None` if no older snapshot is open.
pub fn past(task: &Task, document: &Rc<Document>) -> Option<Past> {
    let index = document.index()?;
    let older = layout::older(task, document);
    if older.is_empty() {
        return None;
    }
    let made = layout::made(document, &older);
    if let Some(past) = document.chunks.past.borrow().as_ref().filter(|past| past.made == made) {
        return Some(past.clone());
    }
    let indexes: Vec<&DynamicIndex> = older.iter().filter_map(|older| older.parts.index.as_deref()).collect();
    let is_shared = |digest| older.iter().any(|older| older.has(digest));
    let past = Past {
        ages: core::ages(&index, &indexes).into(),
        shared: index.chunks().iter().map(|chunk| is_shared(&chunk.digest)).collect(),
        made,
    };
    *document.chunks.past.borrow_mut() = Some(past.clone());
    Some(past)
}

/// The chunks of a document, with what lies in them as far as that is known.
struct Chunks {
    index: Rc<DynamicIndex>,
    /// Of an index alone it is not known what lies in its chunks.
    parts: Option<(LayoutParts, Rc<ChunkTable>)>,
    past: Option<Past>,
}

impl Chunks {
    fn of(task: &Task, document: &Rc<Document>) -> Result<Self, Problem> {
        let parts = if document.is_archive() { Some((document.parts()?, document.table()?)) } else { None };
        let none = "The chunks are not known: open the archive's index (.didx), or its snapshot.";
        let index = document.index().ok_or_else(|| problem::request(none))?;
        Ok(Self { index, parts, past: past(task, document) })
    }

    fn len(&self) -> u32 {
        self.index.count() as u32
    }

    fn get(&self, number: usize) -> Option<ChunkUse> {
        if let Some((parts, table)) = &self.parts {
            return table.get(&parts.layout(), number);
        }
        let digest = self.index.chunks().get(number)?.digest;
        let extent = self.index.extent(number)?;
        Some(ChunkUse {
            number,
            digest,
            extent,
            live: 0,
            markers: 0,
            padding: Padding::default(),
            files: 0..0,
        })
    }

    fn row(&self, number: u32) -> Option<Row> {
        let chunk = self.get(number as usize)?;
        Some(Row {
            chunk: number,
            digest: chunk.digest.to_string(),
            start: chunk.extent.start,
            size: chunk.size(),
            live: chunk.live,
            dead: chunk.dead(),
            files: chunk.files.len() as u32,
            shared: self.past.as_ref().and_then(|past| past.shared.get(chunk.number).copied()),
            age: self.past.as_ref().and_then(|past| past.ages.get(chunk.number).copied().map(u32::from)),
        })
    }
}

/// Which rows there are, in which order.
#[derive(Clone, PartialEq)]
struct Order {
    generation: u32,
    sort: Sort,
    descending: bool,
    padded: bool,
    shared: Option<bool>,
    past: Made,
}

/// Rows of the table.
pub async fn rows(task: &Task, document: &Rc<Document>, query: Query) -> Result<Rows, Problem> {
    let chunks = Chunks::of(task, document)?;
    let order = order(document, &chunks, &query);
    let shown = order.iter().skip(query.start as usize).take(query.count.min(ROWS) as usize);
    let rows = shown.filter_map(|&number| chunks.row(number)).collect();
    Ok(Rows { start: query.start, total: order.len() as u32, rows })
}

fn order(document: &Document, chunks: &Chunks, query: &Query) -> Rc<[u32]> {
    let key = Order {
        generation: document.generation(),
        sort: query.sort,
        descending: query.descending,
        padded: query.padded,
        shared: query.shared,
        past: chunks.past.as_ref().map_or_else(Vec::new, |past| past.made.clone()),
    };
    if let Some((_, order)) = document.chunks.order.borrow().as_ref().filter(|(kept, _)| *kept == key) {
        return order.clone();
    }
    let is_shared = |number: u32| chunks.past.as_ref().is_some_and(|past| past.shared[number as usize]);
    let mut order: Vec<(u64, u32)> = Vec::new();
    for number in 0..chunks.len() {
        if query.shared.is_some_and(|shared| shared != is_shared(number)) {
            continue;
        }
        let Some(chunk) = chunks.get(number as usize) else { continue };
        if query.padded && chunk.dead() == 0 {
            continue;
        }
        let key = sort_key(query.sort, &chunk);
        order.push((if query.descending { !key } else { key }, number));
    }
    order.sort_unstable();
    if query.sort == Sort::Digest {
        // The key has only the first bytes.
        let digest = |number: u32| chunks.index.chunks()[number as usize].digest;
        for group in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let mut numbers: Vec<u32> = group.iter().map(|&(_, number)| number).collect();
            core::sort_ids(&mut numbers, &mut |a, b| digest(a).cmp(&digest(b)));
            if query.descending {
                numbers.reverse();
            }
            group.iter_mut().zip(numbers).for_each(|(place, number)| place.1 = number);
        }
    } else if query.sort == Sort::Index && query.descending {
        order.reverse();
    }
    let order: Rc<[u32]> = order.into_iter().map(|(_, number)| number).collect();
    *document.chunks.order.borrow_mut() = Some((key, order.clone()));
    order
}

fn sort_key(sort: Sort, chunk: &ChunkUse) -> u64 {
    match sort {
        Sort::Index => 0,
        Sort::Size => chunk.size(),
        // The used part of 2^32.
        Sort::Use => {
            let (used, size) = (u128::from(chunk.size() - chunk.dead()), u128::from(chunk.size()));
            ((used << 32) / size.max(1)) as u64
        }
        Sort::Dead => chunk.dead(),
        Sort::Files => chunk.files.len() as u64,
        Sort::Digest => chunk.digest.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)),
    }
}

/// Everything about a chunk.
pub async fn chunk(task: &Task, document: &Rc<Document>, number: u32) -> Result<Chunk, Problem> {
    let chunks = Chunks::of(task, document)?;
    let none = || problem::request("There is no such chunk.");
    let row = chunks.row(number).ok_or_else(none)?;
    let of_chunk = chunks.get(number as usize).ok_or_else(none)?;
    let mut files = Vec::new();
    if let Some((parts, _)) = &chunks.parts {
        let layout = parts.layout();
        let within = layout.spans(of_chunk.extent.clone());
        for span in within {
            let core::Owner::Payload(id) = span.owner else { continue };
            if files.len() == FILES {
                break;
            }
            let bytes = span.range.end.min(of_chunk.extent.end) - span.range.start.max(of_chunk.extent.start);
            files.push((id, text::path(&parts.tree, id), bytes));
        }
    }
    let order = DigestOrder::new(&chunks.index);
    let places = order.find(chunks.index.chunks(), &of_chunk.digest).map(|place| place as u32);
    let elsewhere = places.filter(|&place| place != number).take(PLACES).collect();
    let (mut stored, mut checked) = (None, None);
    let stream = document.stream(document.layout_stream()).ok();
    if let Some(source) = stream.as_ref().and_then(|stream| stream.chunks()) {
        checked = Some(source.check(of_chunk.digest, &of_chunk.extent).await.map_err(|cause| cause.message));
        stored = source.store().stored(&of_chunk.digest).await.ok().flatten();
    }
    Ok(Chunk { row, files, elsewhere, stored, checked })
}

/// Histograms and score.
pub async fn summary(task: &Task, document: &Rc<Document>) -> Result<Summary, Problem> {
    let chunks = Chunks::of(task, document)?;
    let mut summary = Summary {
        count: chunks.len(),
        distinct: Sharing::new(&chunks.index, &chunks.index).both.0 as u32,
        bytes: 0,
        live: 0,
        dead: 0,
        padded: 0,
        sizes: Vec::new(),
        uses: vec![(0, 0, 0); 11],
        curve: Vec::new(),
        shared: chunks.past.as_ref().map(|_| ((0, 0), (0, 0))),
    };
    let mut sizes = [(0_u32, 0_u64); 64];
    for number in 0..chunks.len() {
        if number % 4096 == 0 {
            task.breathe().await?;
        }
        let Some(chunk) = chunks.get(number as usize) else { continue };
        let (size, dead) = (chunk.size(), chunk.dead());
        summary.bytes += size;
        summary.live += chunk.live;
        summary.dead += dead;
        summary.padded += u32::from(dead > 0);
        if size > 0 {
            let of_size = &mut sizes[size.ilog2() as usize];
            *of_size = (of_size.0 + 1, of_size.1 + size);
            let of_use = &mut summary.uses[chunk.use_per_mille() as usize / 100];
            *of_use = (of_use.0 + 1, of_use.1 + size, of_use.2 + dead);
        }
        if let Some((past, (both, alone))) = chunks.past.as_ref().zip(summary.shared.as_mut()) {
            let side = if past.shared[number as usize] { both } else { alone };
            *side = (side.0 + 1, side.1 + size);
        }
    }
    let is_used = |of_size: &(u32, u64)| of_size.0 > 0;
    if let Some((first, last)) = sizes.iter().position(is_used).zip(sizes.iter().rposition(is_used)) {
        summary.sizes = (first..=last).map(|bits| (1 << bits, sizes[bits].0, sizes[bits].1)).collect();
    }
    if let Some((parts, table)) = &chunks.parts {
        summary.curve = curve(&core::curve(&parts.layout(), table));
    } else {
        summary.uses.clear();
    }
    Ok(summary)
}

/// Points of the curve at equal distances, the first and the last among them.
fn curve(steps: &[core::Rewrite]) -> Vec<(u32, u64, i64)> {
    let count = steps.len().min(POINTS);
    let point = |nth: usize| {
        let at = if count > 1 { nth * (steps.len() - 1) / (count - 1) } else { 0 };
        (at as u32 + 1, steps[at].reads, steps[at].frees)
    };
    (0..count).map(point).collect()
}

/// The chunks that hold an entry.
pub async fn needed(_task: &Task, document: &Rc<Document>, entry: EntryId) -> Result<Needed, Problem> {
    document.check_entry(entry)?;
    let parts = document.parts()?;
    let needs = parts.layout().needs(entry..parts.tree.end(entry));
    let content = needs.live.saturating_sub(needs.files * HEADER_SIZE as u64);
    let runs = needs.runs.iter().take(RUNS).map(|run| (run.start as u32, run.end as u32)).collect();
    Ok(Needed { entry, files: needs.files, content, chunks: needs.chunks as u32, bytes: needs.bytes, runs })
}

#[cfg(test)]
mod tests;
