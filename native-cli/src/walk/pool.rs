//! The threads that work ahead, and what they share with the consumer.

use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use pxkit_core::format::{Attributes, Kind};

use super::batch::{Batch, Prepared, Work, prepare, read_file};
use super::dir::path_in;
use super::enter::{Context, Entered, Place, Scratch, Stop, at_metadata, enter, needs_task};
use super::listing::Entry;
use super::options::Options;
use super::report::{Problem, Reading, WalkError, What};
use super::tasks::{HEAD, Id, Status, Tasks};
use crate::linux::{FileSystem, Found};
use crate::pace;

/// How many tasks a worker looks at for one that fits the bounds.
const LOOK_AT: usize = 64;

/// A thing to do.
#[derive(Debug)]
enum Task {
    /// Enter a directory; the descriptor is the root's.
    Enter(Place, Option<Arc<OwnedFd>>),
    Prepare(Work),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Entered(Box<Entered>, Vec<Unit>),
    Batch(Batch, Held),
    Skipped(What),
    Failed(WalkError),
}

/// What came of entering a directory, before its children's tasks are known to the list.
enum EnterResult {
    Entered(Entered),
    Other(Outcome),
}

/// Some entries of a listing that are consumed together.
#[derive(Debug)]
pub(super) struct Unit {
    pub range: Range<usize>,
    /// The task that prepares them, if they need any.
    pub task: Option<Id>,
}

/// What the consumer does not need any more.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub entries: usize,
    pub bytes: usize,
    pub directories: usize,
    pub buffer: Option<Vec<u8>>,
}

#[derive(Debug)]
struct State {
    tasks: Tasks<Task, Outcome>,
    /// What lies ready or is being made.
    ahead: Held,
    /// Buffers for contents, all of one size.
    buffers: Vec<Vec<u8>>,
    /// Workers that wait for something to do.
    idle: usize,
    /// The consumer waits for a result.
    is_waited_for: bool,
    stop: bool,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    state: Mutex<State>,
    /// Something to do, or room for it.
    work: Condvar,
    /// A result.
    done: Condvar,
}

/// The workers and their results.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// For tasks that the consumer does itself.
    scratch: Scratch,
}

