//! Rows of the tree and of the table.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::files::{Rows, Span, Toggle, View, ViewInfo};
use crate::protocol::{EntryId, Problem};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// Changes how the files are shown.
pub async fn view(_task: &Task, _document: &Rc<Document>, _view: View) -> Result<ViewInfo, Problem> {
    problem::absent("view")
}

/// Opens or closes directories.
pub async fn toggle(_task: &Task, _document: &Rc<Document>, _toggle: Toggle) -> Result<ViewInfo, Problem> {
    problem::absent("toggle")
}

/// Rows of the current view.
pub async fn rows(_task: &Task, _document: &Rc<Document>, _span: Span) -> Result<Rows, Problem> {
    problem::absent("rows")
}

/// The row of an entry.
pub async fn reveal(_task: &Task, _document: &Rc<Document>, _entry: EntryId) -> Result<Option<u32>, Problem> {
    problem::absent("reveal")
}

/// The entry at a path.
pub async fn find(_task: &Task, _document: &Rc<Document>, _path: &[u8]) -> Result<Option<EntryId>, Problem> {
    problem::absent("find")
}
