//! Looking for what only bytes tell: headers behind references, ghosts in padding, digests of chunks, goodbye tables.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use pxkit_core::decode::{Decoder, Findings, GoodbyeCheck, Step};
use pxkit_core::format::{Digest, MAX_CHUNK_SIZE};
use pxkit_core::layout::{self, Batching, GhostWalk, HeaderCheck, MarkerCheck};

use super::findings::{By, Finding};
use super::source::Source;
use super::source::window::Window;
use super::{Document, Task, crypto, load, problem};
use crate::protocol::findings::{Check, CheckKind, CheckState, Checked, Severity};
use crate::protocol::open::Kind;
use crate::protocol::{Problem, ProblemKind, Stream};

/// Remnants of a gap that are kept for pictures.
const REMNANTS: usize = 10_000;
/// Bytes of metadata that are read at once.
const SLICE: usize = 4 << 20;

/// What was looked through so far.
#[derive(Default)]
pub struct State {
    headers: RefCell<Coverage>,
    digests: RefCell<Coverage>,
    tables: RefCell<Coverage>,
    /// What headers showed, for the report of the layout.
    found: RefCell<layout::Findings>,
    /// What the last run of each check could not look at.
    unreadable: Cell<[u64; 4]>,
}

impl State {
    /// What the headers behind all references and the markers showed, if all were looked at.
    pub fn headers(&self, document: &Document) -> Option<layout::Findings> {
        let files = document.map().ok()?.files() as u64;
        (self.headers.borrow().sum() >= files).then(|| self.found.borrow().clone())
    }

    /// Streams or index changed.
    pub fn forget(&self) {
        self.headers.take();
        self.digests.take();
        self.found.take();
        self.unreadable.take();
    }
}

/// Disjoint ranges in order.
#[derive(Default)]
struct Coverage(Vec<Range<u64>>);

impl Coverage {
    fn add(&mut self, mut range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|other| other.end < range.start);
        let last = self.0.partition_point(|other| other.start <= range.end);
        for other in &self.0[first..last] {
            range = range.start.min(other.start)..range.end.max(other.end);
        }
        self.0.splice(first..last, [range]);
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }
}

/// How far all checks are.
pub fn states(document: &Document) -> Vec<CheckState> {
    let map = document.map().ok();
    let has = |stream| document.stream(stream).is_ok();
    let is_split = document.kind.get() == Kind::Split && has(Stream::Payload);
    let padding = || document.parts().map_or(0, |parts| parts.layout().totals().padding.total());
    let state = document;
    let one = |what, possible: bool, done: u64, total: u64| {
        let needless = match what {
            CheckKind::Tables => !document.is_archive(),
            CheckKind::Headers => document.kind.get() != Kind::Split,
            CheckKind::Ghosts => {
                document.kind.get() != Kind::Split || is_split && map.is_some() && total == 0
            }
            CheckKind::Digests => total == 0,
        };
        let total = if possible { total } else { 0 };
        let found = match what {
            CheckKind::Ghosts => state.layout.ghosts().0,
            _ => state.findings.counted_by(By::Check(what)),
        };
        let unreadable = state.check.unreadable.get()[what as usize];
        let possible = possible && total > 0;
        CheckState { what, possible, needless, done: done.min(total), total, found, unreadable }
    };
    let files = map.as_ref().map_or(0, |map| map.files() as u64);
    let index = document.index().map_or(0, |index| index.size());
    let can_hash = document.is_whole() && has(document.layout_stream());
    vec![
        one(CheckKind::Headers, is_split, state.check.headers.borrow().sum(), files),
        one(CheckKind::Ghosts, is_split && map.is_some(), state.layout.searched_bytes(), padding()),
        one(CheckKind::Digests, can_hash, state.check.digests.borrow().sum(), index),
        one(
            CheckKind::Tables,
            document.is_archive() && document.is_whole(),
            state.check.tables.borrow().sum(),
            document.meta().size(),
        ),
    ]
}

