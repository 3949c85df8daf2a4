use alloc::vec::Vec;

use super::sorted::sort_things;
use super::spans::{Class, Padding};
use super::totals::DirectoryTotals;
use crate::access::Tree;
use crate::format::Kind;

/// Longest side of a treemap.
const LONGEST: f64 = 100_000.0;

/// How a treemap is drawn; lengths in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canvas {
    /// Width of the whole.
    pub width: f32,
    /// Height of the whole.
    pub height: f32,
    /// What would have less area than this, in square pixels, is merged with its likes of the same directory; at least 1.
    pub least: f32,
    /// Frame around the contents of a directory.
    pub frame: f32,
    /// Room for its name above them, in directories that are at least three times as high and wide as that.
    pub title: f32,
    /// Directories deeper than this are drawn closed.
    pub depth: u16,
}

impl Default for Canvas {
    fn default() -> Self {
        Self { width: 1000.0, height: 600.0, least: 16.0, frame: 1.0, title: 0.0, depth: 64 }
    }
}

/// A rectangle of a treemap. Those of a directory's contents come after its own and lie in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tile {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Directories around it, that of the whole map not counted.
    pub depth: u16,
    /// Bytes of contents (or padding) that it stands for.
    pub bytes: u64,
    /// What it shows.
    pub what: Block,
}

/// See [`Tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// A directory with tiles in it.
    Open(u32),
    /// An entry: a file, or a directory that is too small or too deep to be opened.
    Entry(u32),
    /// Entries of a directory that are too small to be seen, each with its contents.
    Rest {
        /// The directory.
        directory: u32,
        /// How many.
        entries: u32,
    },
    /// Padding of a class.
    Padding(Class),
}

/// Draws the directory `root` and, as an area of its own, padding (pass none to leave it out). Areas are proportional to bytes of contents within
/// each directory; what has none is not seen. The same input gives the same tiles everywhere.
///
/// There are at most about `2 · width · height / least` tiles for each level. Takes O(n log n) for the children of each directory that is opened.
pub fn treemap(
    tree: &Tree,
    totals: &DirectoryTotals,
    root: u32,
    padding: &Padding,
    canvas: &Canvas,
) -> Vec<Tile> {
    let mut drawing = Drawing { tree, totals, canvas, tiles: Vec::new(), open: Vec::new() };
    // Not a number counts as 0.
    let side = |side: f32| if side > 0.0 { f64::from(side).min(LONGEST) } else { 0.0 };
    let (width, height) = (side(canvas.width), side(canvas.height));
    let whole = Rect { x: 0.0, y: 0.0, width, height };
    let (contents, rest) = (totals.size(tree, root), padding.total());
    let (files, dead) = whole.split(contents, rest);
    if rest > 0 {
        let classes = Class::ALL.into_iter().map(|class| (padding.of(class), Block::Padding(class)));
        let mut blocks: Vec<_> = classes.filter(|&(bytes, _)| bytes > 0).collect();
        sort_things(&mut blocks, |a, b| b.0.cmp(&a.0));
        drawing.squarify(&blocks, dead, 0);
    }
    if contents > 0 {
        drawing.entry(root, contents, files, 0);
    }
    while let Some((id, rect, depth)) = drawing.open.pop() {
        drawing.directory(id, rect, depth);
    }
    drawing.tiles
}

#[derive(Clone, Copy, Debug)]
struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rect {
    const fn area(&self) -> f64 {
        self.width * self.height
    }

    /// Cuts across the longer side, in proportion.
    fn split(self, first: u64, second: u64) -> (Self, Self) {
        let all = u128::from(first) + u128::from(second);
        let share = if all > 0 { first as f64 / all as f64 } else { 1.0 };
        if self.width >= self.height {
            let width = self.width * share;
            let rest = Self { x: self.x + width, width: self.width - width, ..self };
            (Self { width, ..self }, rest)
        } else {
            let height = self.height * share;
            let rest = Self { y: self.y + height, height: self.height - height, ..self };
            (Self { height, ..self }, rest)
        }
    }

    /// What is left for the contents of a directory.
    fn inside(self, canvas: &Canvas) -> Self {
        let (frame, title) = (f64::from(canvas.frame).max(0.0), f64::from(canvas.title).max(0.0));
        let title = if self.width.min(self.height) >= 3.0 * title { title } else { 0.0 };
        Self {
            x: self.x + frame,
            y: self.y + frame + title,
            width: (self.width - 2.0 * frame).max(0.0),
            height: (self.height - 2.0 * frame - title).max(0.0),
        }
    }
}

struct Drawing<'a> {
    tree: &'a Tree,
    totals: &'a DirectoryTotals,
    canvas: &'a Canvas,
    tiles: Vec<Tile>,
    /// Directories to be filled.
    open: Vec<(u32, Rect, u16)>,
}

