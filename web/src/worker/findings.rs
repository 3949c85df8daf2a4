//! What is irregular, as far as it is known.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::{Source, Tree};
use pxkit_core::decode::{self, Irregularity};
use pxkit_core::layout::{self, Anomaly};

use super::{Document, Task, check, text};
use crate::protocol::findings::{CheckKind, Query, Row, Rows, Severity};
use crate::protocol::{Problem, Stream};

/// Findings that can be listed; more are only counted.
const KEPT: usize = 10_000;
/// Rows that are given at once.
const ROWS: u32 = 1000;

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Who found it.
    pub by: By,
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

/// Who found something: what is looked for again takes the place of what was found before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Opening.
    Opening,
    /// Decoding.
    Decoding,
    /// The layout, without a look at the payload's bytes.
    Layout,
    /// A check.
    Check(CheckKind),
}

/// The findings of a document in the order of stream and offset.
#[derive(Default)]
pub struct List {
    kept: RefCell<Vec<Finding>>,
    /// Those for which there was no room, by who found them.
    dropped: RefCell<Vec<(By, u64)>>,
    /// Core's count of those from decoding at the last look.
    decoded: Cell<u64>,
}

impl List {
    /// How many there are.
    pub fn counted(&self) -> u64 {
        self.kept.borrow().len() as u64 + self.dropped.borrow().iter().map(|(_, count)| count).sum::<u64>()
    }

    /// How many of them one found.
    pub fn counted_by(&self, by: By) -> u64 {
        let dropped = self.dropped.borrow().iter().find(|other| other.0 == by).map_or(0, |other| other.1);
        self.kept.borrow().iter().filter(|finding| finding.by == by).count() as u64 + dropped
    }

    fn drop_some(&self, by: By, count: u64) {
        let mut dropped = self.dropped.borrow_mut();
        match dropped.iter_mut().find(|other| other.0 == by) {
            Some(other) => other.1 += count,
            None => dropped.push((by, count)),
        }
    }

    /// Calls `see` with each that can be listed, and its number.
    pub fn each(&self, mut see: impl FnMut(u32, &Finding)) {
        self.kept.borrow().iter().enumerate().for_each(|(at, finding)| see(at as u32, finding));
    }

    /// Adds one.
    pub fn add(&self, finding: Finding) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            return self.drop_some(finding.by, 1);
        }
        let key = |finding: &Finding| (finding.stream == Stream::Payload, finding.offset);
        // Most come in order.
        let at = match kept.last() {
            Some(last) if key(last) > key(&finding) => {
                kept.partition_point(|other| key(other) <= key(&finding))
            }
            _ => kept.len(),
        };
        kept.insert(at, finding);
    }

    /// Forgets what was found in a part of a stream, before it is looked through again. Where those lie for which there was no room
    /// nobody knows: they are forgotten with the whole stream.
    pub fn clear(&self, by: By, range: Range<u64>) {
        if range == (0..u64::MAX) {
            self.dropped.borrow_mut().retain(|other| other.0 != by);
        }
        self.kept.borrow_mut().retain(|finding| finding.by != by || !range.contains(&finding.offset));
    }

    /// Takes over what a decoder found since the last call.
    pub(super) fn decoded(&self, findings: &mut decode::Findings, tree: &Tree) {
        self.take(findings, self.decoded.replace(findings.total()), By::Decoding, tree);
    }

    /// Takes over what was found in the metadata since there were so many.
    pub(super) fn take(&self, findings: &mut decode::Findings, before: u64, by: By, tree: &Tree) {
        let drained: Vec<decode::Finding> = findings.drain().collect();
        self.drop_some(by, findings.total() - before - drained.len() as u64);
        drained.into_iter().for_each(|finding| self.add(irregular(finding, by, tree)));
    }

    /// Notes what decoding ended with.
    pub(super) fn damage(&self, problem: &Problem, tree: &Tree) {
        let offset = problem.offset.unwrap_or_default();
        self.add(Finding {
            by: By::Decoding,
            stream: Stream::Meta,
            offset,
            code: "damaged",
            severity: Severity::Error,
            message: problem.message.clone(),
            entry: entry_at(tree, offset),
            chunk: None,
        });
    }

    /// Takes over what the layout, or a check of it, found.
    pub(super) fn anomalies(&self, findings: &layout::Findings, by: By) {
        self.drop_some(by, findings.total() - findings.kept().len() as u64);
        for finding in findings.kept() {
            let chunk = match finding.what {
                Anomaly::DeadChunk { number, .. } => Some(number as u32),
                _ => None,
            };
            self.add(Finding {
                by,
                stream: if finding.source == Source::Payload { Stream::Payload } else { Stream::Meta },
                offset: finding.offset,
                code: finding.what.code(),
                severity: severity_of_anomaly(&finding.what),
                message: finding.what.to_string(),
                entry: finding.entry,
                chunk,
            });
        }
    }
}

/// What a decoder, or a check of tables, found in the metadata.
fn irregular(finding: decode::Finding, by: By, tree: &Tree) -> Finding {
    Finding {
        by,
        stream: Stream::Meta,
        offset: finding.offset,
        code: finding.what.code(),
        severity: severity_of_irregularity(&finding.what),
        message: finding.what.to_string(),
        entry: entry_at(tree, finding.offset),
        chunk: None,
    }
}

const fn severity_of_irregularity(what: &Irregularity) -> Severity {
    match what {
        Irregularity::ExplicitVersion1
        | Irregularity::OldEntry
        | Irregularity::InlinePayload
        | Irregularity::AttributeOrder { .. }
        | Irregularity::EntryPadding { .. }
        | Irregularity::TableChildSize { .. } => Severity::Note,
        // The link, or the attribute, is lost.
        Irregularity::LinkOffset { .. } | Irregularity::AttributeName => Severity::Error,
        _ => Severity::Warning,
    }
}

fn severity_of_anomaly(what: &Anomaly) -> Severity {
    match what {
        _ if what.is_notice() => Severity::Note,
        Anomaly::NoTailMarker
        | Anomaly::Marker { .. }
        | Anomaly::Backwards { .. }
        | Anomaly::Overlap { .. } => Severity::Warning,
        _ => Severity::Error,
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
        path: finding.entry.map(|entry| text::path(&tree, entry)),
        chunk: finding.chunk,
    });
    let rows = rows.collect();
    let (counted, checks) = (document.findings.counted(), check::states(document));
    Ok(Rows { start: query.start, total, counted, rows, checks })
}
