use alloc::vec::Vec;

use super::bits::Bits;
use super::files::Files;
use super::optimal::Price;
use super::place::{Injection, Placement};
use crate::format::Error;
use crate::index::DynamicIndex;

/// Which files are re-used, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    reuses: Bits,
    /// Sums over all files.
    pub totals: Totals,
    /// The price of padding, where files were chosen by one; `None` also where no price kept the budget.
    pub price: Option<Price>,
}

/// Sums over the files of a decision. Bytes of files count 16 for the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that are re-used.
    pub reused: usize,
    /// Bytes of the files that are re-used.
    pub reused_bytes: u64,
    /// Unchanged files that are encoded again: because of padding, or because their reference leads out of the old stream.
    pub reencoded: usize,
    /// Bytes of the unchanged files that are encoded again; at most `u64::MAX`.
    pub reencoded_bytes: u64,
    /// Chunks of the old index that go into the new one, counted as often as they do.
    pub injected: usize,
    /// Bytes of these chunks.
    pub injected_bytes: u64,
    /// How many of these chunks hold padding.
    pub partial: usize,
}

impl Totals {
    /// Bytes of injected chunks that belong to no file of the new archive, also those that the old archive had no use for.
    pub fn padding(&self) -> u64 {
        self.injected_bytes - self.reused_bytes
    }
}

impl Decision {
    /// Nothing is re-used: there is no old archive, or no use for it.
    pub fn encode_all(files: &Files) -> Self {
        let mut totals = Totals::default();
        files.iter().filter(|file| file.old.is_some()).for_each(|file| totals.reencode(file.stored()));
        Self { reuses: Bits::new(files.len()), totals, price: None }
    }

    /// # Errors
    /// The chunks exceed what fits into a stream, or a file that cannot be re-used was chosen.
    pub(super) fn new(
        files: &Files,
        index: &DynamicIndex,
        reuses: Bits,
        price: Option<Price>,
    ) -> Result<Self, Error> {
        let mut totals = Totals::default();
        let mut placement = Placement::new(index);
        let mut inject = Vec::new();
        for (at, file) in files.iter().enumerate() {
            match file.old {
                Some(old) if reuses.get(at) => {
                    placement.reuse(old, file.stored(), totals.injected_bytes, &mut inject)?;
                    totals.reused += 1;
                    totals.reused_bytes += file.stored();
                }
                old => {
                    placement.flush(&mut inject);
                    if old.is_some() {
                        totals.reencode(file.stored());
                    }
                }
            }
            totals.inject(&mut inject);
        }
        placement.flush(&mut inject);
        totals.inject(&mut inject);
        Ok(Self { reuses, totals, price })
    }

    /// Whether file `at` is re-used; not if there are not that many.
    pub fn reuses(&self, at: usize) -> bool {
        self.reuses.get(at)
    }

    /// [`Totals::padding`].
    pub fn padding(&self) -> u64 {
        self.totals.padding()
    }
}

impl Totals {
    fn reencode(&mut self, bytes: u64) {
        self.reencoded += 1;
        self.reencoded_bytes = self.reencoded_bytes.saturating_add(bytes);
    }

    fn inject(&mut self, chunks: &mut Vec<Injection>) {
        for chunk in chunks.drain(..) {
            self.injected += 1;
            self.injected_bytes += chunk.size;
            self.partial += usize::from(chunk.used < chunk.size);
        }
    }
}
