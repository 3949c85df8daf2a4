use super::files::File;
use crate::format::{HEADER_SIZE, MAX_CHUNK_SIZE};
use crate::index::{ChunkId, DynamicIndex};

/// Chunks that a cursor looks at one by one before it searches.
const NEAR: usize = 4;

/// The chunks of the old index that hold a file, or several that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// Number of the first chunk.
    pub first: usize,
    /// Number of the last chunk, which holds at least one byte of the file.
    pub last: usize,
    /// Old position of the first chunk.
    pub start: u64,
    /// Old position behind the first chunk.
    pub first_end: u64,
    /// Old position behind the last chunk.
    pub end: u64,
    /// Old position of the file.
    pub from: u64,
    /// Old position behind the file.
    pub to: u64,
}

impl Cover {
    /// Bytes of all chunks.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Whether the first chunk is at its place already, when the payload entry before was re-used with the chunks `before`. Chunks are
    /// the same at one position only; and references increase, so a file that lies before or within the other needs
    /// the chunk a second time.
    pub fn shares(&self, before: Option<&Self>) -> bool {
        before.is_some_and(|before| before.last == self.first && before.to <= self.from)
    }

    /// Whether there is but one chunk.
    pub fn is_one_chunk(&self) -> bool {
        self.first == self.last
    }
}

/// Finds covers. Lookups near the one before, as archive order has them, take constant time, others a binary search.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'i> {
    /// Only chunks that an index may hold: those before the first that is too large.
    chunks: &'i [ChunkId],
    at: usize,
}

impl<'i> Cursor<'i> {
    pub fn new(index: &'i DynamicIndex) -> Self {
        let mut start = 0;
        let too_large = index.chunks().iter().position(|chunk| {
            let size = chunk.end - start;
            start = chunk.end;
            size > MAX_CHUNK_SIZE
        });
        Self { chunks: &index.chunks()[..too_large.unwrap_or(index.count())], at: 0 }
    }

    /// The chunks that hold `file`, or `None` if it may not or cannot be re-used.
    pub fn file(&mut self, file: File) -> Option<Cover> {
        self.range(file.old?, file.stored())
    }

    /// The chunks that hold `len` bytes from the old position `from`; `None` if they do not lie between the start marker and the end of the
    /// stream.
    pub fn range(&mut self, from: u64, len: u64) -> Option<Cover> {
        let to = from.checked_add(len)?;
        if len == 0 || from < HEADER_SIZE as u64 || to > self.chunks.last()?.end {
            return None;
        }
        let first = self.find(self.at, from);
        // The chunk with the last byte: a range that ends where a chunk ends does not touch the next.
        let last = self.find(first, to - 1);
        self.at = last;
        Some(Cover {
            first,
            last,
            start: first.checked_sub(1).map_or(0, |before| self.chunks[before].end),
            first_end: self.chunks[first].end,
            end: self.chunks[last].end,
            from,
            to,
        })
    }

    /// Digest and extent of a chunk of a cover.
    pub fn chunk(&self, at: usize) -> (ChunkId, u64) {
        let start = at.checked_sub(1).map_or(0, |before| self.chunks[before].end);
        (self.chunks[at], start)
    }

    /// The chunk that holds the byte at `offset`, which lies in the stream; likely chunk `hint` or one soon after.
    fn find(&self, hint: usize, offset: u64) -> usize {
        let (before, behind) = self.chunks.split_at(hint);
        if before.last().is_some_and(|chunk| chunk.end > offset) {
            return before.partition_point(|chunk| chunk.end <= offset);
        }
        let near = behind.iter().take(NEAR).position(|chunk| chunk.end > offset);
        hint + near.unwrap_or_else(|| behind.partition_point(|chunk| chunk.end <= offset))
    }
}
