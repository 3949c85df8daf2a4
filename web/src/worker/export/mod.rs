//! Files that leave the inspector.

use std::rc::Rc;

use super::{Document, Handle, Task, problem};
use crate::protocol::Problem;
use crate::protocol::export::{Save, Saved};

/// Makes a file; it goes into `given`.
pub async fn save(
    _task: &Task,
    _document: &Rc<Document>,
    _save: Save,
    _given: &mut Vec<Handle>,
) -> Result<Saved, Problem> {
    problem::absent("save")
}
