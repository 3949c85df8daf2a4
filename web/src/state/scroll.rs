//! Scrolling through more rows than a browser can make an element high.
//!
//! The spacer that makes the scrollbar is at most [`MOST`] pixels high. As long as all rows fit into that, the bar's position is the
//! list's. Beyond it, small steps (wheel, touch, keys) move the list by their own pixels, and large ones (the bar is dragged) by their
//! share of the whole; when it is quiet the bar is put where it belongs ([`Scroll::settle`]).

use std::ops::Range;

/// The highest spacer in pixels. Firefox gives up at 17.8 millions, Chromium at 33.5.
pub const MOST: f64 = 8_000_000.0;
/// Rows that are drawn beyond each edge.
const BEYOND: f64 = 4.0;
/// Steps of more than so many views are not steps of a wheel.
const LEAP: f64 = 3.0;

/// Where a list is scrolled to. Pixels are those of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scroll {
    rows: u32,
    row: f64,
    view: f64,
    /// Pixels of rows above the view.
    top: f64,
    /// Where the scrollbar is, as far as is known.
    bar: f64,
}

impl Scroll {
    /// A list whose rows are `row` pixels high.
    pub fn new(row: f64) -> Self {
        Self { row, ..Self::default() }
    }

    /// Height of the spacer.
    pub fn spacer(&self) -> f64 {
        self.height().min(MOST).max(self.view)
    }

    /// The rows to be drawn, and how far above the view the first of them begins.
    pub fn window(&self) -> (Range<u32>, f64) {
        let first = (self.top / self.row - BEYOND).floor().max(0.0);
        let last = ((self.top + self.view) / self.row + BEYOND).ceil().min(f64::from(self.rows));
        (first as u32..(last as u32).max(first as u32), self.top - first * self.row)
    }

    /// The first row that is wholly in view.
    pub fn first(&self) -> u32 {
        (self.top / self.row).ceil() as u32
    }

    /// Rows that are wholly in view.
    pub fn page(&self) -> u32 {
        ((self.view / self.row).floor() as u32).max(1)
    }

    /// Another number of rows or height of the view; the list stays where it is, as far as it can. Gives the bar's new position, if it
    /// must move.
    #[must_use]
    pub fn resize(&mut self, rows: u32, view: f64) -> Option<f64> {
        if (self.rows, self.view) == (rows, view) {
            return None;
        }
        (self.rows, self.view) = (rows, view);
        self.top = self.top.clamp(0.0, self.most());
        self.settle()
    }

    /// The bar was moved.
    pub fn scrolled(&mut self, bar: f64) {
        let on = self.top + (bar - self.bar);
        let small = (bar - self.bar).abs() <= self.view * LEAP;
        self.bar = bar;
        // At an end of the bar the list may still have some way to go; then it goes on by steps after the bar was put right.
        let ended = bar <= 0.0 && on <= self.view || bar >= self.bar_most() && on >= self.most() - self.view;
        self.top = if self.scale() > 1.0 && small && !ended { on } else { bar * self.scale() };
        self.top = self.top.clamp(0.0, self.most());
    }

    /// Where the bar belongs, if it is not there. To be asked when it is quiet, or at once if [`Self::is_urgent`].
    #[must_use]
    pub fn settle(&mut self) -> Option<f64> {
        let right = if self.scale() <= 1.0 { self.top } else { (self.top / self.scale()).round() };
        // Never at an end while the list is not.
        let inside = |bar: f64| bar.clamp(1.0_f64.min(self.bar_most()), (self.bar_most() - 1.0).max(0.0));
        let right = if self.top <= 0.0 || self.top >= self.most() { right } else { inside(right) };
        ((right - self.bar).abs() >= 1.0).then(|| {
            self.bar = right;
            right
        })
    }

    /// The bar is so near an end that the list could not be scrolled on although there is more of it.
    pub fn is_urgent(&self) -> bool {
        let above = self.bar < self.view && self.top > self.bar;
        let below =
            self.bar_most() - self.bar < self.view && self.most() - self.top > self.bar_most() - self.bar;
        self.scale() > 1.0 && (above || below)
    }

    /// Scrolls as little as is needed to show a row; one that is far away comes to the middle. Gives the bar's new position.
    #[must_use]
    pub fn show(&mut self, row: u32) -> Option<f64> {
        let (start, end) = (f64::from(row) * self.row, f64::from(row + 1) * self.row);
        let top = if start >= self.top && end <= self.top + self.view {
            return None;
        } else if start < self.top - self.view || end > self.top + 2.0 * self.view {
            start - (self.view - self.row) / 2.0
        } else if start < self.top {
            start
        } else {
            end - self.view
        };
        self.top = top.clamp(0.0, self.most());
        self.settle()
    }

    fn height(&self) -> f64 {
        f64::from(self.rows) * self.row
    }

