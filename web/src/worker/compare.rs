//! Two archives side by side, with what the layout of core finds of them. A comparison is kept until one of its documents changes or is closed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pxkit_core::access::{ReadNode, Tree};
use pxkit_core::decode::Content;
use pxkit_core::layout::compare::{self as join, Change, Comparison, Fields};
use pxkit_core::layout::{self as core, Sharing};

use super::document::LayoutParts;
use super::files::bits::Bits;
use super::{Document, Task, problem, text};
use crate::protocol::compare::{Kind, Pair, Query, Row, Rows, Summary};
use crate::protocol::{DocId, EntryId, Problem};

/// Rows that one answer has at most.
const MOST: u32 = 1000;
/// Differences that are sorted by path; more stay in the order of the archives.
const SORTED: usize = 200_000;
/// Comparisons that are kept.
const KEPT: usize = 4;

/// What is kept of comparisons.
#[derive(Default)]
pub struct State {
    /// For documents that were compared with an older one: that one, and which of the chunks it has, too.
    earlier: RefCell<BTreeMap<DocId, (DocId, Rc<Bits>)>>,
    /// The latest last.
    compared: RefCell<Vec<Rc<Compared>>>,
}

impl State {
    /// A document was closed: nothing that is kept may refer to it any more.
    pub fn forget(&self, id: DocId) {
        self.earlier.borrow_mut().retain(|&newer, (older, _)| newer != id && *older != id);
        self.compared.borrow_mut().retain(|kept| kept.pair.a != id && kept.pair.b != id);
    }

    /// The older document that one was last compared with, and which of its chunks that one has, too.
    pub fn earlier(&self, newer: DocId) -> Option<(DocId, Rc<Bits>)> {
        self.earlier.borrow().get(&newer).cloned()
    }
}

/// A comparison that was made.
struct Compared {
    pair: Pair,
    /// What the documents were when it was made.
    generations: (u32, u32),
    old: LayoutParts,
    new: LayoutParts,
    comparison: Comparison,
    /// Unchanged files of the newer that were stored again, sorted.
    again: Vec<EntryId>,
    summary: Summary,
    /// The rows that were asked for last: which, and their entries in both.
    order: RefCell<Option<(Query, Rc<Order>)>>,
}

/// Rows of a comparison: old and new entry.
type Order = [(Change, Option<EntryId>, Option<EntryId>)];

/// Compares two documents.
pub async fn compare(task: &Task, pair: Pair) -> Result<Summary, Problem> {
    Ok(compared(task, pair).await?.summary.clone())
}

/// The comparison of two documents, made if it is not there.
async fn compared(task: &Task, pair: Pair) -> Result<Rc<Compared>, Problem> {
    if pair.a == pair.b {
        return Err(problem::request("An archive differs in nothing from itself: choose another one."));
    }
    let (a, b) = (task.worker().document(pair.a)?, task.worker().document(pair.b)?);
    for document in [&a, &b] {
        if !document.is_archive() {
            return Err(problem::request(format!(
                "{} has no tree of files to compare.",
                document.describe().title
            )));
        }
    }
    let generations = (a.generation(), b.generation());
    let state = &task.worker().compare;
    let kept =
        state.compared.borrow().iter().find(|it| it.pair == pair && it.generations == generations).cloned();
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let (old, new) = (a.parts()?, b.parts()?);
    task.progress("comparing", 0, None, false);
    task.breathe().await?;
    let mut comparison = join::compare(&old.layout(), &new.layout());
    attributes(task, (&a, &old.tree), (&b, &new.tree), &mut comparison).await?;

    let mut again = Vec::new();
    let stored = join::stored_again(&old.layout(), &new.layout(), &comparison, &mut |id, _| {
        if comparison.change(id) == Change::Unchanged {
            again.push(id);
        }
    });
    let summary = Summary { needless: stored.unchanged, ..summarise(pair, &old, &new, &comparison) };
    if let Some(bits) = injected_chunks(&old, &new) {
        state.earlier.borrow_mut().insert(pair.b, (pair.a, Rc::new(bits)));
    }
    let made = Rc::new(Compared {
        pair,
        generations,
        old,
        new,
        comparison,
        again,
        summary,
        order: RefCell::default(),
    });
    let mut kept = state.compared.borrow_mut();
    kept.retain(|it| it.pair != pair);
    if kept.len() == KEPT {
        kept.remove(0);
    }
    kept.push(made.clone());
    Ok(made)
}