/// Runs a check.
pub async fn check(task: &Task, document: &Rc<Document>, check: Check) -> Result<Checked, Problem> {
    document.whole_tree()?;
    let range = match check.range {
        Some((start, end)) if start >= end => return Err(problem::request("The range is empty.")),
        Some((start, end)) => start..end,
        None => 0..u64::MAX,
    };
    let mut run = Run {
        task,
        document: document.clone(),
        range,
        before: 0,
        taken: 0,
        checked: Checked { what: check.what, looked_at: 0, found: 0, unreadable: 0, problem: None },
    };
    let outcome = match check.what {
        CheckKind::Tables => run.tables().await,
        _ if document.layout_stream() == Stream::Meta && check.what != CheckKind::Digests => {
            return Err(problem::request(
                "Only payload streams have this: this archive holds its contents itself.",
            ));
        }
        CheckKind::Headers => run.headers().await,
        CheckKind::Ghosts => run.ghosts().await,
        CheckKind::Digests => run.digests().await,
    };
    let mut checked = run.checked;
    if check.what != CheckKind::Ghosts {
        checked.found = document.findings.counted().saturating_sub(run.before);
    }
    let mut unreadable = document.check.unreadable.get();
    unreadable[check.what as usize] = checked.unreadable;
    document.check.unreadable.set(unreadable);
    // What was found before it ended early is known, too.
    document.touch();
    load::tell(task, document);
    outcome.map(|()| checked)
}

struct Run<'a> {
    task: &'a Task,
    document: Rc<Document>,
    /// The part of the stream.
    range: Range<u64>,
    /// Findings that there were before, without those of the same check.
    before: u64,
    /// Findings of tables that were taken over.
    taken: u64,
    checked: Checked,
}

