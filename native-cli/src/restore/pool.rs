//! Workers that write files, and what they share with the thread that reads the archive.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::file::FileJob;
use super::{Options, Sources};
use crate::report::Report;
use crate::text::quoted;

/// Files that a worker takes at once: about what two directories of a source tree hold, so that workers seldom meet in one.
pub const BATCH_FILES: usize = 32;
/// Bytes of contents held by batches that were read from a pipe.
const QUEUED_BYTES: usize = 16 << 20;
/// Batches that wait; with the bound on files this bounds the directories that are open.
const QUEUED_BATCHES: usize = 8;

/// What the threads of one extraction share.
#[derive(Debug)]
pub struct Shared<'a> {
    pub options: Options,
    pub sources: Sources<'a>,
    pub report: &'a Report,
    /// Effective user and group: the owner of what is created.
    pub owner: (u32, u32),
    queue: Mutex<Queue>,
    /// Batches were added, or there will be no more.
    added: Condvar,
    /// A batch was taken or done.
    taken: Condvar,
    stop: AtomicBool,
    fatal: Mutex<Option<anyhow::Error>>,
}

/// Files to be written by one worker, in order.
#[derive(Debug, Default)]
pub struct Batch {
    pub files: Vec<FileJob>,
    /// Bytes of contents that it holds.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Batches that are being worked on.
    active: usize,
    closed: bool,
}

impl<'a> Shared<'a> {
    pub fn new(options: Options, sources: Sources<'a>, report: &'a Report) -> Self {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self {
            options,
            sources,
            report,
            owner,
            queue: Mutex::default(),
            added: Condvar::new(),
            taken: Condvar::new(),
            stop: AtomicBool::new(false),
            fatal: Mutex::default(),
        }
    }

    /// Reports that `path` could not be restored, or not wholly. Ends the work in strict mode.
    pub fn failed(&self, path: &[u8], error: impl Display) {
        if self.options.strict {
            self.end(anyhow::anyhow!("{}: {error}", quoted(path)));
        } else {
            self.report.error(format_args!("{}: {error}", quoted(path)));
        }
    }

    /// Ends the work with an error; the first one is told.
    pub fn end(&self, error: anyhow::Error) {
        self.fatal.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
        self.stop.store(true, Ordering::Release);
        // Whoever waits must see it.
        let _guard = self.lock();
        self.added.notify_all();
        self.taken.notify_all();
    }

    /// Whether the work was ended.
    pub fn is_ended(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The error that ended the work, if one did.
    pub fn take_error(&self) -> Option<anyhow::Error> {
        self.fatal.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Hands a batch to the workers; waits while they have enough.
    pub fn push(&self, batch: Batch) {
        if batch.files.is_empty() {
            return;
        }
        let mut queue = self.lock();
        while !self.is_ended()
            && (queue.batches.len() >= QUEUED_BATCHES
                || (queue.bytes > 0 && queue.bytes + batch.bytes > QUEUED_BYTES))
        {
            queue = self.taken.wait(queue).unwrap_or_else(|e| e.into_inner());
        }
        queue.bytes += batch.bytes;
        queue.batches.push_back(batch);
        drop(queue);
        self.added.notify_one();
    }

    /// Waits until all batches are done.
    pub fn wait_until_idle(&self) {
        let mut queue = self.lock();
        while !self.is_ended() && (queue.active > 0 || !queue.batches.is_empty()) {
            queue = self.taken.wait(queue).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Tells the workers that there will be no more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.added.notify_all();
    }

    /// The next batch for a worker, or `None` at the end. Once the work was ended, batches are only handed out to be dropped.
    fn take(&self) -> Option<Batch> {
        let mut queue = self.lock();
        loop {
            if let Some(batch) = queue.batches.pop_front() {
                queue.active += 1;
                return Some(batch);
            }
            if queue.closed {
                return None;
            }
            queue = self.added.wait(queue).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn done(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.active -= 1;
        queue.bytes -= bytes;
        drop(queue);
        self.taken.notify_all();
    }

    /// Runs a worker until there is nothing left to do.
    pub fn work(&self) {
        let mut writer = super::file::Writer::new(self);
        while let Some(batch) = self.take() {
            // Gives the batch back even if a defect of this program ends the thread, so that nobody waits for it for ever.
            let _done = Done { shared: self, bytes: batch.bytes };
            for job in batch.files {
                writer.write(job);
            }
        }
    }
}

struct Done<'s, 'a> {
    shared: &'s Shared<'a>,
    bytes: usize,
}

impl Drop for Done<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.end(anyhow::anyhow!("a defect of pxkit: a worker thread panicked"));
        }
        self.shared.done(self.bytes);
    }
}
