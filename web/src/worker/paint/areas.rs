//! Directories as areas.

use std::cell::Cell;
use std::ops::Range;

use pxkit_core::access::Tree;
use pxkit_core::layout::{
    Block, Canvas, ChunkTable, Class, DirectoryTotals, Layout, Padding, Tile, add_by_category, sort_things,
    treemap,
};

use super::colouring::{Categories, Colours};
use super::columns::{by_chunks_from, kind, next_chunk};
use super::fill::{Fill, Palette};
use super::map::scale;
use super::picture::Picture;
use crate::protocol::layout::{Area, Treemap, TreemapQuery};
use crate::state::text;
use crate::worker::files::bits::Bits;
use crate::worker::text::escape;

/// Least area of a tile, in square pixels of the page.
const LEAST: f32 = 20.0;
/// Room for the name of a directory, in pixels of the page.
const TITLE: u32 = 16;
/// Least sides of an area that is told of, in pixels of the page, and most of them.
const TOLD: (u32, u32, usize) = (12, 10, 4000);

/// Draws a directory; `None` if it would be too large.
pub fn draw(
    layout: &Layout<'_>,
    chunks: &ChunkTable,
    totals: &DirectoryTotals,
    colours: &Colours,
    query: &TreemapQuery,
) -> Option<Treemap> {
    let mut picture = Picture::new(query.width, query.height)?;
    let scale = scale(query.scale);
    let canvas = Canvas {
        width: query.width as f32,
        height: query.height as f32,
        least: LEAST * (scale * scale) as f32,
        frame: scale as f32,
        title: (TITLE * scale) as f32,
        ..Canvas::default()
    };
    let padding = padding(layout, chunks, query.root);
    let tiles = treemap(layout.tree(), totals, query.root, &padding, &canvas);
    let palette = Palette::new(colours.tones(), &query.hidden, query.dark, scale);
    let single = singles(&tiles, layout.tree());
    let mixed = Mixed { layout, colours, single, chunk: Cell::default() };
    for tile in &tiles {
        paint(&mut picture, tile, &mixed, &palette);
    }
    mark(&mut picture, &tiles, layout.tree(), query.marked, &palette);
    let areas = areas(&tiles, layout.tree(), scale);
    Some(Treemap { width: picture.width(), height: picture.height(), rgba: picture.into_rgba(), areas })
}

/// Padding of the whole, or of the chunks that reading a directory needs.
fn padding(layout: &Layout<'_>, chunks: &ChunkTable, root: u32) -> Padding {
    if root == 0 {
        return layout.totals().padding;
    }
    let mut padding = Padding::default();
    let needs = layout.needs(root..layout.tree().end(root));
    for chunk in needs.runs.into_iter().flatten().filter_map(|number| chunks.get(layout, number)) {
        Class::ALL.into_iter().for_each(|class| padding.add(class, chunk.padding.of(class)));
    }
    padding
}

/// Pixels of a tile: left, top, width, height.
fn pixels(tile: &Tile) -> (u32, u32, u32, u32) {
    let (left, top) = (tile.x.round(), tile.y.round());
    let (right, bottom) = ((tile.x + tile.width).round(), (tile.y + tile.height).round());
    (left as u32, top as u32, (right - left) as u32, (bottom - top) as u32)
}

/// Entries with a tile of their own.
fn singles(tiles: &[Tile], tree: &Tree) -> Bits {
    let mut singles = Bits::default();
    singles.grow(tree.len() as u32);
    for tile in tiles {
        if let Block::Open(id) | Block::Entry(id) = tile.what {
            singles.set(id, true);
        }
    }
    singles
}

fn paint(picture: &mut Picture, tile: &Tile, mixed: &Mixed<'_>, palette: &Palette) {
    let (x, y, width, height) = pixels(tile);
    // A line of the page between areas, where there is room for it.
    let gap = |side: u32| if side > 2 * palette.scale() { side - 1 } else { side };
    let (wide, high) = (gap(width), gap(height));
    match tile.what {
        Block::Open(_) => {
            let line = palette.scale();
            picture.paint(x, y, width, line, Fill::Frame, palette);
            picture.paint(x, y + height.saturating_sub(line), width, line, Fill::Frame, palette);
            picture.paint(x, y, line, height, Fill::Frame, palette);
            picture.paint(x + width.saturating_sub(line), y, line, height, Fill::Frame, palette);
        }
        Block::Padding(class) => picture.paint(x, y, wide, high, Fill::Dead(kind(class)), palette),
        Block::Entry(_) | Block::Rest { .. } => {
            let amounts = mixed.amounts(tile.what);
            let total: u128 = amounts.iter().copied().map(u128::from).sum();
            let (mut sum, mut from) = (0_u128, 0);
            for (category, bytes) in amounts.into_iter().enumerate().filter(|amount| amount.1 > 0) {
                sum += u128::from(bytes);
                let to = (u128::from(wide) * sum / total) as u32;
                picture.paint(x + from, y, to - from, high, Fill::Live(category as u8), palette);
                from = to;
            }
        }
    }
}

