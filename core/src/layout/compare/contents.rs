use super::super::spans::Layout;
use crate::compare::same_parts;

/// Whether two files of the same size have the same contents, as far as the indexes of their streams tell (see [`same_parts`]). Nothing is read. Takes
/// O(log n), and the chunks that they lie in; of streams whose payloads overlap, where that could be all chunks for every file, nothing is
/// said.
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
    let left = old.index()?.parts(old.map().payload(old.tree(), a)?).ok()?;
    let right = new.index()?.parts(new.map().payload(new.tree(), b)?).ok()?;
    same_parts(left, right)
}
