//! What lies in each column of a picture: bytes of everything in it, and where something large begins.

use std::ops::Range;

use pxkit_core::layout::{Class, Layout, Owner, Span};

use super::colouring::Categories;
use super::fill::Fill;
use super::hatch;
use crate::protocol::layout::Padding;

/// Number of the first kind of padding among a column's amounts; below it are the categories.
const DEAD: usize = 16;
/// Number of markers and metadata.
const FRAME: usize = DEAD + Padding::ALL.len();

/// Equal parts of a range of bytes; one part is at least a byte.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    start: u64,
    len: u64,
    count: u64,
    pixels: u64,
}

impl Grid {
    /// `pixels` columns for `range`; several for one byte if there are more columns than bytes.
    pub fn new(range: Range<u64>, pixels: u32) -> Self {
        let len = range.end.saturating_sub(range.start);
        Self { start: range.start, len, count: len.min(pixels.into()), pixels: pixels.into() }
    }

    /// The bytes that are shown.
    pub const fn range(&self) -> Range<u64> {
        self.start..self.start + self.len
    }

    /// The part that is shown at a pixel.
    pub const fn part(&self, pixel: u32) -> usize {
        (pixel as u64 * self.count / self.pixels) as usize
    }

    /// Where a part begins.
    fn border(&self, part: usize) -> u64 {
        self.start + (u128::from(self.len) * part as u128 / u128::from(self.count)) as u64
    }

    /// The first part that lies behind `offset` for the most of it.
    fn nearest(&self, offset: u64) -> usize {
        let from = u128::from(offset.saturating_sub(self.start));
        ((from * u128::from(self.count) + u128::from(self.len / 2)) / u128::from(self.len.max(1))) as usize
    }

    /// Fewest bytes that are at least so many pixels wide.
    fn wide(&self, pixels: u32) -> u64 {
        let bytes = (u128::from(self.len) * u128::from(pixels)).div_ceil(u128::from(self.pixels.max(1)));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// What lies in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Bytes of each category, each kind of padding (in the order of [`Padding::ALL`]), and markers or metadata.
    amounts: [u64; FRAME + 1],
    /// Bytes of what is marked.
    pub marked: u64,
    /// Something in it is too narrow to be seen by itself: amounts are stacked. Otherwise the column shows what most of it is.
    pub is_narrow: bool,
    /// A wide payload or chunk begins here.
    pub begins: bool,
    /// A wide piece of padding begins here.
    pub dead_begins: bool,
    /// A wide piece of padding ends here.
    pub dead_ends: bool,
}

impl Column {
    const EMPTY: Self = Self {
        amounts: [0; FRAME + 1],
        marked: 0,
        is_narrow: false,
        begins: false,
        dead_begins: false,
        dead_ends: false,
    };

    /// Bytes of payloads of a category.
    pub const fn live(&self, category: u8) -> u64 {
        self.amounts[category as usize]
    }

    /// Bytes of a kind of padding.
    pub const fn dead(&self, kind: Padding) -> u64 {
        self.amounts[DEAD + hatch::index(kind)]
    }

    /// Bytes of padding.
    pub fn all_dead(&self) -> u64 {
        self.amounts[DEAD..FRAME].iter().sum()
    }

    /// Bytes of everything.
    pub fn total(&self) -> u64 {
        self.amounts.iter().sum()
    }

    /// Everything in the order in which it is stacked: categories, markers, padding.
    pub fn parts(&self) -> impl Iterator<Item = (Fill, u64)> + '_ {
        self.kept().chain(self.padding())
    }

    /// Payloads, markers, metadata.
    pub fn kept(&self) -> impl Iterator<Item = (Fill, u64)> + '_ {
        let live = (0..DEAD as u8).map(|category| (Fill::Live(category), self.live(category)));
        live.chain([(Fill::Frame, self.amounts[FRAME])]).filter(|part| part.1 > 0)
    }

    /// Padding.
    pub fn padding(&self) -> impl Iterator<Item = (Fill, u64)> + '_ {
        Padding::ALL.into_iter().map(|kind| (Fill::Dead(kind), self.dead(kind))).filter(|part| part.1 > 0)
    }

    /// What most of it is; of equals the first.
    pub fn most(&self) -> Option<Fill> {
        let parts = self.parts();
        parts.reduce(|most, part| if part.1 > most.1 { part } else { most }).map(|part| part.0)
    }
}

