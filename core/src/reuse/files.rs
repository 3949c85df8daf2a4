use alloc::vec::Vec;
use core::iter::FusedIterator;

use crate::format::HEADER_SIZE;

/// A payload entry of the new archive: a regular file, not a further name of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Bytes of contents.
    pub size: u64,
    /// Position of its PAYLOAD header in the previous payload stream, if it is unchanged and may be re-used.
    pub old: Option<u64>,
}

impl File {
    /// Bytes in a payload stream, header and contents; `u64::MAX` where that does not fit.
    pub fn stored(self) -> u64 {
        self.size.saturating_add(HEADER_SIZE as u64)
    }
}

/// All payload entries of the new archive in archive order, at 16 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    sizes: Vec<u64>,
    /// 0 stands for `None`: the start marker is there, and never a file.
    olds: Vec<u64>,
}

impl Files {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next file. A previous position of 0 counts as none.
    pub fn push(&mut self, file: File) {
        self.sizes.push(file.size);
        self.olds.push(file.old.unwrap_or(0));
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// File `at`.
    ///
    /// # Panics
    /// There are not that many.
    pub fn get(&self, at: usize) -> File {
        file(self.sizes[at], self.olds[at])
    }

    /// Says anew whether file `at` may be re-used, and from where.
    ///
    /// # Panics
    /// There are not that many.
    pub fn set_old(&mut self, at: usize, old: Option<u64>) {
        self.olds[at] = old.unwrap_or(0);
    }

    /// All files in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = File> + DoubleEndedIterator + FusedIterator + '_ {
        self.sizes.iter().zip(&self.olds).map(|(&size, &old)| file(size, old))
    }

    /// Live bytes: what the files take in a payload stream without padding; `u64::MAX` where that does not fit.
    pub fn live(&self) -> u64 {
        self.iter().fold(0, |sum: u64, file| sum.saturating_add(file.stored()))
    }
}

fn file(size: u64, old: u64) -> File {
    File { size, old: (old != 0).then_some(old) }
}
