use alloc::vec::Vec;
use core::ops::Range;

use super::scan::{Chunker, Sizes};
use crate::format::{Error, hash_name};

/// Which cuts the payload stream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// At the start of a file or by hash, whichever comes first from the least size on (rule S1 of 10.6). That is what the reference
    /// does if it learns of files in time.
    Reference,
    /// Preferably where a directory ends, about every 256 KiB among small files; by hash in large ones (rule SD of 10.13).
    Files,
}

/// Where a file starts in a raw segment: the position of its PAYLOAD header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStart {
    /// Position in the payload stream.
    pub offset: u64,
    /// Number of leading path components that its directory shares with that of the raw file before; `u32::MAX` for the same
    /// directory, 0 for the first file.
    pub depth: u32,
    /// Hash of its path.
    pub hash: u64,
}

impl FileStart {
    /// The start of the file `path`, which follows the raw file `previous`. Paths have no slash at the front.
    pub fn new(offset: u64, path: &[u8], previous: Option<&[u8]>) -> Self {
        let directory = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let depth = previous.map_or(0, |previous| {
            let (here, before) = (&path[..directory(path)], &previous[..directory(previous)]);
            if here == before {
                return u32::MAX;
            }
            let components = here.split(|&byte| byte == b'/').zip(before.split(|&byte| byte == b'/'));
            components.take_while(|(here, before)| here == before && !here.is_empty()).count() as u32
        });
        Self { offset, depth, hash: hash_name(path) }
    }
}

/// Where the current chunk ends.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Here.
    At(u64),
    /// At the first hash cut, or at this start of a file if that comes first. With [`Cuts::Files`] also there if the hash cut lies so
    /// closely before it that the rest would be a chunk below the least size.
    Hash(Option<u64>),
}

/// Cuts the raw segments of a payload stream: what lies between two injections.
#[derive(Clone, Debug)]
pub struct Cutter {
    cuts: Cuts,
    chunker: Chunker,
    position: u64,
    end: u64,
    starts: Vec<FileStart>,
    /// The first of `starts` behind the current chunk's start.
    next: usize,
    target: Target,
}

impl Cutter {
    /// A cutter without a segment.
    pub fn new(cuts: Cuts, sizes: Sizes) -> Self {
        let (starts, target) = (Vec::new(), Target::Hash(None));
        Self { cuts, chunker: Chunker::new(sizes), position: 0, end: 0, starts, next: 0, target }
    }

    /// Position in the payload stream: behind the bytes taken.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Starts a segment, with the files that start in it. The hash starts afresh. What was left of the last segment is dropped, so a
    /// segment can be cut anew from where a file turned out to have another size.
    ///
    /// # Errors
    /// The files are not in order or not within the segment, or the segment is reversed.
    pub fn begin(&mut self, segment: Range<u64>, starts: Vec<FileStart>) -> Result<(), Error> {
        let ordered = starts.is_sorted_by(|before, after| before.offset < after.offset);
        let within = starts.iter().all(|start| segment.contains(&start.offset));
        if !ordered || !within || segment.start > segment.end || segment.end > i64::MAX as u64 {
            return Err(Error::misuse(segment.start, "files lie in order within their raw segment"));
        }
        (self.position, self.end, self.starts, self.next) = (segment.start, segment.end, starts, 0);
        self.decide();
        Ok(())
    }

    /// Makes the segment longer: it now ends at `end`, and these files start in what was added. So a long segment need not be known as
    /// a whole: as long as more is to come, the end known must lie at least the largest chunk behind all bytes that [`Cutter::scan`] has
    /// taken and takes next; cuts are then as if all had been known.
    ///
    /// # Errors
    /// The segment would become shorter, or the files are not in order within what was added.
    pub fn extend(&mut self, end: u64, starts: &[FileStart]) -> Result<(), Error> {
        let ordered = starts.is_sorted_by(|before, after| before.offset < after.offset);
        let within = starts.iter().all(|start| (self.end..end).contains(&start.offset));
        if !ordered || !within || end < self.end || end > i64::MAX as u64 {
            return Err(Error::misuse(self.end, "a raw segment grows by files in order"));
        }
        self.end = end;
        self.starts.drain(..self.next);
        self.next = 0;
        self.starts.extend_from_slice(starts);
        Ok(())
    }

    /// Takes the next bytes of the segment; the answer is that of [`Chunker::scan`]. The end of the segment always ends a chunk.
    ///
    /// # Errors
    /// There are more bytes than the segment has.
    pub fn scan(&mut self, data: &[u8]) -> Result<Option<usize>, Error> {
        let mut at = 0;
        loop {
            let left = (data.len() - at) as u64;
            if let Target::At(target) = self.target {
                let missing = target - self.position;
                if missing > left || target == self.position && at == 0 {
                    return self.take_all(left);
                }
                self.position = target;
                self.decide();
                return Ok(Some(at + missing as usize));
            }
            let Target::Hash(start) = self.target else { return self.take_all(left) };
            let stop = start.unwrap_or(self.end);
            let here = left.min(stop - self.position);
            let block = &data[at..at + here as usize];
            let cut = self.chunker.scan(block);
            let taken = cut.unwrap_or(block.len());
            self.position += taken as u64;
            at += taken;
            match (cut, start) {
                (Some(_), Some(start)) if self.joins(start) => self.target = Target::At(start),
                (None, _) if self.position < stop || self.position == self.end && taken == 0 => {
                    return self.take_all((data.len() - at) as u64);
                }
                _ => {
                    self.decide();
                    return Ok(Some(at));
                }
            }
        }
    }

    /// Whether what lies between here, a hash cut, and the start of a file is too short for a chunk.
    fn joins(&self, start: u64) -> bool {
        let rest = start - self.position;
        self.cuts == Cuts::Files && rest > 0 && rest < self.chunker.sizes().min()
    }

    fn take_all(&mut self, left: u64) -> Result<Option<usize>, Error> {
        if left > self.end - self.position {
            return Err(Error::misuse(self.end, "a raw segment has the length it was begun with"));
        }
        self.position += left;
        Ok(None)
    }

    /// Says where the chunk that starts here ends. Knows the files and the segment's end, but no data.
    fn decide(&mut self) {
        self.chunker.reset();
        let (base, sizes) = (self.position, self.chunker.sizes());
        self.next += self.starts[self.next..].partition_point(|start| start.offset <= base);
        let starts = &self.starts[self.next..];
        let most = base.saturating_add(sizes.max());
        let first_from = |least: u64| {
            let at = starts.partition_point(|start| start.offset < least);
            starts.get(at).map(|start| start.offset).filter(|&offset| offset <= most)
        };
        self.target = match self.cuts {
            Cuts::Reference => Target::Hash(first_from(base.saturating_add(sizes.min()))),
            Cuts::Files => {
                let s = sizes.min().min(256 << 10);
                let (least, last) = (base.saturating_add(s / 4 * 3), base.saturating_add(s / 2 * 3));
                if self.end <= last {
                    Target::At(self.end)
                } else {
                    let window = starts.iter().skip_while(|start| start.offset < least);
                    let window = window.take_while(|start| start.offset <= last);
                    match window.min_by_key(|start| (start.depth, start.hash, start.offset)) {
                        Some(start) => Target::At(start.offset),
                        None => Target::Hash(first_from(last + 1)),
                    }
                }
            }
        };
    }
}
