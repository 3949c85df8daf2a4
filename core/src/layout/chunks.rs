use alloc::vec::Vec;
use core::ops::Range;

use super::spans::{Class, Layout, Owner, Padding, Span};
use crate::format::Digest;

/// What each chunk of a stream holds.
#[derive(Clone, Debug, Default)]
pub struct ChunkTable {
    rows: Vec<Row>,
}

/// 32 bytes; what the index knows is not repeated.
#[derive(Clone, Copy, Debug)]
struct Row {
    live: u64,
    head: u64,
    tail: u64,
    /// Positions in the map's order of the first and the last payload with bytes in the chunk; the first is behind the last if there is none.
    first: u32,
    last: u32,
}

/// One chunk of a stream and what is in it. Its size is the sum of `live`, `markers` and all padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkUse {
    /// Number of the chunk in its index.
    pub number: usize,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Which bytes of the stream it holds; as far as the stream goes.
    pub extent: Range<u64>,
    /// Bytes of payloads.
    pub live: u64,
    /// Bytes of the stream's own markers; of metadata in unified archives.
    pub markers: u64,
    /// Bytes of padding.
    pub padding: Padding,
    /// Files with bytes in it, as positions in [`super::Map::order`].
    pub files: Range<usize>,
}

impl ChunkUse {
    /// Bytes of the chunk.
    pub const fn size(&self) -> u64 {
        self.extent.end - self.extent.start
    }

    /// Bytes that nobody needs.
    pub fn dead(&self) -> u64 {
        self.padding.total()
    }

    /// Bytes that are needed, in thousandths of the chunk, rounded down: 1000 only if all are.
    pub fn use_per_mille(&self) -> u32 {
        let (size, dead) = (u128::from(self.size()), u128::from(self.dead()));
        ((size - dead) * 1000).checked_div(size).unwrap_or(1000) as u32
    }
}

impl ChunkTable {
    /// Looks at all chunks; without an index there are none.
    pub fn new(layout: &Layout<'_>) -> Self {
        let Some(index) = layout.index() else { return Self::default() };
        let mut rows = Vec::with_capacity(index.count());
        rows.resize(index.count(), Row { live: 0, head: 0, tail: 0, first: u32::MAX, last: 0 });
        let (mut number, mut position) = (0, 0);
        for Span { range, owner } in layout.spans(0..layout.size().min(index.size())) {
            while index.chunks()[number].end <= range.start {
                number += 1;
            }
            match owner {
                Owner::Padding(Class::Head | Class::Whole) => rows[number].head = range.end - range.start,
                Owner::Padding(Class::Tail) => rows[number].tail = range.end - range.start,
                Owner::Payload(id) => {
                    while layout.map().order()[position] != id {
                        position += 1;
                    }
                    let mut at = range.start;
                    while at < range.end && number < rows.len() {
                        let end = range.end.min(index.chunks()[number].end);
                        let row = &mut rows[number];
                        row.live += end - at;
                        row.first = row.first.min(position as u32);
                        row.last = position as u32;
                        at = end;
                        if at < range.end {
                            number += 1;
                        }
                    }
                    number = number.min(rows.len() - 1);
                }
                _ => {}
            }
        }
        Self { rows }
    }

    /// Chunks.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no chunk, hence no index.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One chunk; `layout` is what the table was made of.
    pub fn get(&self, layout: &Layout<'_>, number: usize) -> Option<ChunkUse> {
        let index = layout.index()?;
        let (row, extent) = (self.rows.get(number)?, index.extent(number)?);
        let extent = extent.start.min(layout.size())..extent.end.min(layout.size());
        let size = extent.end - extent.start;
        let markers = layout.kept_besides(&extent, row.live);
        let mut padding = Padding::default();
        let dead = size - row.live - markers;
        if dead == size {
            padding.add(Class::Whole, dead);
        } else {
            padding.add(Class::Head, row.head);
            padding.add(Class::Tail, row.tail);
            padding.add(Class::Inner, dead - row.head - row.tail);
        }
        let files = if row.first > row.last { 0..0 } else { row.first as usize..row.last as usize + 1 };
        let digest = index.chunks()[number].digest;
        Some(ChunkUse { number, digest, extent, live: row.live, markers, padding, files })
    }

    /// All chunks in order.
    pub fn iter<'t>(&'t self, layout: &'t Layout<'_>) -> impl Iterator<Item = ChunkUse> + 't {
        (0..self.len()).filter_map(|number| self.get(layout, number))
    }

    /// Bytes of memory that the table holds.
    pub fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
    }
}
