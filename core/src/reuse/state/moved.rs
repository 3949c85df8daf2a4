use alloc::vec::Vec;

use super::devices::Devices;
use super::trace::{Marks, Trace};
use crate::format::{PayloadRef, Timestamp};

/// Most files of each kind that are remembered: 56 bytes each.
const MOST: usize = 1 << 20;

/// Finds files that have another path than before (change detection 10.9): files of the walk that the previous archive does not have where they
/// are are matched with files of the archive that the walk did not find there.
///
/// Being of the same inode is no proof, as their numbers are given again: in trees whose times are all set to one moment, a new file may have
/// number, size and time of one that was deleted. So the inode must also have been made at the same time, or be untouched.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    gone: Vec<(Key, u64)>,
    come: Vec<(Key, usize)>,
}

/// What must be the same. Times are nanoseconds, of which only the low 64 bits matter: they are compared with others of the same inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    device: u16,
    ino: u64,
    size: u64,
    mtime: u64,
    birth: i64,
    ctime: u64,
}

impl Key {
    fn new(device: u16, trace: &Trace, size: u64, mtime: Timestamp) -> Self {
        let Trace { ino, birth, ctime, .. } = *trace;
        Self { device, ino, size, mtime: nanos(mtime), birth, ctime: nanos(ctime) }
    }

    /// What decides, but for the age of the inode.
    fn inode(&self) -> (u16, u64, u64, u64) {
        (self.device, self.ino, self.size, self.mtime)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.inode() == other.inode()
            && self.birth == other.birth
            && (self.birth != 0 || self.ctime == other.ctime)
    }
}

fn nanos(time: Timestamp) -> u64 {
    (time.secs as u64).wrapping_mul(1_000_000_000).wrapping_add(time.nanos.into())
}

impl Moved {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The previous archive has a file that is not at its path any more, or not the same.
    pub fn gone(&mut self, trace: &Trace, mtime: Timestamp, payload: PayloadRef) {
        if self.gone.len() < MOST && trace.marks.has(Marks::STABLE) && trace.marks.has(Marks::SETTLED) {
            self.gone.push((Key::new(trace.device, trace, payload.size, mtime), payload.offset));
        }
    }

    /// The walk has a file that is to be read, with this number in the listing. Returns whether that is remembered.
    pub fn come(
        &mut self,
        number: usize,
        trace: &Trace,
        size: u64,
        mtime: Timestamp,
        devices: &Devices,
    ) -> bool {
        let Some(device) = devices.former(trace.device) else { return false };
        let is_kept = self.come.len() < MOST && trace.marks.has(Marks::STABLE);
        if is_kept {
            self.come.push((Key::new(device, trace, size, mtime), number));
        }
        is_kept
    }

    /// The files that are on both sides: number in the listing, and where the previous payload stream has them.
    pub fn matches(mut self) -> impl Iterator<Item = (usize, u64)> {
        // What cannot be found need not be sorted.
        if self.come.is_empty() {
            self.gone.clear();
        }
        self.gone.sort_unstable();
        let gone = self.gone;
        self.come.into_iter().filter_map(move |(key, number)| {
            let first = gone.partition_point(|(other, _)| other.inode() < key.inode());
            let same = gone[first..].iter().take_while(|(other, _)| other.inode() == key.inode());
            let mut same = same.filter(|(other, _)| other.is_same(&key));
            same.next().map(|&(_, offset)| (number, offset))
        })
    }
}
