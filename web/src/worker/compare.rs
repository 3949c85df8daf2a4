//! Two archives side by side, with what the layout of core finds of them. A comparison is kept until one of its documents changes or is closed.

mod rows;

use std::cell::RefCell;
use std::rc::Rc;

use pxkit_core::access::{ReadNode, Tree};
use pxkit_core::blob::Fingerprint;
use pxkit_core::format::Attributes;
use pxkit_core::layout::compare::{Change, Comparing, Comparison, StoringAgain};
use pxkit_core::layout::{self as core, ChunkTable, Sharing};

use super::document::LayoutParts;
use super::{Document, Task, problem};
use crate::protocol::compare::{Kind, Pair, Query, Summary};
use crate::protocol::{DocId, EntryId, Problem};

pub use rows::differences;

/// Entries that are compared at once; then others get their turn.
const SLICE: u32 = 1 << 14;
/// Comparisons that are kept.
const KEPT: usize = 4;

/// What is kept of comparisons.
#[derive(Default)]
pub struct State {
    /// The latest last.
    compared: RefCell<Vec<Rc<Compared>>>,
}

impl State {
    /// A document was closed: nothing that is kept may refer to it any more.
    pub fn forget(&self, id: DocId) {
        self.compared.borrow_mut().retain(|kept| kept.pair.a != id && kept.pair.b != id);
    }
}

