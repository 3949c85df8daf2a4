//! The part of a stream that the map shows: zooming, moving, and where to put marks on its scale.

/// Fewest bytes that are shown.
pub const LEAST: u64 = 16;

/// A part of a stream, half-open; never empty unless the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    size: u64,
}

impl Window {
    /// All of a stream of `size` bytes.
    pub const fn whole(size: u64) -> Self {
        Self { start: 0, end: size, size }
    }

    /// A part of it; what does not lie in the stream is moved there, what is too short is made longer on both sides.
    pub fn new(start: u64, end: u64, size: u64) -> Self {
        let len = end.saturating_sub(start).clamp(LEAST.min(size), size);
        let missing = len - end.saturating_sub(start).min(len);
        let start = start.saturating_sub(missing / 2).min(size - len);
        Self { start, end: start + len, size }
    }

    /// The window of a place in the address.
    pub fn of(zoom: Option<(u64, u64)>, size: u64) -> Self {
        zoom.map_or(Self::whole(size), |(start, end)| Self::new(start, end, size))
    }

    /// As the address says it: nothing for the whole.
    pub fn zoom(self) -> Option<(u64, u64)> {
        (!self.is_whole()).then_some((self.start, self.end))
    }

    /// Bytes that are shown.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the stream is empty.
    pub const fn is_empty(self) -> bool {
        self.size == 0
    }

    /// Whether all of the stream is shown.
    pub const fn is_whole(self) -> bool {
        self.len() == self.size
    }

    /// The byte at a fraction of the width.
    pub fn offset(self, fraction: f64) -> u64 {
        let offset = self.start + (self.len() as f64 * fraction.clamp(0.0, 1.0)) as u64;
        offset.min(self.end.saturating_sub(1)).max(self.start)
    }

    /// The fraction of the width at which a byte lies; outside of 0 to 1 for those that are not shown.
    pub fn fraction(self, offset: u64) -> f64 {
        let distance = offset.abs_diff(self.start) as f64 / self.len().max(1) as f64;
        if offset < self.start { -distance } else { distance }
    }

    /// `factor` times as many bytes, so that the byte at `fraction` of the width stays there as far as the ends of the stream let it.
    pub fn zoomed(self, fraction: f64, factor: f64) -> Self {
        let len = (self.len() as f64 * factor).clamp(LEAST.min(self.size) as f64, self.size as f64);
        let still = self.start as f64 + self.len() as f64 * fraction;
        let start = (still - len * fraction).clamp(0.0, self.size as f64 - len);
        let len = (len.round() as u64).min(self.size);
        let start = (start.round() as u64).min(self.size - len);
        Self { start, end: start + len, size: self.size }
    }

    /// Moved by a fraction of its width, as far as the stream goes.
    pub fn moved(self, fraction: f64) -> Self {
        let by = self.len() as f64 * fraction;
        let room = self.size - self.len();
        let start = if by < 0.0 {
            self.start.saturating_sub((-by).round() as u64)
        } else {
            self.start.saturating_add(by.round() as u64).min(room)
        };
        Self { start, end: start + self.len(), size: self.size }
    }

    /// Around a range, with a tenth of it on both sides.
    pub fn around(start: u64, end: u64, size: u64) -> Self {
        let margin = end.saturating_sub(start) / 10;
        Self::new(start.saturating_sub(margin), end.saturating_add(margin).min(size), size)
    }

    /// Moved just as far as it takes to show a range; if that is longer, its start.
    pub fn showing(self, start: u64, end: u64) -> Self {
        if start >= self.start && end <= self.end {
            return self;
        }
        if end.saturating_sub(start) > self.len() || start < self.start {
            let first = start.min(self.size - self.len());
            return Self { start: first, end: first + self.len(), size: self.size };
        }
        let last = end.min(self.size);
        Self { start: last - self.len(), end: last, size: self.size }
    }
}

