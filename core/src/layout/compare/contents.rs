use super::super::spans::Layout;
use crate::index::Part;

/// Whether two files of the same size have the same contents, as far as the indexes of their streams tell: yes if they lie in the same chunks at
/// the same places, no if a whole chunk of theirs differs at the same place, else nobody knows. Nothing is read. Takes O(log n), and the chunks
/// that they lie in; of streams whose payloads overlap, where that could be all chunks for every file, nothing is said.
pub fn same_contents(old: &Layout<'_>, a: u32, new: &Layout<'_>, b: u32) -> Option<bool> {
    if old.tree().size(a) != new.tree().size(b) {
        return Some(false);
    }
    if old.tree().size(a) == 0 {
        return Some(true);
    }
    if !old.map().is_regular() || !new.map().is_regular() {
        return None;
    }
    let mut left = old.index()?.parts(old.map().payload(old.tree(), a)?).ok()?;
    let mut right = new.index()?.parts(new.map().payload(new.tree(), b)?).ok()?;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(true),
            (Some(a), Some(b)) if a.digest == b.digest && a.within == b.within => {}
            // Where their bytes are all of both chunks, and as many, the digests are theirs.
            (Some(a), Some(b)) if is_whole(&a) && is_whole(&b) && a.within == b.within => return Some(false),
            _ => return None,
        }
    }
}

fn is_whole(part: &Part) -> bool {
    part.within.start == 0 && part.within.end == part.extent.end - part.extent.start
}