/// Compares the attributes of entries that have some in both archives: they stand in the archives only.
async fn attributes(
    task: &Task,
    (a, old): (&Document, &Tree),
    (b, new): (&Document, &Tree),
    comparison: &mut Comparison,
) -> Result<(), Problem> {
    let pending: Vec<EntryId> = comparison.pending().collect();
    for (done, &id) in pending.iter().enumerate() {
        let Some(before) = comparison.before(id) else { continue };
        let mut nodes = Vec::new();
        for (document, tree, id) in [(a, old, before), (b, new, id)] {
            let archive = document.archive();
            let read =
                if id == 0 { ReadNode::root(&archive) } else { ReadNode::new(&archive, tree.filename(id)) };
            nodes.push(document.drive(read).await?);
        }
        comparison.attributes(id, nodes[0].attributes.as_bytes() == nodes[1].attributes.as_bytes());
        task.progress("comparing attributes", done as u64, Some(pending.len() as u64), false);
        task.breathe().await?;
    }
    Ok(())
}

fn summarise(pair: Pair, old: &LayoutParts, new: &LayoutParts, comparison: &Comparison) -> Summary {
    let sums = comparison.sums(&old.tree, &new.tree);
    let kinds = Kind::ALL.iter().map(|&kind| {
        let (entries, bytes) = sums.of(change(kind));
        (kind, entries, bytes)
    });
    let count = |(chunks, bytes): (u64, u64)| (u32::try_from(chunks).unwrap_or(u32::MAX), bytes);
    let mut summary = Summary {
        pair,
        kinds: kinds.collect(),
        shared: (0, 0),
        new: (0, 0),
        gone: (0, 0),
        injected: (0, 0, 0),
        needless: (0, 0),
        has_chunks: false,
    };
    if let (Some(before), Some(index)) = (&old.index, &new.index) {
        let sharing = Sharing::new(before, index);
        let layout = new.layout();
        let ages = core::ages(index, &[before]);
        let generations = core::generations(&layout, &core::ChunkTable::new(&layout), &ages);
        let injected = generations.get(1).copied().unwrap_or_default();
        summary.shared = count(sharing.both);
        summary.gone = count(sharing.first);
        summary.new = count(sharing.second);
        summary.injected =
            (u32::try_from(injected.chunks).unwrap_or(u32::MAX), injected.bytes, injected.dead);
        summary.has_chunks = true;
    }
    summary
}

/// Which chunks of the newer the older has, too.
fn injected_chunks(old: &LayoutParts, new: &LayoutParts) -> Option<Bits> {
    let (before, index) = (old.index.as_ref()?, new.index.as_ref()?);
    let mut bits = Bits::default();
    bits.grow(index.count() as u32);
    for (number, age) in core::ages(index, &[before]).into_iter().enumerate() {
        bits.set(number as u32, age > 0);
    }
    Some(bits)
}

/// Rows of a comparison.
pub async fn differences(task: &Task, query: Query) -> Result<Rows, Problem> {
    let compared = compared(task, query.pair).await?;
    let key = Query { start: 0, count: 0, ..query.clone() };
    let kept = compared.order.borrow().as_ref().filter(|(of, _)| *of == key).map(|(_, order)| order.clone());
    let order = match kept {
        Some(order) => order,
        None => {
            let order: Rc<Order> = compared.order(&query).into();
            *compared.order.borrow_mut() = Some((key, order.clone()));
            order
        }
    };
    let total = order.len() as u32;
    let start = query.start.min(total);
    let end = start.saturating_add(query.count.min(MOST)).min(total);
    let rows = order[start as usize..end as usize].iter().map(|&(change, a, b)| compared.row(change, a, b));
    Ok(Rows { start, total, rows: rows.collect() })
}

