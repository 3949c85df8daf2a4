use alloc::vec::Vec;

use crate::chunk::FileStart;
use crate::format::hash_name;
use crate::index::DynamicIndex;
use crate::reuse::{File, Files};

/// Where a file lies in the tree, as far as cuts depend on it.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Components of its directory's path.
    depth: u16,
    /// How many of them it shares with the directory of the file before.
    shared: u16,
}

/// All files of the new archive that have contents, in archive order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    files: Files,
    /// Hash of each file's path.
    hashes: Vec<u64>,
    places: Vec<Place>,
    /// Components of the path of the directory that the walk is in, and the least number of them since the last file.
    depth: u16,
    shared: u16,
}

impl Listing {
    /// An empty listing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The walk enters a directory, but not the root.
    pub fn enter(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    /// The walk leaves a directory, but not the root.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.shared = self.shared.min(self.depth);
    }

    /// Adds a file by its path from the root, without slash at the front.
    pub fn file(&mut self, path: &[u8], file: File) {
        self.files.push(file);
        self.hashes.push(hash_name(path));
        self.places.push(Place { depth: self.depth, shared: self.shared });
        self.shared = self.depth;
    }

    /// Adds the file `number` of another listing, in whose place this one comes.
    pub(super) fn take(&mut self, other: &Self, number: usize) {
        self.files.push(other.files.get(number));
        self.hashes.push(other.hashes[number]);
        self.places.push(Place { depth: self.depth, shared: self.shared });
        self.shared = self.depth;
    }

    /// The files, for the decision.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Says anew where the previous payload stream has the file `number`.
    ///
    /// # Panics
    /// There are not that many.
    pub fn set_old(&mut self, number: usize, old: Option<u64>) {
        self.files.set_old(number, old);
    }

    /// Takes files out of consideration whose contents lie in chunks that `is_missing` says are gone, and tells `dropped` which.
    pub fn drop_missing(
        &mut self,
        index: &DynamicIndex,
        mut is_missing: impl FnMut(usize) -> bool,
        mut dropped: impl FnMut(File),
    ) {
        for number in 0..self.files.len() {
            let file = self.files.get(number);
            let Some(old) = file.old else { continue };
            let Ok(mut parts) = index.parts(old..old.saturating_add(file.stored())) else { continue };
            if parts.any(|part| is_missing(part.index)) {
                self.files.set_old(number, None);
                dropped(file);
            }
        }
    }

    /// Takes files out of consideration whose contents overlap those of another file in the previous payload stream; of several, the one
    /// that begins first stays. Returns those that were taken out. For archives whose contents lie in any order; takes 8 bytes a file.
    pub fn drop_overlaps(&mut self) -> Vec<File> {
        let mut numbers: Vec<usize> =
            (0..self.files.len()).filter(|&number| self.files.get(number).old.is_some()).collect();
        numbers.sort_by_key(|&number| self.files.get(number).old);
        let (mut dropped, mut end) = (Vec::new(), 0);
        for number in numbers {
            let file = self.files.get(number);
            let old = file.old.unwrap_or_default();
            if old < end {
                self.files.set_old(number, None);
                dropped.push(file);
            } else {
                end = old.saturating_add(file.stored());
            }
        }
        dropped
    }

    /// The start at `offset` of the file `number`, when the raw file before it is `previous`.
    pub(super) fn start(&self, number: usize, previous: Option<Since>, offset: u64) -> FileStart {
        let depth = previous.map_or(0, |Since { depth, shared }| {
            let place = self.places[number];
            let shared = shared.min(place.shared);
            if shared == place.depth && shared == depth { u32::MAX } else { shared.into() }
        });
        FileStart { offset, depth, hash: self.hashes[number] }
    }

    /// What follows a raw file must know of it.
    pub(super) fn since(&self, number: usize) -> Since {
        let depth = self.places[number].depth;
        Since { depth, shared: depth }
    }

    /// Passes over a file that is not raw.
    pub(super) fn pass(&self, number: usize, since: &mut Since) {
        since.shared = since.shared.min(self.places[number].shared);
    }
}

/// The last raw file, seen from where the listing was followed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    depth: u16,
    /// Components of its directory's path that all directories since share.
    shared: u16,
}