impl Run<'_> {
    /// What is found now takes the place of what was found before.
    fn clear(&mut self, covered: &RefCell<Coverage>, by: By, range: Range<u64>) {
        if range == (0..u64::MAX) {
            covered.take();
        }
        self.document.findings.clear(by, range);
        self.before = self.document.findings.counted();
    }

    /// Gives others their turn; gives up if the answer is not wanted any more, or the document is closed.
    async fn breathe(&self) -> Result<(), Problem> {
        self.task.breathe().await?;
        if self.document.closed().get() {
            return Err(problem::new(ProblemKind::Cancelled, "This is not open any more."));
        }
        Ok(())
    }

    /// Notes what cannot be read, and goes on; gives up if the answer is not wanted any more.
    fn unreadable(&mut self, problem: Problem, things: u64) -> Result<(), Problem> {
        if problem.kind == ProblemKind::Cancelled {
            return Err(problem);
        }
        self.checked.unreadable += things;
        self.checked.problem.get_or_insert(problem.message);
        Ok(())
    }

    /// Whether a payload header stands behind each reference. Files whose headers lie in one chunk are read together, and what is wrong
    /// with one chunk does not keep from the others.
    async fn headers(&mut self) -> Result<(), Problem> {
        const BY: By = By::Check(CheckKind::Headers);
        let (document, parts) = (self.document.clone(), self.document.parts()?);
        let source = document.stream(Stream::Payload)?;
        let (map, tree) = (&parts.map, &parts.tree);
        let start = |position: &u32| map.payload(tree, *position).map_or(0, |payload| payload.start);
        let position = |offset: u64| map.order().partition_point(|id| start(id) < offset);
        let (mut at, end) = (position(self.range.start), position(self.range.end));
        self.clear(&document.check.headers, BY, self.range.clone());
        let is_all = at == 0 && end == map.order().len();
        if is_all {
            document.check.found.take();
            let found = document.drive(MarkerCheck::new(&parts.layout())).await;
            match found {
                Ok(found) => self.headers_found(&found, BY),
                Err(problem) => self.unreadable(problem, 1)?,
            }
        }
        while at < end {
            self.breathe().await?;
            self.task.progress("checking headers", at as u64, Some(end as u64), false);
            let unit = source.unit(start(&map.order()[at]));
            let stop = unit.as_ref().map_or(end, |unit| position(unit.end).clamp(at + 1, end));
            if let Some(unit) = unit {
                // The next chunk is on its way meanwhile.
                source.will_read(unit.end..unit.end + 1);
            }
            let mut positions = at..stop;
            while let Some(machine) = HeaderCheck::next(&parts.layout(), &mut positions, Batching::default())
            {
                let count = (positions.start - at) as u64;
                match document.drive(machine).await {
                    Ok(found) => {
                        self.checked.looked_at += count;
                        self.headers_found(&found, BY);
                    }
                    Err(problem) => self.unreadable(problem, count)?,
                }
                document.check.headers.borrow_mut().add(at as u64..positions.start as u64);
                at = positions.start;
                self.task.progress("checking headers", at as u64, Some(end as u64), false);
                self.breathe().await?;
            }
            // Those whose headers lie outside of the stream are told by the layout.
            document.check.headers.borrow_mut().add(at as u64..stop as u64);
            at = stop;
        }
        Ok(())
    }

    fn headers_found(&self, found: &layout::Findings, by: By) {
        self.document.findings.anomalies(found, by);
        self.document.check.found.borrow_mut().append(found);
    }

    /// What lies in padding.
    async fn ghosts(&mut self) -> Result<(), Problem> {
        let (document, parts) = (self.document.clone(), self.document.parts()?);
        let source = document.stream(Stream::Payload)?;
        let layout = parts.layout();
        let total = layout.totals().padding.total();
        for gap in layout.gaps(self.range.clone()) {
            self.breathe().await?;
            let range = gap.range.clone();
            if document.layout.has_searched(range.start) {
                continue;
            }
            if let Some(unit) = source.unit(range.start) {
                source.will_read(unit.end..unit.end + 1);
            }
            match document.drive(GhostWalk::new(gap, REMNANTS)).await {
                Ok(remnants) => {
                    self.checked.looked_at += 1;
                    self.checked.found += remnants.ghosts;
                    document.layout.searched(range, &remnants);
                }
                Err(problem) => self.unreadable(problem, 1)?,
            }
            self.task.progress("looking for ghosts", document.layout.searched_bytes(), Some(total), true);
        }
        Ok(())
    }

    /// Chunks against their digests. Reading one out of a datastore checks it; bytes of a file are compared with what the index says.
    async fn digests(&mut self) -> Result<(), Problem> {
        const BY: By = By::Check(CheckKind::Digests);
        let document = self.document.clone();
        let stream = document.layout_stream();
        let source = document.stream(stream)?;
        let Some(index) = document.index() else {
            return Err(problem::new(
                ProblemKind::Missing,
                "Without an index there are no digests to compare with.",
            ));
        };
        self.clear(&document.check.digests, BY, self.range.clone());
        let first = index.find(self.range.start).unwrap_or(index.count());
        let end = index.chunks().partition_point(|chunk| chunk.end < self.range.end).saturating_add(1);
        let end = end.min(index.count());
        // Chunks that stand at several places are read once.
        let mut sound: HashSet<(Digest, u64)> = HashSet::new();
        let total = Some(index.size());
        for number in first..end {
            self.breathe().await?;
            let Some(extent) = index.extent(number) else { break };
            self.task.progress("checking digests", extent.start, total, true);
            let (digest, len) = (index.chunks()[number].digest, extent.end - extent.start);
            if !sound.contains(&(digest, len)) {
                let next = index.extent(number + 1).unwrap_or_default();
                let outcome = if source.chunks().is_some() {
                    source.will_read(next);
                    source.bytes(extent.start, 1).await.map(|_| ())
                } else {
                    hash(&*source, extent.clone(), digest, next).await
                };
                match outcome {
                    Ok(()) => _ = sound.insert((digest, len)),
                    Err(problem) => {
                        document.findings.add(Finding {
                            by: BY,
                            stream,
                            offset: extent.start,
                            code: if problem.kind == ProblemKind::Missing {
                                "chunk-missing"
                            } else {
                                "chunk-damaged"
                            },
                            severity: Severity::Error,
                            message: problem.message.clone(),
                            entry: None,
                            chunk: Some(number as u32),
                        });
                        self.unreadable(problem, 1)?;
                    }
                }
            }
            self.checked.looked_at += 1;
            document.check.digests.borrow_mut().add(extent);
        }
        Ok(())
    }

    /// Goodbye tables against the entries: a pass over all metadata.
    async fn tables(&mut self) -> Result<(), Problem> {
        const BY: By = By::Check(CheckKind::Tables);
        let document = self.document.clone();
        let source = document.meta().clone();
        self.clear(&document.check.tables, BY, 0..u64::MAX);
        let size = source.size();
        let mut window = Window::new(source.clone(), SLICE);
        let (mut decoder, mut check) = (Decoder::new(), GoodbyeCheck::new());
        let mut findings = Findings::default();
        let mut needed = 0;
        // Bytes of a table that is to be skipped next.
        let mut table = None;
        loop {
            if window.fill(needed).await? < needed {
                break;
            }
            needed = loop {
                let step = match decoder.step(window.bytes()) {
                    Ok(step) => step,
                    // Decoding stopped here, too, and said so.
                    Err(_) => return self.end_of_tables(&mut findings, BY, size),
                };
                let wanted = check.see(&step);
                match step {
                    Step::Item { used, .. } => {
                        window.take(used);
                        table = wanted;
                    }
                    Step::Known(_) => {}
                    Step::Need(bytes) => break bytes,
                    Step::End => return self.end_of_tables(&mut findings, BY, size),
                    Step::Skip(bytes) => match table.take() {
                        Some(_) => {
                            let len = bytes as usize;
                            if window.bytes().len() < len && window.fill(len).await? < len {
                                return self.end_of_tables(&mut findings, BY, size);
                            }
                            check.table(&window.bytes()[..len], &mut findings);
                            self.checked.looked_at += 1;
                            window.take(len);
                        }
                        None => window.skip(bytes),
                    },
                }
            };
            self.take(&mut findings, BY);
            self.task.progress("checking tables", window.position(), Some(size), true);
            self.breathe().await?;
        }
        self.end_of_tables(&mut findings, BY, size)
    }

    fn end_of_tables(&mut self, findings: &mut Findings, by: By, size: u64) -> Result<(), Problem> {
        self.take(findings, by);
        self.document.check.tables.borrow_mut().add(0..size);
        Ok(())
    }

    fn take(&mut self, findings: &mut Findings, by: By) {
        let before = std::mem::replace(&mut self.taken, findings.total());
        self.document.findings.take(findings, before, by, &self.document.tree());
    }
}

/// Compares the bytes of a file with the digest that an index gives them.
async fn hash(
    source: &dyn Source,
    extent: Range<u64>,
    expected: Digest,
    next: Range<u64>,
) -> Result<(), Problem> {
    let len = extent.end - extent.start;
    let wrong = |kind, message: String| {
        let about = Some(source.name().to_owned());
        Err(Problem { kind, message, about, offset: Some(extent.start) })
    };
    if len > MAX_CHUNK_SIZE {
        let message =
            format!("The index gives a chunk {len} bytes, and none has more than {MAX_CHUNK_SIZE}.");
        return wrong(ProblemKind::Format, message);
    }
    let bytes = source.bytes(extent.start, len as usize).await?;
    if next.end - next.start <= MAX_CHUNK_SIZE {
        source.will_read(next);
    }
    let got = crypto::sha256(&bytes).await;
    if got == expected {
        return Ok(());
    }
    let message = format!(
        "Bytes {} to {} of {} have the digest {got}, the index says {expected}.",
        extent.start,
        extent.end,
        source.name()
    );
    wrong(ProblemKind::Format, message)
}

#[cfg(test)]
mod tests;
