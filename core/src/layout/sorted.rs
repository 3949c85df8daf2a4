//! Sorting by way of numbers. For every type and order that is sorted, the compiler makes several kilobytes of program, which a browser has to
//! download; here are the two that are made once. Both are stable.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Sorts numbers by what they stand for.
#[inline(never)]
pub fn sort_ids(ids: &mut [u32], compare: &mut dyn FnMut(u32, u32) -> Ordering) {
    ids.sort_by(|&a, &b| compare(a, b));
}

/// Sorts things, of which there must be less than 2^32; with 4 bytes for each, and room for the things once more.
pub fn sort_things<T>(things: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    debug_assert!(u32::try_from(things.len()).is_ok(), "at most 2^32 things");
    let mut order: Vec<u32> = (0..things.len() as u32).collect();
    sort_ids(&mut order, &mut |a, b| compare(&things[a as usize], &things[b as usize]));
    let mut taken: Vec<Option<T>> = core::mem::take(things).into_iter().map(Some).collect();
    things.extend(order.iter().filter_map(|&at| taken[at as usize].take()));
}
