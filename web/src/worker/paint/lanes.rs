//! Lanes of the map: what each of their columns shows, from top to bottom.

use super::columns::Column;
use super::fill::{Fill, Palette};
use super::picture::Picture;
use crate::protocol::layout::Lane;

/// A lane in a picture.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its first line.
    pub top: u32,
    /// Its lines.
    pub height: u32,
}

/// Paints a lane. `part` tells which column is shown at a pixel.
pub fn paint(
    picture: &mut Picture,
    place: Place,
    lane: Lane,
    columns: &[Column],
    part: impl Fn(u32) -> usize,
    palette: &Palette,
) {
    let near = near(lane, columns, palette.scale());
    let mut before = None;
    for x in 0..picture.width() {
        let at = part(x);
        let Some(column) = columns.get(at) else { break };
        let is_first = before != Some(at);
        let is_last = x + 1 >= picture.width() || part(x + 1) != at;
        before = Some(at);
        let mut y = place.top;
        for (fill, height) in
            runs(lane, column, near.get(at).copied().flatten(), place.height, palette.scale())
        {
            picture.paint(x, y, 1, height, fill, palette);
            y += height;
        }
        match lane {
            // A column is shared with what is beside it; the border is drawn where padding is what is seen.
            Lane::Padding
                if (column.dead_begins && is_first || column.dead_ends && is_last)
                    && column.all_dead() * 2 >= column.total() =>
            {
                picture.paint(x, place.top, 1, place.height, Fill::Edge, palette);
            }
            Lane::Payloads | Lane::Chunks if column.begins && is_first => {
                picture.paint(x, place.top, 1, place.height, Fill::Nothing, palette);
            }
            _ => {}
        }
    }
    if matches!(lane, Lane::Overview | Lane::Payloads) {
        outline(picture, place, columns, part, palette);
    }
}

/// Frames what is marked: lines above and below, and at both ends.
fn outline(
    picture: &mut Picture,
    place: Place,
    columns: &[Column],
    part: impl Fn(u32) -> usize,
    palette: &Palette,
) {
    let line = (2 * palette.scale()).min(place.height / 2);
    let is_marked = |x: u32| columns.get(part(x)).is_some_and(|column| column.marked > 0);
    let width = picture.width();
    for x in (0..width).filter(|&x| is_marked(x)) {
        let is_end = x == 0 || x + 1 == width || !is_marked(x - 1) || !is_marked(x + 1);
        if is_end {
            picture.paint(x, place.top, 1, place.height, Fill::Mark, palette);
        } else {
            picture.paint(x, place.top, 1, line, Fill::Mark, palette);
            picture.paint(x, place.top + place.height - line, 1, line, Fill::Mark, palette);
        }
    }
}

/// For each column of a lane of padding with some in it, whether it is alone: no more than a third of those around have any.
fn near(lane: Lane, columns: &[Column], scale: u32) -> Vec<Option<bool>> {
    if lane != Lane::Padding {
        return Vec::new();
    }
    let reach = 4 * scale as usize;
    let has: Vec<u32> = columns.iter().map(|column| u32::from(column.all_dead() > 0)).collect();
    let mut window: u32 = has.iter().take(reach).sum();
    let mut near = Vec::with_capacity(has.len());
    for at in 0..has.len() {
        window += has.get(at + reach).copied().unwrap_or_default();
        let around = (at + reach + 1).min(has.len()) - at.saturating_sub(reach);
        near.push((has[at] > 0).then_some(window as usize * 3 <= around));
        window -= at.checked_sub(reach).map_or(0, |behind| has[behind]);
    }
    near
}

/// The fills of a column from top to bottom, whose heights add up to `height`.
pub fn runs(lane: Lane, column: &Column, near: Option<bool>, height: u32, scale: u32) -> Vec<(Fill, u32)> {
    let total = column.total();
    if total == 0 {
        return vec![(Fill::Nothing, height)];
    }
    if !column.is_narrow {
        let fill = match (lane, column.most().unwrap_or(Fill::Nothing)) {
            (Lane::Payloads, Fill::Dead(_)) => Fill::Nothing,
            (Lane::Padding, fill @ Fill::Dead(_)) => fill,
            (Lane::Padding, _) => Fill::Nothing,
            (_, fill) => fill,
        };
        return vec![(fill, height)];
    }
    let dead = column.all_dead();
    let mut runs = Vec::new();
    match lane {
        Lane::Overview => {
            let lines = at_least(share(height, dead, total), dead, total, height, 2 * scale);
            stack(&mut runs, column.padding(), dead, lines);
            stack(&mut runs, column.kept(), total - dead, height - lines);
        }
        Lane::Chunks => stack(&mut runs, column.kept(), total - dead, height),
        Lane::Payloads => {
            let lines = at_least(share(height, total - dead, total), total - dead, total, height, 1);
            runs.push((Fill::Nothing, height - lines));
            stack(&mut runs, column.kept(), total - dead, lines);
        }
        Lane::Padding => {
            let lines = at_least(share(height, dead, total), dead, total, height, 3 * scale);
            let edge = lines.min(scale);
            runs.push((near.map_or(Fill::Nothing, |alone| Fill::Near { alone }), height - lines));
            runs.push((Fill::Edge, edge));
            stack(&mut runs, column.padding(), dead, lines - edge);
        }
    }
    runs.retain(|run| run.1 > 0);
    runs
}

/// `height · part / total`, rounded.
fn share(height: u32, part: u64, total: u64) -> u32 {
    let (height, part, total) = (u128::from(height), u128::from(part), u128::from(total));
    ((height * part + total / 2) / total) as u32
}

/// Lines for a part so that it is seen if there is any of it, and so is the rest.
fn at_least(lines: u32, part: u64, total: u64, height: u32, least: u32) -> u32 {
    if part == 0 {
        0
    } else if part == total {
        height
    } else {
        lines.max(least.min(height / 2)).max(1).min(height - u32::from(height > 1))
    }
}

/// Divides `lines` among parts, the last one on top; they end where their sums do, rounded, so that no line is lost.
fn stack(runs: &mut Vec<(Fill, u32)>, parts: impl Iterator<Item = (Fill, u64)>, total: u64, lines: u32) {
    let first = runs.len();
    let (mut sum, mut done) = (0, 0);
    for (fill, bytes) in parts {
        sum += bytes;
        let until = share(lines, sum, total);
        runs.push((fill, until - done));
        done = until;
    }
    runs[first..].reverse();
}
