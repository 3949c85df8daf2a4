use alloc::vec::Vec;
use core::ops::Range;

use super::sorted::sort_ids;
use crate::access::{Source, Tree};
use crate::decode::Content;
use crate::format::HEADER_SIZE;

/// The files whose contents lie in one stream, in the order in which they lie there.
#[derive(Clone, Debug)]
pub struct Map {
    source: Source,
    size: u64,
    /// Entries by start of their payload, then by number.
    order: Vec<u32>,
    /// For each position in `order`, where the payloads up to it end. Empty if that is where its own ends, as writers have it.
    reach: Vec<u64>,
    /// Where the first payload may start: behind the start marker.
    base: u64,
    live: u64,
}

impl Map {
    /// Maps a stream of `size` bytes: the payload stream of a split archive, or the archive itself with contents in it.
    pub fn new(tree: &Tree, source: Source, size: u64) -> Self {
        let base = if source == Source::Payload { size.min(HEADER_SIZE as u64) } else { 0 };
        let mut map = Self { source, size, order: Vec::new(), reach: Vec::new(), base, live: 0 };
        let (mut before, mut is_sorted) = (0, true);
        for id in 0..tree.len() as u32 {
            if let Some(payload) = map.payload(tree, id).filter(|payload| payload.start < size) {
                is_sorted &= before <= payload.start;
                before = payload.start;
                map.order.push(id);
            }
        }
        map.order.shrink_to_fit();
        if !is_sorted {
            let start = |id| start_of(source, tree, id);
            sort_ids(&mut map.order, &mut |a, b| (start(a), a).cmp(&(start(b), b)));
        }
        map.find_reach(tree);
        map
    }

    /// Fewest bytes that the payload stream of an archive has, for those who have not got it: up to its last payload, and a tail marker.
    pub fn least_size(tree: &Tree) -> u64 {
        let ends = (0..tree.len() as u32).filter_map(|id| payload(Source::Payload, tree, id));
        ends.fold(HEADER_SIZE as u64, |least, payload| least.max(payload.end))
            .saturating_add(HEADER_SIZE as u64)
    }

    /// Which stream.
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Bytes of the stream.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Files whose contents start in the stream.
    pub fn files(&self) -> usize {
        self.order.len()
    }

    /// Those files, as numbers of entries, in the order in which their payloads start.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Bytes of payloads, headers included; those that several files claim once.
    pub const fn live(&self) -> u64 {
        self.live
    }

    /// Whether each payload lies in the stream and behind the one before.
    pub fn is_regular(&self) -> bool {
        self.reach.is_empty()
    }

    /// Bytes of memory that the map holds.
    pub fn memory(&self) -> usize {
        self.order.capacity() * size_of::<u32>() + self.reach.capacity() * size_of::<u64>()
    }

    /// Where an entry says that its payload lies, header included, if it lies in this stream; it may lead out of it.
    pub fn payload(&self, tree: &Tree, id: u32) -> Option<Range<u64>> {
        payload(self.source, tree, id)
    }

    /// What the payload at a position of the order owns; empty if earlier ones own all of it.
    #[inline]
    pub(super) fn owned(&self, tree: &Tree, position: usize) -> Range<u64> {
        if self.reach.is_empty() {
            return self.claimed(tree, self.order[position]);
        }
        let before = position.checked_sub(1).map_or(self.base, |before| self.reach[before]);
        before.max(self.claimed(tree, self.order[position]).start).min(self.reach[position])
            ..self.reach[position]
    }

    /// Where a file of the order says that its payload lies.
    #[inline]
    pub(super) fn claimed(&self, tree: &Tree, id: u32) -> Range<u64> {
        let (position, size) = tree.place(id);
        let header = HEADER_SIZE as u64;
        let start = if self.source == Source::Meta { position.saturating_sub(header) } else { position };
        start..start.saturating_add(header).saturating_add(size)
    }

    /// Where the payloads before a position of the order end.
    pub(super) fn end_before(&self, tree: &Tree, position: usize) -> u64 {
        let Some(before) = position.checked_sub(1) else { return self.base };
        match self.reach.get(before) {
            Some(&reach) => reach,
            None => self.owned(tree, before).end,
        }
    }

    /// The first position of the order whose payload ends behind `offset`; it owns something.
    pub(super) fn first_ending_behind(&self, tree: &Tree, offset: u64) -> usize {
        if self.reach.is_empty() {
            return self.order.partition_point(|&id| self.claimed(tree, id).end <= offset);
        }
        let offset = offset.max(self.base);
        self.reach.partition_point(|&reach| reach <= offset)
    }

    /// Where the own tail marker begins; at the end of the stream if there is no room for one.
    pub(super) fn tail(&self, tree: &Tree) -> u64 {
        let last = self.end_before(tree, self.order.len());
        let tail = self.size.checked_sub(HEADER_SIZE as u64).filter(|&tail| tail >= last);
        tail.filter(|_| self.source == Source::Payload).unwrap_or(self.size)
    }

    /// Where the start marker ends.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    /// Sees whether payloads overlap or leave the stream; only then the ends have to be kept.
    fn find_reach(&mut self, tree: &Tree) {
        let mut end = self.base;
        for (position, &id) in self.order.iter().enumerate() {
            let Some(payload) = payload(self.source, tree, id) else { continue };
            let is_regular = payload.start >= end && payload.end <= self.size;
            if !is_regular && self.reach.is_empty() {
                self.reach.reserve_exact(self.order.len());
                let before = &self.order[..position];
                let ends = before.iter().filter_map(|&id| end_of(self.source, tree, id));
                self.reach.extend(ends);
            }
            let next = payload.end.min(self.size).max(end);
            self.live += next - end.max(payload.start).min(next);
            end = next;
            if !is_regular || !self.reach.is_empty() {
                self.reach.push(end);
            }
        }
    }
}

/// Where an entry says that its payload lies, if that is in `source`. An end that no u64 holds is the last that it holds.
fn payload(source: Source, tree: &Tree, id: u32) -> Option<Range<u64>> {
    let header = HEADER_SIZE as u64;
    let (start, size) = match (source, tree.content(id)) {
        (Source::Payload, Content::Reference(reference)) => (reference.offset, reference.size),
        (Source::Meta, Content::Inline { offset, size }) => (offset.saturating_sub(header), size),
        _ => return None,
    };
    Some(start..start.saturating_add(header).saturating_add(size))
}

fn start_of(source: Source, tree: &Tree, id: u32) -> u64 {
    payload(source, tree, id).map_or(0, |payload| payload.start)
}

fn end_of(source: Source, tree: &Tree, id: u32) -> Option<u64> {
    payload(source, tree, id).map(|payload| payload.end)
}
