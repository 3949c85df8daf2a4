//! The chunks of the stream.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::chunks::{Chunk, Needed, Query, Rows, Summary};
use crate::protocol::{EntryId, Problem};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

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
