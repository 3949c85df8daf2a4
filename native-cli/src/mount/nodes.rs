//! The inode numbers that the kernel knows, with what cannot be read from an entry alone: what it lies in, and where a directory ends.

use std::collections::HashMap;
use std::sync::Mutex;

use super::archive::lock;

/// Numbers for which there may be room in vain.
const FEW: usize = 4096;

/// As many as the kernel has in its own memory, at a small part of what it needs for them.
#[derive(Debug, Default)]
pub struct Nodes(Mutex<HashMap<u64, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    parent: u64,
    /// Where the entry ends, if it is a directory.
    end: u64,
    /// How often it was handed out.
    lookups: u64,
}

impl Nodes {
    /// A number is handed out.
    pub fn hand_out(&self, ino: u64, parent: u64, end: u64) {
        let mut nodes = lock(&self.0);
        let known = nodes.entry(ino).or_insert(Known { parent, end, lookups: 0 });
        known.lookups = known.lookups.saturating_add(1);
    }

    /// The kernel gives numbers back.
    pub fn forget(&self, ino: u64, lookups: u64) {
        let mut nodes = lock(&self.0);
        if let Some(known) = nodes.get_mut(&ino) {
            known.lookups = known.lookups.saturating_sub(lookups);
            if known.lookups == 0 {
                nodes.remove(&ino);
                // The kernel gives back many at once when memory is short: then this must get smaller, too.
                if nodes.capacity() > FEW && nodes.len() < nodes.capacity() / 4 {
                    let room = 2 * nodes.len();
                    nodes.shrink_to(room);
                }
            }
        }
    }

    /// Where an entry ends; 0 for what is no directory.
    pub fn end(&self, ino: u64) -> u64 {
        lock(&self.0).get(&ino).map_or(0, |known| known.end)
    }

    /// What an entry lies in.
    pub fn parent(&self, ino: u64) -> Option<u64> {
        lock(&self.0).get(&ino).map(|known| known.parent)
    }

    /// The entry and those above it, innermost first, as far as they are known.
    pub fn chain(&self, ino: u64) -> Vec<u64> {
        let nodes = lock(&self.0);
        let mut chain = vec![ino];
        // Each lies before what it holds, so this ends; a hard link may have led astray.
        while let Some(known) = chain.last().and_then(|ino| nodes.get(ino)).filter(|_| chain.len() < 4096) {
            chain.push(known.parent);
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_until_all_are_given_back() {
        let nodes = Nodes::default();
        nodes.hand_out(10, 1, 99);
        nodes.hand_out(20, 10, 0);
        nodes.hand_out(20, 10, 0);
        assert_eq!((nodes.end(10), nodes.end(20), nodes.parent(20)), (99, 0, Some(10)));
        assert_eq!(nodes.chain(20), [20, 10, 1]);
        nodes.forget(20, 1);
        assert_eq!(nodes.parent(20), Some(10));
        nodes.forget(20, 1);
        nodes.forget(20, 1);
        assert_eq!(nodes.parent(20), None);
    }

    #[test]
    fn memory_is_given_back_with_the_numbers() {
        let nodes = Nodes::default();
        (1..=100_000).for_each(|ino| nodes.hand_out(ino, 0, 0));
        assert!(lock(&nodes.0).capacity() >= 100_000);
        (1..100_000).for_each(|ino| nodes.forget(ino, 1));
        assert!(lock(&nodes.0).capacity() <= 2 * FEW && nodes.parent(100_000).is_some());
    }
}