impl Drawing<'_> {
    fn least(&self) -> f64 {
        f64::from(self.canvas.least).max(1.0)
    }

    fn tile(&mut self, what: Block, bytes: u64, rect: Rect, depth: u16) {
        let (x, y) = (rect.x as f32, rect.y as f32);
        let (width, height) = (rect.width as f32, rect.height as f32);
        self.tiles.push(Tile { x, y, width, height, depth, bytes, what });
    }

    fn entry(&mut self, id: u32, bytes: u64, rect: Rect, depth: u16) {
        let inside = rect.inside(self.canvas);
        let is_open = self.tree.kind(id) == Kind::Directory
            && depth < self.canvas.depth
            && inside.area() >= self.least();
        self.tile(if is_open { Block::Open(id) } else { Block::Entry(id) }, bytes, rect, depth);
        if is_open {
            self.open.push((id, inside, depth + 1));
        }
    }

    fn directory(&mut self, id: u32, rect: Rect, depth: u16) {
        let all = self.totals.size(self.tree, id);
        let scale = rect.area() / all as f64;
        let (mut blocks, mut entries, mut bytes) = (Vec::new(), 0, 0);
        for child in self.tree.children(id) {
            let size = self.totals.size(self.tree, child);
            if size as f64 * scale >= self.least() {
                blocks.push((size, Block::Entry(child)));
            } else if size > 0 {
                entries += 1;
                bytes += size;
            }
        }
        if entries > 0 {
            blocks.push((bytes, Block::Rest { directory: id, entries }));
        }
        // Stable: equals stay in the order of the archive, the rest behind them.
        sort_things(&mut blocks, |a, b| b.0.cmp(&a.0));
        self.squarify(&blocks, rect, depth);
    }

    /// Fills `rect` with blocks, the largest first, in rows along the shorter side; a row takes blocks as long as that makes the worst of
    /// them more like a square.
    fn squarify(&mut self, blocks: &[(u64, Block)], mut rect: Rect, depth: u16) {
        // Exact sums: rounding them would lead out of the rectangle.
        let sum = |blocks: &[(u64, Block)]| blocks.iter().map(|&(bytes, _)| u128::from(bytes)).sum::<u128>();
        let mut left = sum(blocks);
        let mut blocks = blocks;
        while let Some(&(first, _)) = blocks.first() {
            let side = rect.width.min(rect.height);
            let scale = if left > 0 { rect.area() / left as f64 } else { 0.0 };
            // Of the row so far: its area, and that of its first and largest block.
            let (mut row, largest) = (first as f64 * scale, first as f64 * scale);
            let mut count = 1;
            let mut worst = proportion(side, row, largest, largest);
            for &(bytes, _) in &blocks[1..] {
                let area = bytes as f64 * scale;
                let next = proportion(side, row + area, largest, area);
                if next > worst {
                    break;
                }
                (row, worst) = (row + area, next);
                count += 1;
            }
            let (these, rest) = blocks.split_at(count);
            let bytes = sum(these);
            rect = self.row(
                these,
                bytes,
                rect,
                if rest.is_empty() { 1.0 } else { bytes as f64 / left as f64 },
                depth,
            );
            left -= bytes;
            blocks = rest;
        }
    }

    /// Lays a row of blocks, which take `share` of `rect`, and returns what is left.
    fn row(&mut self, blocks: &[(u64, Block)], bytes: u128, rect: Rect, share: f64, depth: u16) -> Rect {
        let is_wide = rect.width >= rect.height;
        let part_of = |part: u128| if bytes > 0 { part as f64 / bytes as f64 } else { 0.0 };
        let mut done = 0;
        for &(size, what) in blocks {
            let (from, to) = (part_of(done), part_of(done + u128::from(size)));
            done += u128::from(size);
            let part = if is_wide {
                let (y, height) = (rect.y + rect.height * from, rect.height * (to - from));
                Rect { x: rect.x, y, width: rect.width * share, height }
            } else {
                let (x, width) = (rect.x + rect.width * from, rect.width * (to - from));
                Rect { x, y: rect.y, width, height: rect.height * share }
            };
            match what {
                Block::Entry(id) => self.entry(id, size, part, depth),
                what => self.tile(what, size, part, depth),
            }
        }
        if is_wide {
            let width = rect.width * share;
            Rect { x: rect.x + width, width: rect.width - width, ..rect }
        } else {
            let height = rect.height * share;
            Rect { y: rect.y + height, height: rect.height - height, ..rect }
        }
    }
}

/// The worst ratio of sides in a row of the area `row` along `side`, whose blocks have areas from `least` to `most`.
fn proportion(side: f64, row: f64, most: f64, least: f64) -> f64 {
    let thick = row / side;
    (most / (thick * thick)).max(thick * thick / least)
}
