//! The snapshots of a group over time: each is decoded, added up and dropped before the next one, only indexes are kept.

use std::rc::Rc;

use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::{self as core, ChunkTable};

use super::open::store::Store;
use super::{Document, Task, load, problem};
use crate::protocol::compare::{Generation, Generations, Series};
use crate::protocol::open::{Kind, SnapshotRef};
use crate::protocol::{Problem, ProblemKind};

/// Snapshots that are looked at, at most.
const MOST: u32 = 200;

/// Padding and chunks of a series.
pub async fn generations(task: &Task, series: Series) -> Result<Generations, Problem> {
    let store = task.worker().store(series.store)?;
    let listed = store.snapshots(task, &series.namespace, &series.group).await?;
    let mut names: Vec<String> =
        listed.into_iter().map(|snapshot| snapshot.name).take(series.most.min(MOST) as usize).collect();
    names.reverse();
    let count = names.len() as u64;
    let mut older: Vec<Rc<DynamicIndex>> = Vec::new();
    let mut snapshots = Vec::new();
    for name in names {
        let reference = SnapshotRef {
            namespace: series.namespace.clone(),
            snapshot: name.clone(),
            archive: Some(series.archive.clone()),
        };
        let found = one(task, &store, &reference, &older).await;
        task.check()?;
        snapshots.push(match found {
            Ok((generation, index)) => {
                older.insert(0, index);
                generation
            }
            Err(problem) if problem.kind == ProblemKind::Cancelled => return Err(problem),
            Err(problem) => Generation {
                snapshot: name,
                live: 0,
                padding: 0,
                chunks: 0,
                ages: Vec::new(),
                padding_ages: Vec::new(),
                problem: Some(problem.message),
            },
        });
        task.progress("reading snapshots", snapshots.len() as u64, Some(count), false);
        task.breathe().await?;
    }
    Ok(Generations { snapshots })
}

/// One snapshot; `older` are the indexes of those before, the youngest first.
async fn one(
    task: &Task,
    store: &Rc<Store>,
    reference: &SnapshotRef,
    older: &[Rc<DynamicIndex>],
) -> Result<(Generation, Rc<DynamicIndex>), Problem> {
    let snapshot = store.open(reference).await?;
    let names = snapshot.find(reference.archive.as_deref())?;
    let [meta, rest @ ..] = names.as_slice() else {
        return Err(problem::request("There is no such archive."));
    };
    let source = snapshot.stream(task, meta).await?;
    // Of a split archive the payload's chunks, of a unified one its own.
    let (kind, indexed) = match rest {
        [payload, ..] => (Kind::Split, payload),
        [] => (Kind::Unified, meta),
    };
    let index = Rc::new(snapshot.index(task, indexed).await?);
    let document = Rc::new(Document::new(0, meta.clone(), kind, source));
    document.set_index(index.clone());
    if kind == Kind::Split {
        // Its end is known without reading it: what lies before it is padding, too.
        document.set_payload(None, Some(index.size()));
    }
    load::quietly(task, document.clone()).await?;
    let parts = document.parts()?;
    let layout = parts.layout();
    let table = ChunkTable::new(&layout);
    let indexes: Vec<&DynamicIndex> = older.iter().map(|index| &**index).collect();
    let ages = core::generations(&layout, &table, &core::ages(&index, &indexes));
    let totals = layout.totals();
    let generation = Generation {
        snapshot: reference.snapshot.clone(),
        live: totals.live,
        padding: totals.padding.total(),
        chunks: index.count() as u32,
        ages: ages.iter().map(|age| age.bytes).collect(),
        padding_ages: ages.iter().map(|age| age.dead).collect(),
        problem: None,
    };
    Ok((generation, index))
}
