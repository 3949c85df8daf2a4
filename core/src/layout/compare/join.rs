use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::spans::Layout;
use super::comparison::Comparison;
use super::contents::same_contents;
use super::metadata::{differing, link_differs};
use super::moved::find_moved;
use crate::access::Tree;
use crate::compare::{Change, Fields};
use crate::format::Kind;

/// Compares two archives (see the [module](super)). Names of a directory that are not sorted are sorted here, so the order of entries does not
/// matter; of equal names the first is compared with the first. Takes O(n), and O(n log n) for unsorted directories and for what was moved.
pub fn compare(old: &Layout<'_>, new: &Layout<'_>) -> Comparison {
    let comparison = Comparison::new(old.tree().len(), new.tree().len());
    let mut join = Join { old, new, comparison, open: Vec::new() };
    if !old.tree().is_empty() && !new.tree().is_empty() {
        join.pair(0, 0);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    while let Some((a, b)) = join.open.pop() {
        sorted_children(old.tree(), a, &mut left);
        sorted_children(new.tree(), b, &mut right);
        join.directory(&left, &right);
    }
    let mut comparison = join.comparison;
    find_moved(old, new, &mut comparison);
    comparison
}

/// Puts the children of a directory into `out`, sorted by name, equal names in the order of the archive.
fn sorted_children(tree: &Tree, id: u32, out: &mut Vec<u32>) {
    out.clear();
    out.extend(tree.children(id));
    if !out.is_sorted_by(|&a, &b| tree.name(a) <= tree.name(b)) {
        out.sort_unstable_by(|&a, &b| tree.name(a).cmp(tree.name(b)).then(a.cmp(&b)));
    }
}

struct Join<'a> {
    old: &'a Layout<'a>,
    new: &'a Layout<'a>,
    comparison: Comparison,
    /// Directories of both archives with the same path.
    open: Vec<(u32, u32)>,
}

impl Join<'_> {
    fn directory(&mut self, mut left: &[u32], mut right: &[u32]) {
        while let ([a, rest_of_left @ ..], [b, rest_of_right @ ..]) = (left, right) {
            let order = self.old.tree().name(*a).cmp(self.new.tree().name(*b));
            if order == Ordering::Equal {
                self.pair(*a, *b);
            }
            left = if order.is_le() { rest_of_left } else { left };
            right = if order.is_ge() { rest_of_right } else { right };
        }
    }

    /// Compares two entries with the same path.
    fn pair(&mut self, a: u32, b: u32) {
        let (first, second) = (self.old.file_of(a), self.new.file_of(b));
        let kinds = [self.old.tree().kind(first), self.new.tree().kind(second)];
        if kinds[0] != kinds[1] {
            self.comparison.pair(a, b, Change::Kind, Fields::NONE, false);
            return;
        }
        let mut fields = differing(self.old.tree(), first, self.new.tree(), second);
        fields.set(Fields::LINK, link_differs(self.old, a, self.new, b));
        let same = match kinds[0] {
            Kind::File => same_contents(self.old, first, self.new, second),
            _ => Some(true),
        };
        let change = match same.unwrap_or(!fields.contains(Fields::MTIME)) {
            false => Change::Contents,
            true if fields.is_empty() => Change::Unchanged,
            true => Change::Metadata,
        };
        self.comparison.pair(a, b, change, fields, same == Some(true));
        if kinds[0] == Kind::Directory {
            self.open.push((a, b));
        }
    }
}
