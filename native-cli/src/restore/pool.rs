//! Workers that write files, and what they share with the thread that reads the archive.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::file::{Contents, FileJob};
use super::{Options, Sources};
use crate::report::Report;
use crate::source::ByteSource;
use crate::text::quoted;

/// Files that a worker takes at once: about what two directories of a source tree hold, so that workers seldom meet in one.
pub const BATCH_FILES: usize = 32;
/// Files that a worker takes at once if they lie in one chunk.
pub const BATCH_FILES_OF_CHUNK: usize = 512;
/// Bytes of contents held by batches that were read from a pipe.
const QUEUED_BYTES: usize = 16 << 20;
/// Bytes of chunks that the batches need which wait or are worked on, besides those of one chunk of usual size for each thread: what
/// was read ahead must not be lost before it is used.
const QUEUED_CHUNKS: u64 = 16 << 20;
const CHUNK_OF_THREAD: u64 = 4 << 20;
/// Batches that wait; with the bound on files this bounds the directories that are open.
const QUEUED_BATCHES: usize = 8;

/// Descriptors that are left for everything but directories: archive, payload file, standard streams, and what a thread opens.
const OTHER_FILES: usize = 32;
/// Bytes of attributes that open directories may hold before those that wait for workers are finished first.
const OPEN_BYTES: usize = 32 << 20;

/// What the threads of one extraction share.
#[derive(Debug)]
pub struct Shared<'a> {
    pub options: Options,
    pub sources: Sources,
    pub report: &'a Report,
    /// Effective user and group: the owner of what is created.
    pub owner: (u32, u32),
    /// Directories that may be open.
    max_dirs: usize,
    open_dirs: AtomicUsize,
    /// Bytes of attributes that the open directories will get.
    open_bytes: AtomicUsize,
    queue: Mutex<Queue>,
    /// Batches were added, or there will be no more.
    added: Condvar,
    /// A batch was taken or done.
    taken: Condvar,
    /// No thread could be made for a worker: whoever hands over a batch works on it.
    is_alone: AtomicBool,
    stop: AtomicBool,
    /// Something was in the way that an option would replace, and a directory that an option would take.
    in_the_way: [AtomicBool; 2],
    fatal: Mutex<Option<anyhow::Error>>,
}

/// Files to be written by one worker, in order.
#[derive(Debug, Default)]
pub struct Batch {
    pub files: Vec<FileJob>,
    /// Bytes of contents and attributes that it holds.
    pub bytes: usize,
    /// Where the chunk begins that holds the start of the last file's contents.
    pub unit: Option<u64>,
    /// Bytes of the chunks that it needs, one for each file at most.
    pub chunks: u64,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    chunks: u64,
    /// Batches that are being worked on.
    active: usize,
    closed: bool,
}

