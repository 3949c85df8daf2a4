use alloc::vec::Vec;

use super::trace::{Marks, Trace};

/// What a node is to the one that the previous archive has at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// Nobody knows: there is no trace, or inodes of its file system say nothing.
    Unknown,
    /// It is the same, and nothing was done to it since.
    Untouched,
    /// It is the same and seems untouched, but what was done right after it had been looked at would not show.
    Young,
    /// It is of the same inode, and something was done to it.
    Touched {
        /// It has more or fewer names than before, which explains that.
        links_changed: bool,
        /// Its former contents are those that were read, see [`Kinship::Young`].
        was_settled: bool,
    },
    /// It is another one.
    Other,
}

/// The file systems of a walk, and which of the previous walk's each is. They are matched where both were entered: at the root, and where a
/// path leads from one file system into another. Device numbers are never compared with those of another run: they change when volumes or
/// networks are mounted in another order.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    /// Device number and former number, by number.
    all: Vec<(u64, Option<u16>)>,
}

impl Devices {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a file system by its device number.
    pub fn number(&mut self, dev: u64) -> u16 {
        let known = self.all.iter().position(|&(known, _)| known == dev);
        let number = known.unwrap_or_else(|| {
            if self.all.len() < usize::from(Trace::OTHER_DEVICES) {
                self.all.push((dev, None));
                self.all.len() - 1
            } else {
                self.all.len()
            }
        });
        number as u16
    }

    /// The walk enters the file system `number` in a directory of which the previous one left this trace. The first time counts.
    pub fn enter(&mut self, number: u16, old: Option<&Trace>) {
        let Some(old) = old.filter(|old| old.device != Trace::OTHER_DEVICES) else { return };
        // One that was there twice cannot be told from itself.
        if self.all.iter().any(|&(_, former)| former == Some(old.device)) {
            return;
        }
        if let Some((_, former @ None)) = self.all.get_mut(usize::from(number)) {
            *former = Some(old.device);
        }
    }

    /// The number that a file system had in the previous walk, if that is known.
    pub fn former(&self, number: u16) -> Option<u16> {
        self.all.get(usize::from(number))?.1
    }

    /// What a node is to the one with the trace `old`.
    pub fn relate(&self, new: &Trace, old: Option<&Trace>) -> Kinship {
        let Some(old) = old.filter(|old| old.marks.has(Marks::STABLE) && new.marks.has(Marks::STABLE)) else {
            return Kinship::Unknown;
        };
        let Some(former) = self.former(new.device) else { return Kinship::Unknown };
        let was_settled = old.marks.has(Marks::SETTLED);
        if (former, new.ino) != (old.device, old.ino) {
            Kinship::Other
        } else if new.ctime == old.ctime {
            if was_settled { Kinship::Untouched } else { Kinship::Young }
        } else if new.birth == old.birth && new.birth != 0 {
            Kinship::Touched { links_changed: new.links != old.links, was_settled }
        } else {
            // The number may have been given to another inode.
            Kinship::Other
        }
    }
}
