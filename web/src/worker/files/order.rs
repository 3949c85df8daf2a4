//! Orders of siblings and of the list.
//!
//! An order is a number for each entry, and where numbers are alike a closer look; what is alike in all stays in the order of the archive.
//! What has no such value (a directory has no place in the payload stream) comes last, in both directions.

use std::cmp::Ordering;

use pxkit_core::access::Source;
use pxkit_core::format::{Kind, Timestamp};
use pxkit_core::layout::{Owner, sort_ids};

use super::bits::Bits;
use super::collate;
use super::facts::Facts;
use super::sums::Sums;
use crate::protocol::files::Sort;

/// An order, and what it needs.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    facts: Facts<'a>,
    sums: &'a Sums,
    sort: Sort,
    descending: bool,
}

/// Stands for an entry that has no value.
const NONE: u64 = u64::MAX;

impl<'a> Order<'a> {
    /// An order of the entries of `facts`.
    pub const fn new(facts: Facts<'a>, sums: &'a Sums, sort: Sort, descending: bool) -> Self {
        Self { facts, sums, sort, descending }
    }

    /// Whether it is that of the archive, in one direction or the other.
    pub fn is_archive(&self) -> bool {
        self.sort == Sort::Archive
    }

    /// Whether the last comes first.
    pub const fn is_descending(&self) -> bool {
        self.descending
    }

    /// Sorts siblings, which are in the order of the archive.
    pub fn siblings(&self, ids: &mut [u32]) {
        match self.sort {
            Sort::Archive if self.descending => ids.reverse(),
            Sort::Archive => {}
            Sort::Name => self.by_name(ids),
            _ => self.by_key(ids, |id| self.key(id)),
        }
    }

    /// Sorts any entries, which are in the order of the archive. By name means by path.
    pub fn list(&self, ids: &mut Vec<u32>) {
        match self.sort {
            Sort::Name => self.by_path(ids),
            Sort::Padding => {
                let padding = self.paddings();
                self.by_key(ids, |id| padding.get(id as usize).copied().unwrap_or(NONE));
            }
            _ => self.siblings(ids),
        }
    }

    /// The value of an entry.
    fn key(&self, id: u32) -> u64 {
        let Facts { tree, .. } = self.facts;
        match self.sort {
            Sort::Archive | Sort::Name => id.into(),
            Sort::Size => self.sums.size(tree, id),
            Sort::Entries if tree.kind(id) == Kind::Directory => (tree.end(id) - id - 1).into(),
            Sort::Entries => NONE,
            Sort::Mtime => {
                // 34 bits hold 272 years before and after 1970; what is beyond has the key of the bound.
                const HALF: i64 = 1 << 33;
                match tree.mtime(id) {
                    Timestamp { secs, .. } if secs < -HALF => 0,
                    Timestamp { secs, .. } if secs >= HALF => NONE - 1,
                    Timestamp { secs, nanos } => {
                        ((secs + HALF) as u64) << 30 | u64::from(nanos.min((1 << 30) - 2))
                    }
                }
            }
            Sort::Mode => tree.mode(id).into(),
            Sort::Owner => {
                let (uid, gid) = tree.owner(id);
                u64::from(uid) << 32 | u64::from(gid)
            }
            Sort::Offset => self.facts.offset(id).unwrap_or(NONE),
            Sort::Chunks => self.facts.chunks(id).map_or(NONE, |chunks| chunks.len() as u64),
            Sort::Padding => self.facts.padding(id).unwrap_or(NONE),
        }
    }

    fn by_key(&self, ids: &mut [u32], key: impl Fn(u32) -> u64) {
        let flip = |key: u64| if self.descending && key != NONE { NONE - 1 - key.min(NONE - 1) } else { key };
        let mut keyed: Vec<(u64, u32)> = ids.iter().map(|&id| (flip(key(id)), id)).collect();
        // Numbers of entries are the order of the archive.
        keyed.sort_unstable();
        ids.iter_mut().zip(&keyed).for_each(|(id, (_, sorted))| *id = *sorted);
        if self.sort == Sort::Mtime {
            // Keys that are bounds stand for all times beyond them.
            let mtime = |id| self.facts.tree.mtime(id);
            for bound in [flip(0), flip(NONE - 1)] {
                let first = keyed.partition_point(|pair| pair.0 < bound);
                let end = keyed.partition_point(|pair| pair.0 <= bound);
                sort_ids(&mut ids[first..end], &mut |a, b| self.turned(mtime(a).cmp(&mtime(b))));
            }
        }
    }

    fn by_name(&self, ids: &mut [u32]) {
        let tree = self.facts.tree;
        let keyed: Vec<(u128, u32)> = ids.iter().map(|&id| (collate::key(tree.name(id)), id)).collect();
        let mut order: Vec<u32> = (0..keyed.len() as u32).collect();
        sort_ids(&mut order, &mut |a, b| {
            let (a, b) = (&keyed[a as usize], &keyed[b as usize]);
            let order = a.0.cmp(&b.0).then_with(|| collate::compare(tree.name(a.1), tree.name(b.1)));
            self.turned(order)
        });
        ids.iter_mut().zip(order).for_each(|(id, at)| *id = keyed[at as usize].1);
    }

    const fn turned(&self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }

    /// By path: a walk through the tree with siblings in order. Directories come before what is in them.
    fn by_path(&self, ids: &mut Vec<u32>) {
        let Some(&last) = ids.last() else { return };
        let mut is_in = Bits::default();
        is_in.grow(last + 1);
        ids.iter().for_each(|&id| is_in.set(id, true));
        ids.clear();
        let tree = self.facts.tree;
        let mut waiting = vec![0];
        let mut children = Vec::new();
        while let Some(id) = waiting.pop() {
            if is_in.has(id) {
                ids.push(id);
            }
            // Only what leads to one that is wanted.
            children.clear();
            children.extend(
                tree.children(id).filter(|&child| is_in.iter(child..tree.end(child)).next().is_some()),
            );
            self.by_name(&mut children);
            waiting.extend(children.iter().rev());
        }
    }

    /// The padding of each entry, by one walk along the stream.
    fn paddings(&self) -> Vec<u64> {
        let Some(layout) = self.facts.layout.filter(|layout| layout.map().source() == Source::Payload) else {
            return Vec::new();
        };
        let mut paddings = vec![NONE; self.facts.tree.len()];
        layout.map().order().iter().for_each(|&id| paddings[id as usize] = 0);
        let (mut gap, mut before) = (0, None);
        for span in layout.spans(0..layout.size()) {
            match span.owner {
                Owner::Padding(_) => gap += span.range.end - span.range.start,
                Owner::Payload(id) => {
                    for id in before.replace(id).into_iter().chain([id]) {
                        paddings[id as usize] += gap;
                    }
                    gap = 0;
                }
                _ => {}
            }
        }
        if let Some(id) = before {
            paddings[id as usize] += gap;
        }
        paddings
    }
}
