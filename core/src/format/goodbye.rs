use super::u64_at;

/// Bytes of one record of a goodbye table.
pub const RECORD_SIZE: usize = 24;
/// The `hash` of a table's last record (specification 3.1).
pub const TAIL_MARKER: u64 = 0xef5e_ed5b_753e_1555;

/// One record of a goodbye table: a child, or the tail (specification 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Hash of the child's name, or [`TAIL_MARKER`].
    pub hash: u64,
    /// Bytes from the child's FILENAME (in the tail: from the directory's ENTRY; in the root's tail: from offset 0)
    /// to the GOODBYE.
    pub offset: u64,
    /// Bytes from the child's FILENAME to its end; in split archives a hint only. In the tail: size of the GOODBYE item.
    pub size: u64,
}

impl Record {
    /// Reads a record; `bytes` holds at least [`RECORD_SIZE`] bytes.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Self {
        Self { hash: u64_at(bytes, 0), offset: u64_at(bytes, 8), size: u64_at(bytes, 16) }
    }

    /// The bytes on disk.
    #[inline]
    pub fn to_bytes(self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0; RECORD_SIZE];
        bytes[..8].copy_from_slice(&self.hash.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }
}

/// Calls `place(slot, rank)` for every rank 0, 1, ... of `n` sorted records with the slot of the complete search tree that
/// the record belongs into: the children of slot `i` are `2i + 1` (smaller) and `2i + 2` (larger) (specification 3.3).
///
/// Slots are visited in order by following parents and leftmost descendants, so no stack is needed.
pub fn layout_slots(n: usize, mut place: impl FnMut(usize, usize)) {
    let leftmost = |mut slot: usize| {
        while 2 * slot + 1 < n {
            slot = 2 * slot + 1;
        }
        slot
    };
    let mut slot = leftmost(0);
    for rank in 0..n {
        place(slot, rank);
        if 2 * slot + 2 < n {
            slot = leftmost(2 * slot + 2);
        } else {
            // Climb out of right subtrees (even slots), then one step more.
            while slot > 0 && slot % 2 == 0 {
                slot = (slot - 1) / 2;
            }
            slot = slot.saturating_sub(1) / 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn table(n: usize) -> Vec<usize> {
        let mut table = vec![usize::MAX; n];
        layout_slots(n, |slot, rank| table[slot] = rank);
        table
    }

    /// The recursive closed form of the specification, written independently.
    fn place(table: &mut [usize], lo: usize, count: usize, level: u32, slot: usize) {
        let p = 1usize << level;
        let t = p + p / 2 - 1;
        let left = if count > t { p - 1 } else { p - 1 - (t - count) };
        table[slot] = lo + left;
        if left > 0 {
            place(table, lo, left, level - 1, 2 * slot + 1);
        }
        if left + 1 < count {
            place(table, lo + left + 1, count - left - 1, level - 1, 2 * slot + 2);
        }
    }

    #[test]
    fn tables_of_the_specification() {
        let expected: [&[usize]; 7] =
            [&[], &[0], &[1, 0], &[1, 0, 2], &[2, 1, 3, 0], &[3, 1, 4, 0, 2], &[3, 1, 5, 0, 2, 4]];
        for (n, expected) in expected.iter().enumerate() {
            assert_eq!(table(n), *expected, "n = {n}");
        }
        assert_eq!(table(10), [6, 3, 8, 1, 5, 7, 9, 0, 2, 4]);
        assert_eq!(table(16), [8, 4, 12, 2, 6, 10, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0]);
    }

    #[test]
    fn same_as_the_closed_form() {
        for n in 1..1500usize {
            let mut expected = vec![0; n];
            place(&mut expected, 0, n, n.ilog2(), 0);
            assert_eq!(table(n), expected, "n = {n}");
        }
    }
}
