use super::bits::Bits;
use super::cover::{Cover, Cursor};
use super::files::Files;
use crate::index::DynamicIndex;

/// Padding of a range is at most a tenth of its chunks.
const TENTH: u128 = 10;

/// The look-ahead of the reference as a decision over the listing (change detection 2.5, 3.3, 3.4, 4.2): files that lie side by side in the
/// old stream, at most `limit`, are re-used together or not at all.
///
/// Bytes that the range before uses of the first chunk are no padding, wherever that chunk is still pending. The reference gives it up
/// if its cache ran full just before a hole; that costs it the chunk twice and is not imitated. Nor is its
/// lookup, which takes one chunk too many for ranges that end where a chunk ends.
pub(super) fn choose(files: &Files, index: &DynamicIndex, limit: usize) -> Bits {
    let mut look = LookAhead { cursor: Cursor::new(index), chosen: Bits::new(files.len()), held: None };
    let mut run: Option<Run> = None;
    // Old positions have to increase over the whole listing: what an archive with other positions had wrong heals this way.
    let mut last = 0;
    for (at, file) in files.iter().enumerate() {
        let Some(cover) = look.cursor.file(file).filter(|cover| cover.from > last) else {
            look.close(run.take());
            look.held = None;
            continue;
        };
        last = cover.from;
        match &mut run {
            Some(run) if run.to == cover.from && run.count < limit => {
                run.to = cover.to;
                run.count += 1;
            }
            _ => {
                let next = Run { at, count: 1, from: cover.from, to: cover.to };
                look.close(run.replace(next));
            }
        }
    }
    look.close(run);
    look.chosen
}

/// Files that lie side by side in the old stream.
struct Run {
    at: usize,
    count: usize,
    from: u64,
    to: u64,
}

struct LookAhead<'i> {
    cursor: Cursor<'i>,
    chosen: Bits,
    /// The range before, if it was re-used, and the bytes used of its last chunk.
    held: Option<(Cover, u64)>,
}

impl LookAhead<'_> {
    fn close(&mut self, run: Option<Run>) {
        let Some(run) = run else { return };
        let Some(cover) = self.cursor.range(run.from, run.to - run.from) else { return };
        let held = self.held.take().filter(|(before, _)| cover.shares(Some(before)));
        let used_before = held.map_or(0, |(_, used)| used);
        let padding = cover.size() - (run.to - run.from) - used_before;
        if u128::from(padding) * TENTH > u128::from(cover.size()) {
            return;
        }
        (run.at..run.at + run.count).for_each(|at| self.chosen.put(at, true));
        let (_, last_start) = self.cursor.chunk(cover.last);
        let used_here = run.to - run.from.max(last_start);
        let used = if cover.first == cover.last { used_before + used_here } else { used_here };
        self.held = Some((cover, used));
    }
}
