//! Pictures: raster in memory that the page only has to put on a canvas.
//!
//! A picture is drawn in one pass over what is in view. First the bytes in each column are added up (`columns`); then a column becomes a pile
//! of fills (`lanes`), and fills become pixels (`fill`). What is wide enough is shown by itself, with crisp borders; the rest in
//! proportion, except that padding is always given some pixels: what is rare must not vanish.

pub mod areas;
pub mod colour;
mod colouring;
mod columns;
mod endings;
mod fill;
pub mod hatch;
mod lanes;
mod map;
mod picture;
pub mod ranges;

use std::cell::RefCell;
use std::rc::Rc;

use pxkit_core::layout::DirectoryTotals;

use super::document::LayoutParts;
use super::layout::Made;
use super::{Document, Task, chunks, layout, problem};
use crate::protocol::layout::{Colouring, Legend, Map, MapQuery, Treemap, TreemapQuery};
use crate::protocol::{Problem, ProblemKind};

pub use colouring::{Categories, Colours};
pub use columns::kind;
pub use map::draw;
pub use picture::{MOST_PIXELS, Picture};

/// Most single ranges in an answer.
const RANGES: u32 = 2000;

/// What is kept for a document.
#[derive(Default)]
pub struct State {
    colours: RefCell<Option<(Key, Rc<Colours>)>>,
    /// What directories hold.
    totals: RefCell<Option<Rc<DirectoryTotals>>>,
}

/// What a colouring was made of.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    colouring: Colouring,
    /// What ages were made of.
    past: Made,
}

impl State {
    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let totals = self.totals.borrow().as_ref().map_or(0, |totals| totals.memory());
        totals + self.colours.borrow().as_ref().map_or(0, |(_, colours)| colours.memory())
    }

    fn totals(&self, parts: &LayoutParts) -> Rc<DirectoryTotals> {
        let mut totals = self.totals.borrow_mut();
        totals.get_or_insert_with(|| Rc::new(DirectoryTotals::new(&parts.tree))).clone()
    }

    /// Streams or index changed.
    pub fn forget(&self) {
        self.colours.take();
        self.totals.take();
    }
}

/// The colours of a document; those used last are kept.
fn colours(task: &Task, document: &Rc<Document>, colouring: Colouring) -> Result<Rc<Colours>, Problem> {
    let (parts, table) = (document.parts()?, document.table()?);
    let past = if colouring == Colouring::Age { chunks::past(task, document) } else { None };
    let made = past.as_ref().map_or_else(Vec::new, |past| past.made.clone());
    let key = Key { colouring, past: made };
    if let Some((kept, colours)) = &*document.paint.colours.borrow()
        && *kept == key
    {
        return Ok(colours.clone());
    }
    let colours =
        Rc::new(Colours::new(&parts.layout(), colouring, &table, past.as_ref().map(|past| &*past.ages)));
    *document.paint.colours.borrow_mut() = Some((key, colours.clone()));
    Ok(colours)
}

/// A picture of a part of the stream.
pub async fn map(task: &Task, document: &Rc<Document>, query: MapQuery) -> Result<Map, Problem> {
    let colours = colours(task, document, query.colouring)?;
    let ghosts = layout::ghosts(task, document).await?;
    let parts = document.parts()?;
    let picture = draw(&parts.layout(), &colours, &ghosts, &query).ok_or_else(too_large)?;
    let size = parts.map.size();
    let range = query.start.min(size)..query.end.min(size);
    let ranges = ranges::single(&parts.layout(), &ghosts, range.clone(), query.ranges.min(RANGES) as usize);
    Ok(Map {
        start: range.start,
        end: range.end.max(range.start),
        width: picture.width(),
        height: picture.height(),
        rgba: picture.into_rgba(),
        ranges,
    })
}

/// Directories as areas.
pub async fn treemap(task: &Task, document: &Rc<Document>, query: TreemapQuery) -> Result<Treemap, Problem> {
    document.check_entry(query.root)?;
    let colours = colours(task, document, query.colouring)?;
    let (parts, table) = (document.parts()?, document.table()?);
    let totals = document.paint.totals(&parts);
    areas::draw(&parts.layout(), &table, &totals, &colours, &query).ok_or_else(too_large)
}

/// The categories of a colouring.
pub async fn legend(task: &Task, document: &Rc<Document>, colouring: Colouring) -> Result<Legend, Problem> {
    let colours = colours(task, document, colouring)?;
    let (parts, table) = (document.parts()?, document.table()?);
    Ok(colours.legend(&parts.layout(), &table))
}

fn too_large() -> Problem {
    let message = format!("A picture has at most {MOST_PIXELS} pixels.");
    problem::new(ProblemKind::Limit, message)
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
