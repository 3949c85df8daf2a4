//! The payload stream as a picture of lanes.

use std::ops::Range;

use pxkit_core::layout::Layout;

use super::colouring::{Categories, Colours};
use super::columns::{self, Grid};
use super::fill::Palette;
use super::lanes::{self, Place};
use super::picture::Picture;
use crate::protocol::layout::{Lane, MapQuery};

/// Pixels of the page from which on a range is drawn by itself, with borders.
const WIDE: u32 = 4;

/// Draws a map; `None` if it would be too large. `ghosts` are in order and do not overlap.
pub fn draw(
    layout: &Layout<'_>,
    colours: &Colours,
    ghosts: &[Range<u64>],
    query: &MapQuery,
) -> Option<Picture> {
    let height = query.lanes.iter().fold(0_u32, |sum, lane| sum.saturating_add(lane.1));
    let mut picture = Picture::new(query.width, height)?;
    let scale = scale(query.scale);
    let palette = Palette::new(colours.tones(), &query.hidden, query.dark, scale);
    let range = query.start.min(layout.size())..query.end.min(layout.size());
    let grid = Grid::new(range, query.width);
    let marked = query.marked.map_or(0..0, |id| entries(layout, id));
    let of_payloads = query.lanes.iter().any(|lane| lane.0 != Lane::Chunks);
    let columns = if of_payloads {
        columns::of_payloads(layout, grid, &colours.categories(), ghosts, &marked, WIDE * scale)
    } else {
        Vec::new()
    };
    let mut top = 0;
    for &(lane, height) in &query.lanes {
        let place = Place { top, height };
        if lane == Lane::Chunks {
            chunks(&mut picture, place, layout, grid, colours, query, scale);
        } else {
            lanes::paint(&mut picture, place, lane, &columns, |x| grid.part(x), &palette);
        }
        top += height;
    }
    Some(picture)
}

/// Chunks have the colours of their categories, or two shades in turn.
fn chunks(
    picture: &mut Picture,
    place: Place,
    layout: &Layout<'_>,
    grid: Grid,
    colours: &Colours,
    query: &MapQuery,
    scale: u32,
) {
    let (categories, palette) = match colours.categories() {
        Categories::Chunks(of) => (Some(of), Palette::new(colours.tones(), &query.hidden, query.dark, scale)),
        Categories::Entries(_) => (None, Palette::new(&super::colour::SHADES, &[], query.dark, scale)),
    };
    let columns = columns::of_chunks(layout, grid, categories, WIDE * scale);
    lanes::paint(picture, place, Lane::Chunks, &columns, |x| grid.part(x), &palette);
}

/// An entry and all below.
fn entries(layout: &Layout<'_>, id: u32) -> Range<u32> {
    let tree = layout.tree();
    if (id as usize) < tree.len() { id..tree.end(id).max(id + 1) } else { 0..0 }
}

/// Pixels of the device for one of the page, as a whole number.
pub fn scale(scale: f64) -> u32 {
    (scale.round() as u32).clamp(1, 4)
}