    fn most(&self) -> f64 {
        (self.height() - self.view).max(0.0)
    }

    fn bar_most(&self) -> f64 {
        (self.spacer() - self.view).max(0.0)
    }

    /// Pixels of the list for one of the bar.
    fn scale(&self) -> f64 {
        if self.bar_most() > 0.0 { self.most() / self.bar_most() } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: u32) -> Scroll {
        let mut scroll = Scroll::new(24.0);
        let _ = scroll.resize(rows, 600.0);
        scroll
    }

    #[test]
    fn short_lists_scroll_as_the_bar_does() {
        let mut scroll = list(1000);
        assert_eq!(scroll.spacer(), 24_000.0);
        assert_eq!(scroll.window(), (0..29, 0.0));
        scroll.scrolled(240.0);
        assert_eq!(scroll.window(), (6..39, 96.0));
        scroll.scrolled(23_400.0);
        assert_eq!(scroll.window().0.end, 1000);
        assert_eq!(scroll.settle(), None);
        assert!(!scroll.is_urgent());
    }

    #[test]
    fn lists_shorter_than_the_view_do_not_scroll() {
        let mut scroll = list(3);
        assert_eq!(scroll.spacer(), 600.0);
        assert_eq!(scroll.window(), (0..3, 0.0));
        assert_eq!(scroll.show(2), None);
        assert_eq!(list(0).window(), (0..0, 0.0));
    }

    #[test]
    fn wheels_move_long_lists_pixel_by_pixel() {
        let mut scroll = list(10_000_000);
        assert_eq!(scroll.spacer(), MOST);
        let mut bar = 4_000_000.0;
        scroll.scrolled(bar);
        let middle = scroll.top;
        assert!((middle - scroll.most() / 2.0).abs() < 20_000.0, "{middle}");
        for step in 1..=50 {
            bar += 120.0;
            scroll.scrolled(bar);
            assert_eq!(scroll.top, middle + f64::from(step) * 120.0);
        }
        // Quiet: the bar goes back to where 6000 pixels of 240 millions are, and the list stays.
        let top = scroll.top;
        let settled = scroll.settle().expect("the bar drifted");
        assert!((settled - 4_000_200.0).abs() < 2.0, "{settled}");
        scroll.scrolled(settled);
        assert_eq!(scroll.top, top);
    }

    #[test]
    fn dragging_the_bar_reaches_both_ends_exactly() {
        let mut scroll = list(10_000_000);
        let end = scroll.bar_most();
        scroll.scrolled(end);
        assert_eq!(scroll.window().0.end, 10_000_000);
        scroll.scrolled(0.0);
        assert_eq!(scroll.window(), (0..29, 0.0));
    }

    #[test]
    fn wheels_reach_every_row_of_long_lists() {
        // Wheeling down from near the end must come to the end and never stick, with the bar put right whenever it is urgent.
        for direction in [1.0, -1.0] {
            let mut scroll = list(10_000_000);
            let start = if direction > 0.0 { scroll.bar_most() - 500.0 } else { 500.0 };
            scroll.scrolled(start);
            let mut bar = start;
            let mut steps = 0;
            loop {
                let before = scroll.top;
                bar = (bar + 100.0 * direction).clamp(0.0, scroll.bar_most());
                scroll.scrolled(bar);
                if scroll.is_urgent()
                    && let Some(right) = scroll.settle()
                {
                    bar = right;
                    scroll.scrolled(bar);
                }
                let goal = if direction > 0.0 { scroll.most() } else { 0.0 };
                if scroll.top == goal {
                    break;
                }
                assert!((scroll.top - before) * direction > 0.0, "stuck at {} after {steps}", scroll.top);
                assert!((scroll.top - before).abs() <= 700.0, "leapt from {before} to {}", scroll.top);
                steps += 1;
                assert!(steps < 1000);
            }
        }
    }

    #[test]
    fn rows_are_shown_with_little_movement() {
        let mut scroll = list(1000);
        assert_eq!(scroll.show(10), None);
        assert_eq!(scroll.show(25), Some(24.0));
        assert_eq!(scroll.show(0), Some(0.0));
        assert_eq!(scroll.show(500), Some(11_712.0));
        assert_eq!(scroll.show(999), Some(23_400.0));
        let mut long = list(10_000_000);
        let _ = long.show(7_654_321);
        let (rows, above) = long.window();
        assert!(rows.contains(&7_654_321) && above >= 0.0);
    }

    #[test]
    fn a_list_that_shrinks_stays_in_bounds() {
        let mut scroll = list(10_000_000);
        scroll.scrolled(scroll.bar_most());
        let _ = scroll.resize(10, 600.0);
        assert_eq!(scroll.window(), (0..10, 0.0));
        let _ = scroll.resize(10_000_000, 600.0);
        assert_eq!(scroll.window(), (0..29, 0.0));
    }
}
