//! A request that is being worked on: its progress, its end before time, and turns for others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Document, Worker, problem};
use crate::protocol::{DocId, Problem, ProblemKind, Progress, Tell};

/// Milliseconds that work goes on before others get their turn.
const SLICE: f64 = 12.0;
/// Milliseconds between two reports of progress.
const REPORT: f64 = 100.0;

/// What work has at hand.
pub struct Task {
    worker: Rc<Worker>,
    /// Number of the request; `None` for work that nobody waits for.
    id: Option<u32>,
    cancelled: Rc<Cell<bool>>,
    /// Documents that it made.
    made: RefCell<Vec<DocId>>,
    paused: Cell<f64>,
    reported: Cell<f64>,
}

impl Task {
    pub(super) fn new(worker: Rc<Worker>, id: Option<u32>, cancelled: Rc<Cell<bool>>) -> Self {
        let now = worker.host().now();
        let made = RefCell::default();
        Self { worker, id, cancelled, made, paused: Cell::new(now), reported: Cell::new(now) }
    }

    /// The worker, and through it everything that is open.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Makes a document, which is there only if the request comes to a good end.
    pub fn add(&self, make: impl FnOnce(DocId) -> Document) -> Rc<Document> {
        let document = self.worker.add(make);
        self.made.borrow_mut().push(document.id());
        document
    }

    /// Closes what it made: nobody will hear of it.
    pub(super) fn undo(&self) {
        self.made.take().into_iter().for_each(|id| _ = self.worker.close(id));
    }

    /// Whether the answer is still wanted.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self) -> Result<(), Problem> {
        if self.cancelled.get() { Err(problem::new(ProblemKind::Cancelled, "Taken back.")) } else { Ok(()) }
    }

    /// To be called every few milliseconds by long work: gives others their turn when it is time.
    ///
    /// # Errors
    /// The answer is not wanted any more.
    pub async fn breathe(&self) -> Result<(), Problem> {
        if self.worker.host().now() - self.paused.get() >= SLICE {
            self.worker.host().pause().await;
            self.paused.set(self.worker.host().now());
        }
        self.check()
    }

    /// Says how far it is, at most ten times a second.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>, bytes: bool) {
        let Some(id) = self.id else { return };
        if self.is_time() {
            let progress = Progress { what: what.to_owned(), done, total, bytes };
            self.worker.host().tell(Tell::Progress { id, progress }, Vec::new());
        }
    }

    /// Whether a tenth of a second is over since the last report.
    pub(super) fn is_time(&self) -> bool {
        let now = self.worker.host().now();
        let is_time = now - self.reported.get() >= REPORT;
        if is_time {
            self.reported.set(now);
        }
        is_time
    }
}