/// A comparison that was made.
struct Compared {
    pair: Pair,
    /// Both documents.
    documents: (Rc<Document>, Rc<Document>),
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
    let (mut old, mut new) = (a.parts()?, b.parts()?);
    // Digests under different keys say nothing of each other.
    let keys_differ = key(&a) != key(&b);
    if keys_differ {
        (old.index, new.index) = (None, None);
    }
    let mut comparison = joined(task, &old, &new).await?;
    attributes(task, (&a, &old.tree), (&b, &new.tree), &mut comparison).await?;
    let (again, needless) = stored_again(task, &old, &new, &comparison).await?;
    let summary = Summary { needless, keys_differ, ..summarise(pair, &old, &new, &comparison) };
    task.breathe().await?;
    let made = Rc::new(Compared {
        pair,
        documents: (a, b),
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

/// The key that a document's chunks are encrypted with.
fn key(document: &Document) -> Option<Fingerprint> {
    let stream = document.stream(document.layout_stream()).ok()?;
    stream.chunks().and_then(|chunks| chunks.key().map(|key| key.fingerprint()))
}

/// Joins two trees.
async fn joined(task: &Task, old: &LayoutParts, new: &LayoutParts) -> Result<Comparison, Problem> {
    let (before, after) = (old.layout(), new.layout());
    let total = Some(new.tree.len() as u64);
    let mut comparing = Comparing::new(&before, &after);
    while comparing.step(SLICE as usize) {
        match comparing.moving() {
            None => task.progress("comparing", comparing.done(), total, false),
            Some((done, files)) => task.progress("looking for what was moved", done, Some(files), false),
        }
        task.breathe().await?;
    }
    Ok(comparing.finish())
}

/// Unchanged files that were stored again, sorted, with their number and bytes.
async fn stored_again(
    task: &Task,
    old: &LayoutParts,
    new: &LayoutParts,
    comparison: &Comparison,
) -> Result<(Vec<EntryId>, (u64, u64)), Problem> {
    let (before, after) = (old.layout(), new.layout());
    let mut again = Vec::new();
    let Some(mut storing) = StoringAgain::new(&before, &after) else { return Ok((again, (0, 0))) };
    let count = new.tree.len() as u32;
    for start in (0..count).step_by(SLICE as usize) {
        let ids = start..count.min(start + SLICE);
        storing.step(comparison, ids, &mut |id, _| {
            if comparison.change(id) == Change::Unchanged {
                again.push(id);
            }
        });
        task.progress("looking for what was stored again", start.into(), Some(count.into()), false);
        task.breathe().await?;
    }
    Ok((again, storing.sums().unchanged))
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
        let (before, now) = (attributes_of(a, old, before).await?, attributes_of(b, new, id).await?);
        comparison.attributes(id, before.as_bytes() == now.as_bytes());
        task.progress("comparing attributes", done as u64, Some(pending.len() as u64), false);
        task.breathe().await?;
    }
    Ok(())
}

/// The attributes of an entry.
async fn attributes_of(document: &Document, tree: &Tree, id: EntryId) -> Result<Attributes, Problem> {
    if !tree.has_attributes(id) {
        return Ok(Attributes::default());
    }
    let archive = document.archive();
    let read = if id == 0 { ReadNode::root(&archive) } else { ReadNode::new(&archive, tree.filename(id)) };
    Ok(document.drive(read).await?.attributes)
}

fn summarise(pair: Pair, old: &LayoutParts, new: &LayoutParts, comparison: &Comparison) -> Summary {
    let sums = comparison.sums(&old.tree, &new.tree);
    let kinds = Kind::ALL.iter().map(|&kind| {
        let (entries, bytes) = sums.of(rows::change(kind));
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
        keys_differ: false,
    };
    if let (Some(before), Some(index)) = (&old.index, &new.index) {
        let sharing = Sharing::new(before, index);
        let layout = new.layout();
        let ages = core::ages(index, &[before]);
        let generations = core::generations(&layout, &ChunkTable::new(&layout), &ages);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Reply, Request};
    use crate::worker::testing::{Bench, golden};

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
    fn attributes_that_differ_are_named() {
        // Values of extended attributes and permissions are changed in their bytes.
        let bench = Bench::new();
        let a = bench.golden(&["attributes.mpxar", "attributes.ppxar"]);
        let tree = a.whole_tree().unwrap();
        let mut meta = golden("archives/attributes.mpxar");
        let mut changed = Vec::new();
        for id in (0..tree.len() as u32).filter(|&id| tree.has_attributes(id)) {
            let Ok(Reply::Entry(entry)) = bench.ask(Request::Entry(a.id(), id)) else { panic!("no entry") };
            if let Some(xattr) = entry.attributes.iter().find(|it| it.item == "XATTR" && !it.raw.is_empty()) {
                // Behind the header, the name and its NUL.
                let at = xattr.offset as usize + 16 + xattr.name.len() + 1;
                meta[at] ^= 1;
                changed.push((entry.path.trim_start_matches('/').to_owned(), xattr.name.clone()));
            }
        }
        assert!(changed.len() > 2);
        let opened = bench.open(vec![
            ("attributes.mpxar", meta),
            ("attributes.ppxar", golden("archives/attributes.ppxar")),
        ]);
        let pair = Pair { a: a.id(), b: opened.documents[0].id };
        let Ok(Reply::Differences(rows)) = bench.ask(Request::Differences(query(pair))) else {
            panic!("no rows")
        };
        assert_eq!(rows.rows.len(), changed.len());
        for (path, name) in &changed {
            let row = rows.rows.iter().find(|row| row.path.trim_start_matches('/') == path).unwrap();
            assert_eq!(row.kind, Kind::Metadata);
            let [(field, before, now)] = &row.fields[..] else { panic!("{:?}", row.fields) };
            assert_eq!(*field, format!("XATTR {name}"));
            assert_ne!(before, now);
        }
    }

    #[test]
    fn nothing_is_said_of_chunks_under_different_keys() {
        let bench = Bench::new();
        let store = bench.golden_store(|_| {});
        bench.open(vec![("key.json", golden("key.json"))]);
        let open =
            |group: &str| bench.snapshot(store, &format!("host/{group}/2026-11-22T21:15:58Z"), None).unwrap();
        let (plain, encrypted) = (open("meta"), open("enc"));
        for (a, b) in [(&plain, &encrypted), (&encrypted, &plain)] {
            let Ok(Reply::Comparison(summary)) = bench.ask(Request::Compare(Pair { a: a.id(), b: b.id() }))
            else {
                panic!("no comparison")
            };
            assert!(summary.keys_differ && !summary.has_chunks);
            assert_eq!((summary.shared, summary.injected, summary.needless), ((0, 0), (0, 0, 0), (0, 0)));
            let content = summary.kinds.iter().find(|it| it.0 == Kind::Content).unwrap();
            assert_eq!(content.1, 0, "other digests are no other contents");
        }
        let Ok(Reply::Comparison(summary)) =
            bench.ask(Request::Compare(Pair { a: open("meta").id(), b: plain.id() }))
        else {
            panic!("no comparison")
        };
        assert!(!summary.keys_differ && summary.has_chunks && summary.shared.0 > 0);
    }

    #[test]
    fn a_comparison_can_be_taken_back() {
        let bench = Bench::new();
        let a = bench.golden(&["attributes.mpxar", "attributes.ppxar"]);
        let b = bench.golden(&["attributes.mpxar", "attributes.ppxar"]);
        let asked = bench.start(Request::Compare(Pair { a: a.id(), b: b.id() }), Vec::new());
        bench.start(Request::Cancel(asked), Vec::new());
        let cancelled = bench.run().into_iter().any(|(tell, _)| {
            matches!(tell, crate::protocol::Tell::Reply { id, result: Err(problem) }
                if id == asked && problem.kind == crate::protocol::ProblemKind::Cancelled)
        });
        assert!(cancelled);
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
