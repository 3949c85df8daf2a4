//! Pictures of the layout.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::Problem;
use crate::protocol::layout::{Colouring, Legend, Map, MapQuery, Treemap, TreemapQuery};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// A picture of a part of the stream.
pub async fn map(_task: &Task, _document: &Rc<Document>, _query: MapQuery) -> Result<Map, Problem> {
    problem::absent("map")
}

/// Directories as areas.
pub async fn treemap(
    _task: &Task,
    _document: &Rc<Document>,
    _query: TreemapQuery,
) -> Result<Treemap, Problem> {
    problem::absent("treemap")
}

/// The categories of a colouring.
pub async fn legend(
    _task: &Task,
    _document: &Rc<Document>,
    _colouring: Colouring,
) -> Result<Legend, Problem> {
    problem::absent("legend")
}