impl Compared {
    /// The rows that a query means, in its order.
    fn order(&self, query: &Query) -> Vec<(Change, Option<EntryId>, Option<EntryId>)> {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let unchanged = |id: &EntryId| (Change::Unchanged, self.comparison.before(*id), Some(*id));
        let mut rows: Vec<_> = if query.needless {
            self.again.iter().map(unchanged).collect()
        } else {
            let is_wanted = |kind: Kind| match query.kinds.as_slice() {
                [] => kind != Kind::Unchanged,
                kinds => kinds.contains(&kind),
            };
            let mut rows: Vec<_> =
                self.comparison.changes().filter(|(change, ..)| is_wanted(kind(*change))).collect();
            if is_wanted(Kind::Unchanged) {
                let all = 0..new.len() as u32;
                let same = all.filter(|id| self.comparison.change(*id) == Change::Unchanged);
                rows.extend(same.map(|id| unchanged(&id)));
            }
            rows
        };
        let path = |a: Option<EntryId>, b: Option<EntryId>, out: &mut Vec<u8>| {
            out.clear();
            match (a, b) {
                (_, Some(id)) => new.path(id, out),
                (Some(id), None) => old.path(id, out),
                (None, None) => {}
            }
        };
        if !query.text.is_empty() {
            let mut buffer = Vec::new();
            let wanted = query.text.to_lowercase();
            rows.retain(|&(_, a, b)| {
                path(a, b, &mut buffer);
                String::from_utf8_lossy(&buffer).to_lowercase().contains(&wanted)
            });
        }
        if query.by_size {
            let size = |a: Option<EntryId>, b: Option<EntryId>| {
                b.map(|id| new.size(id)).max(a.map(|id| old.size(id))).unwrap_or_default()
            };
            rows.sort_by_key(|&(_, a, b)| std::cmp::Reverse(size(a, b)));
        } else if rows.len() <= SORTED {
            rows.sort_by_cached_key(|&(_, a, b)| {
                let mut path_of = Vec::new();
                path(a, b, &mut path_of);
                path_of
            });
        }
        rows
    }

    fn row(&self, change: Change, a: Option<EntryId>, b: Option<EntryId>) -> Row {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let size = |tree: &Tree, id: Option<EntryId>| {
            id.filter(|id| matches!(tree.content(*id), Content::Inline { .. } | Content::Reference(_)))
                .map(|id| tree.size(id))
        };
        let before = a.filter(|_| change == Change::Moved).map(|id| text::path(old, id));
        let entry_kind = b.map(|id| new.kind(id)).or(a.map(|id| old.kind(id))).map_or(0, |kind| kind as u8);
        let fields = match (a, b) {
            (Some(a), Some(b)) => self.fields(a, b),
            _ => Vec::new(),
        };
        Row {
            kind: kind(change),
            path: match (a, b) {
                (_, Some(id)) => text::path(new, id),
                (Some(id), None) => text::path(old, id),
                (None, None) => String::new(),
            },
            before,
            a,
            b,
            entry_kind,
            size_a: size(old, a),
            size_b: size(new, b),
            fields,
            needless: b.is_some_and(|id| self.again.binary_search(&id).is_ok()),
        }
    }

    /// What differs between two entries, with both values.
    fn fields(&self, a: EntryId, b: EntryId) -> Vec<(String, String, String)> {
        let (old, new) = (&*self.old.tree, &*self.new.tree);
        let fields = self.comparison.fields(b);
        let mut out = Vec::new();
        let mut add = |field: Fields, name: &str, value: &dyn Fn(&Tree, EntryId) -> String| {
            if fields.contains(field) {
                out.push((name.to_owned(), value(old, a), value(new, b)));
            }
        };
        add(Fields::SIZE, "size", &|tree, id| tree.size(id).to_string());
        add(Fields::MTIME, "mtime", &|tree, id| {
            let mtime = tree.mtime(id);
            format!("{} +{:09} ns", text::time(mtime.secs), mtime.nanos)
        });
        add(Fields::MODE, "mode", &|tree, id| format!("{:06o}", tree.mode(id)));
        add(Fields::OWNER, "owner", &|tree, id| tree.owner(id).0.to_string());
        add(Fields::GROUP, "group", &|tree, id| tree.owner(id).1.to_string());
        add(Fields::FLAGS, "flags", &|tree, id| format!("{:#x}", tree.flags(id)));
        add(Fields::ATTRIBUTES, "attributes", &|tree, id| {
            if tree.has_attributes(id) { "some" } else { "none" }.to_owned()
        });
        add(Fields::TARGET, "target", &|tree, id| match tree.content(id) {
            Content::Target(target) | Content::Hardlink { target, .. } => text::escape(target),
            _ => "none".to_owned(),
        });
        add(Fields::DEVICE, "device", &|tree, id| match tree.content(id) {
            Content::Device(device) => format!("{}:{}", device.major, device.minor),
            _ => "none".to_owned(),
        });
        add(Fields::LINK, "link", &|tree, id| match tree.content(id) {
            Content::Hardlink { target, .. } => format!("to {}", text::escape(target)),
            _ => "first name".to_owned(),
        });
        out
    }
}

