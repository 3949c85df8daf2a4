//! What rows a document shows: the view, what matches its filter, which directories are open.

use pxkit_core::access::Tree;

use super::bits::Bits;
use super::facts::Facts;
use super::list::List;
use super::matcher::Matcher;
use super::order::Order;
use super::outline::{OpenSet, Outline};
use super::sums::Sums;
use crate::protocol::files::{Sort, Toggle, View, ViewInfo};

/// Entries that a filter is asked for at once; then others get their turn.
pub const SLICE: u32 = 1 << 14;

/// Which entries match a filter.
#[derive(Default)]
pub struct Matches {
    /// `None`: all do.
    matcher: Option<Matcher>,
    bits: Bits,
    seen: u32,
    count: u32,
    /// Bytes of the files among them.
    bytes: u64,
    /// What the filter was asked with.
    stamp: u64,
}

impl Matches {
    /// Nothing is looked at yet.
    ///
    /// # Errors
    /// The filter is malformed.
    pub fn new(view: &View) -> Result<Self, String> {
        Ok(Self { matcher: Matcher::new(&view.filter)?, ..Self::default() })
    }

    /// Looks at some more entries; whether there are still others.
    pub fn step(&mut self, facts: &Facts<'_>) -> bool {
        self.some(facts, SLICE)
    }

    /// Looks at so many more entries; whether there are still others.
    #[inline(never)]
    pub fn some(&mut self, facts: &Facts<'_>, entries: u32) -> bool {
        let tree = facts.tree;
        let len = tree.len() as u32;
        if self.stamp != facts.stamp && self.matcher.as_ref().is_some_and(Matcher::needs_facts) {
            let matcher = std::mem::take(self).matcher.map(Matcher::again);
            self.matcher = matcher;
        }
        self.stamp = facts.stamp;
        let Self { matcher: Some(matcher), bits, seen, count, bytes, .. } = self else {
            self.seen = len;
            return false;
        };
        let end = len.min(seen.saturating_add(entries));
        bits.grow(end);
        matcher.run(facts, *seen..end, |id| {
            bits.set(id, true);
            *count += 1;
            *bytes = bytes.saturating_add(tree.size(id));
        });
        *seen = end;
        end < len
    }

    /// The entries that match; `None` if all do.
    fn bits(&self) -> Option<&Bits> {
        self.matcher.as_ref().map(|_| &self.bits)
    }

    /// What marks the text in names.
    pub const fn matcher(&self) -> Option<&Matcher> {
        self.matcher.as_ref()
    }
}

/// What rows a document shows.
#[derive(Default)]
pub struct Files {
    view: View,
    matches: Matches,
    /// Directories that are open where there is no filter.
    open: OpenSet,
    shape: Shape,
    sums: Sums,
    stamp: u64,
    is_complete: bool,
}

enum Shape {
    Tree(Outline),
    List(List),
}

impl Default for Shape {
    fn default() -> Self {
        Self::Tree(Outline::default())
    }
}

/// A row: the entry, and directories above it.
pub type Place = (u32, u16);

impl Files {
    /// The view.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Bytes of contents below entries.
    pub const fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Bytes of contents of an entry, or of all that is in it.
    pub fn size(&mut self, tree: &Tree, id: u32) -> u64 {
        self.sums.grow(tree);
        self.sums.size(tree, id)
    }

    /// What the filter found.
    pub const fn matches(&self) -> &Matches {
        &self.matches
    }

    /// Takes another view, for whose filter all entries were looked at.
    pub fn show(&mut self, facts: &Facts<'_>, view: View, matches: Matches) {
        self.sums.grow(facts.tree);
        let had_filter = self.matches.bits().is_some();
        match std::mem::take(&mut self.shape) {
            // Directories that a filter opened are not those that a person did.
            Shape::Tree(outline) if !had_filter => self.open = outline.into_open(),
            _ => {}
        }
        (self.view, self.matches) = (view, matches);
        self.shape = self.shape(facts);
        (self.stamp, self.is_complete) = (facts.stamp, facts.is_complete);
    }

    fn shape(&self, facts: &Facts<'_>) -> Shape {
        let Matches { seen, .. } = self.matches;
        let bits = self.matches.bits();
        if self.view.flat {
            return Shape::List(List::new(&self.order(facts), bits, seen, facts.is_complete));
        }
        Shape::Tree(match bits {
            Some(bits) => Outline::of_matches(facts.tree, bits),
            None => Outline::new(facts.tree, self.open.clone()),
        })
    }

