//! Decoding of archives into trees, slice by slice, while what is there can already be used.

use std::rc::Rc;

use pxkit_core::access::{Stop, TreeBuilder};
use pxkit_core::decode::{Entries, Irregularity};
use pxkit_core::format::{Error, ItemType, Kind, Problem as Cause};

use super::source::window::Window;
use super::{Document, Task, files, problem};
use crate::protocol::open::State;
use crate::protocol::{Problem, Tell};

/// Bytes of the first slice, which gives the first rows.
const FIRST: usize = 256 << 10;
/// Bytes of the others.
const SLICE: u64 = 4 << 20;
/// Entries for which room is made at once although nothing proves that they will come.
const TRUSTED: u64 = 1_200_000;
/// Entries that are decoded at most: about 80 bytes of memory each, of the four gigabytes that there can be.
const MOST: usize = 20_000_000;

/// Decodes the archive of a document, and tells the page of it.
pub async fn decode(task: Task, document: Rc<Document>) {
    let mut loader = Loader::new(document.clone());
    let outcome = loader.run(&task).await;
    if document.closed().get() {
        return;
    }
    document.finish();
    let state = match outcome {
        Ok(()) => State::Complete,
        Err(problem) => {
            document.findings.damage(&problem, &document.tree());
            State::Damaged(problem)
        }
    };
    *document.state.borrow_mut() = state;
    tell(&task, &document);
    // Whoever waits for rows gets them first.
    task.worker().host().pause().await;
    document.find_anomalies();
    if !document.closed().get() {
        tell(&task, &document);
        // Nobody waits for it.
        let _ = files::practice::practise(&task, &document).await;
    }
}

/// Decodes the archive of a document that nobody sees.
///
/// # Errors
/// It is damaged, or cannot be read.
pub async fn quietly(task: &Task, document: Rc<Document>) -> Result<(), Problem> {
    let outcome = Loader { is_quiet: true, ..Loader::new(document.clone()) }.run(task).await;
    document.finish();
    outcome
}

/// Tells the page what is known of a document.
pub fn tell(task: &Task, document: &Document) {
    task.worker().host().tell(Tell::Document(Box::new(document.describe())), Vec::new());
}

struct Loader {
    document: Rc<Document>,
    entries: Entries,
    window: Window,
    /// The page knows nothing of it.
    is_quiet: bool,
}

impl Loader {
    fn new(document: Rc<Document>) -> Self {
        let window = Window::new(document.meta().clone(), FIRST);
        Self { document, entries: Entries::new(), window, is_quiet: false }
    }

    async fn run(&mut self, task: &Task) -> Result<(), Problem> {
        let name = self.document.meta().name().to_owned();
        let mut needed = 0;
        let mut is_first = true;
        loop {
            let there = self.window.fill(needed).await?;
            if there < needed {
                return Err(problem::of(self.entries.truncated(needed, there as u64), &name));
            }
            task.check()?;
            let stop = loop {
                // Whoever reads the tree lets go of it before its turn ends.
                match self.slice() {
                    Some(stop) => break stop,
                    None => task.worker().host().pause().await,
                }
            };
            self.note();
            let missing = self.window.missing();
            if missing > 0 {
                let size = self.document.meta().size();
                let cause = Cause::Truncated { expected: missing, got: 0 };
                return Err(problem::of(Error::new(size, Some(ItemType::Payload), cause), &name));
            }
            needed = match stop.map_err(|error| problem::of(error, &name))? {
                Stop::End => return Ok(()),
                Stop::Need(needed) => needed,
                _ => 0,
            };
            if !self.is_quiet && (is_first || task.is_time()) {
                tell(task, &self.document);
            }
            is_first = false;
            self.window.set_slice(SLICE as usize);
            task.breathe().await?;
        }
    }

    /// Decodes what is there. `None` if the tree is being read.
    fn slice(&mut self) -> Option<Result<Stop, Error>> {
        let Self { document, entries, window, .. } = self;
        let mut counts = document.counts.get();
        let head = &document.head;
        let (position, size) = (window.position(), document.meta().size());
        let bytes = window.bytes();
        let mut at = 0;
        let stop = document.grow(|builder: &mut TreeBuilder| {
            make_room(builder, position, bytes.len() as u64, size);
            let before = builder.tree().len() as u32;
            let stop = loop {
                let (used, stop) = builder.fill(entries, &bytes[at..], MOST);
                at += used;
                match stop {
                    Ok(Stop::Version(version)) => head.borrow_mut().version = version,
                    Ok(Stop::Prelude(size)) => head.borrow_mut().prelude = Some((position + at as u64, size)),
                    stop => break stop,
                }
            };
            builder.settle();
            let tree = builder.tree();
            for id in before..tree.len() as u32 {
                if tree.kind(id) == Kind::File {
                    counts.files += 1;
                    counts.content = counts.content.saturating_add(tree.size(id));
                }
            }
            if before == 0 && !tree.is_empty() {
                head.borrow_mut().root_entry = tree.filename(0);
            }
            stop
        })?;
        document.counts.set(counts);
        window.take(at);
        if let Ok(Stop::Skip(bytes)) = stop {
            window.skip(bytes);
        }
        if let Ok(Stop::End) = stop
            && entries.offset() < size
        {
            let rest = entries.offset();
            entries.findings().add(rest, Irregularity::TrailingBytes);
        }
        Some(stop)
    }

    /// Takes over what was irregular, and says how far it is.
    fn note(&mut self) {
        self.document.touch();
        self.document.findings.decoded(self.entries.findings(), &self.document.tree());
        *self.document.state.borrow_mut() = State::Loading(self.window.position());
    }
}

/// Makes room for the entries of a slice, and for all that follow if the archive goes on as it began: arrays that grow by doubling leave
/// holes behind, and WebAssembly never gives memory back.
fn make_room(builder: &mut TreeBuilder, done: u64, slice: u64, size: u64) {
    let (entries, names) = builder.room();
    let tree = builder.tree();
    let (len, name_bytes) = (tree.len() as u64, tree.names_len() as u64);
    if len == 0 {
        return;
    }
    // What so many bytes more hold, in proportion to those before, and a little.
    let share = |of: u64, bytes: u64| {
        (u128::from(of) * u128::from(bytes) / u128::from(done.max(1)) * 51 / 50) as u64 + 64
    };
    if share(len, slice) <= entries as u64 && share(name_bytes, slice) <= names as u64 {
        return;
    }
    // The first slice is too short to tell.
    let ahead = if done < SLICE { SLICE } else { size.saturating_sub(done) };
    let more = share(len, ahead).min(TRUSTED.max(len)).max(share(len, slice).min(slice / 16));
    let more_names =
        share(name_bytes, ahead).min(20 * TRUSTED.max(len)).max(share(name_bytes, slice).min(slice));
    builder.reserve(more as usize, more_names as usize);
}

#[cfg(test)]
mod tests;
