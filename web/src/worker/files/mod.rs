//! Rows of the tree and of the list.
//!
//! A view is a filter ([`matcher`]), an order ([`order`]), and either the tree of open directories ([`outline`]) or one list ([`list`]);
//! [`state`] holds them together. Memory for each entry: 4 bytes in the tree and as many in a list that is sorted or filtered, and a few
//! bits; 16 bytes while a list is being sorted (32 by name, for siblings).

pub mod bits;
pub mod collate;
pub mod expression;
pub mod facts;
mod find;
pub mod glob;
pub mod list;
pub mod matcher;
pub mod needle;
pub mod order;
pub mod outline;
pub mod practice;
pub mod row;
pub mod state;
pub mod sums;
#[cfg(test)]
mod tests;
mod walk;

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::layout::sort_ids;

use super::document::LayoutParts;
use super::layout::Made;
use super::{Document, Task, chunks};
use crate::protocol::files::{Rows, Span, Toggle, View, ViewInfo};
use crate::protocol::{EntryId, Problem};
use facts::Facts;
use state::{Files, Matches};

/// Entries that one call of a function goes over where all are gone over: a browser takes to the better of its two programs for a function only when it
/// is called again, and the first filter of a session should not have to do with the worse one.
const PART: u32 = 1 << 14;
/// Rows that are given at once.
const ROWS: u32 = 1000;

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    files: RefCell<Files>,
    flagged: RefCell<(u64, Rc<[u32]>)>,
    /// What [`Facts::stamp`] stands for.
    stamped: RefCell<Stamped>,
    stamp: Cell<u64>,
    /// How many views were asked for, and the number of the one that is shown.
    asked: Cell<(u32, u32)>,
}

/// Findings, the streams that are known, what is known of earlier snapshots.
type Stamped = (u64, bool, Option<u64>, Made);

impl State {
    /// Bytes of contents of an entry, or of all that is in it.
    pub fn size(&self, tree: &Tree, id: u32) -> u64 {
        self.files.borrow_mut().size(tree, id)
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.files.borrow().memory()
    }
}

/// What [`Facts`] are borrowed from.
struct Known<'a> {
    tree: Ref<'a, Tree>,
    is_complete: bool,
    parts: Option<LayoutParts>,
    flagged: Rc<[u32]>,
    earlier: Option<Rc<[bool]>>,
    stamp: u64,
}

impl<'a> Known<'a> {
    fn of(task: &Task, document: &'a Rc<Document>) -> Self {
        let parts = document.parts().ok();
        let past = chunks::past(task, document);
        let state = &document.files;
        let counted = document.findings.counted();
        if state.flagged.borrow().0 != counted {
            let mut flagged = Vec::new();
            document.findings.each(|_, finding| flagged.extend(finding.entry));
            sort_ids(&mut flagged, &mut |a, b| a.cmp(&b));
            flagged.dedup();
            *state.flagged.borrow_mut() = (counted, flagged.into());
        }
        let size = parts.as_ref().map(|parts| parts.map.size());
        let has_index = parts.as_ref().is_some_and(|parts| parts.index.is_some());
        let made = past.as_ref().map_or_else(Vec::new, |past| past.made.clone());
        let stamped = (counted, has_index, size, made);
        if *state.stamped.borrow() != stamped {
            state.stamped.replace(stamped);
            state.stamp.set(state.stamp.get() + 1);
        }
        Self {
            tree: document.tree(),
            is_complete: document.is_whole(),
            parts,
            flagged: state.flagged.borrow().1.clone(),
            earlier: past.map(|past| past.shared),
            stamp: state.stamp.get(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            tree: &self.tree,
            is_complete: self.is_complete,
            layout: self.parts.as_ref().map(LayoutParts::layout),
            flagged: &self.flagged,
            earlier: self.earlier.as_deref(),
            stamp: self.stamp,
        }
    }
}

/// Changes how the files are shown.
pub async fn view(task: &Task, document: &Rc<Document>, view: View) -> Result<ViewInfo, Problem> {
    let mut matches = match Matches::new(&view) {
        Ok(matches) => matches,
        Err(malformed) => {
            let info = with(task, document, |files, facts| files.info(facts));
            return Ok(ViewInfo { malformed: Some(malformed), ..info });
        }
    };
    let asked = &document.files.asked;
    let number = asked.get().0 + 1;
    asked.set((number, asked.get().1));
    while matches.step(&Known::of(task, document).facts()) {
        task.breathe().await?;
    }
    let known = Known::of(task, document);
    let mut files = document.files.files.borrow_mut();
    // One that was asked for later may have been faster.
    let (last, shown) = asked.get();
    if number > shown {
        asked.set((last, number));
        files.show(&known.facts(), view, matches);
    }
    Ok(files.info(&known.facts()))
}

/// Opens or closes directories.
pub async fn toggle(task: &Task, document: &Rc<Document>, toggle: Toggle) -> Result<ViewInfo, Problem> {
    document.check_entry(toggle.entry)?;
    Ok(with(task, document, |files, facts| {
        files.toggle(facts, toggle);
        files.info(facts)
    }))
}

/// Rows of the current view.
pub async fn rows(task: &Task, document: &Rc<Document>, span: Span) -> Result<Rows, Problem> {
    Ok(with(task, document, |files, facts| {
        let places = files.span(facts, span.start, span.count.min(ROWS));
        let rows = places.into_iter().map(|place| row::row(files, facts, place)).collect();
        Rows { start: span.start, total: files.rows(), rows }
    }))
}

/// The row of an entry.
pub async fn reveal(task: &Task, document: &Rc<Document>, entry: EntryId) -> Result<Option<u32>, Problem> {
    document.check_entry(entry)?;
    Ok(with(task, document, |files, facts| files.reveal(facts, entry)))
}

/// The entry at a path.
pub async fn find(_task: &Task, document: &Rc<Document>, path: &[u8]) -> Result<Option<EntryId>, Problem> {
    Ok(find::find(&document.tree(), path))
}

/// The entries of the current view in the order of its rows, each with the number of directories above it; at most `count`.
pub fn places(task: &Task, document: &Rc<Document>, start: u32, count: u32) -> Vec<(EntryId, u16)> {
    with(task, document, |files, facts| files.span(facts, start, count))
}

/// Does something with the rows of a document and what is known now.
fn with<T>(task: &Task, document: &Rc<Document>, work: impl FnOnce(&mut Files, &Facts<'_>) -> T) -> T {
    let known = Known::of(task, document);
    let facts = known.facts();
    let mut files = document.files.files.borrow_mut();
    files.catch_up(&facts);
    work(&mut files, &facts)
}
