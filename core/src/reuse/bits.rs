use alloc::vec;
use alloc::vec::Vec;

/// A bit for each file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// `len` bits, none set.
    pub fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// Bit `at`; behind the last none is set.
    pub fn get(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Sets or clears a bit that exists.
    pub fn put(&mut self, at: usize, bit: bool) {
        let (word, mask) = (&mut self.0[at / 64], 1 << (at % 64));
        *word = if bit { *word | mask } else { *word & !mask };
    }
}
