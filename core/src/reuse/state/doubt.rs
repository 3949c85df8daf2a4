use alloc::vec::Vec;

/// Files that are looked at before it is decided whether a state says anything.
const CANDIDATES: u64 = 1000;

/// Whether a state is of use at all. Where a tree was copied or restored, all inodes and times of last change are new; everything would be read
/// for nothing. If of the first 1000 files that are the same as far as archives tell more than nine in ten are of another inode or time, and
/// nothing explains that, the state is void. Trees of fewer files are read instead: that an edit went unnoticed would be worse.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    candidates: u64,
    /// Files that are read only because of the state: number in the listing, and where the previous payload stream has them.
    doubtful: Vec<(usize, u64)>,
    is_decided: bool,
}

impl Doubt {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing need be told any more.
    pub fn is_decided(&self) -> bool {
        self.is_decided
    }

    /// There is a file that is the same as far as archives tell; if it is read only because of the state, its number in the listing and where
    /// the previous payload stream has it. If the state is void, returns all of those: they need not be read.
    pub fn candidate(&mut self, doubtful: Option<(usize, u64)>) -> Option<Vec<(usize, u64)>> {
        if self.is_decided {
            return None;
        }
        self.candidates += 1;
        self.doubtful.extend(doubtful);
        if self.candidates < CANDIDATES {
            return None;
        }
        self.is_decided = true;
        let doubtful = core::mem::take(&mut self.doubtful);
        (doubtful.len() as u64 * 10 > CANDIDATES * 9).then_some(doubtful)
    }
}
