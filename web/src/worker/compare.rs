//! Two archives side by side.

use super::{Task, problem};
use crate::protocol::compare::{Pair, Query, Rows, Summary};
use crate::protocol::{DocId, Problem};

/// What is kept of comparisons.
#[derive(Default)]
pub struct State {}

impl State {
    /// A document was closed: nothing that is kept may refer to it any more.
    pub fn forget(&self, _id: DocId) {}
}

/// Compares two documents.
pub async fn compare(_task: &Task, _pair: Pair) -> Result<Summary, Problem> {
    problem::absent("compare")
}

/// Rows of a comparison.
pub async fn differences(_task: &Task, _query: Query) -> Result<Rows, Problem> {
    problem::absent("differences")
}
