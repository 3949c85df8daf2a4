//! Chunks that were decoded, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pxkit_core::blob::CryptMode;
use pxkit_core::format::Digest;

/// The bytes of a chunk. Whoever holds them keeps them in memory.
pub type Plain = Arc<Vec<u8>>;
/// Why there are none.
pub type Cause = Arc<str>;

/// What bytes are wanted. Where a chunk stands in an archive does not matter for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub digest: Digest,
    pub len: u64,
    pub mode: CryptMode,
}

/// After this a chunk that could not be loaded is tried again: a mount lasts longer than what is wrong with a disk or a network.
const RETRY: Duration = Duration::from_secs(15);
/// What a slot costs besides the bytes in it.
const SLOT: u64 = 256;

impl Key {
    const fn cost(&self) -> u64 {
        self.len.saturating_add(SLOT)
    }
}

/// Chunks by what is in them. Each is loaded once even if several threads want it at the same time; those not used for longest go first.
/// Failures are remembered for a while, so that a damaged chunk costs one attempt however many files lie in it.
#[derive(Debug)]
pub struct Cache {
    /// Bytes that may be held and loaded, unless more are in use at once.
    limit: u64,
    state: Mutex<State>,
    /// A load has ended.
    loaded: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Key, Slot>,
    /// Chunks that are there by the time of their last use.
    order: BTreeMap<u64, Key>,
    time: u64,
    /// Cost of the chunks that are there.
    held: u64,
    /// Cost of those that are being loaded.
    loading: u64,
    /// Cost of those that were loaded, or are being, because somebody may want them, and that nobody wanted yet.
    ahead: u64,
}

#[derive(Debug)]
enum Slot {
    Loading { ahead: bool },
    Ready { plain: Plain, used: u64, ahead: bool },
    Failed(Cause, Instant),
}

impl Cache {
    pub fn new(limit: u64) -> Self {
        Self { limit, state: Mutex::default(), loaded: Condvar::new() }
    }

    /// The bytes of a chunk, which `load` gets if they are not there. It is given the memory of one that had to make room, or an empty buffer.
    pub fn get(
        &self,
        key: Key,
        load: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, String>,
    ) -> Result<Plain, Cause> {
        let mut state = self.lock();
        loop {
            match state.slots.get(&key) {
                Some(Slot::Ready { .. }) => return Ok(state.used(&key)),
                Some(Slot::Failed(_, since)) if since.elapsed() >= RETRY => break,
                Some(Slot::Failed(cause, _)) => return Err(cause.clone()),
                Some(Slot::Loading { .. }) => {}
                // Others are loading as much as there may be.
                None if state.loading > 0 && state.loading + key.cost() > self.limit => {}
                None => break,
            }
            state = self.loaded.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        let (mut pending, buffer) = self.begin(state, key, false);
        pending.settle(load(buffer))
    }

    /// Loads a chunk that somebody may want soon, if it is not there and there is room.
    pub fn prefetch(&self, key: Key, load: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, String>) {
        let state = self.lock();
        // What nobody wants in the end must not drive out what is wanted.
        let is_much = state.ahead + key.cost() > self.limit / 2 || state.loading + key.cost() > self.limit;
        if !is_much && !state.slots.contains_key(&key) {
            // Whoever wants it is told of the failure.
            let (mut pending, buffer) = self.begin(state, key, true);
            let _ = pending.settle(load(buffer));
        }
    }

    fn begin(&self, mut state: MutexGuard<'_, State>, key: Key, ahead: bool) -> (Pending<'_>, Vec<u8>) {
        state.loading += key.cost();
        state.ahead += if ahead { key.cost() } else { 0 };
        state.slots.insert(key, Slot::Loading { ahead });
        let freed = state.evict(self.limit);
        let mut largest = freed.into_iter().max_by_key(Vec::capacity).unwrap_or_default();
        largest.clear();
        // Memory counts as long as the chunk is, so what is held may not be much longer.
        if largest.capacity() as u64 > key.len.saturating_mul(2) {
            largest.shrink_to(key.len as usize);
        }
        (Pending { cache: self, key, settled: false }, largest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// The bytes of a chunk that is there, as somebody uses it now.
    fn used(&mut self, key: &Key) -> Plain {
        let Some(Slot::Ready { plain, used, ahead }) = self.slots.get_mut(key) else {
            return Plain::default();
        };
        self.time += 1;
        self.order.remove(used);
        self.order.insert(self.time, *key);
        *used = self.time;
        if std::mem::take(ahead) {
            self.ahead -= key.cost();
        }
        plain.clone()
    }

    /// Drops what was not used for longest, and is not in use, until there is room for what is being loaded; returns what was dropped.
    fn evict(&mut self, limit: u64) -> Vec<Vec<u8>> {
        let (mut from, mut dropped) = (0, Vec::new());
        while self.held + self.loading > limit {
            let Some((&time, &key)) = self.order.range(from..).next() else { break };
            from = time + 1;
            let Some(Slot::Ready { plain, ahead, .. }) = self.slots.get(&key) else { continue };
            if Arc::strong_count(plain) > 1 {
                continue;
            }
            self.ahead -= if *ahead { key.cost() } else { 0 };
            self.held -= key.cost();
            if let Some(Slot::Ready { plain, .. }) = self.slots.remove(&key) {
                dropped.extend(Arc::into_inner(plain));
            }
            self.order.remove(&time);
        }
        dropped
    }
}

/// A chunk that is being loaded. Nobody waits for it for ever: it fails if a defect of this program unwinds the thread.
struct Pending<'c> {
    cache: &'c Cache,
    key: Key,
    settled: bool,
}

impl Pending<'_> {
    fn settle(&mut self, result: Result<Vec<u8>, String>) -> Result<Plain, Cause> {
        self.settled = true;
        let result = match result {
            Ok(plain) => Ok(Plain::new(plain)),
            Err(cause) => Err(Cause::from(cause)),
        };
        let mut state = self.cache.lock();
        let (key, cost) = (self.key, self.key.cost());
        let ahead = matches!(state.slots.get(&key), Some(Slot::Loading { ahead: true }));
        state.loading -= cost;
        match &result {
            Ok(plain) => {
                state.time += 1;
                state.held += cost;
                let used = state.time;
                state.order.insert(used, key);
                state.slots.insert(key, Slot::Ready { plain: plain.clone(), used, ahead });
            }
            Err(cause) => {
                state.ahead -= if ahead { cost } else { 0 };
                state.slots.insert(key, Slot::Failed(cause.clone(), Instant::now()));
            }
        }
        drop(state);
        self.cache.loaded.notify_all();
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let _ = self.settle(Err("a defect of pxkit: a thread that loaded it panicked".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LEN: u64 = 1000;

    fn key(number: u8) -> Key {
        Key { digest: Digest([number; 32]), len: LEN, mode: CryptMode::None }
    }

    /// Room for so many chunks.
    fn room(chunks: u64) -> Cache {
        Cache::new(chunks * key(0).cost())
    }

    fn load(number: u8) -> Result<Vec<u8>, String> {
        Ok(vec![number; LEN as usize])
    }

    fn is_there(cache: &Cache, number: u8) -> bool {
        cache.lock().slots.contains_key(&key(number))
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let cache = room(2);
        for number in [1, 2, 1, 3] {
            assert_eq!(cache.get(key(number), |_| load(number)).unwrap()[0], number);
        }
        assert_eq!([1, 2, 3].map(|number| is_there(&cache, number)), [true, false, true]);
        assert_eq!(cache.lock().held, 2 * key(0).cost());
        // What is in use is not lost, but others go.
        let first = cache.get(key(1), |_| panic!("it is there")).unwrap();
        for number in 4..9 {
            let _ = cache.get(key(number), |_| load(number));
        }
        assert!(is_there(&cache, 1) && !is_there(&cache, 3));
        drop(first);
    }

    #[test]
    fn the_same_chunk_is_loaded_once() {
        let (cache, loads, start) = (room(2), AtomicU32::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let slow = |_| {
                        loads.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        load(1)
                    };
                    assert_eq!(cache.get(key(1), slow).unwrap().len(), LEN as usize);
                });
            }
        });
        assert_eq!(loads.into_inner(), 1);
    }

