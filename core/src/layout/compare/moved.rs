use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::sorted::{sort_ids, sort_things};
use super::super::spans::Layout;
use super::comparison::Comparison;
use super::contents::same_contents;
use super::metadata::differing;
use crate::access::Tree;
use crate::compare::Change;
use crate::format::{Kind, Timestamp, u64_at};

/// Finds files that were removed here and added there: first those that lie in the same chunks, then those of the same size and time of modification,
/// if they have the same name or there is only one of each. Empty files are not moved.
pub(super) fn find_moved(old: &Layout<'_>, new: &Layout<'_>, comparison: &mut Comparison) {
    let is_file = |tree: &Tree, id: u32| tree.kind(id) == Kind::File && tree.size(id) > 0;
    let mut removed: Vec<u32> = (0..old.tree().len() as u32)
        .filter(|&id| comparison.after(id).is_none() && is_file(old.tree(), id))
        .collect();
    let mut added: Vec<u32> = (0..new.tree().len() as u32)
        .filter(|&id| comparison.before(id).is_none() && is_file(new.tree(), id))
        .collect();
    if removed.is_empty() || added.is_empty() {
        return;
    }
    let mut moves = Moves { old, new, comparison };
    if old.index().is_some() && new.index().is_some() {
        by_place(old, &mut removed);
        by_place(new, &mut added);
        each_group(
            &removed,
            &added,
            |&id| place(old, id),
            |&id| place(new, id),
            |removed, added| {
                pair_group(&mut moves, removed, added, true);
            },
        );
        removed.retain(|&id| moves.comparison.after(id).is_none());
        added.retain(|&id| moves.comparison.before(id).is_none());
    }
    sort_ids(&mut removed, &mut |a, b| version(old.tree(), a).cmp(&version(old.tree(), b)));
    sort_ids(&mut added, &mut |a, b| version(new.tree(), a).cmp(&version(new.tree(), b)));
    let (of_old, of_new) = (|&id: &u32| version(old.tree(), id), |&id: &u32| version(new.tree(), id));
    each_group(&removed, &added, of_old, of_new, |removed, added| {
        pair_group(&mut moves, removed, added, false);
    });
}

/// The size, and a trace of where the contents begin: in which chunk, and where in it. Others may have the same trace, which does not matter,
/// since contents are compared.
fn place(layout: &Layout<'_>, id: u32) -> (u64, u64) {
    let part = layout.map().payload(layout.tree(), id).and_then(|payload| {
        let index = layout.index()?;
        index.parts(payload).ok()?.next()
    });
    let trace = part.map_or(0, |part| u64_at(&part.digest.0, 0).wrapping_add(part.within.start));
    (layout.tree().size(id), trace)
}

fn by_place(layout: &Layout<'_>, ids: &mut Vec<u32>) {
    let mut placed: Vec<_> = ids.iter().map(|&id| (place(layout, id), id)).collect();
    sort_things(&mut placed, |a, b| a.0.cmp(&b.0));
    ids.clear();
    ids.extend(placed.iter().map(|&(_, id)| id));
}

fn version(tree: &Tree, id: u32) -> (u64, Timestamp) {
    (tree.size(id), tree.mtime(id))
}

/// Calls `visit` with the entries of both sides that have the same key; both are sorted by it.
fn each_group<K: Ord>(
    mut left: &[u32],
    mut right: &[u32],
    key_of_left: impl Fn(&u32) -> K,
    key_of_right: impl Fn(&u32) -> K,
    mut visit: impl FnMut(&[u32], &[u32]),
) {
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        let (a, b) = (key_of_left(a), key_of_right(b));
        match a.cmp(&b) {
            Ordering::Less => left = &left[1..],
            Ordering::Greater => right = &right[1..],
            Ordering::Equal => {
                let len_of_left = left.iter().take_while(|&id| key_of_left(id) == a).count();
                let len_of_right = right.iter().take_while(|&id| key_of_right(id) == b).count();
                visit(&left[..len_of_left], &right[..len_of_right]);
                (left, right) = (&left[len_of_left..], &right[len_of_right..]);
            }
        }
    }
}

/// Pairs the files of a group: those with the same name, or all if there is one of each. Those that lie in the same place of equal chunks are
/// paired whatever their names are.
fn pair_group(join: &mut Moves<'_>, removed: &[u32], added: &[u32], is_place: bool) {
    if let (&[a], &[b]) = (removed, added) {
        return join.pair(a, b, is_place);
    }
    let by_name = |tree: &Tree, group: &[u32]| {
        let mut group = group.to_vec();
        sort_ids(&mut group, &mut |a, b| tree.name(a).cmp(tree.name(b)));
        group
    };
    let (mut removed, mut added) = (by_name(join.old.tree(), removed), by_name(join.new.tree(), added));
    let (of_old, of_new) = (join.old.tree(), join.new.tree());
    each_group(
        &removed,
        &added,
        |&id| of_old.name(id),
        |&id| of_new.name(id),
        |removed, added| {
            for (&a, &b) in removed.iter().zip(added) {
                join.pair(a, b, is_place);
            }
        },
    );
    if is_place {
        removed.retain(|&id| join.comparison.after(id).is_none());
        added.retain(|&id| join.comparison.before(id).is_none());
        for (&a, &b) in removed.iter().zip(&added) {
            join.pair(a, b, is_place);
        }
    }
}

struct Moves<'a> {
    old: &'a Layout<'a>,
    new: &'a Layout<'a>,
    comparison: &'a mut Comparison,
}

impl Moves<'_> {
    /// Notes that a file was moved, if its contents are what was claimed.
    fn pair(&mut self, a: u32, b: u32, needs_proof: bool) {
        let same = same_contents(self.old, a, self.new, b);
        if same.unwrap_or(!needs_proof) {
            let fields = differing(self.old.tree(), a, self.new.tree(), b);
            self.comparison.pair(a, b, Change::Moved, fields, same == Some(true));
        }
    }
}
