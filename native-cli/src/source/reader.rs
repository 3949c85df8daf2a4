//! The chunks of a snapshot for several readers at once: decoded once, kept for a while, read ahead by threads of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use pxkit_core::format::MAX_CHUNK_SIZE;

use super::cache::{Cache, Cause, Key, Plain};
use crate::linux::release_large_buffers;
use crate::store::Snapshot;

/// Plain bytes of chunks that are kept, besides one chunk of usual size for each core, and at most.
const CACHE: u64 = 32 << 20;
const CACHE_OF_CORE: u64 = 4 << 20;
const MOST_CACHE: u64 = 96 << 20;
/// Chunks that wait to be read ahead; more are not.
const WAITING: usize = 64;
/// Threads that read ahead.
const THREADS: usize = 8;

/// Decoded chunks that the readers of several snapshots share.
#[derive(Clone, Debug)]
pub struct ChunkCache(Arc<Cache>);

impl ChunkCache {
    /// Keeps at most `limit` bytes that nobody holds.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Cache::new(limit)))
    }
}

/// One chunk of usual size for each core, and some: what threads that read a snapshot need.
impl Default for ChunkCache {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new((CACHE + CACHE_OF_CORE * cores as u64).min(MOST_CACHE))
    }
}

/// Reads the chunks of one snapshot; its archives share it.
#[derive(Debug)]
pub struct ChunkReader {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    most_threads: usize,
}

#[derive(Debug)]
struct Shared {
    snapshot: Snapshot,
    cache: Arc<Cache>,
    queue: Mutex<Queue>,
    added: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    keys: VecDeque<Key>,
    /// Threads that wait for something to do.
    idle: usize,
    closed: bool,
}

impl ChunkReader {
    /// Reads the chunks of a snapshot, which stays open as long.
    pub fn new(snapshot: impl Into<Snapshot>) -> Self {
        Self::sharing(snapshot, &ChunkCache::default())
    }

    /// As [`ChunkReader::new`], but keeps at most `limit` bytes that nobody holds; a single pass over an archive needs little more than the
    /// chunk that it is in and the next.
    pub fn with_cache(snapshot: impl Into<Snapshot>, limit: u64) -> Self {
        Self::sharing(snapshot, &ChunkCache::new(limit))
    }

    /// As [`ChunkReader::new`], with a cache that other readers use, too.
    pub fn sharing(snapshot: impl Into<Snapshot>, cache: &ChunkCache) -> Self {
        release_large_buffers();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let snapshot = snapshot.into();
        // Those that wait for a server need no core.
        let most_threads = if snapshot.stored().is_far() { THREADS } else { cores.min(THREADS) };
        let (cache, queue, added) = (cache.0.clone(), Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { snapshot, cache, queue, added });
        Self { shared, threads: Mutex::default(), most_threads }
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.shared.snapshot
    }

    /// The bytes of a chunk, exactly as many as the key says.
    pub(super) fn get(&self, key: Key) -> Result<Plain, Cause> {
        // Nothing is counted or held for what a hostile index claims.
        if key.len > MAX_CHUNK_SIZE {
            let len = key.len;
            let cause =
                format!("the index gives it {len} bytes, and no chunk has more than {MAX_CHUNK_SIZE}");
            return Err(cause.into());
        }
        self.shared.cache.get(key, |buffer| self.shared.load(key, buffer))
    }

    /// Reads a chunk ahead, if there is room.
    pub(super) fn prefetch(&self, key: Key) {
        let mut queue = self.shared.lock();
        if key.len > MAX_CHUNK_SIZE || queue.keys.len() >= WAITING || queue.keys.contains(&key) {
            return;
        }
        queue.keys.push_back(key);
        let is_one_needed = queue.keys.len() > queue.idle;
        drop(queue);
        self.shared.added.notify_one();
        if is_one_needed {
            self.start_thread();
        }
    }

    fn start_thread(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(|e| e.into_inner());
        if threads.len() < self.most_threads {
            let shared = self.shared.clone();
            // Without threads nothing is read ahead, that is all.
            threads.extend(thread::Builder::new().spawn(move || shared.work()));
        }
    }
}

impl Shared {
    fn load(&self, key: Key, buffer: Vec<u8>) -> Result<Vec<u8>, String> {
        let plain = self.snapshot.chunk_into(&key.digest, key.len, key.mode, buffer);
        let plain = plain.map_err(|error| {
            let text = format!("{error:#}");
            // Whoever is told names the chunk already.
            text.strip_prefix(&format!("chunk {}: ", key.digest)).map_or(text.clone(), str::to_owned)
        })?;
        if plain.len() as u64 != key.len {
            return Err(format!("it has {} bytes, not {} as the index says", plain.len(), key.len));
        }
        Ok(plain)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn work(&self) {
        while let Some(key) = self.next() {
            self.cache.prefetch(key, |buffer| self.load(key, buffer));
        }
    }

    fn next(&self) -> Option<Key> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(key) = queue.keys.pop_front() {
                return Some(key);
            }
            queue.idle += 1;
            queue = self.added.wait(queue).unwrap_or_else(|e| e.into_inner());
            queue.idle -= 1;
        }
    }
}

impl Drop for ChunkReader {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.added.notify_all();
        for thread in self.threads.get_mut().unwrap_or_else(|e| e.into_inner()).drain(..) {
            // Whoever wanted its chunk was told of a panic.
            let _ = thread.join();
        }
    }
}
