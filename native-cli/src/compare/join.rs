//! The merge of two sides.

use std::cmp::Ordering;
use std::fmt;

use pxkit_core::compare::path_order;

use super::item::Item;

/// The entries of a side, one after the other.
pub trait Entries {
    /// Puts the next entry into `item`; false at the end.
    ///
    /// # Errors
    /// The side cannot be read.
    fn next(&mut self, item: &mut Item) -> anyhow::Result<bool>;
}

/// What stands at a path.
#[derive(Clone, Copy, Debug)]
pub enum Pair<'a> {
    /// Only the old side has it.
    Old(&'a Item),
    /// Only the new side has it.
    New(&'a Item),
    /// Both have it: old, new.
    Both(&'a Item, &'a Item),
}

/// The names of a side (0 old, 1 new) are not sorted.
#[derive(Clone, Copy, Debug)]
pub struct Unsorted(pub usize);

impl fmt::Display for Unsorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the names are not sorted")
    }
}

impl std::error::Error for Unsorted {}

/// Merges both sides by path. Each comes with whether its entries may come in another order, which is an error otherwise.
///
/// # Errors
/// [`Unsorted`]; a side cannot be read; those of `visit`.
pub fn join(
    (old, old_in_any_order): (&mut dyn Entries, bool),
    (new, new_in_any_order): (&mut dyn Entries, bool),
    visit: &mut dyn FnMut(Pair<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut old = Cursor::new(old, (!old_in_any_order).then_some(Unsorted(0)));
    let mut new = Cursor::new(new, (!new_in_any_order).then_some(Unsorted(1)));
    old.advance()?;
    new.advance()?;
    loop {
        let order = match (old.is_there, new.is_there) {
            (false, false) => return Ok(()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => path_order(&old.item.path, &new.item.path),
        };
        visit(match order {
            Ordering::Less => Pair::Old(&old.item),
            Ordering::Greater => Pair::New(&new.item),
            Ordering::Equal => Pair::Both(&old.item, &new.item),
        })?;
        if order.is_le() {
            old.advance()?;
        }
        if order.is_ge() {
            new.advance()?;
        }
    }
}

struct Cursor<'e> {
    entries: &'e mut dyn Entries,
    item: Item,
    last: Vec<u8>,
    is_there: bool,
    /// The error if the order is another one.
    unsorted: Option<Unsorted>,
}

impl<'e> Cursor<'e> {
    fn new(entries: &'e mut dyn Entries, unsorted: Option<Unsorted>) -> Self {
        Self { entries, item: Item::default(), last: Vec::new(), is_there: false, unsorted }
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        let is_first = !self.is_there;
        std::mem::swap(&mut self.last, &mut self.item.path);
        self.is_there = self.entries.next(&mut self.item)?;
        match self.unsorted {
            Some(error) if self.is_there && !is_first && path_order(&self.last, &self.item.path).is_ge() => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}
