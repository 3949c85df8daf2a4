//! The rows of the tree of open directories, without a list of them.
//!
//! For each directory the number of rows is kept that it shows when it is open. So a directory opens or closes by as many additions as
//! there are directories above it, everything opens in one pass over the tree, and a row is found from the root down. Siblings are put into
//! order when rows among them are asked for; the orders of the directories that were looked at are kept.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;

use super::PART;
use super::bits::Bits;
use super::order::Order;

/// Siblings whose order is kept, 8 bytes each.
const KEPT: usize = 1 << 18;
/// What keeping an order costs beside them.
const OVERHEAD: usize = 16;

/// Directories that are open. Bits of entries that are no directories mean nothing.
#[derive(Clone, Default)]
pub struct OpenSet {
    bits: Bits,
    known: u32,
    /// Directories that come are open, too.
    all: bool,
}

impl OpenSet {
    fn grow(&mut self, len: u32) {
        self.bits.grow(len);
        if self.all {
            self.bits.set_range(self.known..len, true);
        }
        self.known = self.known.max(len);
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.bits.memory()
    }
}

/// Which rows there are.
#[derive(Default)]
pub struct Outline {
    /// For each entry, the rows below it when it is open.
    below: Vec<u32>,
    open: OpenSet,
    /// Entries that can be seen at all; all if there is no filter.
    shown: Option<Bits>,
    orders: HashMap<u32, Rc<Siblings>>,
    /// Entries in `orders`.
    ordered: usize,
}

/// What a directory shows, in order.
struct Siblings {
    ids: Vec<u32>,
    /// In which row below the directory each stands.
    rows: Vec<u32>,
}

impl Outline {
    /// Of the entries that are there, with the directories that are open.
    pub fn new(tree: &Tree, open: OpenSet) -> Self {
        let mut outline = Self { open, ..Self::default() };
        outline.make_room(tree);
        outline.count(tree, 0);
        outline
    }

    /// Of the entries that match and what is above them, which is open.
    pub fn of_matches(tree: &Tree, matches: &Bits) -> Self {
        let mut outline = Self { shown: Some(matches.clone()), ..Self::default() };
        outline.make_room(tree);
        let mut end = outline.len();
        while end > 1 {
            let start = end.saturating_sub(PART).max(1);
            outline.show_above(tree, start..end);
            end = start;
        }
        outline
    }

    /// Shows what is above those of a range that are shown; what comes behind the range was there before.
    #[inline(never)]
    fn show_above(&mut self, tree: &Tree, ids: Range<u32>) {
        let Self { below, open: OpenSet { bits: open, .. }, shown: Some(shown), .. } = self else { return };
        for id in ids.rev() {
            if shown.has(id) {
                let parent = tree.parent(id);
                shown.set(parent, true);
                let rows = below[id as usize];
                open.set(id, rows > 0);
                below[parent as usize] += 1 + rows;
            }
        }
    }

    /// Entries that it knows.
    fn len(&self) -> u32 {
        self.below.len() as u32
    }

    fn make_room(&mut self, tree: &Tree) {
        self.below.resize(tree.len(), 0);
        self.open.grow(self.len());
        if let Some(shown) = &mut self.shown {
            shown.grow(tree.len() as u32);
        }
        if !self.below.is_empty() {
            self.open.bits.set(0, true);
            self.shown.iter_mut().for_each(|shown| shown.set(0, true));
        }
    }

    /// Takes in what the tree has more than before; of a filtered outline, those of it that match.
    pub fn grow(&mut self, tree: &Tree, matches: &Bits) {
        let known = self.len();
        if known == tree.len() as u32 {
            return;
        }
        self.forget_orders();
        self.make_room(tree);
        let new = known.max(1)..self.len();
        // Adding up costs what the tree is deep; where that is more than counting all anew, that is done instead.
        let mut steps = 4 * tree.len();
        if self.shown.is_some() {
            for id in matches.iter(new) {
                self.show(tree, id, &mut steps);
            }
        } else {
            new.for_each(|id| self.changed(tree, tree.parent(id), 1, &mut steps));
        }
        if steps == 0 {
            self.count(tree, 0);
        }
    }