impl Pool {
    /// Starts the workers on a tree; gives the task whose result is the root.
    pub(super) fn start(context: Context, root: Place, fd: OwnedFd) -> (Self, Id) {
        let threads = context.options.threads;
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let mut tasks = Tasks::new();
        let id = tasks.insert_after(HEAD, Task::Enter(root, Some(Arc::new(fd))));
        let scratch = Scratch::new(&context.options);
        let state = State {
            tasks,
            ahead: Held::default(),
            buffers: Vec::new(),
            idle: 0,
            is_waited_for: false,
            stop: false,
        };
        let (work, done) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { context, state: Mutex::new(state), work, done });
        let start_one = |number| {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("walk-{number}"));
            // Fewer threads than wished for do the same work, the consumer alone if need be.
            builder.spawn(move || shared.run()).ok()
        };
        let threads = (0..threads).map_while(start_one).collect();
        (Self { shared, threads, scratch }, id)
    }

    pub(super) fn options(&self) -> &Options {
        &self.shared.context.options
    }

    /// Reads the metadata of one file here and now.
    pub(super) fn read(
        &mut self,
        work: &Work,
        entry: &Entry,
        reading: &mut Reading,
    ) -> Result<Prepared, Stop> {
        read_file(&self.shared.context, &mut self.scratch, work, entry, &mut Vec::new(), reading)
    }

    /// Reads the attributes of an open directory here and now.
    pub(super) fn read_directory(
        &mut self,
        fd: &OwnedFd,
        mut file_system: FileSystem,
        attributes: &mut Attributes,
    ) -> Result<Found, Stop> {
        let found = self.scratch.reader.read(fd.as_fd(), Kind::Directory, &mut file_system, attributes);
        found.map_err(at_metadata)
    }

    /// With [`super::Prepare::Stat`]: has everything read by the workers from here on, or not.
    pub(super) fn set_eager(&self, is_eager: bool) {
        self.shared.context.is_eager.store(is_eager, Ordering::Relaxed);
    }

    /// The result of a task, which is done here and now if nobody has begun with it.
    pub(super) fn take(&mut self, id: Id, released: &mut Held) -> Outcome {
        let shared = &*self.shared;
        let mut state = shared.lock();
        shared.release(&mut state, std::mem::take(released));
        loop {
            match state.tasks.status(id) {
                Status::Done => break,
                Status::Ready => state = shared.do_task(state, id, &mut self.scratch),
                // Something useful to do is better than to sleep and be woken for every batch.
                Status::Running => match shared.choose(&state) {
                    Some(other) => state = shared.do_task(state, other, &mut self.scratch),
                    None => {
                        state.is_waited_for = true;
                        state = shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                        state.is_waited_for = false;
                    }
                },
            }
        }
        let panicked = || Outcome::Failed(WalkError { path: Vec::new(), problem: Problem::Panicked });
        state.tasks.take(id).unwrap_or_else(panicked)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A panic outside of a task has been printed and can do no more harm.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life.
    fn run(&self) {
        let mut scratch = Scratch::new(&self.context.options);
        let mut state = self.lock();
        while !state.stop {
            state = match self.choose(&state) {
                Some(id) => self.do_task(state, id, &mut scratch),
                None => {
                    state.idle += 1;
                    let mut state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle -= 1;
                    state
                }
            };
        }
    }

    /// The first task that fits the bounds.
    fn choose(&self, state: &State) -> Option<Id> {
        let bounds = &self.context.options.bounds;
        let ahead = &state.ahead;
        let may_enter = ahead.entries < bounds.entries && ahead.directories < bounds.directories;
        let fits = |task: &Task| match task {
            Task::Enter(..) => may_enter,
            Task::Prepare(work) => {
                ahead.bytes == 0 || ahead.bytes + work.cost(&self.context.options).0 <= bounds.bytes
            }
        };
        state.tasks.ready().take(LOOK_AT).find(|(_, task)| fits(task)).map(|(id, _)| id)
    }

    /// Does a task without the lock and stores its result.
    fn do_task<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        id: Id,
        scratch: &mut Scratch,
    ) -> MutexGuard<'s, State> {
        let Some(task) = state.tasks.start(id, |task| matches!(task, Task::Enter(..))) else { return state };
        match task {
            Task::Enter(place, root) => {
                state.ahead.directories += 1;
                drop(state);
                match self.run_enter(place, root, scratch) {
                    EnterResult::Entered(entered) => self.finish_entered(id, entered),
                    EnterResult::Other(outcome) => {
                        let mut state = self.lock();
                        state.tasks.unlink(id);
                        self.finish(&mut state, id, outcome);
                        state
                    }
                }
            }
            Task::Prepare(work) => {
                let (cost, pooled) = work.cost(&self.context.options);
                state.ahead.bytes += cost;
                let buffer = pooled.and_then(|_| state.buffers.pop()).unwrap_or_default();
                drop(state);
                let held = Held { bytes: cost, buffer: pooled.map(|_| Vec::new()), ..Held::default() };
                let outcome = self.run_prepare(work, buffer, pooled.unwrap_or(0), held, scratch);
                let mut state = self.lock();
                self.finish(&mut state, id, outcome);
                state
            }
        }
    }

    fn run_enter(&self, place: Place, root: Option<Arc<OwnedFd>>, scratch: &mut Scratch) -> EnterResult {
        pace::keep();
        let result = guarded(|| enter(&self.context, scratch, &place, root));
        let problem = match result {
            Some(Ok(entered)) => return EnterResult::Entered(entered),
            Some(Err(Stop::Skip(what))) => return EnterResult::Other(Outcome::Skipped(what)),
            Some(Err(Stop::Fail(problem))) => problem,
            None => Problem::Panicked,
        };
        let above = place.parent.as_ref().map(|(dir, _)| &**dir);
        let name = place.listing.name(&place.listing.entries[place.index]);
        EnterResult::Other(Outcome::Failed(WalkError { path: path_in(above, name), problem }))
    }

    fn run_prepare(
        &self,
        work: Work,
        mut buffer: Vec<u8>,
        size: usize,
        held: Held,
        scratch: &mut Scratch,
    ) -> Outcome {
        pace::keep();
        let result = guarded(|| {
            buffer.reserve_exact(size);
            prepare(&self.context, scratch, &work, buffer)
        });
        match result {
            Some(batch) => Outcome::Batch(batch, held),
            None => {
                let path = path_in(Some(&work.dir), b"");
                Outcome::Failed(WalkError { path, problem: Problem::Panicked })
            }
        }
    }

    /// Puts the tasks of a directory's children into the list, where the directory's own was.
    fn finish_entered(&self, id: Id, entered: Entered) -> MutexGuard<'_, State> {
        let listing = &entered.listing;
        let make_task = |range: &Range<usize>| {
            let nodes = &listing.entries[range.clone()];
            if !needs_task(&self.context, nodes) {
                return None;
            }
            let (dir, fd, listing) = (Arc::clone(&entered.dir), Arc::clone(&entered.fd), Arc::clone(listing));
            Some(if matches!(nodes, [one] if one.kind == Kind::Directory) {
                Task::Enter(Place { parent: Some((dir, fd)), listing, index: range.start }, None)
            } else {
                Task::Prepare(Work { dir, fd, listing, range: range.clone() })
            })
        };
        let tasks: Vec<_> = entered.units.iter().map(make_task).collect();
        let mut units = Vec::with_capacity(tasks.len());

        let mut state = self.lock();
        state.ahead.entries += listing.entries.len();
        let mut last = id;
        for (range, task) in entered.units.iter().zip(tasks) {
            let task = task.map(|task| {
                last = state.tasks.insert_after(last, task);
                last
            });
            units.push(Unit { range: range.clone(), task });
        }
        state.tasks.unlink(id);
        self.finish(&mut state, id, Outcome::Entered(Box::new(entered), units));
        if state.idle > 0 && last != id {
            self.work.notify_all();
        }
        state
    }

    fn finish(&self, state: &mut State, id: Id, outcome: Outcome) {
        state.tasks.finish(id, outcome);
        if state.is_waited_for {
            self.done.notify_one();
        }
    }

    /// Takes back what was consumed; wakes workers when a bound leaves half of its room, not for every bit of it.
    fn release(&self, state: &mut State, released: Held) {
        let bounds = &self.context.options.bounds;
        let roomy = |ahead: &Held| {
            [
                ahead.entries <= bounds.entries / 2,
                ahead.bytes <= bounds.bytes / 2,
                // Then any batch fits.
                ahead.bytes == 0,
                ahead.directories <= bounds.directories / 2,
            ]
        };
        let before = roomy(&state.ahead);
        let ahead = &mut state.ahead;
        ahead.entries = ahead.entries.saturating_sub(released.entries);
        ahead.bytes = ahead.bytes.saturating_sub(released.bytes);
        ahead.directories = ahead.directories.saturating_sub(released.directories);
        if let Some(mut buffer) = released.buffer {
            buffer.clear();
            state.buffers.push(buffer);
        }
        if state.idle > 0 && roomy(&state.ahead) != before {
            self.work.notify_all();
        }
    }
}

/// `None` if it panics: that must end the walk with an error, not leave the consumer waiting.
fn guarded<R>(task: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(task)).ok()
}
