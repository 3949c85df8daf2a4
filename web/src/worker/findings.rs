//! What is irregular, as far as it is known.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::decode::Findings;

use super::{Document, Task};
use crate::protocol::findings::{Query, Row, Rows, Severity};
use crate::protocol::{Problem, Stream};

/// Findings that can be listed; more are only counted.
const KEPT: usize = 10_000;
/// Rows that are given at once.
const ROWS: u32 = 1000;

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// In which stream.
    pub stream: Stream,
    /// Where.
    pub offset: u64,
    /// What never changes about it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub message: String,
    /// The entry that it is about.
    pub entry: Option<u32>,
    /// The chunk that it is about.
    pub chunk: Option<u32>,
}

/// The findings of a document in the order of stream and offset.
#[derive(Default)]
pub struct List {
    kept: RefCell<Vec<Finding>>,
    counted: Cell<u64>,
    /// Core's count at the last look.
    decoded: Cell<u64>,
}

impl List {
    /// How many there are.
    pub fn counted(&self) -> u64 {
        self.counted.get()
    }

    /// Calls `see` with each that can be listed, and its number.
    pub fn each(&self, mut see: impl FnMut(u32, &Finding)) {
        self.kept.borrow().iter().enumerate().for_each(|(at, finding)| see(at as u32, finding));
    }

    /// Adds one.
    pub fn add(&self, finding: Finding) {
        self.counted.set(self.counted.get() + 1);
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT {
            let key = |finding: &Finding| (finding.stream == Stream::Payload, finding.offset);
            let at = kept.partition_point(|other| key(other) <= key(&finding));
            kept.insert(at, finding);
        }
    }

    /// Takes over what a decoder found since the last call.
    pub(super) fn decoded(&self, findings: &mut Findings, tree: &Tree) {
        let total = findings.total();
        let more = total - self.decoded.replace(total);
        let before = self.counted.get();
        for finding in findings.drain() {
            self.add(Finding {
                stream: Stream::Meta,
                offset: finding.offset,
                code: "irregular",
                severity: Severity::Warning,
                message: finding.what.to_string(),
                entry: entry_at(tree, finding.offset),
                chunk: None,
            });
        }
        self.counted.set(before + more);
    }

    /// Notes what decoding ended with.
    pub(super) fn damage(&self, problem: &Problem, tree: &Tree) {
        let offset = problem.offset.unwrap_or_default();
        self.add(Finding {
            stream: Stream::Meta,
            offset,
            code: "damaged",
            severity: Severity::Error,
            message: problem.message.clone(),
            entry: entry_at(tree, offset),
            chunk: None,
        });
    }
}

/// The entry to which an item at `offset` of the metadata stream belongs: the last that begins there or before.
pub fn entry_at(tree: &Tree, offset: u64) -> Option<u32> {
    let (mut low, mut high) = (0, tree.len() as u32);
    while low < high {
        let middle = low + (high - low) / 2;
        if tree.filename(middle) <= offset { low = middle + 1 } else { high = middle }
    }
    low.checked_sub(1)
}

/// Rows of the list.
pub async fn rows(_task: &Task, document: &Rc<Document>, query: Query) -> Result<Rows, Problem> {
    let tree = document.tree();
    let kept = document.findings.kept.borrow();
    let total = kept.len() as u32;
    let rows = kept.iter().skip(query.start as usize).take(query.count.min(ROWS) as usize);
    let rows = rows.map(|finding| Row {
        stream: finding.stream,
        offset: finding.offset,
        code: finding.code.to_owned(),
        severity: finding.severity,
        message: finding.message.clone(),
        entry: finding.entry,
        path: finding.entry.map(|entry| super::text::path(&tree, entry)),
        chunk: finding.chunk,
    });
    let rows = rows.collect();
    Ok(Rows { start: query.start, total, counted: document.findings.counted(), rows, checks: Vec::new() })
}
