//! Everything about an entry, and bytes.

use std::rc::Rc;

use super::{Document, Task, problem};
use crate::protocol::entry::{Entry, Part};
use crate::protocol::{Bytes, EntryId, Problem, Stream};

/// What is kept for a document.
#[derive(Default)]
pub struct State {}

/// Everything about an entry.
pub async fn entry(_task: &Task, _document: &Rc<Document>, _entry: EntryId) -> Result<Entry, Problem> {
    problem::absent("entry")
}

/// A part of a file's contents.
pub async fn contents(
    _task: &Task,
    _document: &Rc<Document>,
    _entry: EntryId,
    _part: Part,
) -> Result<Bytes, Problem> {
    problem::absent("contents")
}

/// A part of a stream.
pub async fn bytes(
    _task: &Task,
    _document: &Rc<Document>,
    _stream: Stream,
    _part: Part,
) -> Result<Bytes, Problem> {
    problem::absent("bytes")
}
