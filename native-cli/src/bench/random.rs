//! Numbers and contents that a seed determines, on every machine and forever.

use std::ops::RangeInclusive;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A sequence of its own for each pair.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Evenly below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// About normal, mean 0, deviation 1: twelve even numbers added.
    pub fn normal(&mut self) -> f64 {
        let even = |bits: u64| bits as f64 / (1u64 << 32) as f64;
        (0..12).map(|_| even(self.next() >> 32)).sum::<f64>() - 6.0
    }

    /// Bytes that nothing compresses.
    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 7);
        while out.len() < len {
            out.extend(self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }

    /// Lines that compress about as source code does.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: [&str; 48] = [
            "static", "const", "struct", "int", "return", "if", "else", "unsigned", "long", "void", "for",
            "while", "switch", "case", "break", "device", "buffer", "length", "offset", "state", "flags",
            "error", "index", "count", "lock", "unlock", "register", "request", "queue", "channel", "packet",
            "frame", "driver", "probe", "remove", "read", "write", "init", "exit", "alloc", "free", "node",
            "list", "entry", "page", "block", "value", "mask",
        ];
        const MARKS: [&str; 8] = [" ", " ", "_", "->", "(", ", ", " = ", ");\n\t"];
        let mut out = Vec::with_capacity(len + 32);
        while out.len() < len {
            let bits = self.next();
            out.extend(WORDS[bits as usize % WORDS.len()].bytes());
            if bits >> 32 & 7 == 0 {
                out.extend(format!("_{:x}", bits >> 40 & 0xfff).bytes());
            }
            out.extend(MARKS[(bits >> 60) as usize & 7].bytes());
        }
        out.truncate(len);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_fixed() {
        // The first numbers of the published generator with the seed 0.
        let mut random = Random(0);
        assert_eq!([random.next(), random.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_ne!(Random::new(1, 0).next(), Random::new(0, 1).next());
        assert_eq!(Random::new(1, 2).noise(13), Random::new(1, 2).noise(20)[..13]);
    }

    #[test]
    fn numbers_are_where_they_should_be() {
        let mut random = Random::new(0, 0);
        let drawn: Vec<u64> = (0..1000).map(|_| random.within(3..=5)).collect();
        assert!((3..=5).all(|n| drawn.iter().filter(|&&d| d == n).count() > 250), "{drawn:?}");
        assert!(drawn.iter().all(|n| (3..=5).contains(n)));
        let normal: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
        let mean = normal.iter().sum::<f64>() / 10_000.0;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert_eq!(random.text(100).len(), 100);
    }
}
