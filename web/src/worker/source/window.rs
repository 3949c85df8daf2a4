//! A window that moves over a source: for decoders that go forwards.

use std::collections::VecDeque;
use std::rc::Rc;

use super::Source;
use crate::protocol::Problem;

/// Bytes of a source from where a decoder stands. Reading and decoding overlap: the next slices are on their way while this one is worked
/// on, the more of them the longer it went straight on.
pub struct Window {
    source: Rc<dyn Source>,
    slice: u64,
    /// Those before `start` are done with, those from `end` on are room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Position of the next byte to be read.
    next: u64,
    /// Where the slices end that are on their way; the first of them begins at `next`.
    ahead: VecDeque<u64>,
    /// How many of them there may be.
    straight: usize,
    /// Bytes from `next` on that are on their way and not needed any more.
    unneeded: u64,
}

impl Window {
    /// At the start of a source; each read is of `slice` bytes.
    pub const fn new(source: Rc<dyn Source>, slice: usize) -> Self {
        Self {
            source,
            slice: slice as u64,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            next: 0,
            ahead: VecDeque::new(),
            straight: 0,
            unneeded: 0,
        }
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
        self.next + self.unneeded - (self.end - self.start) as u64
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
        let unneeded = self.unneeded.saturating_add(bytes - there);
        let next = self.next.saturating_add(unneeded);
        // What is on its way is taken, so that nothing is read twice.
        if self.ahead.back().is_some_and(|&end| next < end) {
            self.unneeded = unneeded;
        } else {
            (self.next, self.unneeded) = (next, 0);
            self.ahead.clear();
            self.straight = 0;
        }
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
        let size = self.source.size();
        loop {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let more = (needed as u64).saturating_sub(self.end as u64).max(self.slice);
            let more = self.ahead.pop_front().map_or(more, |end| end - self.next);
            let len = more.min(size.saturating_sub(self.next));
            self.read(len).await?;
            if self.end - self.start >= needed || self.next >= size {
                break;
            }
        }
        self.straight = self.source.ahead().min(self.straight + 1);
        let mut end = self.ahead.back().copied().unwrap_or(self.next);
        while end < size && self.ahead.len() < self.straight {
            let start = end;
            end = (start + self.slice).min(size);
            self.source.will_read(start..end);
            self.ahead.push_back(end);
        }
        Ok(self.end - self.start)
    }

    /// Reads so many bytes, which there are.
    async fn read(&mut self, len: u64) -> Result<(), Problem> {
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
        (self.end, self.next) = (end, self.next + len);
        let unneeded = self.unneeded.min(len);
        (self.start, self.unneeded) = (self.start + unneeded as usize, self.unneeded - unneeded);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::super::{Reading, memory::Memory};
    use super::*;

    /// Counts what is read, and takes what was read ahead only for a read of the same range, as files of the browser do.
    struct Counting {
        memory: Memory,
        read: Rc<Cell<u64>>,
        ahead: RefCell<VecDeque<std::ops::Range<u64>>>,
        most: usize,
    }

    impl Source for Counting {
        fn name(&self) -> &str {
            self.memory.name()
        }

        fn size(&self) -> u64 {
            self.memory.size()
        }

        fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a> {
            let range = offset..offset + buffer.len() as u64;
            let mut ahead = self.ahead.borrow_mut();
            match ahead.iter().position(|ahead| *ahead == range) {
                Some(at) => drop(ahead.drain(..=at)),
                None => self.read.set(self.read.get() + buffer.len() as u64),
            }
            self.memory.read(offset, buffer)
        }

        fn will_read(&self, range: std::ops::Range<u64>) {
            self.read.set(self.read.get() + range.end - range.start);
            let mut ahead = self.ahead.borrow_mut();
            ahead.push_back(range);
            while ahead.len() > self.most {
                ahead.pop_front();
            }
        }

        fn ahead(&self) -> usize {
            self.most
        }
    }

    #[test]
    fn nothing_is_read_twice() {
        let bytes: Vec<u8> = (0..60_000_u32).map(|at| (at / 7 % 251) as u8).collect();
        let mut random = 1_u64;
        let mut below = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % end
        };
        for _ in 0..200 {
            let read = Rc::<Cell<u64>>::default();
            let memory = Memory::new("bytes".to_owned(), bytes.clone());
            let most = 1 + below(4) as usize;
            let source = Counting { memory, read: read.clone(), ahead: RefCell::default(), most };
            let mut window = Window::new(Rc::new(source), 100);
            let (mut needed, mut at) = (0, 0);
            while window.missing() == 0 {
                let there = futures::executor::block_on(window.fill(needed)).unwrap();
                assert_eq!((window.position(), there), (at, window.bytes().len()));
                assert!(there >= needed || at as usize + there == bytes.len());
                assert_eq!(window.bytes(), &bytes[at as usize..at as usize + there]);
                if there == 0 {
                    break;
                }
                window.set_slice(1000);
                let taken = below(there as u64 + 1);
                let skipped = if below(3) == 0 { below(5000) } else { 0 };
                window.take(taken as usize);
                window.skip(skipped);
                at += taken + skipped;
                needed = below(3000) as usize;
            }
            assert!(read.get() <= bytes.len() as u64, "{} bytes were read", read.get());
        }
    }

    #[test]
    fn more_is_on_its_way_the_longer_it_goes_straight_on() {
        let memory = Memory::new("bytes".to_owned(), vec![7; 2000]);
        let source = Rc::new(Counting { memory, read: Rc::default(), ahead: RefCell::default(), most: 3 });
        let mut window = Window::new(source.clone(), 100);
        let mut fill = |skipped: u64| {
            futures::executor::block_on(window.fill(0)).unwrap();
            window.take(window.bytes().len());
            window.skip(skipped);
            let ahead: Vec<u64> = source.ahead.borrow().iter().map(|range| range.start).collect();
            ahead
        };
        assert_eq!(fill(0), [100]);
        assert_eq!(fill(0), [200, 300]);
        assert_eq!(fill(0), [300, 400, 500]);
        // To the middle of what is on its way, then far behind it.
        assert_eq!(fill(150), [400, 500, 600]);
        assert_eq!(fill(0), [500, 600, 700]);
        assert_eq!(fill(1000), [600, 700, 800]);
        assert_eq!(fill(0).last(), Some(&1700));
    }
}