const fn change(kind: Kind) -> Change {
    match kind {
        Kind::Added => Change::Added,
        Kind::Removed => Change::Removed,
        Kind::Content => Change::Contents,
        Kind::Metadata => Change::Metadata,
        Kind::Type => Change::Kind,
        Kind::Moved => Change::Moved,
        Kind::Unchanged => Change::Unchanged,
    }
}

const fn kind(change: Change) -> Kind {
    match change {
        Change::Added => Kind::Added,
        Change::Removed => Kind::Removed,
        Change::Contents => Kind::Content,
        Change::Metadata => Kind::Metadata,
        Change::Kind => Kind::Type,
        Change::Moved => Kind::Moved,
        Change::Unchanged => Kind::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Reply, Request};
    use crate::worker::testing::Bench;

    fn query(pair: Pair) -> Query {
        Query {
            pair,
            kinds: Vec::new(),
            needless: false,
            text: String::new(),
            by_size: false,
            start: 0,
            count: 1000,
        }
    }

    #[test]
    fn two_golden_archives() {
        let bench = Bench::new();
        let a = bench.golden(&["names.mpxar", "names.ppxar"]);
        let b = bench.golden(&["kinds.mpxar", "kinds.ppxar"]);
        let pair = Pair { a: a.id(), b: b.id() };
        let Ok(Reply::Comparison(summary)) = bench.ask(Request::Compare(pair)) else {
            panic!("no comparison")
        };
        let of = |kind| summary.kinds.iter().find(|it| it.0 == kind).map_or(0, |it| it.1);
        let (old, new) = (a.tree().len() as u64, b.tree().len() as u64);
        assert_eq!(Kind::ALL.iter().map(|kind| of(*kind)).sum::<u64>() - of(Kind::Removed), new);
        assert_eq!(old + of(Kind::Added) - of(Kind::Removed), new);
        let Ok(Reply::Differences(rows)) = bench.ask(Request::Differences(query(pair))) else {
            panic!("no rows")
        };
        assert_eq!(u64::from(rows.total), new + of(Kind::Removed) - of(Kind::Unchanged));
        let removed = Query { kinds: vec![Kind::Removed], ..query(pair) };
        let Ok(Reply::Differences(rows)) = bench.ask(Request::Differences(removed)) else {
            panic!("no rows")
        };
        assert_eq!(u64::from(rows.total), of(Kind::Removed));
        assert!(
            rows.rows.iter().all(|row| row.kind == Kind::Removed && row.b.is_none() && row.size_b.is_none())
        );
    }

    #[test]
    fn an_archive_and_itself_read_again() {
        let bench = Bench::new();
        let a = bench.golden(&["attributes.mpxar", "attributes.ppxar"]);
        let b = bench.golden(&["attributes.mpxar", "attributes.ppxar"]);
        let pair = Pair { a: a.id(), b: b.id() };
        let Ok(Reply::Comparison(summary)) = bench.ask(Request::Compare(pair)) else {
            panic!("no comparison")
        };
        assert!(summary.kinds.iter().all(|&(kind, entries, _)| (kind == Kind::Unchanged) == (entries > 0)));
        assert!(bench.ask(Request::Compare(Pair { a: a.id(), b: a.id() })).is_err());
    }
}
