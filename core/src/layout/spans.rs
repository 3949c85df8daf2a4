use core::iter::FusedIterator;
use core::ops::Range;

use super::map::Map;
use crate::access::{Source, Tree};
use crate::index::DynamicIndex;

/// Chunks that are looked at one by one before the index is searched.
const NEAR: usize = 4;

/// Why padding is where it is (see the [module](super)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Before the first byte of its chunk that is no padding.
    Head,
    /// Behind the last byte of its chunk that is no padding.
    Tail,
    /// A chunk with nothing else.
    Whole,
    /// Between bytes of its chunk that are no padding.
    Inner,
    /// There is no index that tells.
    Gap,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Head, Self::Tail, Self::Whole, Self::Inner, Self::Gap];

    /// The word for it in JSON, CSV and legends.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Tail => "tail",
            Self::Whole => "whole",
            Self::Inner => "inner",
            Self::Gap => "gap",
        }
    }
}

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The stream's own start marker.
    StartMarker,
    /// PAYLOAD header and contents of this entry.
    Payload(u32),
    /// Nobody's.
    Padding(Class),
    /// Items of a unified archive other than PAYLOAD.
    Metadata,
    /// The stream's own tail marker.
    TailMarker,
}

impl Owner {
    /// The word for it in JSON and CSV: `payload`, `padding`, `marker` or `metadata`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartMarker | Self::TailMarker => "marker",
            Self::Payload(_) => "payload",
            Self::Padding(_) => "padding",
            Self::Metadata => "metadata",
        }
    }
}

/// Bytes of a stream with one owner; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where they are.
    pub range: Range<u64>,
    /// Whose they are.
    pub owner: Owner,
}

/// Bytes of padding by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding(pub [u64; 5]);

impl Padding {
    /// Bytes of one class.
    pub const fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// Bytes of all classes.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts bytes.
    pub const fn add(&mut self, class: Class, bytes: u64) {
        self.0[class as usize] += bytes;
    }
}

/// What a stream consists of; the sum of all fields but `files` is its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files whose payloads start in the stream.
    pub files: u64,
    /// Bytes of payloads, headers included.
    pub live: u64,
    /// Bytes of padding.
    pub padding: Padding,
    /// Bytes of metadata, of unified archives.
    pub metadata: u64,
    /// Bytes of own markers.
    pub markers: u64,
}

/// A stream, with the entries that lie in it and the index of its chunks.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    tree: &'a Tree,
    map: &'a Map,
    index: Option<&'a DynamicIndex>,
}

impl<'a> Layout<'a> {
    /// `map` was made of `tree`; `index` is that of the same stream, if there is one.
    pub const fn new(tree: &'a Tree, map: &'a Map, index: Option<&'a DynamicIndex>) -> Self {
        Self { tree, map, index }
    }

    /// The entries.
    pub const fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// The map.
    pub const fn map(&self) -> &'a Map {
        self.map
    }

    /// The index of the stream.
    pub const fn index(&self) -> Option<&'a DynamicIndex> {
        self.index
    }

    /// Bytes of the stream.
    pub const fn size(&self) -> u64 {
        self.map.size()
    }

    /// The span that holds the byte at `offset`; `None` at the end of the stream and after.
    pub fn at(&self, offset: u64) -> Option<Span> {
        self.spans(offset..offset.saturating_add(1)).next()
    }

    /// The spans that hold bytes of `range`, in order. The first and the last may reach out of it.
    pub fn spans(&self, range: Range<u64>) -> Spans<'a> {
        let position = self.map.first_ending_behind(self.tree, range.start);
        let end = range.end.min(self.size());
        let tail = self.map.tail(self.tree);
        let (payload, gap, at) = (None, Range::default(), range.start);
        let mut spans = Spans { layout: *self, position, payload, gap, chunk: 0, at, end, tail };
        spans.enter(self.map.end_before(self.tree, position));
        spans
    }

    /// What of the stream an entry owns: header and contents. `None` for entries without contents in this stream.
    pub fn owned(&self, id: u32) -> Option<Range<u64>> {
        let owned = self.map.owned(self.tree, self.position(id)?);
        (!owned.is_empty()).then_some(owned)
    }

    /// Where in [`Map::order`] an entry stands.
    pub fn position(&self, id: u32) -> Option<usize> {
        let start = self.map.payload(self.tree, id)?.start;
        let key = |&other: &u32| (self.map.payload(self.tree, other).map_or(0, |p| p.start), other);
        self.map.order().binary_search_by_key(&(start, id), key).ok()
    }

    /// Bytes of padding (or metadata) right before and right behind what an entry owns.
    pub fn around(&self, id: u32) -> (u64, u64) {
        let Some((position, owned)) = self.position(id).zip(self.owned(id)) else { return (0, 0) };
        let before = owned.start - self.map.end_before(self.tree, position);
        let next = self.map.first_ending_behind(self.tree, owned.end);
        let behind = if next < self.map.files() {
            self.map.owned(self.tree, next).start
        } else {
            self.map.tail(self.tree)
        };
        (before, behind.saturating_sub(owned.end))
    }

    /// Adds everything up.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { files: self.map.files() as u64, ..Totals::default() };
        self.spans(0..self.size()).for_each(|Span { range, owner }| {
            let bytes = range.end - range.start;
            match owner {
                Owner::StartMarker | Owner::TailMarker => totals.markers += bytes,
                Owner::Payload(_) => totals.live += bytes,
                Owner::Padding(class) => totals.padding.add(class, bytes),
                Owner::Metadata => totals.metadata += bytes,
            }
        });
        totals
    }

    /// Bytes of `extent`, of which `live` are payloads, that are neither payloads nor padding: markers or metadata.
    pub(super) fn kept_besides(&self, extent: &Range<u64>, live: u64) -> u64 {
        if self.map.source() == Source::Meta {
            return extent.end - extent.start - live;
        }
        let start = self.map.base().min(extent.end).saturating_sub(extent.start);
        start + extent.end.saturating_sub(self.map.tail(self.tree).max(extent.start))
    }

    /// The piece of the gap `gap` that holds the byte at `at`. `chunk` is that of a byte before, and becomes that of this one.
    fn piece(&self, gap: &Range<u64>, at: u64, chunk: &mut usize) -> Span {
        if self.map.source() == Source::Meta {
            return Span { range: gap.clone(), owner: Owner::Metadata };
        }
        let extent = self.index.and_then(|index| {
            let chunks = index.chunks();
            let near =
                chunks[(*chunk).min(chunks.len())..].iter().take(NEAR).position(|chunk| chunk.end > at);
            *chunk = near.map(|near| *chunk + near).or_else(|| index.find(at))?;
            index.extent(*chunk)
        });
        let Some(extent) = extent else {
            let known = self.index.map_or(0, DynamicIndex::size);
            return Span { range: gap.start.max(known)..gap.end, owner: Owner::Padding(Class::Gap) };
        };
        let extent = extent.start..extent.end.min(self.size());
        let range = gap.start.max(extent.start)..gap.end.min(extent.end);
        let class = match (range.start == extent.start, range.end == extent.end) {
            (true, true) => Class::Whole,
            (true, false) => Class::Head,
            (false, true) => Class::Tail,
            (false, false) => Class::Inner,
        };
        Span { range, owner: Owner::Padding(class) }
    }
}

