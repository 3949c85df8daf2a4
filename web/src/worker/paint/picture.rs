//! A picture in memory.

use super::fill::{Fill, Palette};

/// Most pixels of a picture: what two large screens have, 64 MiB.
pub const MOST_PIXELS: u64 = 16 << 20;

/// A picture; what is not painted is transparent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Red, green, blue, alpha for each pixel, line by line.
    rgba: Vec<u8>,
}

impl Picture {
    /// An empty picture, or `None` if it would have more than [`MOST_PIXELS`].
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let pixels = u64::from(width) * u64::from(height);
        (pixels <= MOST_PIXELS).then(|| Self { width, height, rgba: vec![0; pixels as usize * 4] })
    }

    /// Pixels from left to right.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Paints a rectangle, as far as it is in the picture.
    pub fn paint(&mut self, x: u32, y: u32, width: u32, height: u32, fill: Fill, palette: &Palette) {
        let (right, bottom) =
            (x.saturating_add(width).min(self.width), y.saturating_add(height).min(self.height));
        for y in y..bottom {
            let line = &mut self.rgba[y as usize * self.width as usize * 4..][..self.width as usize * 4];
            let (pixels, _) = line.as_chunks_mut::<4>();
            let pixels = &mut pixels[(x as usize).min(right as usize)..right as usize];
            if fill.is_plain() {
                pixels.fill(palette.pixel(fill, x, y));
                continue;
            }
            for (x, pixel) in (x..right).zip(pixels) {
                *pixel = palette.pixel(fill, x, y);
            }
        }
    }

    /// The colour of a pixel.
    #[cfg(test)]
    pub fn pixel(&self, x: u32, y: u32) -> super::fill::Rgba {
        let at = (y as usize * self.width as usize + x as usize) * 4;
        self.rgba[at..at + 4].try_into().unwrap()
    }

    /// The pixels.
    pub fn into_rgba(self) -> Vec<u8> {
        self.rgba
    }
}
