//! A window that moves over a source: for decoders that go forwards.

use std::rc::Rc;

use super::Source;
use crate::protocol::Problem;

/// Bytes of a source from where a decoder stands. Reading and decoding overlap: the next slice is on its way while this one is worked on.
pub struct Window {
    source: Rc<dyn Source>,
    slice: u64,
    /// Those before `start` are done with, those from `end` on are room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Position of the next byte to be read.
    next: u64,
}

impl Window {
    /// At the start of a source; each read is of `slice` bytes.
    pub const fn new(source: Rc<dyn Source>, slice: usize) -> Self {
        Self { source, slice: slice as u64, buffer: Vec::new(), start: 0, end: 0, next: 0 }
    }

    /// Changes how much is read at once.
    pub const fn set_slice(&mut self, slice: usize) {
        self.slice = slice as u64;
    }

    /// The bytes that are there.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Position of the first of them.
    pub const fn position(&self) -> u64 {
        self.next - (self.end - self.start) as u64
    }

    /// Bytes were worked on.
    pub fn take(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Bytes are not needed, whether they are there or not. What lies behind the end of the source is told by [`Window::missing`].
    pub fn skip(&mut self, bytes: u64) {
        let there = (self.end - self.start) as u64;
        if bytes <= there {
            return self.take(bytes as usize);
        }
        (self.start, self.end) = (0, 0);
        self.next = self.next.saturating_add(bytes - there);
    }

    /// Bytes that were skipped although they are not there.
    pub fn missing(&self) -> u64 {
        self.next.saturating_sub(self.source.size())
    }

    /// Reads the next slice, or more if that is needed; returns how many bytes are there then, fewer than `needed` only at the end.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn fill(&mut self, needed: usize) -> Result<usize, Problem> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let size = self.source.size();
        let more = (needed as u64).saturating_sub(self.end as u64).max(self.slice);
        let len = more.min(size.saturating_sub(self.next));
        let end = self.end + len as usize;
        if self.buffer.len() < end {
            // Exact, for the window stays as long as it is: a slice and the item that the one before broke off.
            let room = end.max(if len < self.slice { 0 } else { self.slice as usize + (128 << 10) });
            self.buffer.reserve_exact(room - self.buffer.len());
            self.buffer.resize(end, 0);
        }
        if len > 0 {
            self.source.read(self.next, &mut self.buffer[self.end..end]).await?;
        }
        self.end = end;
        self.next += len;
        if self.next < size {
            self.source.will_read(self.next..(self.next + self.slice).min(size));
        }
        Ok(self.end)
    }
}