impl<'a> Shared<'a> {
    pub fn new(options: Options, sources: Sources, report: &'a Report) -> Self {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self {
            options,
            sources,
            report,
            owner,
            max_dirs: max_dirs(options.threads),
            open_dirs: AtomicUsize::new(0),
            open_bytes: AtomicUsize::new(0),
            queue: Mutex::default(),
            added: Condvar::new(),
            taken: Condvar::new(),
            is_alone: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            in_the_way: Default::default(),
            fatal: Mutex::default(),
        }
    }

    /// Reports that `path` could not be restored, or not wholly. Ends the work in strict mode, and if nothing else can be
    /// restored either.
    pub fn failed(&self, path: &[u8], error: anyhow::Error) {
        if self.is_ended() {
            // What ended the work is what matters; the rest follows from it.
            return;
        }
        if self.options.strict || is_fatal(&error) {
            self.end(error.context(quoted(path)));
        } else {
            self.report.error(format_args!("{}: {error:#}", quoted(path)));
        }
    }

    /// As [`Self::failed`], for what stands in the way of a node, or of a directory.
    pub fn not_made(&self, path: &[u8], error: anyhow::Error, is_directory: bool) {
        if error.chain().any(|cause| cause.downcast_ref() == Some(&Errno::EXIST)) {
            self.in_the_way[usize::from(is_directory)].store(true, Ordering::Relaxed);
        }
        self.failed(path, error);
    }

    /// Says, once for all, what could be done about what was in the way.
    pub fn advise(&self) {
        let [node, directory] = self.in_the_way.each_ref().map(|flag| flag.load(Ordering::Relaxed));
        if node {
            self.report
                .line("note: what existed is as it was; --overwrite replaces it, unless it is a directory");
        }
        if directory {
            self.report.line(
                "note: directories whose place was taken were left out with all below; --allow-existing-dirs takes those that are directories",
            );
        }
    }

    /// A directory was opened that will get so many bytes of attributes.
    pub fn opened(&self, bytes: usize) {
        self.open_dirs.fetch_add(1, Ordering::Relaxed);
        self.open_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A directory was closed.
    pub fn closed(&self, bytes: usize) {
        self.open_dirs.fetch_sub(1, Ordering::Relaxed);
        self.open_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether no further directory may be opened until some are closed.
    pub fn is_crowded(&self) -> bool {
        self.has_most_dirs() || self.open_bytes.load(Ordering::Relaxed) > OPEN_BYTES
    }

    /// Whether as many directories are open as the limit on descriptors allows.
    pub fn has_most_dirs(&self) -> bool {
        self.open_dirs.load(Ordering::Relaxed) >= self.max_dirs
    }

    /// Where contents are read from, and where they begin.
    fn place(&self, contents: &Contents) -> Option<(&dyn ByteSource, u64)> {
        match contents {
            Contents::Bytes(_) => None,
            Contents::Inline { offset, .. } => Some((&**self.sources.archive.as_ref()?, *offset)),
            Contents::Payload(reference) => {
                Some((&**self.sources.payload.as_ref()?.source(), reference.offset))
            }
        }
    }

    /// The chunk in which contents begin, if they are in chunks.
    pub fn unit(&self, contents: &Contents) -> Option<Range<u64>> {
        let (source, offset) = self.place(contents)?;
        source.unit(offset)
    }

    /// Has the chunk of these contents read ahead.
    pub fn will_read(&self, contents: &Contents, unit: Range<u64>) {
        if let Some((source, _)) = self.place(contents) {
            source.will_read(unit);
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

    /// There are no workers.
    pub fn work_alone(&self) {
        self.is_alone.store(true, Ordering::Relaxed);
    }

    /// Hands a batch to the workers; waits while they have enough.
    pub fn push(&self, batch: Batch) {
        if batch.files.is_empty() {
            return;
        }
        if self.is_alone.load(Ordering::Relaxed) {
            let mut writer = super::file::Writer::new(self);
            return batch.files.into_iter().for_each(|job| writer.write(job));
        }
        let mut queue = self.lock();
        let most_chunks = QUEUED_CHUNKS + CHUNK_OF_THREAD * self.options.threads as u64;
        while !self.is_ended()
            && (queue.batches.len() >= QUEUED_BATCHES
                || (queue.bytes > 0 && queue.bytes + batch.bytes > QUEUED_BYTES)
                || (queue.chunks > 0 && queue.chunks.saturating_add(batch.chunks) > most_chunks))
        {
            queue = self.taken.wait(queue).unwrap_or_else(|e| e.into_inner());
        }
        queue.bytes += batch.bytes;
        queue.chunks += batch.chunks;
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

    /// Tells the workers, when it is dropped, that there will be no more: also if a defect of this program unwinds the thread
    /// that feeds them, which else would wait for them for ever.
    pub fn closing(&self) -> impl Drop {
        Closing(self)
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

    fn done(&self, bytes: usize, chunks: u64) {
        let mut queue = self.lock();
        queue.active -= 1;
        queue.bytes -= bytes;
        queue.chunks -= chunks;
        drop(queue);
        self.taken.notify_all();
    }

    /// Runs a worker until there is nothing left to do.
    pub fn work(&self) {
        let mut writer = super::file::Writer::new(self);
        while let Some(batch) = self.take() {
            // Gives the batch back even if a defect of this program ends the thread, so that nobody waits for it for ever.
            let _done = Done { shared: self, bytes: batch.bytes, chunks: batch.chunks };
            for job in batch.files {
                writer.write(job);
            }
        }
    }
}

struct Closing<'s, 'a>(&'s Shared<'a>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.added.notify_all();
    }
}

struct Done<'s, 'a> {
    shared: &'s Shared<'a>,
    bytes: usize,
    chunks: u64,
}

impl Drop for Done<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.end(anyhow::anyhow!("a defect of pxkit: a worker thread panicked"));
        }
        self.shared.done(self.bytes, self.chunks);
    }
}

/// Errors after which nothing else can be restored either.
fn is_fatal(error: &anyhow::Error) -> bool {
    error.is::<crate::report::Interrupted>()
        || error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<Errno>())
            .any(|errno| matches!(*errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO))
}

/// Directories that may be open: what the limit on descriptors leaves. A worker has a file open, and perhaps a name in `/proc`.
fn max_dirs(threads: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let others = OTHER_FILES + 2 * threads;
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(others).max(1)
}
