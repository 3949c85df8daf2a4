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
///
/// It goes in steps, for those who have other things to do meanwhile; only to sort the files of one side is one step, however many there are.
#[derive(Default)]
pub(super) struct Moving {
    stage: Stage,
    /// Files that are not under their path in the other archive any more.
    removed: Vec<u32>,
    added: Vec<u32>,
    /// Places of both, as far as they are known; sorted when all are.
    places: [Vec<((u64, u64), u32)>; 2],
    /// How many of both were paired, or found to be alone, in this stage.
    at: (usize, usize),
    /// Files that were dealt with in stages before.
    before: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Collect,
    Place,
    SortPlaces(usize),
    PairPlaces,
    SortVersions(usize),
    PairVersions,
    Done,
}

impl Moving {
    /// Deals with about `most` files more; whether there is still something to do.
    pub fn step(
        &mut self,
        old: &Layout<'_>,
        new: &Layout<'_>,
        comparison: &mut Comparison,
        most: usize,
    ) -> bool {
        let Self { stage, removed, added, places, at, before } = self;
        *stage = match *stage {
            Stage::Collect => {
                let is_file = |tree: &Tree, id: u32| tree.kind(id) == Kind::File && tree.size(id) > 0;
                removed.extend(
                    (0..old.tree().len() as u32)
                        .filter(|&id| comparison.after(id).is_none() && is_file(old.tree(), id)),
                );
                added.extend(
                    (0..new.tree().len() as u32)
                        .filter(|&id| comparison.before(id).is_none() && is_file(new.tree(), id)),
                );
                match (removed.is_empty() || added.is_empty(), old.index().and(new.index())) {
                    (true, _) => Stage::Done,
                    (_, Some(_)) => Stage::Place,
                    (_, None) => Stage::SortVersions(0),
                }
            }
            Stage::Place => {
                let [of_removed, of_added] = places;
                let more = next(removed, of_removed.len(), most);
                of_removed.extend(more.iter().map(|&id| (place(old, id), id)));
                let more = next(added, of_added.len(), most - more.len());
                of_added.extend(more.iter().map(|&id| (place(new, id), id)));
                if of_added.len() < added.len() { Stage::Place } else { Stage::SortPlaces(0) }
            }
            Stage::SortPlaces(side) => {
                sort_things(&mut places[side], |a, b| a.0.cmp(&b.0));
                if side == 0 { Stage::SortPlaces(1) } else { Stage::PairPlaces }
            }
            Stage::PairPlaces => {
                let mut moves = Moves { old, new, comparison };
                let (left, right) = (&places[0][at.0..], &places[1][at.1..]);
                let done = each_group(
                    left,
                    right,
                    |one| one.0,
                    |one| one.0,
                    most,
                    |removed, added| {
                        let ids =
                            |group: &[((u64, u64), u32)]| group.iter().map(|&(_, id)| id).collect::<Vec<_>>();
                        pair_group(&mut moves, &ids(removed), &ids(added), true);
                    },
                );
                *at = (at.0 + done.0, at.1 + done.1);
                if at.0 < removed.len() && at.1 < added.len() {
                    Stage::PairPlaces
                } else {
                    *before = removed.len() + added.len();
                    *at = (0, 0);
                    *places = Default::default();
                    removed.retain(|&id| moves.comparison.after(id).is_none());
                    added.retain(|&id| moves.comparison.before(id).is_none());
                    Stage::SortVersions(0)
                }
            }
            Stage::SortVersions(side) => {
                let (tree, ids) =
                    if side == 0 { (old.tree(), &mut *removed) } else { (new.tree(), &mut *added) };
                sort_ids(ids, &mut |a, b| version(tree, a).cmp(&version(tree, b)));
                if side == 0 { Stage::SortVersions(1) } else { Stage::PairVersions }
            }
            Stage::PairVersions => {
                let mut moves = Moves { old, new, comparison };
                let (left, right) = (&removed[at.0..], &added[at.1..]);
                let (of_old, of_new) =
                    (|&id: &u32| version(old.tree(), id), |&id: &u32| version(new.tree(), id));
                let done = each_group(left, right, of_old, of_new, most, |removed, added| {
                    pair_group(&mut moves, removed, added, false);
                });
                *at = (at.0 + done.0, at.1 + done.1);
                if at.0 < removed.len() && at.1 < added.len() { Stage::PairVersions } else { Stage::Done }
            }
            Stage::Done => Stage::Done,
        };
        self.stage != Stage::Done
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Collect
    }

    /// Files that were dealt with, of how many; a file can be dealt with twice.
    pub fn progress(&self) -> (u64, u64) {
        let placed = self.places.iter().map(Vec::len).sum::<usize>();
        let (done, files) = (self.before + self.at.0 + self.at.1, self.removed.len() + self.added.len());
        let (done, all) = if self.before > 0 {
            (2 * self.before + done, 3 * self.before + files)
        } else {
            (placed + done, 3 * files)
        };
        (done as u64, all.max(done) as u64)
    }
}

/// The next of them, at most so many.
fn next(ids: &[u32], from: usize, most: usize) -> &[u32] {
    &ids[from..ids.len().min(from.saturating_add(most))]
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

fn version(tree: &Tree, id: u32) -> (u64, Timestamp) {
    (tree.size(id), tree.mtime(id))
}

/// Calls `visit` with the entries of both sides that have the same key; both are sorted by it. Stops behind the group with which `most` of one side are
/// done with; returns how many are.
fn each_group<T, K: Ord>(
    left: &[T],
    right: &[T],
    key_of_left: impl Fn(&T) -> K,
    key_of_right: impl Fn(&T) -> K,
    most: usize,
    mut visit: impl FnMut(&[T], &[T]),
) -> (usize, usize) {
    let (mut i, mut j) = (0, 0);
    while i.max(j) < most
        && let (Some(a), Some(b)) = (left.get(i), right.get(j))
    {
        let (a, b) = (key_of_left(a), key_of_right(b));
        match a.cmp(&b) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                let len_of_left = left[i..].iter().take_while(|it| key_of_left(it) == a).count();
                let len_of_right = right[j..].iter().take_while(|it| key_of_right(it) == b).count();
                visit(&left[i..i + len_of_left], &right[j..j + len_of_right]);
                (i, j) = (i + len_of_left, j + len_of_right);
            }
        }
    }
    (i, j)
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
        usize::MAX,
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
