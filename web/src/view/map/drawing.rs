//! The canvas of the visible part: the picture, labels, what is selected, the scale.

use web_sys::CanvasRenderingContext2d;

use super::{Picture, SCALE};
use crate::{
    protocol::layout::{Lane, Range, Spot, What},
    state::{
        text,
        window::{Window, grouped, ticks},
    },
    view::raster::{Size, font},
    worker::paint::colour::{FRAME, GROUND, INK, MARK},
};

/// Letters of a name from which on a part of it says something.
const LETTERS: usize = 6;

/// The canvas of the visible part while it is drawn.
pub(super) struct Drawing {
    pub on: CanvasRenderingContext2d,
    pub width: f64,
    pub height: f64,
    pub size: Size,
    pub window: Window,
    pub lanes: Vec<(Lane, u32)>,
    pub dark: bool,
}

impl Drawing {
    fn x(&self, offset: u64) -> f64 {
        self.window.fraction(offset) * self.width
    }

    /// Top and height of a lane.
    fn lane(&self, wanted: Lane) -> Option<(f64, f64)> {
        let mut top = 0.0;
        for &(lane, height) in &self.lanes {
            if lane == wanted {
                return Some((top, f64::from(height)));
            }
            top += f64::from(height);
        }
        None
    }

    fn lanes_height(&self) -> f64 {
        self.lanes.iter().map(|lane| f64::from(lane.1)).sum()
    }

    /// The picture, stretched if it is of another part; then its labels.
    pub fn picture(&self, picture: &Picture, lanes: &[(Lane, u32)]) {
        let Some(raster) = &picture.raster else { return };
        let len = picture.end.saturating_sub(picture.start);
        let (start, end) = (self.window.start.max(picture.start), self.window.end.min(picture.end));
        if len == 0 || start >= end {
            return;
        }
        let fraction = |offset: u64| (offset - picture.start) as f64 / len as f64;
        let height =
            if lanes == self.lanes { self.lanes_height() } else { self.height - SCALE * self.size.scale };
        raster.draw(&self.on, (fraction(start), fraction(end)), (self.x(start), self.x(end)), height);
        self.labels(&picture.ranges);
    }

    fn labels(&self, ranges: &[Range]) {
        let scale = self.size.scale;
        self.on.set_font(&font(11.0 * scale, true));
        self.on.set_text_baseline("middle");
        self.on.set_line_join("round");
        let glyph = self.on.measure_text("0").map_or(7.0 * scale, |text| text.width());
        for range in ranges {
            let lane = match range.what {
                What::Chunk(_) => Lane::Chunks,
                What::Padding(_) => Lane::Padding,
                _ => Lane::Payloads,
            };
            let Some((top, height)) = self.lane(lane) else { continue };
            let (left, right) = (self.x(range.start).max(0.0), self.x(range.end).min(self.width));
            let room = ((right - left - 8.0 * scale) / glyph) as usize;
            let fits = room >= LETTERS.min(range.label.chars().count());
            if right <= left || !fits || height < 12.0 * scale {
                continue;
            }
            let size = range.end - range.start;
            let detail = format!("{} {}", range.label, text::size(size));
            let label = if detail.chars().count() <= room { detail } else { shortened(&range.label, room) };
            let y = top + height / 2.0;
            self.on.set_line_width(3.0 * scale);
            self.on.set_stroke_style_str(&GROUND.on(self.dark).css());
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            let x = left + 4.0 * scale;
            let _ = self.on.stroke_text(&label, x, y);
            let _ = self.on.fill_text(&label, x, y);
        }
    }

    /// What is selected, what is under the pointer.
    pub fn overlays(&self, focus: Option<(u64, u64)>, pointer_at: Option<(f64, f64)>, spot: Option<&Spot>) {
        let (scale, height) = (self.size.scale, self.lanes_height());
        if let Some((start, end)) = focus {
            pointer(&self.on, self.x(start), self.x(end), height, scale, self.dark);
        }
        if let Some(spot) = spot {
            for range in [spot.chunk.as_ref(), spot.range.as_ref()].into_iter().flatten() {
                let lane = match range.what {
                    What::Chunk(_) => Lane::Chunks,
                    What::Padding(_) => Lane::Padding,
                    _ => Lane::Payloads,
                };
                let Some((top, height)) = self.lane(lane) else { continue };
                let (left, right) = (self.x(range.start).max(-2.0), self.x(range.end).min(self.width + 2.0));
                self.on.set_stroke_style_str(&INK.on(self.dark).css());
                self.on.set_line_width(scale);
                let half = scale / 2.0;
                self.on.stroke_rect(
                    left.floor() + half,
                    top + half,
                    (right - left).max(scale),
                    height - scale,
                );
            }
        }
        if let Some((x, _)) = pointer_at {
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            self.on.set_global_alpha(0.35);
            self.on.fill_rect((x * scale).floor(), 0.0, scale, height + 6.0 * scale);
            self.on.set_global_alpha(1.0);
        }
    }

    /// Positions below the lanes.
    pub fn scale(&self) {
        let (scale, top) = (self.size.scale, self.lanes_height());
        self.on.set_font(&font(11.0 * scale, true));
        self.on.set_text_baseline("top");
        self.on.set_fill_style_str(&FRAME.on(self.dark).css());
        self.on.fill_rect(0.0, top, self.width, scale);
        let apart = 120.0 * scale / self.width.max(1.0);
        for tick in ticks(self.window, apart / 4.0) {
            self.on.fill_rect(self.x(tick).floor(), top, scale, 4.0 * scale);
        }
        for tick in ticks(self.window, apart) {
            let x = self.x(tick).floor();
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            self.on.fill_rect(x, top, scale, 7.0 * scale);
            // The last one stands before its tick where there is no room behind it.
            let label = grouped(tick);
            let wide = self.on.measure_text(&label).map_or(0.0, |text| text.width());
            let left =
                if x + 4.0 * scale + wide > self.width { x - 4.0 * scale - wide } else { x + 4.0 * scale };
            let _ = self.on.fill_text(&label, left, top + 7.0 * scale);
        }
    }
}

/// Brackets around what is selected; what is narrow has a pointer above it.
pub(super) fn pointer(
    on: &CanvasRenderingContext2d,
    left: f64,
    right: f64,
    height: f64,
    scale: f64,
    dark: bool,
) {
    let colour = MARK.on(dark).css();
    on.set_fill_style_str(&colour);
    let width = right - left;
    on.set_global_alpha(0.14);
    on.fill_rect(left, 0.0, width, height);
    on.set_global_alpha(1.0);
    let line = (2.0 * scale).max(1.0);
    on.fill_rect(left.floor(), 0.0, line, height);
    on.fill_rect(right.ceil() - line, 0.0, line, height);
    on.fill_rect(left, 0.0, width.max(line), line);
    on.fill_rect(left, height - line, width.max(line), line);
    if width < 10.0 * scale {
        let (middle, side) = (f64::midpoint(left, right), 5.0 * scale);
        on.begin_path();
        on.move_to(middle - side, 0.0);
        on.line_to(middle + side, 0.0);
        on.line_to(middle, side * 1.4);
        on.close_path();
        on.fill();
    }
}

/// As much of a text as there is room for.
fn shortened(label: &str, room: usize) -> String {
    if label.chars().count() <= room {
        return label.to_owned();
    }
    label.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}
