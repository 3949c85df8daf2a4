//! Two archives side by side.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::files::bits::Bits;
use super::{Task, problem};
use crate::protocol::compare::{Pair, Query, Rows, Summary};
use crate::protocol::{DocId, Problem};

/// What is kept of comparisons.
#[derive(Default)]
pub struct State {
    /// For documents that were compared with an older one: that one, and which of the chunks it has, too.
    earlier: RefCell<BTreeMap<DocId, (DocId, Rc<Bits>)>>,
}

impl State {
    /// A document was closed: nothing that is kept may refer to it any more.
    pub fn forget(&self, id: DocId) {
        self.earlier.borrow_mut().retain(|&newer, (older, _)| newer != id && *older != id);
    }

    /// The older document that one was last compared with, and which of its chunks that one has, too.
    pub fn earlier(&self, newer: DocId) -> Option<(DocId, Rc<Bits>)> {
        self.earlier.borrow().get(&newer).cloned()
    }
}

/// Compares two documents.
pub async fn compare(_task: &Task, _pair: Pair) -> Result<Summary, Problem> {
    problem::absent("compare")
}

/// Rows of a comparison.
pub async fn differences(_task: &Task, _query: Query) -> Result<Rows, Problem> {
    problem::absent("differences")
}
