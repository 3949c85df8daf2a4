use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::spans::{Layout, Owner, Padding};

/// Most categories of entries in a [`Column`].
pub const CATEGORIES: usize = 16;

/// What lies in one column of a picture, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Payloads by category of their entry.
    pub live: [u64; CATEGORIES],
    /// Padding by class.
    pub padding: Padding,
    /// Own markers.
    pub markers: u64,
    /// Metadata, of unified archives.
    pub metadata: u64,
}

impl Layout<'_> {
    /// Sums `range` up in `count` columns of equal width. Column `k` holds the bytes from
    /// `range.start + k · len / count` to `range.start + (k + 1) · len / count`, rounded down. `category` tells that of an entry, below
    /// [`CATEGORIES`]; larger ones count as the last. What lies behind the stream counts nowhere.
    pub fn columns(&self, range: Range<u64>, count: usize, category: impl Fn(u32) -> u8) -> Vec<Column> {
        let mut columns = vec![Column::default(); count];
        let len = range.end.saturating_sub(range.start);
        if count == 0 || len == 0 {
            return columns;
        }
        let border = |column: usize| range.start + (u128::from(len) * column as u128 / count as u128) as u64;
        let (mut at, mut end) = (0, border(1));
        self.spans(range.clone()).for_each(|span| {
            let mut start = span.range.start.max(range.start);
            let stop = span.range.end.min(range.end);
            let category = match span.owner {
                Owner::Payload(id) => usize::from(category(id)).min(CATEGORIES - 1),
                _ => 0,
            };
            while start < stop {
                while end <= start {
                    at += 1;
                    end = border(at + 1);
                }
                let bytes = stop.min(end) - start;
                let column = &mut columns[at];
                match span.owner {
                    Owner::Payload(_) => column.live[category] += bytes,
                    Owner::Padding(class) => column.padding.add(class, bytes),
                    Owner::StartMarker | Owner::TailMarker => column.markers += bytes,
                    Owner::Metadata => column.metadata += bytes,
                }
                start += bytes;
            }
        });
        columns
    }
}
