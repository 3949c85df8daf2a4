use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::sorted::sort_ids;
use super::super::spans::Layout;
use super::comparison::Comparison;
use super::contents::same_contents;
use super::metadata::{differing, link_differs};
use super::moved::Moving;
use crate::access::Tree;
use crate::compare::{Change, Fields};
use crate::format::Kind;

/// Compares two archives (see the [module](super)). Names of a directory that are not sorted are sorted here, so the order of entries does not
/// matter; of equal names the first is compared with the first. Takes O(n), and O(n log n) for unsorted directories and for what was moved.
pub fn compare(old: &Layout<'_>, new: &Layout<'_>) -> Comparison {
    let mut comparing = Comparing::new(old, new);
    while comparing.step(usize::MAX) {}
    comparing.finish()
}

/// [`compare`] in steps, for those who have other things to do meanwhile.
pub struct Comparing<'a> {
    join: Join<'a>,
    /// The children of the directory that is being compared, and how many of them are done.
    left: Vec<u32>,
    right: Vec<u32>,
    at: (usize, usize),
    done: u64,
    moving: Moving,
}

impl<'a> Comparing<'a> {
    /// Nothing but the roots is compared yet.
    pub fn new(old: &'a Layout<'a>, new: &'a Layout<'a>) -> Self {
        let comparison = Comparison::new(old.tree().len(), new.tree().len());
        let mut join = Join { old, new, comparison, open: Vec::new() };
        if !old.tree().is_empty() && !new.tree().is_empty() {
            join.pair(0, 0);
        }
        Self { join, left: Vec::new(), right: Vec::new(), at: (0, 0), done: 0, moving: Moving::default() }
    }

    /// Compares about `entries` more, and then looks for what was moved among what was not found under its path; whether there are still others. The
    /// children of one directory are listed at once, and the files of one side that may have been moved are sorted at once.
    pub fn step(&mut self, entries: usize) -> bool {
        if self.moving.has_begun() {
            let Join { old, new, comparison, .. } = &mut self.join;
            return self.moving.step(old, new, comparison, entries);
        }
        let mut budget = entries;
        while budget > 0 {
            let (a, b) = self.at;
            if a < self.left.len() && b < self.right.len() {
                let (left, right) = (&self.left[a..], &self.right[b..]);
                let (a, b) = self.join.directory(left, right, budget);
                self.at = (self.at.0 + a, self.at.1 + b);
                self.done += a.max(b) as u64;
                budget = budget.saturating_sub(a.max(b));
                continue;
            }
            let Some((a, b)) = self.join.open.pop() else {
                let Join { old, new, comparison, .. } = &mut self.join;
                return self.moving.step(old, new, comparison, entries);
            };
            sorted_children(self.join.old.tree(), a, &mut self.left);
            sorted_children(self.join.new.tree(), b, &mut self.right);
            self.at = (0, 0);
        }
        true
    }

    /// Entries that were compared so far.
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Files that may have been moved and were looked at, and how many there are; once all entries are compared. A file can be looked at several times.
    pub fn moving(&self) -> Option<(u64, u64)> {
        self.moving.has_begun().then(|| self.moving.progress())
    }

    /// Ends what is left to do.
    pub fn finish(mut self) -> Comparison {
        while self.step(usize::MAX) {}
        self.join.comparison
    }
}

/// Puts the children of a directory into `out`, sorted by name, equal names in the order of the archive.
fn sorted_children(tree: &Tree, id: u32, out: &mut Vec<u32>) {
    out.clear();
    out.extend(tree.children(id));
    if !out.is_sorted_by(|&a, &b| tree.name(a) <= tree.name(b)) {
        sort_ids(out, &mut |a, b| tree.name(a).cmp(tree.name(b)));
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
    /// Compares what is in a directory, `most` entries at most; returns how many of both sides are done.
    fn directory(&mut self, mut left: &[u32], mut right: &[u32], most: usize) -> (usize, usize) {
        let (of_left, of_right) = (left.len(), right.len());
        let done = |left: &[u32], right: &[u32]| (of_left - left.len(), of_right - right.len());
        while let ([a, rest_of_left @ ..], [b, rest_of_right @ ..]) = (left, right)
            && done(left, right).0.max(done(left, right).1) < most
        {
            let order = self.old.tree().name(*a).cmp(self.new.tree().name(*b));
            if order == Ordering::Equal {
                self.pair(*a, *b);
            }
            left = if order.is_le() { rest_of_left } else { left };
            right = if order.is_ge() { rest_of_right } else { right };
        }
        done(left, right)
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