    /// An entry of a filtered outline matches, and those before it were seen.
    fn show(&mut self, tree: &Tree, id: u32, steps: &mut usize) {
        let Some(shown) = &mut self.shown else { return };
        let (mut at, mut rows) = (id, 0);
        // The directories above that were not seen so far become open with it.
        while !shown.has(at) {
            shown.set(at, true);
            self.open.bits.set(at, rows > 0);
            rows += 1;
            at = tree.parent(at);
            if self.below[at as usize] == 0 {
                self.open.bits.set(at, true);
            }
            self.below[at as usize] += rows;
        }
        if rows > 0 && at != 0 && self.open.bits.has(at) {
            self.changed(tree, tree.parent(at), rows.into(), steps);
        }
    }

    /// The rows below a directory, and hence below those above it that are open, become more or fewer. Ends early when no steps are left.
    fn changed(&mut self, tree: &Tree, directory: u32, by: i64, steps: &mut usize) {
        let mut at = directory;
        while *steps > 0 {
            let below = &mut self.below[at as usize];
            *below = (i64::from(*below) + by) as u32;
            if at == 0 || !self.open.bits.has(at) {
                return;
            }
            at = tree.parent(at);
            *steps -= 1;
        }
    }

    /// Counts the rows below a directory and all in it anew.
    fn count(&mut self, tree: &Tree, directory: u32) {
        let end = if tree.is_empty() { 0 } else { tree.end(directory).min(self.len()) };
        self.below[directory as usize..(end as usize).max(directory as usize)].fill(0);
        for id in (directory + 1..end).rev() {
            if self.is_shown(id) {
                let rows = if self.open.bits.has(id) { self.below[id as usize] } else { 0 };
                self.below[tree.parent(id) as usize] += 1 + rows;
            }
        }
    }

