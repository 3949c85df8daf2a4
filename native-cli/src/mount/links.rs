//! How many names files have. Archives do not say it: a file's other names come after it, anywhere. So the metadata is read once, in the
//! background, where that is cheap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pxkit_core::decode::{Content, Event};

use super::archive::lock;
use crate::input::{EntryReader, Stream};
use crate::source::ByteSource;

/// Bytes of a unified archive in chunks up to which all of it is read for this.
const SMALL: u64 = 64 << 20;
/// How long somebody waits for the count.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Files with several names.
#[derive(Debug)]
pub struct Links(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    done: Condvar,
    /// Nobody wants to know any more.
    abandoned: AtomicBool,
    begun: Instant,
}

#[derive(Debug)]
enum State {
    Counting,
    /// Further names by the position of the first. What was damaged, or too much to read, is not counted.
    Known(HashMap<u64, u32>),
}

impl Links {
    /// Counts in the background, if that reads little more than metadata.
    pub fn count(meta: &Arc<dyn ByteSource>, is_split: bool) -> Self {
        let is_cheap = is_split || meta.unit(0).is_none() || meta.size() <= SMALL;
        let state = if is_cheap { State::Counting } else { State::Known(HashMap::new()) };
        let (state, done, abandoned) = (Mutex::new(state), Condvar::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { state, done, abandoned, begun: Instant::now() });
        if is_cheap {
            let (meta, counter) = (meta.clone(), shared.clone());
            if thread::Builder::new().name("links".into()).spawn(move || counter.run(meta)).is_err() {
                shared.settle(HashMap::new());
            }
        }
        Self(shared)
    }

    /// How many names the file at a position has, as far as it is known, and whether that is the last word. Waits a little for it.
    pub fn names(&self, filename: u64) -> (u32, bool) {
        let mut state = lock(&self.0.state);
        loop {
            match &*state {
                State::Known(links) => return (links.get(&filename).map_or(1, |links| links + 1), true),
                State::Counting => {
                    let rest = PATIENCE.saturating_sub(self.0.begun.elapsed());
                    if rest.is_zero() {
                        return (1, false);
                    }
                    state = self.0.done.wait_timeout(state, rest).unwrap_or_else(|e| e.into_inner()).0;
                }
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run(&self, meta: Arc<dyn ByteSource>) {
        let mut reader = EntryReader::new(Stream::over(meta));
        let mut links = HashMap::new();
        while !self.abandoned.load(Ordering::Relaxed) {
            let skipped = match reader.step() {
                Ok(Event::Entry(entry)) => {
                    if let Content::Hardlink { distance, .. } = entry.content
                        && let Some(first) = entry.filename.checked_sub(distance)
                    {
                        *links.entry(first).or_insert(0) += 1;
                    }
                    0
                }
                Ok(Event::Skip(bytes)) => bytes,
                // Whoever comes to what is damaged is told.
                Ok(Event::End) | Err(_) => break,
                Ok(_) => 0,
            };
            if reader.skip(skipped).is_err() {
                break;
            }
        }
        self.settle(links);
    }

    fn settle(&self, links: HashMap<u64, u32>) {
        *lock(&self.state) = State::Known(links);
        self.done.notify_all();
    }
}
