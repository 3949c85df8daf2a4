//! Series of snapshots.

use super::{Task, problem};
use crate::protocol::Problem;
use crate::protocol::compare::{Generations, Series};

/// Padding and chunks of a series.
pub async fn generations(_task: &Task, _series: Series) -> Result<Generations, Problem> {
    problem::absent("generations")
}
