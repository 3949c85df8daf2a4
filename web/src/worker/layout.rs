//! Totals of the layout, and what lies where.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::Problem;
use crate::protocol::layout::{Spot, Summary};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// What lies at a position.
pub async fn spot(_task: &Task, _document: &Rc<Document>, _offset: u64) -> Result<Spot, Problem> {
    problem::absent("spot")
}

/// Totals.
pub async fn summary(_task: &Task, _document: &Rc<Document>) -> Result<Summary, Problem> {
    problem::absent("summary")
}