    #[test]
    fn a_failure_is_told_to_all_and_costs_nothing() {
        let cache = room(2);
        cache.prefetch(key(1), |_| Err("torn".into()));
        let again = cache.get(key(1), |_| panic!("it failed already"));
        assert_eq!(&*again.unwrap_err(), "torn");
        let state = cache.lock();
        assert_eq!((state.held, state.loading, state.ahead), (0, 0, 0));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let cache = room(2);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = cache.get(key(1), |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        assert!(cache.get(key(1), |_| load(1)).unwrap_err().contains("panicked"));
    }

    #[test]
    fn reading_ahead_takes_at_most_half() {
        let cache = room(4);
        for number in 0..8 {
            cache.prefetch(key(number), |_| load(number));
        }
        assert_eq!((0..8).filter(|&number| is_there(&cache, number)).count(), 2);
        // Room again, once one was wanted.
        let _ = cache.get(key(0), |_| panic!("it is there"));
        cache.prefetch(key(5), |_| load(5));
        assert!(is_there(&cache, 5));
        // Nor does it stay for ever if nobody wants it.
        for number in 10..20 {
            let _ = cache.get(key(number), |_| load(number));
        }
        assert_eq!(cache.lock().ahead, 0);
        assert!(!is_there(&cache, 1) && !is_there(&cache, 5));
    }

    #[test]
    fn chunks_of_other_lengths_are_others() {
        let cache = room(4);
        let _ = cache.get(key(1), |_| load(1));
        let longer = Key { len: LEN + 1, ..key(1) };
        assert!(cache.get(longer, |_| Err("wrong length".into())).is_err());
        assert!(cache.get(key(1), |_| panic!("it is there")).is_ok());
    }

    #[test]
    fn memory_of_what_makes_room_is_used_again() {
        let cache = room(1);
        let (mut place, mut given) = (None, Vec::new());
        for number in 1..4 {
            let plain = cache.get(key(number), |mut buffer| {
                given.push(place == Some(buffer.as_ptr()));
                buffer.resize(LEN as usize, number);
                Ok(buffer)
            });
            place = plain.ok().map(|plain| plain.as_ptr());
        }
        assert_eq!(given, [false, true, true]);
        // Not if somebody holds it.
        let held = cache.get(key(3), |_| panic!("it is there")).unwrap();
        let load = |number: u8, len: u64, bound: u64| {
            let loaded = cache.get(Key { len, ..key(number) }, |mut buffer| {
                assert!(buffer.is_empty() && buffer.capacity() as u64 <= bound, "for {len}");
                buffer.resize(len as usize, number);
                Ok(buffer)
            });
            loaded.map(|plain| plain.capacity() as u64).unwrap()
        };
        load(9, LEN, 0);
        drop(held);
        // What is longer grows from it, what is much shorter gets no more than twice of what it needs.
        load(10, LEN * 2, LEN);
        assert!(load(11, LEN / 5, LEN / 5 * 2) <= LEN / 5 * 2);
    }
}
