//! What a pixel shows, and its colour.

use super::colour::{FRAME, INK, MARK, Tone};
use super::hatch;
use crate::protocol::layout::Padding;

/// Red, green, blue, alpha.
pub type Rgba = [u8; 4];

/// Number of the first kind of padding among what can be hidden; below it are the categories of a colouring.
pub const HIDDEN_PADDING: u8 = 16;

/// What a pixel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The page.
    Nothing,
    /// Payload of a category.
    Live(u8),
    /// Padding.
    Dead(Padding),
    /// Padding is in this column, though not at this height: alone, or with more nearby.
    Near {
        /// There is none to the left or right.
        alone: bool,
    },
    /// Markers and metadata.
    Frame,
    /// The border of a piece of padding.
    Edge,
    /// The outline of what is selected.
    Mark,
}

impl Fill {
    /// Whether it has the same colour everywhere.
    pub const fn is_plain(self) -> bool {
        !matches!(self, Self::Dead(_))
    }
}

/// Colours of everything for one picture.
#[derive(Clone, Debug)]
pub struct Palette {
    live: [Rgba; 16],
    /// Ink and paper of each kind.
    dead: [(Rgba, Rgba); 6],
    near: [Rgba; 2],
    frame: Rgba,
    edge: Rgba,
    mark: Rgba,
    /// Pixels of the device for one of the page.
    scale: u32,
}

/// Alpha of what is faded out.
const FADED: u8 = 36;

impl Palette {
    /// `categories` are the colours of a colouring, at most 16; `hidden` the numbers of those to be faded, and of kinds of padding behind
    /// [`HIDDEN_PADDING`], in the order of [`Padding::ALL`].
    pub fn new(categories: &[Tone], hidden: &[u8], dark: bool, scale: u32) -> Self {
        let alpha = |number: u8, full: u8| if hidden.contains(&number) { FADED } else { full };
        let ink = INK.on(dark);
        let live = |category: usize| {
            let tone = categories.get(category).or(categories.last());
            tone.map_or([0; 4], |tone| tone.on(dark).alpha(alpha(category as u8, 255)))
        };
        let dead = |kind: usize| {
            let number = HIDDEN_PADDING + kind as u8;
            (ink.alpha(alpha(number, 225)), ink.alpha(alpha(number, 26).min(26)))
        };
        Self {
            live: std::array::from_fn(live),
            dead: std::array::from_fn(dead),
            near: [ink.alpha(34), ink.alpha(120)],
            frame: FRAME.on(dark).alpha(255),
            edge: ink.alpha(225),
            mark: MARK.on(dark).alpha(255),
            scale: scale.max(1),
        }
    }

    /// Pixels of the device for one of the page.
    pub const fn scale(&self) -> u32 {
        self.scale
    }

    /// The colour of a pixel.
    pub fn pixel(&self, fill: Fill, x: u32, y: u32) -> Rgba {
        match fill {
            Fill::Nothing => [0; 4],
            Fill::Live(category) => self.live[usize::from(category).min(15)],
            Fill::Dead(kind) => {
                let (ink, paper) = self.dead[hatch::index(kind)];
                if hatch::is_inked(kind, x, y, self.scale) { ink } else { paper }
            }
            Fill::Near { alone } => self.near[usize::from(alone)],
            Fill::Frame => self.frame,
            Fill::Edge => self.edge,
            Fill::Mark => self.mark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour::CATEGORIES;
    use super::super::colour::vision::{contrast, luminance};
    use super::super::colour::{GROUND, Rgb};
    use super::*;

    /// What a pixel looks like on its page.
    fn on_page([r, g, b, alpha]: Rgba, dark: bool) -> Rgb {
        GROUND.on(dark).mix(Rgb(r, g, b), u32::from(alpha) + u32::from(alpha > 127))
    }

    #[test]
    fn hatches_are_seen_on_the_page_and_apart_in_grey() {
        for dark in [false, true] {
            let palette = Palette::new(&CATEGORIES, &[], dark, 1);
            let grey = |kind| {
                let pixels = (0..3600).map(|i| palette.pixel(Fill::Dead(kind), i % 60, i / 60));
                pixels.map(|p| luminance(on_page(p, dark))).sum::<f64>() / 3600.0
            };
            let greys = Padding::ALL.map(grey);
            for pair in greys.windows(2) {
                assert!((pair[0] - pair[1]).abs() > 0.02, "{greys:?}");
            }
            let paper = palette.pixel(Fill::Dead(Padding::Head), 1, 0);
            let ink = palette.pixel(Fill::Dead(Padding::Head), 0, 0);
            assert!(contrast(on_page(ink, dark), on_page(paper, dark)) > 7.0);
            assert!(
                contrast(on_page(palette.pixel(Fill::Near { alone: true }, 0, 0), dark), GROUND.on(dark))
                    > 2.0
            );
        }
    }

    #[test]
    fn hidden_ones_fade_and_the_others_do_not() {
        let palette = Palette::new(&CATEGORIES, &[2, HIDDEN_PADDING + 4], false, 2);
        assert_eq!(palette.pixel(Fill::Live(2), 0, 0)[3], FADED);
        assert_eq!(palette.pixel(Fill::Live(3), 0, 0)[3], 255);
        assert_eq!(palette.pixel(Fill::Dead(Padding::Whole), 0, 0)[3], FADED);
        assert!(palette.pixel(Fill::Dead(Padding::Tail), 0, 0)[3] > 200);
    }
}
