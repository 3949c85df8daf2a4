//! The chunks of the stream.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Document, Task, layout, problem};
use crate::protocol::chunks::{Chunk, Needed, Query, Rows, Summary};
use crate::protocol::{DocId, EntryId, Problem};

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    ages: RefCell<Option<Ages>>,
}

/// How old chunks are.
#[derive(Clone)]
pub struct Ages {
    /// For each chunk how many of the older snapshots, the youngest first, have had it without interruption.
    pub ages: Rc<[u16]>,
    /// Those snapshots.
    pub older: Vec<DocId>,
}

/// The ages of chunks; `None` if no older snapshot is open.
pub async fn ages(task: &Task, document: &Rc<Document>) -> Result<Option<Ages>, Problem> {
    let older = layout::older(task, document);
    let ids: Vec<DocId> = older.iter().map(|older| older.document.id()).collect();
    if let Some(kept) = document.chunks.ages.borrow().as_ref().filter(|kept| kept.older == ids) {
        return Ok(Some(kept.clone()));
    }
    Ok(None)
}

/// Rows of the table.
pub async fn rows(_task: &Task, _document: &Rc<Document>, _query: Query) -> Result<Rows, Problem> {
    problem::absent("rows")
}

/// Everything about a chunk.
pub async fn chunk(_task: &Task, _document: &Rc<Document>, _chunk: u32) -> Result<Chunk, Problem> {
    problem::absent("chunk")
}

/// Histograms and score.
pub async fn summary(_task: &Task, _document: &Rc<Document>) -> Result<Summary, Problem> {
    problem::absent("summary")
}

/// The chunks that hold an entry.
pub async fn needed(_task: &Task, _document: &Rc<Document>, _entry: EntryId) -> Result<Needed, Problem> {
    problem::absent("needed")
}