/// Where marks go on the scale: positions that are multiples of a power of two, at least `apart` of the width from each other.
pub fn ticks(window: Window, apart: f64) -> Vec<u64> {
    let least = (window.len() as f64 * apart.max(0.001)).ceil().max(1.0) as u64;
    let step = least.checked_next_power_of_two().unwrap_or(1 << 63);
    let first = window.start.next_multiple_of(step);
    let mut ticks = Vec::new();
    let mut at = Some(first).filter(|&first| first >= window.start);
    while let Some(tick) = at.filter(|&tick| tick < window.end && ticks.len() < 1000) {
        ticks.push(tick);
        at = tick.checked_add(step);
    }
    ticks
}

/// A position in hexadecimal digits, four and four: `0x1a2b_3c40`.
pub fn grouped(offset: u64) -> String {
    let digits = format!("{offset:x}");
    let mut out = String::from("0x");
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(4) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stay_in_their_stream() {
        for size in [0, 1, 10, 16, 17, 1000, 1 << 40, u64::MAX / 2] {
            let ends = [0, 1, 15, size / 2, size.saturating_sub(1), size, u64::MAX];
            for start in ends {
                for end in ends {
                    let window = Window::new(start, end, size);
                    assert!(window.start <= window.end && window.end <= size);
                    assert!(window.len() >= LEAST.min(size));
                    for fraction in [0.0, 0.3, 1.0] {
                        for factor in [0.0, 0.5, 0.999, 1.0, 3.0, 1e30] {
                            let zoomed = window.zoomed(fraction, factor);
                            assert!(zoomed.end <= size && zoomed.len() >= LEAST.min(size), "{zoomed:?}");
                        }
                    }
                    for by in [-1e9, -1.0, -0.1, 0.0, 0.1, 1.0, 1e9] {
                        let moved = window.moved(by);
                        assert!(moved.len() == window.len() && moved.end <= size);
                    }
                    let shown = window.showing(start, end.max(start).min(size));
                    assert!(shown.len() == window.len() && shown.end <= size);
                }
            }
        }
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let window = Window::whole(1 << 33);
        let mut at = window;
        for _ in 0..60 {
            at = at.zoomed(0.25, 0.7);
        }
        assert_eq!(at.len(), LEAST);
        assert!(at.start.abs_diff(1 << 31) <= 16, "{at:?}");
        for _ in 0..80 {
            at = at.zoomed(0.25, 1.0 / 0.7);
        }
        assert!(at.is_whole());
    }

    #[test]
    fn positions_and_fractions_are_inverse() {
        let window = Window::new(1000, 3000, 10_000);
        for offset in [1000, 1500, 2999] {
            assert_eq!(window.offset(window.fraction(offset) + 1e-9), offset);
        }
        assert!(window.fraction(0) < 0.0 && window.fraction(5000) > 1.0);
    }

    #[test]
    fn showing_moves_no_more_than_needed() {
        let window = Window::new(100, 200, 1000);
        assert_eq!(window.showing(120, 180), window);
        assert_eq!(window.showing(50, 60).start, 50);
        assert_eq!(window.showing(250, 260).end, 260);
        assert_eq!(window.showing(500, 900).start, 500);
        assert_eq!(window.showing(990, 1000).end, 1000);
    }

    #[test]
    fn ticks_are_round_and_apart() {
        for (start, end) in [(0, 1 << 34), (12_345, 99_999), (7, 30), (u64::MAX / 2 - 100, u64::MAX / 2)] {
            let window = Window { start, end, size: u64::MAX };
            let ticks = ticks(window, 0.1);
            assert!((1..=10).contains(&ticks.len()), "{ticks:?}");
            for pair in ticks.windows(2) {
                let step = pair[1] - pair[0];
                assert!(step.is_power_of_two() && pair[0] % step == 0);
                assert!(step as f64 >= window.len() as f64 * 0.099);
            }
        }
        assert!(ticks(Window::whole(0), 0.1).is_empty());
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(
            [0, 0xfff, 0xf_ffff, 0x1_a2b3_c4d5].map(grouped),
            ["0x0", "0xfff", "0xf_ffff", "0x1_a2b3_c4d5"]
        );
    }
}