    /// Whether an entry can be seen at all.
    pub fn is_shown(&self, id: u32) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.has(id))
    }

    /// Opens or closes a directory, as `deep` says with all below. Of the root: all directories, and itself stays open.
    pub fn toggle(&mut self, tree: &Tree, id: u32, open: bool, deep: bool) {
        if id >= self.len() || tree.kind(id) != Kind::Directory {
            return;
        }
        let rows = |outline: &Self| if outline.open.bits.has(id) { outline.below[id as usize] } else { 0 };
        let before = rows(self);
        if deep || id == 0 {
            self.open.all = open && id == 0 || self.open.all && id != 0;
            self.open.bits.set_range(id..tree.end(id).min(self.len()), open);
            self.open.bits.set(0, true);
            self.count(tree, id);
        } else {
            self.open.bits.set(id, open);
        }
        let (after, mut steps) = (rows(self), usize::MAX);
        if id > 0 && self.is_shown(id) && before != after {
            self.changed(tree, tree.parent(id), i64::from(after) - i64::from(before), &mut steps);
        }
        self.forget_rows();
    }

    /// Opens all that is above an entry.
    pub fn reveal(&mut self, tree: &Tree, id: u32) {
        let mut at = id;
        while at != 0 {
            at = tree.parent(at);
            if !self.open.bits.has(at) {
                self.toggle(tree, at, true, false);
            }
        }
    }

    /// Whether a directory is open.
    pub fn is_open(&self, id: u32) -> bool {
        self.open.bits.has(id)
    }

    /// Whether something can be seen below a directory when it is open.
    pub fn has_rows_below(&self, id: u32) -> bool {
        self.below.get(id as usize).is_some_and(|&rows| rows > 0)
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        self.below.first().map_or(0, |below| 1 + below)
    }

    /// The entries in rows from `start` on, each with the number of directories above it.
    pub fn span(&mut self, tree: &Tree, order: &Order<'_>, start: u32, count: u32) -> Vec<(u32, u16)> {
        let end = self.rows().min(start.saturating_add(count));
        let mut rows = Vec::with_capacity(end.saturating_sub(start) as usize);
        // Directories on the way, each with the position of the next among its siblings.
        let mut way: Vec<(Rc<Siblings>, usize)> = Vec::new();
        if start >= end {
            return rows;
        }
        if start == 0 {
            rows.push((0, 0));
            way.push((self.siblings(tree, order, 0), 0));
        } else {
            let (mut directory, mut row) = (0, start - 1);
            loop {
                let siblings = self.siblings(tree, order, directory);
                let at = siblings.rows.partition_point(|&first| first <= row).saturating_sub(1);
                let (Some(&id), Some(&first)) = (siblings.ids.get(at), siblings.rows.get(at)) else { break };
                let is_it = row == first;
                way.push((siblings, if is_it { at } else { at + 1 }));
                if is_it {
                    break;
                }
                (directory, row) = (id, row - first - 1);
            }
        }
        while rows.len() < (end - start) as usize {
            let depth = way.len();
            let Some((siblings, next)) = way.last_mut() else { break };
            let Some(&id) = siblings.ids.get(*next) else {
                way.pop();
                continue;
            };
            *next += 1;
            rows.push((id, depth.min(u16::MAX.into()) as u16));
            if self.open.bits.has(id) && self.below[id as usize] > 0 {
                way.push((self.siblings(tree, order, id), 0));
            }
        }
        rows
    }

    /// The row of an entry; `None` if a directory above it is closed or the filter leaves it out.
    pub fn row(&mut self, tree: &Tree, order: &Order<'_>, id: u32) -> Option<u32> {
        if id >= self.len() || !self.is_shown(id) {
            return None;
        }
        let (mut at, mut row) = (id, 0);
        while at != 0 {
            let parent = tree.parent(at);
            if !self.open.bits.has(parent) {
                return None;
            }
            let siblings = self.siblings(tree, order, parent);
            let position = if order.is_archive() && siblings.ids.is_sorted() {
                siblings.ids.binary_search(&at).ok()?
            } else {
                siblings.ids.iter().position(|&sibling| sibling == at)?
            };
            row += 1 + siblings.rows[position];
            at = parent;
        }
        Some(row)
    }

    /// What a directory shows, in order.
    fn siblings(&mut self, tree: &Tree, order: &Order<'_>, directory: u32) -> Rc<Siblings> {
        let ids = match self.orders.get(&directory) {
            Some(siblings) if !siblings.rows.is_empty() || siblings.ids.is_empty() => {
                return siblings.clone();
            }
            // Only the rows have to be counted anew.
            Some(_) => self.orders.remove(&directory).map(|siblings| self.released(siblings)),
            None => None,
        };
        let ids = ids.unwrap_or_else(|| {
            let mut ids: Vec<u32> = tree.children(directory).filter(|&id| self.is_shown(id)).collect();
            order.siblings(&mut ids);
            ids
        });
        let mut row = 0;
        let rows = ids.iter().map(|&id| {
            let first = row;
            row += 1 + if self.open.bits.has(id) { self.below[id as usize] } else { 0 };
            first
        });
        let siblings = Rc::new(Siblings { rows: rows.collect(), ids });
        let cost = siblings.ids.len() + OVERHEAD;
        if self.ordered > 0 && self.ordered + cost > KEPT {
            self.forget_orders();
        }
        self.ordered += cost;
        self.orders.insert(directory, siblings.clone());
        siblings
    }

    fn released(&mut self, siblings: Rc<Siblings>) -> Vec<u32> {
        self.ordered -= siblings.ids.len() + OVERHEAD;
        Rc::try_unwrap(siblings).map_or_else(|shared| shared.ids.clone(), |own| own.ids)
    }

    /// Rows have moved.
    fn forget_rows(&mut self) {
        // Nobody holds an order while a directory opens.
        self.orders.values_mut().filter_map(Rc::get_mut).for_each(|siblings| siblings.rows.clear());
    }

    /// Entries, or what they are ordered by, have changed.
    pub fn forget_orders(&mut self) {
        self.orders.clear();
        self.ordered = 0;
    }

    /// The directories that are open, to be kept for another outline.
    pub fn into_open(self) -> OpenSet {
        self.open
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let bits = self.open.memory() + self.shown.as_ref().map_or(0, Bits::memory);
        let order = |siblings: &Rc<Siblings>| (siblings.ids.capacity() + siblings.rows.capacity()) * 4;
        self.below.capacity() * 4 + bits + self.orders.values().map(order).sum::<usize>()
    }
}