/// Adds ranges up in columns, in the order of their offsets.
struct Sums {
    grid: Grid,
    columns: Vec<Column>,
    at: usize,
    end: u64,
    /// Bytes from which on something is wide.
    wide: u64,
}

impl Sums {
    fn new(grid: Grid, wide: u32) -> Self {
        let end = if grid.count == 0 { grid.start } else { grid.border(1) };
        Self { grid, columns: vec![Column::EMPTY; grid.count as usize], at: 0, end, wide: grid.wide(wide) }
    }

    /// Counts the bytes of `range` that are shown.
    fn add(&mut self, range: &Range<u64>, amount: usize, is_narrow: bool, is_marked: bool) {
        let shown = self.grid.range();
        let (mut start, stop) = (range.start.max(shown.start), range.end.min(shown.end));
        while start < stop {
            while self.end <= start {
                self.at += 1;
                self.end = self.grid.border(self.at + 1);
            }
            let bytes = stop.min(self.end) - start;
            let column = &mut self.columns[self.at];
            column.amounts[amount] += bytes;
            column.is_narrow |= is_narrow;
            column.marked += if is_marked { bytes } else { 0 };
            start += bytes;
        }
    }

    fn is_narrow(&self, range: &Range<u64>) -> bool {
        range.end - range.start < self.wide
    }

    /// The column in which something begins, if that is shown.
    fn first(&mut self, range: &Range<u64>) -> Option<&mut Column> {
        let is_shown = range.start > self.grid.start && range.start < self.grid.range().end;
        let at = self.grid.nearest(range.start);
        self.columns.get_mut(at).filter(|_| is_shown)
    }

    /// The column in which something ends, if that is shown.
    fn last(&mut self, range: &Range<u64>) -> Option<&mut Column> {
        let is_shown = range.end > self.grid.start && range.end < self.grid.range().end;
        let at = self.grid.nearest(range.end).checked_sub(1)?;
        self.columns.get_mut(at).filter(|_| is_shown)
    }

    fn dead(&mut self, range: &Range<u64>, kind: Padding) {
        let is_narrow = self.is_narrow(range);
        self.add(range, DEAD + hatch::index(kind), is_narrow, false);
        if !is_narrow {
            self.first(range).into_iter().for_each(|column| column.dead_begins = true);
            self.last(range).into_iter().for_each(|column| column.dead_ends = true);
        }
    }
}

/// What the columns of a picture of payloads and padding hold. `ghosts` are ranges of forgotten payloads in order; `marked` the entries that
/// are marked; what is narrower than `wide` pixels is only seen in sums.
pub fn of_payloads(
    layout: &Layout<'_>,
    grid: Grid,
    categories: &Categories<'_>,
    ghosts: &[Range<u64>],
    marked: &Range<u32>,
    wide: u32,
) -> Vec<Column> {
    let mut sums = Sums::new(grid, wide);
    let mut chunk = None;
    let mut ghosts = &ghosts[ghosts.partition_point(|ghost| ghost.end <= grid.start)..];
    // Not a loop: this way of going through spans is twice as fast.
    layout.spans(grid.range()).for_each(|Span { range, owner }| {
        match owner {
            Owner::Payload(id) => {
                let (is_narrow, is_marked) = (sums.is_narrow(&range), marked.contains(&id));
                match categories {
                    Categories::Entries(of) => {
                        let category = of.get(id as usize).copied().unwrap_or_default();
                        sums.add(&range, category.min(15).into(), is_narrow, is_marked);
                    }
                    Categories::Chunks(of) => {
                        let shown = range.start.max(grid.start)..range.end.min(grid.range().end);
                        // Payloads come in order: the next one begins in the chunk of the last, or soon behind.
                        let first = next_chunk(layout, chunk, shown.start);
                        for (part, number) in by_chunks_from(layout, shown, first) {
                            chunk = number;
                            let category =
                                number.and_then(|chunk| of.get(chunk)).copied().unwrap_or_default();
                            sums.add(&part, category.min(15).into(), is_narrow, is_marked);
                        }
                    }
                }
                if !is_narrow {
                    sums.first(&range).into_iter().for_each(|column| column.begins = true);
                }
            }
            Owner::Padding(class) => {
                while ghosts.first().is_some_and(|ghost| ghost.end <= range.start) {
                    ghosts = &ghosts[1..];
                }
                cut_ghosts(ghosts, range, |piece, is_ghost| {
                    sums.dead(&piece, if is_ghost { Padding::Ghost } else { kind(class) });
                });
            }
            Owner::StartMarker | Owner::TailMarker | Owner::Metadata => {
                let is_narrow = sums.is_narrow(&range);
                sums.add(&range, FRAME, is_narrow, false);
                if !is_narrow {
                    sums.first(&range).into_iter().for_each(|column| column.begins = true);
                }
            }
        }
    });
    sums.columns
}

