use alloc::vec::Vec;
use core::ops::Range;

use super::spans::{Layout, Owner, Span, Spans};
use crate::access::{Machine, Source, Step, Want, expect};
use crate::format::{Error, HEADER_SIZE, Header, ItemType};

/// Bytes of a want: small files lie many in a row.
const WINDOW: u64 = 4096;

/// Padding without anything between, and where chunks end in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it lies.
    pub range: Range<u64>,
    /// Where pieces of different chunks meet in it.
    pub borders: Vec<u64>,
}

impl<'a> Layout<'a> {
    /// The gaps of padding that have bytes of `range`, in order, each whole.
    pub fn gaps(&self, range: Range<u64>) -> Gaps<'a> {
        // The gap may have begun in an earlier chunk.
        let before = self.map().first_ending_behind(self.tree(), range.start);
        let start = self.map().end_before(self.tree(), before).min(range.start);
        Gaps { spans: self.spans(start..self.size()), ahead: None, range }
    }
}

/// See [`Layout::gaps`].
#[derive(Clone, Debug)]
pub struct Gaps<'a> {
    spans: Spans<'a>,
    ahead: Option<Span>,
    range: Range<u64>,
}

impl Iterator for Gaps<'_> {
    type Item = Gap;

    fn next(&mut self) -> Option<Gap> {
        loop {
            let span = self.ahead.take().or_else(|| self.spans.next())?;
            if span.range.start >= self.range.end {
                return None;
            }
            if !matches!(span.owner, Owner::Padding(_)) {
                continue;
            }
            let mut gap = Gap { range: span.range, borders: Vec::new() };
            for span in self.spans.by_ref() {
                if !matches!(span.owner, Owner::Padding(_)) {
                    self.ahead = Some(span);
                    break;
                }
                gap.borders.push(span.range.start);
                gap.range.end = span.range.end;
            }
            if gap.range.end > self.range.start {
                return Some(gap);
            }
        }
    }
}

/// What lies in padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remnant {
    /// Where; a ghost with its header, as far as it is there.
    pub range: Range<u64>,
    /// What.
    pub what: Remains,
}

/// See [`Remnant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// A file that is gone.
    Ghost {
        /// Bytes that its contents had; more than are there if the chunk that held the rest is not.
        size: u64,
    },
    /// The marker of an older stream.
    Marker,
    /// The rest of a file whose header is not there, or anything.
    Unknown,
}

/// What a gap of padding consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remnants {
    /// The first of them in order, as many as were to be kept; together they are the gap.
    pub kept: Vec<Remnant>,
    /// All ghosts.
    pub ghosts: u64,
    /// Bytes of ghosts that are there, headers included.
    pub ghost_bytes: u64,
    /// Bytes of markers of older streams.
    pub marker_bytes: u64,
    /// Bytes of which nothing is known.
    pub unknown_bytes: u64,
}

impl Remnants {
    /// Adds those of the next gap; up to `keep` are kept in all.
    pub fn append(&mut self, mut next: Self, keep: usize) {
        next.kept.truncate(keep.saturating_sub(self.kept.len()));
        self.kept.append(&mut next.kept);
        self.ghosts += next.ghosts;
        self.ghost_bytes += next.ghost_bytes;
        self.marker_bytes += next.marker_bytes;
        self.unknown_bytes += next.unknown_bytes;
    }
}

/// Walks through a gap of padding from PAYLOAD header to PAYLOAD header.
///
/// Headers are looked for where the gap begins, behind what was found, and where chunks meet. If there is none, the bytes up to the
/// next such place are unknown. What a ghost claims behind the end of its chunk is believed if another header, or the end of the gap, is
/// where it ends; else it is cut off there. Reads only around such places, each at most twice.
#[derive(Clone, Debug)]
pub struct GhostWalk {
    gap: Gap,
    keep: usize,
    at: u64,
    /// A ghost that claims to end at `at`, behind the border at which it may have been cut off.
    claim: Option<Claim>,
    want: Option<Want>,
    found: Remnants,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    start: u64,
    size: u64,
    border: u64,
}

impl GhostWalk {
    /// Walks through `gap` and keeps the first `keep` remnants.
    pub fn new(gap: Gap, keep: usize) -> Self {
        let at = gap.range.start;
        Self { gap, keep, at, claim: None, want: None, found: Remnants::default() }
    }

    /// The first border behind `at`, or the end of the gap.
    fn border(&self, at: u64) -> u64 {
        let next = self.gap.borders.partition_point(|&border| border <= at);
        self.gap.borders.get(next).copied().unwrap_or(self.gap.range.end).min(self.gap.range.end)
    }

    fn note(&mut self, range: Range<u64>, what: Remains) {
        let bytes = range.end - range.start;
        match what {
            Remains::Ghost { .. } => {
                self.found.ghosts += 1;
                self.found.ghost_bytes += bytes;
            }
            Remains::Marker => self.found.marker_bytes += bytes,
            Remains::Unknown => self.found.unknown_bytes += bytes,
        }
        if self.found.kept.len() < self.keep {
            self.found.kept.push(Remnant { range, what });
        }
    }

    /// The claim of a ghost was right, or not.
    fn settle(&mut self, is_right: bool) {
        let Some(Claim { start, size, border }) = self.claim.take() else { return };
        if !is_right {
            self.at = border;
        }
        self.note(start..self.at, Remains::Ghost { size });
    }

    /// Takes what stands at `self.at`: a header, or something else (`None`).
    fn take(&mut self, header: Option<Header>) {
        if self.claim.is_some() {
            let is_right = header.is_some();
            self.settle(is_right);
            if !is_right {
                return;
            }
        }
        let (at, border) = (self.at, self.border(self.at));
        let Some(header) = header else {
            self.at = border;
            return self.note(at..border, Remains::Unknown);
        };
        let end = at.saturating_add(header.full_size());
        if header.item != ItemType::Payload {
            self.at = end.min(border);
            return self.note(at..self.at, Remains::Marker);
        }
        let size = header.content;
        if end <= border {
            self.at = end;
            return self.note(at..end, Remains::Ghost { size });
        }
        self.claim = Some(Claim { start: at, size, border });
        if end >= self.gap.range.end {
            let is_right = end == self.gap.range.end;
            self.at = self.gap.range.end;
            return self.settle(is_right);
        }
        self.at = end;
    }

    /// The header at `self.at`, if `bytes`, which begin at `start`, hold it.
    fn header(&self, start: u64, bytes: &[u8]) -> Option<Option<Header>> {
        let at = usize::try_from(self.at.checked_sub(start)?).ok()?;
        let header = Header::parse(bytes.get(at..)?.get(..HEADER_SIZE)?, self.at).ok();
        let markers = [ItemType::PayloadStartMarker, ItemType::PayloadTailMarker];
        Some(header.filter(|header| header.item == ItemType::Payload || markers.contains(&header.item)))
    }
}

impl Machine for GhostWalk {
    type Output = Remnants;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Remnants>, Error> {
        let window = match self.want {
            Some(want) => (want.offset, expect(supplied, want)?),
            None => (0, &[][..]),
        };
        while self.at < self.gap.range.end {
            let left = self.gap.range.end - self.at;
            if left < HEADER_SIZE as u64 {
                self.take(None);
            } else if let Some(header) = self.header(window.0, window.1) {
                self.take(header);
            } else {
                let len = left.min(WINDOW) as usize;
                let want = Want { source: Source::Payload, offset: self.at, len };
                self.want = Some(want);
                return Ok(Step::Want(want));
            }
        }
        Ok(Step::Done(core::mem::take(&mut self.found)))
    }
}
