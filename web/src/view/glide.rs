//! A scrolled window onto something too long to be counted in rows: a stretch of rows is there, and when the window comes near
//! one of its ends, another stretch around the same place is asked for. Rows are known by their positions in a stream, so what is on screen
//! stays where it is when the stretch changes.

use std::{cell::RefCell, rc::Rc};

use yew::prelude::*;

/// Rows from an end of the stretch at which another one is asked for.
const EDGE: usize = 24;

/// What an effect after drawing has to scroll to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aim {
    /// This position's row goes back to where it was, so many pixels below the top.
    Keep(u64, f64),
    /// This position's row is to be seen.
    Show(u64),
}

/// The window: where it is scrolled to.
#[derive(Clone)]
pub struct Glide {
    /// The element that scrolls.
    pub node: NodeRef,
    row: f64,
    aim: Rc<RefCell<Option<Aim>>>,
}

impl Glide {
    /// The row of a position is to be seen once it is there.
    pub fn show(&self, position: u64) {
        *self.aim.borrow_mut() = Some(Aim::Show(position));
    }

    /// The element was scrolled over rows that begin at `rows` (positions, ascending); `first` and `last` say whether they are the stream's.
    /// The answer is the position around which another stretch is needed.
    pub fn scrolled(&self, rows: &[u64], first: bool, last: bool) -> Option<u64> {
        let element = self.node.cast::<web_sys::Element>()?;
        let top = f64::from(element.scroll_top());
        let at = ((top / self.row) as usize).min(rows.len().checked_sub(1)?);
        let seen = (f64::from(element.client_height()) / self.row) as usize;
        let near_start = at < EDGE && !first;
        let near_end = at + seen + EDGE > rows.len() && !last;
        if !near_start && !near_end {
            return None;
        }
        let position = rows[at];
        *self.aim.borrow_mut() = Some(Aim::Keep(position, top - at as f64 * self.row));
        Some(position)
    }

    /// Scrolls to what was aimed at, if it is among `rows`; after they were drawn.
    pub fn settle(&self, rows: &[u64]) {
        let Some(aim) = *self.aim.borrow() else { return };
        let Some(element) = self.node.cast::<web_sys::Element>() else { return };
        let row_of = |position: u64| {
            let behind = rows.partition_point(|row| *row <= position);
            behind.checked_sub(1).filter(|_| rows.last().is_some_and(|last| position <= *last))
        };
        let height = f64::from(element.client_height());
        let top = match aim {
            Aim::Keep(position, below) => row_of(position).map(|at| at as f64 * self.row + below),
            Aim::Show(position) => row_of(position).map(|at| {
                let place = at as f64 * self.row;
                let now = f64::from(element.scroll_top());
                let is_seen = place >= now && place + self.row <= now + height;
                if is_seen { now } else { (place - height / 3.0).max(0.0) }
            }),
        };
        if let Some(top) = top {
            *self.aim.borrow_mut() = None;
            element.set_scroll_top(top.round() as i32);
        }
    }

    /// Rows that fit.
    pub fn page(&self) -> usize {
        let height = self.node.cast::<web_sys::Element>().map_or(0, |element| element.client_height());
        ((f64::from(height) / self.row) as usize).max(1)
    }
}

/// A window over rows of `row` pixels.
#[hook]
pub fn use_glide(row: f64) -> Glide {
    let node = use_node_ref();
    let aim = use_mut_ref(|| None);
    Glide { node, row, aim }
}