/// What the columns of a picture of chunks hold: the categories of chunks, or, without any, even and odd ones as
/// categories 0 and 1, and narrow ones as 2.
pub fn of_chunks(layout: &Layout<'_>, grid: Grid, categories: Option<&[u8]>, wide: u32) -> Vec<Column> {
    let mut sums = Sums::new(grid, wide);
    for (extent, chunk) in by_chunks(layout, grid.range()) {
        let Some(chunk) = chunk else { continue };
        let extent = layout.index().and_then(|index| index.extent(chunk)).unwrap_or(extent);
        let extent = extent.start..extent.end.min(layout.size());
        let is_narrow = sums.is_narrow(&extent);
        let category = match categories {
            Some(of) => of.get(chunk).copied().unwrap_or_default().min(15),
            None if is_narrow => 2,
            None => (chunk % 2) as u8,
        };
        sums.add(&extent, category.into(), is_narrow, false);
        if !is_narrow {
            sums.first(&extent).into_iter().for_each(|column| column.begins = true);
        }
    }
    sums.columns
}

/// Cuts padding where ghosts begin and end; the first of `ghosts` ends behind its start.
pub fn cut_ghosts(ghosts: &[Range<u64>], range: Range<u64>, mut see: impl FnMut(Range<u64>, bool)) {
    let mut at = range.start;
    for ghost in ghosts {
        let ghost = ghost.start.max(at)..ghost.end.min(range.end);
        if ghost.start >= range.end {
            break;
        }
        if ghost.is_empty() {
            continue;
        }
        if at < ghost.start {
            see(at..ghost.start, false);
        }
        at = ghost.end;
        see(ghost, true);
    }
    if at < range.end {
        see(at..range.end, false);
    }
}

/// The chunk that holds `offset`, looked for near another one before it.
pub fn next_chunk(layout: &Layout<'_>, before: Option<usize>, offset: u64) -> Option<usize> {
    let index = layout.index()?;
    let before = before.unwrap_or_default();
    let near = (before..index.count().min(before + 4)).find(|&at| offset < index.chunks()[at].end);
    // The first of several: the one before it, if there is any, ends at `offset` or earlier.
    let near = near.filter(|&at| {
        at == 0 || at > before || index.extent(at).is_some_and(|extent| extent.start <= offset)
    });
    near.or_else(|| index.find(offset))
}

/// Cuts a range of the stream where chunks end, with the number of each chunk; without one behind the index.
pub fn by_chunks<'a>(
    layout: &Layout<'a>,
    range: Range<u64>,
) -> impl Iterator<Item = (Range<u64>, Option<usize>)> + use<'a> {
    let first = layout.index().and_then(|index| index.find(range.start));
    by_chunks_from(layout, range, first)
}

/// The same, where it is known which chunk is the first.
pub fn by_chunks_from<'a>(
    layout: &Layout<'a>,
    range: Range<u64>,
    first: Option<usize>,
) -> impl Iterator<Item = (Range<u64>, Option<usize>)> + use<'a> {
    let index = layout.index();
    let mut number = first;
    let stop = range.end.min(layout.size());
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= stop {
            return None;
        }
        let start = at;
        let chunk = number;
        let end =
            chunk.zip(index).and_then(|(number, index)| index.chunks().get(number)).map_or(stop, |c| c.end);
        at = end.min(stop);
        number = number.map(|number| number + 1).filter(|&n| index.is_some_and(|index| n < index.count()));
        Some((start..at, chunk))
    })
}

/// The kind of padding as it is shown, before ghosts are known.
pub const fn kind(class: Class) -> Padding {
    match class {
        Class::Head => Padding::Head,
        Class::Tail => Padding::Tail,
        Class::Whole => Padding::Whole,
        Class::Inner => Padding::Inner,
        Class::Gap => Padding::Gap,
    }
}
