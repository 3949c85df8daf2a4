//! Sets of entries.

use std::ops::Range;

/// One bit for each entry. Numbers that it was not made for are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Makes room for the numbers below `len`.
    pub fn grow(&mut self, len: u32) {
        let words = (len as usize).div_ceil(64);
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    /// Whether `id` is in it.
    #[inline]
    pub fn has(&self, id: u32) -> bool {
        self.words.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Puts `id` in, for which there must be room, or takes it out.
    #[inline]
    pub fn set(&mut self, id: u32, is_in: bool) {
        let (word, bit) = (&mut self.words[id as usize / 64], 1 << (id % 64));
        if is_in { *word |= bit } else { *word &= !bit }
    }

    /// Puts a range in, for which there must be room, or takes it out.
    pub fn set_range(&mut self, ids: Range<u32>, is_in: bool) {
        let mut at = ids.start;
        while at < ids.end {
            let count = (64 - at % 64).min(ids.end - at);
            let bits = u64::MAX >> (64 - count) << (at % 64);
            let word = &mut self.words[at as usize / 64];
            if is_in {
                *word |= bits
            } else {
                *word &= !bits
            }
            at += count;
        }
    }

    /// Those of a range that are in it, in order.
    pub fn iter(&self, ids: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let mut at = ids.start;
        std::iter::from_fn(move || {
            while at < ids.end {
                let word = self.words.get(at as usize / 64)? >> (at % 64);
                if word != 0 {
                    let id = at + word.trailing_zeros();
                    at = id.saturating_add(1);
                    return (id < ids.end).then_some(id);
                }
                at = (at / 64 + 1).saturating_mul(64);
            }
            None
        })
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_numbers() {
        let mut bits = Bits::default();
        bits.grow(300);
        let mut expected = [false; 300];
        for (range, is_in) in
            [(3..3, true), (5..64, true), (64..128, true), (100..260, false), (255..300, true)]
        {
            bits.set_range(range.clone(), is_in);
            range.for_each(|id: u32| expected[id as usize] = is_in);
        }
        bits.set(7, false);
        bits.set(0, true);
        (expected[7], expected[0]) = (false, true);
        for range in [0..300, 0..0, 6..65, 127..129, 64..u32::MAX] {
            let wanted: Vec<u32> =
                range.clone().take(400).filter(|&id| id < 300 && expected[id as usize]).collect();
            assert_eq!(bits.iter(range).collect::<Vec<_>>(), wanted);
        }
        assert!(!bits.has(300) && !bits.has(u32::MAX));
    }
}
