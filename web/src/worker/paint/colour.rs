//! Colours that stay apart for every kind of colour vision, on light and on dark pages.

use super::fill::Rgba;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// From `0xrrggbb`.
    pub const fn hex(value: u32) -> Self {
        Self((value >> 16) as u8, (value >> 8) as u8, value as u8)
    }

    /// `#rrggbb`.
    pub fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// With that much of it, of 255.
    pub const fn alpha(self, alpha: u8) -> Rgba {
        [self.0, self.1, self.2, alpha]
    }

    /// Between this one (0) and another (256), of the same number of steps in each channel.
    pub const fn mix(self, other: Self, of_256: u32) -> Self {
        const fn channel(a: u8, b: u8, of_256: u32) -> u8 {
            ((a as u32 * (256 - of_256) + b as u32 * of_256) / 256) as u8
        }
        Self(
            channel(self.0, other.0, of_256),
            channel(self.1, other.1, of_256),
            channel(self.2, other.2, of_256),
        )
    }
}

/// A colour for light pages and one for dark ones that are the same to the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// On light pages.
    pub light: Rgb,
    /// On dark pages.
    pub dark: Rgb,
}

impl Tone {
    const fn new(light: u32, dark: u32) -> Self {
        Self { light: Rgb::hex(light), dark: Rgb::hex(dark) }
    }

    /// The one for a page.
    pub const fn on(self, dark: bool) -> Rgb {
        if dark { self.dark } else { self.light }
    }
}

// The hues are those of Okabe and Ito (2008); their lightness is moved so that each has a contrast of 3 to the page and none
// comes near another for eyes that lack one kind of cones. The tests measure both.

/// Okabe and Ito's blue.
pub const BLUE: Tone = Tone::new(0x00_5b_94, 0x23_84_c6);
/// Sky blue.
pub const SKY: Tone = Tone::new(0x42_98_d7, 0x72_b9_e3);
/// Bluish green.
pub const GREEN: Tone = Tone::new(0x1f_8a_63, 0x8f_dc_bb);
/// Vermillion.
pub const VERMILLION: Tone = Tone::new(0xc8_44_0c, 0xd3_60_0e);
/// Orange.
pub const ORANGE: Tone = Tone::new(0x74_45_00, 0xec_a5_19);
/// Yellow.
pub const YELLOW: Tone = Tone::new(0x9b_91_25, 0xf1_e6_53);
/// Reddish purple.
pub const PURPLE: Tone = Tone::new(0xc7_72_a1, 0xa0_66_88);
/// For what is none of the others.
pub const GREY: Tone = Tone::new(0x66_66_66, 0x94_94_94);

/// Colours of categories without order, in the order in which they are given away.
pub const CATEGORIES: [Tone; 7] = [BLUE, SKY, GREEN, VERMILLION, ORANGE, YELLOW, PURPLE];

/// From calm to loud: how little of a chunk is used.
pub const USE: [Tone; 6] = [
    Tone::new(0x7d_97_ad, 0x5d_7b_94),
    Tone::new(0x85_89_74, 0x7b_88_72),
    Tone::new(0x90_78_41, 0xa0_93_52),
    Tone::new(0x9f_61_1f, 0xd0_9d_46),
    Tone::new(0x86_41_05, 0xed_c0_7f),
    Tone::new(0x5c_1f_00, 0xff_f0_d0),
];

/// From young to old.
pub const AGE: [Tone; 5] = [
    Tone::new(0x9a_83_b8, 0x7f_68_a8),
    Tone::new(0x84_69_aa, 0x99_81_c0),
    Tone::new(0x6f_4f_9c, 0xb3_9a_d8),
    Tone::new(0x54_37_81, 0xd0_be_ec),
    Tone::new(0x3a_1f_66, 0xee_e2_ff),
];