    /// Takes in what has become known since the last call.
    pub fn catch_up(&mut self, facts: &Facts<'_>) {
        self.sums.grow(facts.tree);
        let before = self.matches.seen;
        let has_changed = self.stamp != facts.stamp;
        let filters_anew = has_changed && self.matches.matcher().is_some_and(Matcher::needs_facts);
        while self.matches.step(facts) {}
        let orders_anew =
            has_changed && matches!(self.view.sort, Sort::Offset | Sort::Chunks | Sort::Padding);
        let is_done = facts.is_complete && !self.is_complete;
        (self.stamp, self.is_complete) = (facts.stamp, facts.is_complete);
        if filters_anew || orders_anew && self.view.flat {
            self.shape = self.shape(facts);
            return;
        }
        let Self { view, matches, shape, sums, .. } = self;
        let order = Order::new(*facts, sums, view.sort, view.descending);
        match shape {
            Shape::Tree(outline) => {
                if orders_anew || is_done {
                    outline.forget_orders();
                }
                if matches.seen > before {
                    outline.grow(facts.tree, &matches.bits);
                }
            }
            Shape::List(list) if matches.seen > before || is_done => {
                list.grow(&order, matches.bits(), matches.seen, facts.is_complete);
            }
            Shape::List(_) => {}
        }
    }

    fn order<'a>(&'a self, facts: &Facts<'a>) -> Order<'a> {
        Order::new(*facts, &self.sums, self.view.sort, self.view.descending)
    }

    /// Opens or closes directories. The list has none.
    pub fn toggle(&mut self, facts: &Facts<'_>, toggle: Toggle) {
        if let Shape::Tree(outline) = &mut self.shape {
            outline.toggle(facts.tree, toggle.entry, toggle.open, toggle.deep);
        }
    }

    /// The row of an entry, for which the directories above it are opened; `None` if the filter leaves it out.
    pub fn reveal(&mut self, facts: &Facts<'_>, id: u32) -> Option<u32> {
        let Self { view, shape, sums, .. } = self;
        let order = Order::new(*facts, sums, view.sort, view.descending);
        match shape {
            Shape::Tree(outline) => {
                if outline.is_shown(id) {
                    outline.reveal(facts.tree, id);
                }
                outline.row(facts.tree, &order, id)
            }
            Shape::List(list) => list.row(&order, id),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        match &self.shape {
            Shape::Tree(outline) => outline.rows(),
            Shape::List(list) => list.rows(),
        }
    }

    /// Rows from `start` on.
    pub fn span(&mut self, facts: &Facts<'_>, start: u32, count: u32) -> Vec<Place> {
        let Self { view, shape, sums, .. } = self;
        let order = Order::new(*facts, sums, view.sort, view.descending);
        match shape {
            Shape::Tree(outline) => outline.span(facts.tree, &order, start, count),
            Shape::List(list) => list.span(start, count).into_iter().map(|id| (id, 0)).collect(),
        }
    }

    /// Whether a directory is open in the tree.
    pub fn is_open(&self, id: u32) -> bool {
        matches!(&self.shape, Shape::Tree(outline) if outline.is_open(id))
    }

    /// Whether a directory of the tree would show something.
    pub fn has_rows_below(&self, id: u32) -> bool {
        matches!(&self.shape, Shape::Tree(outline) if outline.has_rows_below(id))
    }

    /// What the page is told of the view.
    pub fn info(&self, facts: &Facts<'_>) -> ViewInfo {
        let (matches, bytes) = match self.matches.bits() {
            Some(_) => (self.matches.count, self.matches.bytes),
            None if facts.tree.is_empty() => (0, 0),
            None => (facts.tree.len() as u32, self.sums.size(facts.tree, 0)),
        };
        let has_earlier = facts.earlier.is_some();
        ViewInfo { rows: self.rows(), matches, bytes, has_earlier, malformed: None }
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        let shape = match &self.shape {
            Shape::Tree(outline) => outline.memory(),
            Shape::List(list) => list.memory(),
        };
        let matcher = self.matches.matcher().map_or(0, Matcher::memory);
        shape + matcher + self.matches.bits.memory() + self.open.memory() + self.sums.memory()
    }
}
