//! Practice: a browser compiles quickly what it runs for the first time, and well only what ran for long. The first filter of a session would be run by the
//! quick kind of program, which takes twice as long. So when the tree of a large archive is there and nobody asks for anything, filters of every
//! kind are run over a part of it, a little at a time, and what they find is thrown away.

use std::rc::Rc;

use super::Known;
use super::state::Matches;
use crate::protocol::Problem;
use crate::protocol::files::{Filter, Syntax, View};
use crate::worker::{Document, Task};

/// Entries from which on a filter takes so long that a person would notice.
const LARGE: usize = 100_000;
/// Entries that each filter is run over, and how many of them at once: less than a millisecond, which an answer may have to wait for.
const ENTRIES: u32 = 1 << 16;
const SLICE: u32 = 1 << 11;
/// Milliseconds to leave alone whoever asks for something, and the page when it draws what was opened.
const QUIET: i32 = 150;

/// Texts of one byte and of more, with and without capitals, in names and in paths; names most often have an `e`.
const FILTERS: [(Syntax, &str); 10] = [
    (Syntax::Text, "e"),
    (Syntax::Text, "te"),
    (Syntax::Text, "E"),
    (Syntax::Text, "e/e"),
    (Syntax::Glob, "*.t*"),
    (Syntax::Glob, "*e*.*"),
    (Syntax::Glob, "?*"),
    (Syntax::Glob, "*/*e*"),
    (Syntax::Regex, "[0-9]e|e.*t$"),
    (Syntax::Regex, "/.*e$"),
];

/// Practises with the files of a document, once for each worker.
///
/// # Errors
/// The document was closed.
pub async fn practise(task: &Task, document: &Rc<Document>) -> Result<(), Problem> {
    let worker = task.worker();
    if document.tree().len() < LARGE || worker.practised.replace(true) {
        return Ok(());
    }
    worker.host().rest(QUIET).await;
    for (syntax, text) in FILTERS {
        let filter = Filter { text: text.to_owned(), syntax, ..Filter::default() };
        let Ok(mut matches) = Matches::new(&View { filter, ..View::default() }) else { continue };
        for _ in 0..ENTRIES / SLICE {
            worker.host().pause().await;
            while worker.is_busy() {
                worker.host().rest(QUIET).await;
            }
            if let Err(closed) = task.check() {
                // The next one that is opened has it still before it.
                worker.practised.set(false);
                return Err(closed);
            }
            matches.some(&Known::of(task, document).facts(), SLICE);
        }
    }
    Ok(())
}