/// What hatches and outlines are drawn with.
pub const INK: Tone = Tone::new(0x14_16_1a, 0xf2_f3_f5);
/// The stream's markers, and the metadata of a unified archive.
pub const FRAME: Tone = Tone::new(0xb4_b8_be, 0x4a_4f_57);
/// Chunks with even and with odd numbers, and several in one column.
pub const SHADES: [Tone; 3] =
    [Tone::new(0x96_9f_ab, 0x62_6c_79), Tone::new(0xc3_c9_d1, 0x3f_47_51), Tone::new(0xac_b4_be, 0x50_59_65)];
/// What is selected.
pub const MARK: Tone = Tone::new(0xd1_00_5b, 0xff_5c_9e);
/// What pages are painted with; pictures are transparent there.
pub const GROUND: Tone = Tone::new(0xff_ff_ff, 0x15_18_1b);

/// How people see, for tests: contrast, and lacking one kind of cones.
#[cfg(test)]
pub mod vision {
    use super::Rgb;

    fn linear(channel: u8) -> f64 {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    }

    /// Relative luminance of WCAG.
    pub fn luminance(colour: Rgb) -> f64 {
        0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2)
    }

    /// Contrast of WCAG: 1 to 21.
    pub fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Matrices of Machado, Oliveira and Fernandes (2009) for full deficiency, on linear RGB; the first changes nothing.
    pub const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    /// Distance in Oklab as these eyes see it; 0.02 is just noticeable.
    pub fn distance(eyes: &[[f64; 3]; 3], a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (oklab(seen(eyes, a)), oklab(seen(eyes, b)));
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
    }

    fn seen(eyes: &[[f64; 3]; 3], colour: Rgb) -> [f64; 3] {
        let linear = [linear(colour.0), linear(colour.1), linear(colour.2)];
        eyes.map(|row| (0..3).map(|i| row[i] * linear[i]).sum::<f64>().clamp(0.0, 1.0))
    }

    fn oklab([r, g, b]: [f64; 3]) -> [f64; 3] {
        let l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b).cbrt();
        let m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b).cbrt();
        let s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b).cbrt();
        [
            0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::vision::{EYES, contrast, distance, luminance};
    use super::*;

    #[test]
    fn every_colour_stands_out_from_the_page() {
        for dark in [false, true] {
            let ground = GROUND.on(dark);
            for tone in CATEGORIES.iter().chain(&USE).chain(&AGE).chain([&GREY, &MARK]) {
                let contrast = contrast(tone.on(dark), ground);
                assert!(contrast >= 3.0, "{} on {}: {contrast:.2}", tone.on(dark).css(), ground.css());
            }
            assert!(contrast(INK.on(dark), ground) > 14.0);
            for tone in [FRAME, SHADES[0], SHADES[1]] {
                assert!(contrast(tone.on(dark), ground) > 1.6);
            }
            assert!(contrast(SHADES[0].on(dark), SHADES[1].on(dark)) > 1.4);
        }
    }

    #[test]
    fn no_two_categories_look_alike_to_any_eye() {
        for dark in [false, true] {
            let tones: Vec<_> = CATEGORIES.iter().chain([&GREY]).collect();
            for (i, eyes) in EYES.iter().enumerate() {
                for (a, one) in tones.iter().enumerate() {
                    for other in &tones[a + 1..] {
                        let (one, other) = (one.on(dark), other.on(dark));
                        let distance = distance(eyes, one, other);
                        assert!(distance > 0.055, "eyes {i}: {} {}: {distance:.3}", one.css(), other.css());
                    }
                }
            }
        }
    }

    #[test]
    fn scales_go_one_way_in_grey() {
        for scale in [&USE[..], &AGE[..]] {
            for pair in scale.windows(2) {
                assert!(luminance(pair[0].light) > 1.15 * luminance(pair[1].light));
                assert!(luminance(pair[0].dark) * 1.15 < luminance(pair[1].dark));
            }
        }
    }
}
