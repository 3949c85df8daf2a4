//! The rows of a list that the page holds: some pages around what is on screen. The worker has the rest.

use std::{ops::Range, rc::Rc};

use crate::numbered::Numbered;

/// Rows of a page.
pub const PAGE: u32 = 100;
/// Pages that are held.
const HELD: usize = 40;

/// Rows of a list, in pages.
#[derive(Clone, Debug)]
pub struct Pages<T> {
    pages: Numbered<Page<T>>,
    revision: u64,
    /// Counts uses.
    clock: u64,
}

#[derive(Clone, Debug)]
struct Page<T> {
    rows: Vec<Rc<T>>,
    revision: u64,
    used: u64,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Numbered::default(), revision: 0, clock: 0 }
    }
}

impl<T> Pages<T> {
    /// The list may have changed: pages are shown until they are read again.
    pub fn renew(&mut self) {
        self.revision += 1;
    }

    /// The list is another one.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.revision += 1;
    }

    /// Which state of the list this is.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// A row, if it is held.
    pub fn get(&self, row: u32) -> Option<&Rc<T>> {
        self.pages.get(row / PAGE)?.rows.get((row % PAGE) as usize)
    }

    /// All of these rows are held, if in an older state of the list.
    pub fn holds(&self, rows: &Range<u32>) -> bool {
        rows.is_empty()
            || [rows.start, rows.end - 1].into_iter().all(|row| self.get(row).is_some())
                && pages(rows).all(|page| self.pages.get(page).is_some())
    }

    /// Pages of these rows and of those around them that must be read, the most urgent first.
    pub fn missing(&self, rows: &Range<u32>, total: u32) -> Vec<u32> {
        if rows.is_empty() {
            return Vec::new();
        }
        let last = total.saturating_sub(1) / PAGE;
        let shown = pages(rows);
        let around = [shown.end().checked_add(1), shown.start().checked_sub(1)];
        let around = around.into_iter().flatten().filter(|page| *page <= last);
        let stale = |page: &u32| self.pages.get(*page).is_none_or(|held| held.revision != self.revision);
        shown.chain(around).filter(stale).collect()
    }

    /// Takes a page that was asked for in a state of the list.
    pub fn insert(&mut self, page: u32, revision: u64, rows: Vec<T>) {
        self.clock += 1;
        let page_rows = rows.into_iter().map(Rc::new).collect();
        self.pages.insert(page, Page { rows: page_rows, revision, used: self.clock });
        while self.pages.count() > HELD {
            let oldest = self.pages.iter().min_by_key(|(_, page)| page.used).map(|(number, _)| number);
            oldest.map(|number| self.pages.remove(number));
        }
    }

    /// These rows are on screen.
    pub fn touch(&mut self, rows: &Range<u32>) {
        self.clock += 1;
        if rows.is_empty() {
            return;
        }
        let (shown, now) = (pages(rows), self.clock);
        self.pages
            .iter_mut()
            .filter(|(number, _)| shown.contains(number))
            .for_each(|(_, page)| page.used = now);
    }
}

fn pages(rows: &Range<u32>) -> std::ops::RangeInclusive<u32> {
    rows.start / PAGE..=rows.end.saturating_sub(1) / PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32) -> Vec<u32> {
        (number * PAGE..(number + 1) * PAGE).collect()
    }

    #[test]
    fn what_is_on_screen_is_read_first_then_its_neighbours() {
        let mut pages = Pages::<u32>::default();
        assert_eq!(pages.missing(&(150..230), 1000), [1, 2, 3, 0]);
        assert_eq!(pages.missing(&(0..30), 50), [0]);
        assert!(pages.missing(&(0..0), 0).is_empty());
        pages.insert(1, 0, page(1));
        assert!(!pages.holds(&(150..230)));
        pages.insert(2, 0, page(2));
        assert!(pages.holds(&(150..230)));
        assert_eq!(pages.get(229).map(|row| **row), Some(229));
        assert_eq!(pages.get(300), None);
    }

    #[test]
    fn rows_of_an_older_state_are_shown_and_read_again() {
        let mut pages = Pages::<u32>::default();
        pages.insert(0, 0, page(0));
        pages.renew();
        assert!(pages.holds(&(0..30)));
        assert_eq!(pages.missing(&(0..30), 100), [0]);
        // The answer to a question of before does not count as new.
        pages.insert(0, 0, page(0));
        assert_eq!(pages.missing(&(0..30), 100), [0]);
        pages.insert(0, 1, page(0));
        assert!(pages.missing(&(0..30), 100).is_empty());
        pages.clear();
        assert!(!pages.holds(&(0..30)));
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_on_screen() {
        let mut pages = Pages::<u32>::default();
        pages.insert(0, 0, page(0));
        for number in 1..500 {
            pages.touch(&(0..30));
            pages.insert(number, 0, page(number));
        }
        assert!(pages.holds(&(0..30)));
        assert_eq!(pages.pages.count(), HELD);
    }
}