/// What is in tiles that stand for several files.
struct Mixed<'a> {
    layout: &'a Layout<'a>,
    colours: &'a Colours,
    /// Entries with a tile of their own.
    single: Bits,
    /// Where the last file was found; the next one is near, as a rule.
    chunk: Cell<Option<usize>>,
}

impl Mixed<'_> {
    /// Bytes of each category in a tile.
    fn amounts(&self, what: Block) -> [u64; 16] {
        let mut amounts = [0; 16];
        let tree = self.layout.tree();
        match what {
            Block::Entry(id) | Block::Open(id) => self.add(id..tree.end(id), &mut amounts),
            Block::Rest { directory, .. } => {
                for child in tree.children(directory).filter(|&child| !self.single.has(child)) {
                    self.add(child..tree.end(child), &mut amounts);
                }
            }
            Block::Padding(_) => {}
        }
        amounts
    }

    fn add(&self, ids: Range<u32>, amounts: &mut [u64; 16]) {
        let tree = self.layout.tree();
        let of = match self.colours.categories() {
            Categories::Entries(of) => return add_by_category(tree, ids, of, amounts),
            Categories::Chunks(of) => of,
        };
        for id in ids.filter(|&id| tree.size(id) > 0) {
            let payload = self.layout.map().payload(tree, id).unwrap_or_default();
            let first = next_chunk(self.layout, self.chunk.get(), payload.start);
            for (part, chunk) in by_chunks_from(self.layout, payload, first) {
                self.chunk.set(chunk);
                let category = chunk.and_then(|chunk| of.get(chunk)).copied().unwrap_or_default();
                amounts[usize::from(category.min(15))] += part.end - part.start;
            }
        }
    }
}

/// Frames the tile of an entry, or the one that it is in.
fn mark(picture: &mut Picture, tiles: &[Tile], tree: &Tree, marked: Option<u32>, palette: &Palette) {
    let Some(mut at) = marked.filter(|&id| (id as usize) < tree.len()) else { return };
    let tile = loop {
        if at == 0 {
            return;
        }
        let (parent, is_single) =
            (tree.parent(at), |what| matches!(what, Block::Open(id) | Block::Entry(id) if id == at));
        let is_rest = |what| matches!(what, Block::Rest { directory, .. } if directory == parent);
        let single = tiles.iter().find(|tile| is_single(tile.what));
        if let Some(tile) = single.or_else(|| tiles.iter().find(|tile| is_rest(tile.what))) {
            break tile;
        }
        at = parent;
    };
    let (x, y, width, height) = pixels(tile);
    let line = (2 * palette.scale()).min(width).min(height);
    picture.paint(x, y, width, line, Fill::Mark, palette);
    picture.paint(x, y + height - line, width, line, Fill::Mark, palette);
    picture.paint(x, y, line, height, Fill::Mark, palette);
    picture.paint(x + width - line, y, line, height, Fill::Mark, palette);
}

fn areas(tiles: &[Tile], tree: &Tree, scale: u32) -> Vec<Area> {
    let is_told = |tile: &&Tile| {
        let (_, _, width, height) = pixels(tile);
        width >= TOLD.0 * scale && height >= TOLD.1 * scale
    };
    let mut told: Vec<(usize, &Tile)> = tiles.iter().filter(is_told).enumerate().collect();
    if told.len() > TOLD.2 {
        sort_things(&mut told, |a, b| (b.1.width * b.1.height).total_cmp(&(a.1.width * a.1.height)));
        told.truncate(TOLD.2);
        sort_things(&mut told, |a, b| a.0.cmp(&b.0));
    }
    told.into_iter().map(|(_, tile)| area(tile, tree)).collect()
}

fn area(tile: &Tile, tree: &Tree) -> Area {
    let name = |id: u32| if id == 0 { "/".to_owned() } else { escape(tree.name(id)) };
    let (entry, label, padding) = match tile.what {
        Block::Open(id) | Block::Entry(id) => (Some(id), name(id), false),
        Block::Rest { entries: 1, .. } => (None, "1 small entry".to_owned(), false),
        Block::Rest { entries, .. } => (None, format!("{} small entries", text::count(entries)), false),
        Block::Padding(class) => (None, format!("padding: {}", kind(class).word()), true),
    };
    Area { rect: pixels(tile), entry, depth: tile.depth, label, size: tile.bytes, padding }
}
