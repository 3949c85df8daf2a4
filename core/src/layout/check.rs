use alloc::vec::Vec;
use core::ops::Range;

use super::findings::{Anomaly, Finding, Findings};
use super::spans::Layout;
use crate::access::{Machine, Source, Step, Want, expect};
use crate::format::{Error, HEADER_SIZE, ItemType, PAYLOAD_TAIL_MARKER, PayloadRef, START_MARKER};

/// Payloads that one [`HeaderCheck`] looks at, at most.
const MOST: usize = 4096;

/// How far apart the bytes may be that one read fetches, and how long it may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Most bytes between two headers that are read although nobody wants them.
    pub join: u64,
    /// Longest want in bytes; at least a header is always asked for.
    pub longest: usize,
}

impl Default for Batching {
    /// For stores and files whose cost is the call and not the bytes.
    fn default() -> Self {
        Self { join: 4096, longest: 64 << 10 }
    }
}

/// Checks that references lead to their PAYLOAD headers, those of up to 4096 files at a time: it keeps 24 bytes for each.
///
/// Of payloads that reach out of the stream as far as it goes is looked at; where not even the header lies within, only
/// [`Layout::anomalies`] tells.
#[derive(Clone, Debug)]
pub struct HeaderCheck {
    source: Source,
    batching: Batching,
    /// Entries with position and size of their payload, by position.
    payloads: Vec<(u32, PayloadRef)>,
    /// Those before were looked at.
    next: usize,
    /// Those that the want holds end here.
    end: usize,
    want: Option<Want>,
    findings: Findings,
}

impl HeaderCheck {
    /// Checks files at `positions` of the map's order, as many as one machine takes; `positions` then begins with the next. `None` if
    /// none are left.
    pub fn next(layout: &Layout<'_>, positions: &mut Range<usize>, batching: Batching) -> Option<Self> {
        let (map, tree) = (layout.map(), layout.tree());
        let mut payloads = Vec::new();
        while payloads.len() < MOST && positions.start < positions.end {
            let Some(&id) = map.order().get(positions.start) else { break };
            positions.start += 1;
            let Some(payload) = map.payload(tree, id) else { continue };
            if layout.size() - payload.start >= HEADER_SIZE as u64 {
                payloads.push((id, PayloadRef { offset: payload.start, size: tree.size(id) }));
            }
        }
        let findings = Findings::default();
        let source = map.source();
        let check = Self { source, batching, payloads, next: 0, end: 0, want: None, findings };
        (!check.payloads.is_empty()).then_some(check)
    }

    fn look(&mut self, want: Want, supplied: &[u8]) {
        for &(entry, reference) in &self.payloads[self.next..self.end] {
            let at = (reference.offset - want.offset) as usize;
            let mut header = [0; HEADER_SIZE];
            header.copy_from_slice(&supplied[at..at + HEADER_SIZE]);
            if let Err(error) = reference.check_header(&header) {
                let (source, offset) = (self.source, reference.offset);
                let what = Anomaly::Header { error };
                self.findings.add(Finding { source, offset, entry: Some(entry), what });
            }
        }
        self.next = self.end;
    }

    /// The next header, and further ones that lie near.
    fn want(&mut self) -> Option<Want> {
        let header = HEADER_SIZE as u64;
        let first = self.payloads.get(self.next)?.1.offset;
        let mut last = first;
        self.end = self.next + 1;
        for (_, reference) in &self.payloads[self.end..] {
            let gap = reference.offset.saturating_sub(last + header);
            if gap > self.batching.join || reference.offset + header - first > self.batching.longest as u64 {
                break;
            }
            last = reference.offset;
            self.end += 1;
        }
        Some(Want { source: self.source, offset: first, len: (last + header - first) as usize })
    }
}

impl Machine for HeaderCheck {
    type Output = Findings;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Findings>, Error> {
        if let Some(want) = self.want {
            self.look(want, expect(supplied, want)?);
        }
        self.want = self.want();
        Ok(self.want.map_or_else(|| Step::Done(core::mem::take(&mut self.findings)), Step::Want))
    }
}

/// Checks the markers at both ends of a payload stream.
#[derive(Clone, Debug)]
pub struct MarkerCheck {
    /// Positions that are still to be looked at, with what is expected there; the last first.
    rest: Vec<(u64, ItemType)>,
    want: Option<Want>,
    findings: Findings,
}

impl MarkerCheck {
    /// Checks as many as the stream has room for; that of a unified archive has none.
    pub fn new(layout: &Layout<'_>) -> Self {
        let mut rest = Vec::new();
        if layout.map().source() == Source::Payload {
            let tail = layout.map().tail(layout.tree());
            if tail < layout.size() {
                rest.push((tail, ItemType::PayloadTailMarker));
            }
            if layout.size() >= HEADER_SIZE as u64 {
                rest.push((0, ItemType::PayloadStartMarker));
            }
        }
        Self { rest, want: None, findings: Findings::default() }
    }
}

impl Machine for MarkerCheck {
    type Output = Findings;

    fn step(&mut self, supplied: &[u8]) -> Result<Step<Findings>, Error> {
        if let Some(want) = self.want
            && let Some((offset, expected)) = self.rest.pop()
        {
            let bytes = expect(supplied, want)?;
            let marker = if offset == 0 { START_MARKER } else { PAYLOAD_TAIL_MARKER };
            if bytes != marker {
                let what = Anomaly::Marker { expected };
                self.findings.add(Finding { source: Source::Payload, offset, entry: None, what });
            }
        }
        self.want =
            self.rest.last().map(|&(offset, _)| Want { source: Source::Payload, offset, len: HEADER_SIZE });
        Ok(self.want.map_or_else(|| Step::Done(core::mem::take(&mut self.findings)), Step::Want))
    }
}
