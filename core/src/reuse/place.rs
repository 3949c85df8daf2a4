use alloc::vec::Vec;

use super::cover::{Cover, Cursor};
use crate::format::{Digest, Error};
use crate::index::DynamicIndex;

/// Most bytes of a stream.
const MOST: u64 = i64::MAX as u64;

/// A chunk of the old index that goes into the new one as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Number of the chunk in the old index.
    pub at: usize,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// How many of them belong to files of the new archive; the others are padding.
    pub used: u64,
}

/// Follows the re-used files through the old index and says which chunks go where (change detection 5 and 10.5).
///
/// The last chunk of a re-used file stays *pending*: it will lie at the current payload position, and the next file may lie in it, too. It is
/// injected when that is decided, always before the next byte that is written.
#[derive(Clone, Debug)]
pub struct Placement<'i> {
    cursor: Cursor<'i>,
    pending: Option<Pending>,
}

/// The last chunk of the last re-used file.
#[derive(Clone, Debug)]
struct Pending {
    cover: Cover,
    chunk: Injection,
}

impl<'i> Placement<'i> {
    /// Starts with nothing pending.
    pub fn new(index: &'i DynamicIndex) -> Self {
        Self { cursor: Cursor::new(index), pending: None }
    }

    /// Re-uses `len` bytes, header and contents of a file, at `old` of the previous payload stream: their position in the new stream.
    ///
    /// `position` counts what was written and injected so far, not what is pending. Chunks that no later file uses are
    /// appended to `inject`. Write the reference first, then inject: the reference may lie within these chunks.
    ///
    /// # Errors
    /// The range does not lie in the previous stream behind its start marker, or the new stream would exceed 2^63 bytes. Nothing was
    /// changed then.
    pub fn reuse(
        &mut self,
        old: u64,
        len: u64,
        position: u64,
        inject: &mut Vec<Injection>,
    ) -> Result<u64, Error> {
        let Some(cover) = self.cursor.range(old, len) else {
            return Err(Error::misuse(old, "only files within the previous payload stream are re-used"));
        };
        let shares = cover.shares(self.pending.as_ref().map(|pending| &pending.cover));
        let before = if shares { 0 } else { self.pending() };
        let start = position.checked_add(before);
        let end = start.and_then(|start| start.checked_add(cover.size()));
        let (Some(start), true) = (start, end.is_some_and(|end| end <= MOST)) else {
            return Err(Error::misuse(position, "a payload stream has at most 2^63 bytes"));
        };
        let used = self.pending.as_ref().filter(|_| shares).map_or(0, |pending| pending.chunk.used);
        if !shares {
            self.flush(inject);
        }
        inject.extend((cover.first..cover.last).map(|at| self.injection(&cover, at, used)));
        self.pending = Some(Pending { cover, chunk: self.injection(&cover, cover.last, used) });
        Ok(start + (old - cover.start))
    }

    /// Appends what is pending to `inject`: before raw bytes, and at the end.
    pub fn flush(&mut self, inject: &mut Vec<Injection>) {
        inject.extend(self.pending.take().map(|pending| pending.chunk));
    }

    /// Bytes that are pending.
    pub fn pending(&self) -> u64 {
        self.pending.as_ref().map_or(0, |pending| pending.chunk.size)
    }

    /// Chunk `at` of `cover`, whose first chunk has `used` bytes that were used before.
    fn injection(&self, cover: &Cover, at: usize, used: u64) -> Injection {
        let (chunk, start) = self.cursor.chunk(at);
        let here = cover.to.min(chunk.end) - cover.from.max(start);
        let used = if at == cover.first { used + here } else { here };
        Injection { at, digest: chunk.digest, size: chunk.end - start, used }
    }
}
