//! Items of streams.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::Problem;
use crate::protocol::structure::{Goodbye, Items, Query};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// Items of a stream from a position.
pub async fn items(_task: &Task, _document: &Rc<Document>, _query: Query) -> Result<Items, Problem> {
    problem::absent("items")
}

/// A goodbye table.
pub async fn goodbye(_task: &Task, _document: &Rc<Document>, _offset: u64) -> Result<Goodbye, Problem> {
    problem::absent("goodbye")
}
