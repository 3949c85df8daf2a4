//! Padding is never a solid colour: each kind has its own hatch, told apart by direction and by density, also in print and in grey.

use crate::protocol::layout::Padding;

/// Where a kind stands in [`Padding::ALL`].
pub const fn index(kind: Padding) -> usize {
    match kind {
        Padding::Inner => 0,
        Padding::Head => 1,
        Padding::Gap => 2,
        Padding::Tail => 3,
        Padding::Whole => 4,
        Padding::Ghost => 5,
    }
}

/// Whether the hatch has ink at a pixel. `scale` are pixels of the device for one of the page.
pub const fn is_inked(kind: Padding, x: u32, y: u32, scale: u32) -> bool {
    let (x, y) = (x / scale, y / scale);
    match kind {
        // Dots.
        Padding::Inner => x % 4 == (y / 2 % 2) * 2 + 1 && y % 2 == 0,
        // Rising lines.
        Padding::Head => (x + y) % 6 == 0,
        // Lying lines.
        Padding::Gap => y % 5 == 0,
        // Falling lines, closer.
        Padding::Tail => (x + 3 * y) % 4 == 0,
        // Both.
        Padding::Whole => (x + y) % 5 == 0 || (x + 4 * y) % 5 == 0,
        // Bars as wide as what is between them.
        Padding::Ghost => x % 4 < 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of a large area that has ink.
    fn density(kind: Padding, scale: u32) -> f64 {
        let side = 60 * scale;
        let inked = (0..side * side).filter(|i| is_inked(kind, i % side, i / side, scale)).count();
        inked as f64 / f64::from(side * side)
    }

    #[test]
    fn hatches_differ_in_grey_and_none_is_solid() {
        for scale in 1..=3 {
            let densities = Padding::ALL.map(|kind| density(kind, scale));
            assert!(densities[0] > 0.1 && densities[5] < 0.6, "{densities:?}");
            for pair in densities.windows(2) {
                assert!(pair[1] - pair[0] > 0.03, "{densities:?}");
            }
            // Those that lie side by side in a chunked stream: four densities, far apart.
            let [_, head, _, tail, whole, ghost] = densities;
            assert!(tail - head > 0.08 && whole - tail > 0.1 && ghost - whole > 0.1, "{densities:?}");
        }
    }

    #[test]
    fn no_two_hatches_are_alike_in_a_small_square() {
        for (a, &one) in Padding::ALL.iter().enumerate() {
            for &other in &Padding::ALL[a + 1..] {
                let square = 0..12 * 12;
                let differ =
                    square.filter(|i| is_inked(one, i % 12, i / 12, 1) != is_inked(other, i % 12, i / 12, 1));
                assert!(differ.count() >= 20, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn kinds_know_their_place() {
        for (place, &kind) in Padding::ALL.iter().enumerate() {
            assert_eq!(index(kind), place);
        }
    }

    #[test]
    fn scaled_hatches_have_larger_pixels() {
        for kind in Padding::ALL {
            for (x, y) in [(5, 9), (14, 3), (31, 22)] {
                assert_eq!(is_inked(kind, 2 * x + 1, 2 * y, 2), is_inked(kind, x, y, 1));
            }
        }
    }
}
