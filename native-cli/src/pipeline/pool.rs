//! Workers, and tasks whose results are taken by whoever needs them.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, Scope};

use crate::pace;

/// A task panicked: a defect of this program.
#[derive(Clone, Copy, Debug)]
pub struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a defect of pxkit: a worker thread panicked")
    }
}

impl std::error::Error for Panicked {}

/// Work that is done once.
trait Task: Send + Sync {
    /// Does it, unless somebody did or does.
    fn run(&self);
}

type Work<'env, T> = Box<dyn FnOnce() -> T + Send + 'env>;

enum State<'env, T> {
    Waiting(Work<'env, T>),
    Running,
    Done(Result<T, Panicked>),
}

struct Slot<'env, T> {
    state: Mutex<State<'env, T>>,
    done: Condvar,
}

impl<'env, T> Slot<'env, T> {
    fn lock(&self) -> MutexGuard<'_, State<'env, T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl<T: Send> Task for Slot<'_, T> {
    fn run(&self) {
        let mut state = self.lock();
        let work = match std::mem::replace(&mut *state, State::Running) {
            State::Waiting(work) => work,
            other => {
                *state = other;
                return;
            }
        };
        drop(state);
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked);
        *self.lock() = State::Done(result);
        self.done.notify_all();
        pace::keep();
    }
}

/// A task whose result is wanted.
pub struct Ticket<'env, T>(Arc<Slot<'env, T>>);

impl<T> fmt::Debug for Ticket<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

impl<T: Send> Ticket<'_, T> {
    /// Whether the result is there.
    pub fn is_done(&self) -> bool {
        matches!(*self.0.lock(), State::Done(_))
    }

    /// The result. If nobody has begun the task, it is done here.
    ///
    /// # Errors
    /// The task panicked.
    pub fn wait(self) -> Result<T, Panicked> {
        self.0.run();
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut *state, State::Running) {
                State::Done(result) => return result,
                other => *state = other,
            }
            state = self.0.done.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }
}

/// How urgent a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It frees memory: chunks that are to be stored.
    High,
    /// It takes memory: files that are read ahead.
    Low,
}

#[derive(Default)]
struct Queues<'env> {
    high: VecDeque<Arc<dyn Task + 'env>>,
    low: VecDeque<Arc<dyn Task + 'env>>,
    closed: bool,
}

struct Shared<'env> {
    queues: Mutex<Queues<'env>>,
    added: Condvar,
}

impl<'env> Shared<'env> {
    fn lock(&self) -> MutexGuard<'_, Queues<'env>> {
        self.queues.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn work(&self) {
        let mut queues = self.lock();
        loop {
            if let Some(task) = queues.high.pop_front() {
                drop(queues);
                task.run();
            } else if let Some(task) = queues.low.pop_front() {
                drop(queues);
                task.run();
            } else if queues.closed {
                return;
            } else {
                queues = self.added.wait(queues).unwrap_or_else(|e| e.into_inner());
                continue;
            }
            queues = self.lock();
        }
    }
}

/// A number of threads that do tasks.
pub struct Pool<'env> {
    shared: Arc<Shared<'env>>,
}

impl fmt::Debug for Pool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl<'env> Pool<'env> {
    /// Starts up to `threads` workers; none at all is possible, then whoever waits does everything.
    pub fn start<'scope>(scope: &'scope Scope<'scope, 'env>, threads: usize) -> Self
    where
        'env: 'scope,
    {
        let queues = Mutex::new(Queues { high: VecDeque::new(), low: VecDeque::new(), closed: false });
        let shared = Arc::new(Shared { queues, added: Condvar::new() });
        for _ in 0..threads {
            let worker = Arc::clone(&shared);
            // Fewer do as well.
            if Builder::new().name("pxkit worker".into()).spawn_scoped(scope, move || worker.work()).is_err()
            {
                break;
            }
        }
        Self { shared }
    }

    /// Hands a task to the workers.
    pub fn submit<T: Send + 'env>(
        &self,
        urgency: Urgency,
        work: impl FnOnce() -> T + Send + 'env,
    ) -> Ticket<'env, T> {
        let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(Box::new(work))), done: Condvar::new() });
        let mut queues = self.shared.lock();
        match urgency {
            Urgency::High => queues.high.push_back(slot.clone()),
            Urgency::Low => queues.low.push_back(slot.clone()),
        }
        drop(queues);
        self.shared.added.notify_one();
        Ticket(slot)
    }

    /// Does one of the urgent tasks here; says whether there was one.
    pub fn help(&self) -> bool {
        let task = self.shared.lock().high.pop_front();
        match task {
            Some(task) => {
                task.run();
                true
            }
            None => false,
        }
    }
}

impl Drop for Pool<'_> {
    /// Lets the workers go when the queues are empty.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.added.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_whoever_does_the_work() {
        for threads in [0, 1, 4] {
            let count = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let pool = Pool::start(scope, threads);
                let tickets: Vec<_> = (0..100usize)
                    .map(|n| {
                        let urgency = if n % 3 == 0 { Urgency::High } else { Urgency::Low };
                        let count = &count;
                        pool.submit(urgency, move || {
                            count.fetch_add(1, Ordering::Relaxed);
                            n * n
                        })
                    })
                    .collect();
                while pool.help() {}
                for (n, ticket) in tickets.into_iter().enumerate() {
                    assert_eq!(ticket.wait().unwrap(), n * n, "{threads} threads");
                }
            });
            assert_eq!(count.into_inner(), 100);
        }
    }

    #[test]
    fn a_panic_is_an_error_of_that_task_alone() {
        std::thread::scope(|scope| {
            let pool = Pool::start(scope, 1);
            let bad = pool.submit(Urgency::Low, || std::panic::resume_unwind(Box::new("a test")));
            let good = pool.submit(Urgency::Low, || 7);
            assert!(bad.wait().is_err());
            assert_eq!(good.wait().unwrap(), 7);
        });
    }
}