/// See [`Layout::spans`].
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    layout: Layout<'a>,
    /// Of the next payload in the map's order.
    position: usize,
    /// What that payload owns.
    payload: Option<Range<u64>>,
    /// What lies before that payload.
    gap: Range<u64>,
    /// A chunk that ends at or before `at`, or holds it.
    chunk: usize,
    at: u64,
    end: u64,
    /// Where the tail marker begins.
    tail: u64,
}

impl Spans<'_> {
    /// Looks at the payload at the position, and the gap before it, which begins at `start`.
    fn enter(&mut self, start: u64) {
        let Layout { tree, map, .. } = self.layout;
        self.payload = (self.position < map.files()).then(|| map.owned(tree, self.position));
        self.gap = start..self.payload.as_ref().map_or(self.tail, |payload| payload.start);
    }
}

impl Iterator for Spans<'_> {
    type Item = Span;

    #[inline]
    fn next(&mut self) -> Option<Span> {
        if self.at >= self.end {
            return None;
        }
        let base = self.layout.map.base();
        let span = if self.at < base {
            Span { range: 0..base, owner: Owner::StartMarker }
        } else if self.at < self.gap.end {
            self.layout.piece(&self.gap, self.at, &mut self.chunk)
        } else if let Some(range) = self.payload.take() {
            let owner = Owner::Payload(self.layout.map.order()[self.position]);
            // Payloads that own nothing are passed over.
            while {
                self.position += 1;
                self.enter(range.end);
                self.payload.as_ref().is_some_and(Range::is_empty)
            } {}
            Span { range, owner }
        } else {
            Span { range: self.tail..self.layout.size(), owner: Owner::TailMarker }
        };
        self.at = span.range.end;
        Some(span)
    }

    /// The same without looking back and forth; twice as fast where payloads do not overlap.
    fn fold<B, F: FnMut(B, Span) -> B>(mut self, init: B, mut visit: F) -> B {
        let Layout { tree, map, .. } = self.layout;
        let mut sum = init;
        if map.is_regular() && self.at < self.end {
            let base = map.base();
            if self.at < base.min(self.end) {
                sum = visit(sum, Span { range: 0..base, owner: Owner::StartMarker });
                self.at = base;
            }
            let mut gap = self.gap.start;
            for &id in &map.order()[self.position..] {
                let range = map.claimed(tree, id);
                while self.at < range.start.min(self.end) {
                    let span = self.layout.piece(&(gap..range.start), self.at, &mut self.chunk);
                    self.at = span.range.end;
                    sum = visit(sum, span);
                }
                if range.start >= self.end {
                    return sum;
                }
                (gap, self.at) = (range.end, range.end);
                sum = visit(sum, Span { range, owner: Owner::Payload(id) });
            }
            self.position = map.files();
            self.enter(gap);
        }
        for span in self {
            sum = visit(sum, span);
        }
        sum
    }
}

impl FusedIterator for Spans<'_> {}
