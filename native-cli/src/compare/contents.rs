//! The bytes of two files, compared by their chunks or by themselves.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use pxkit_core::blob::Fingerprint;
use pxkit_core::compare::{Unshared, same_parts};
use pxkit_core::index::{DynamicIndex, Part};

use crate::report::check_signals;
use crate::source::ByteSource;

/// Bytes of each side that are compared at once.
const BLOCK: u64 = 256 << 10;

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub struct Contents {
    /// In what.
    pub source: Arc<dyn ByteSource>,
    /// From where on.
    pub start: u64,
    /// How many.
    pub size: u64,
}

impl Contents {
    /// All bytes of a source.
    pub fn whole(source: Arc<dyn ByteSource>) -> Self {
        let size = source.size();
        Self { source, start: 0, size }
    }

    /// The chunks that they lie in, and the key on which their digests depend.
    pub(super) fn parts(&self) -> Option<(impl Iterator<Item = Part> + Clone, Option<Fingerprint>)> {
        let (index, key) = self.source.index()?;
        let range = self.start..self.start.checked_add(self.size)?;
        let parts: pxkit_core::index::Parts<'_, DynamicIndex> = index.parts(range).ok()?;
        Some((parts, key))
    }

    pub(super) fn read(&self, within: Range<u64>, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
        // At most a block.
        buffer.resize((within.end - within.start) as usize, 0);
        self.source
            .read_exact_at(buffer, self.start + within.start)
            .with_context(|| format!("cannot read {}", self.source.name()))
    }
}

/// Compares contents; keeps its buffers, and counts.
#[derive(Debug, Default)]
pub struct Comparer {
    left: Vec<u8>,
    right: Vec<u8>,
    /// Bytes of both sides that were read.
    pub read: u64,
    /// Files of which all was said by chunks.
    pub by_chunks: u64,
}

impl Comparer {
    /// Whether two files have the same contents. Only what does not lie in the same chunks at the same places is read.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn are_same(&mut self, a: &Contents, b: &Contents) -> anyhow::Result<bool> {
        if a.size != b.size || a.size == 0 {
            return Ok(a.size == b.size);
        }
        let (Some((left, key)), Some((right, other_key))) = (a.parts(), b.parts()) else {
            return self.are_same_in(0..a.size, a, b);
        };
        if key != other_key {
            return self.are_same_in(0..a.size, a, b);
        }
        if let Some(are_same) = same_parts(left.clone(), right.clone()) {
            self.by_chunks += 1;
            return Ok(are_same);
        }
        for range in Unshared::new(left, right) {
            if !self.are_same_in(range, a, b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether both have the same bytes in a range.
    fn are_same_in(&mut self, range: Range<u64>, a: &Contents, b: &Contents) -> anyhow::Result<bool> {
        for contents in [a, b] {
            contents.source.will_read(contents.start + range.start..contents.start + range.end);
        }
        let mut at = range.start;
        while at < range.end {
            check_signals()?;
            let block = at..range.end.min(at + BLOCK);
            a.read(block.clone(), &mut self.left)?;
            b.read(block.clone(), &mut self.right)?;
            self.read += 2 * (block.end - at);
            if self.left != self.right {
                return Ok(false);
            }
            at = block.end;
        }
        Ok(true)
    }
}
