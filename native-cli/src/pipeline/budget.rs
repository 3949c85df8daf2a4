//! A bound on bytes in memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Bytes that may be in memory at one time.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

/// Bytes that are in memory; dropped when they are not any more.
#[derive(Debug)]
pub struct Permit {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// Of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, used: Mutex::new(0), freed: Condvar::new() }))
    }

    /// Takes bytes if they fit; whoever comes first may take more than there are.
    pub fn try_take(&self, bytes: usize) -> Option<Permit> {
        let mut used = self.lock();
        let fits = *used == 0 || *used + bytes <= self.0.limit;
        fits.then(|| {
            *used += bytes;
            Permit { budget: self.clone(), bytes }
        })
    }

    /// Takes bytes whether they fit or not.
    pub fn force(&self, bytes: usize) -> Permit {
        *self.lock() += bytes;
        Permit { budget: self.clone(), bytes }
    }

    /// Whether there are none left.
    pub fn is_full(&self) -> bool {
        *self.lock() >= self.0.limit
    }

    /// Takes bytes. As long as they do not fit, `help` is called, which says whether it did anything that may free some; if not, this
    /// waits until others do.
    pub fn take(&self, bytes: usize, mut help: impl FnMut() -> bool) -> Permit {
        loop {
            if let Some(permit) = self.try_take(bytes) {
                return permit;
            }
            if help() {
                continue;
            }
            let mut used = self.lock();
            while *used > 0 && *used + bytes > self.0.limit {
                used = self.0.freed.wait(used).unwrap_or_else(|e| e.into_inner());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.used.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.budget.lock() -= self.bytes;
        self.budget.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_exceeds_it_but_a_single_taker() {
        let budget = Budget::new(10);
        let six = budget.try_take(6).unwrap();
        assert!(budget.try_take(5).is_none());
        let four = budget.try_take(4).unwrap();
        drop(six);
        // Helping frees the rest.
        let mut held = Some(four);
        let large = budget.take(100, || held.take().is_some());
        assert!(budget.try_take(1).is_none());
        drop(large);
        assert!(budget.try_take(10).is_some());
    }
}
