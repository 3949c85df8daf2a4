//! Regular expressions on the bytes of names and paths.
//!
//! An expression runs as an automaton that is made while it is used (`Table`). Of paths only the last name is run through: where the automaton stood
//! behind a directory is kept as long as entries of that directory come. No path is put together.

mod table;

use std::cell::RefCell;
use std::error::Error;
use std::ops::Range;

use pxkit_core::access::Tree;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use table::{State, Table};

/// Bytes of a compiled expression, and of what is made of it while it runs.
const LARGEST: usize = 1 << 20;

/// An expression that can be asked.
pub struct Expression {
    /// Begins anew when its memory is full: for the few texts that are marked, and for expressions with too many states.
    dfa: DFA,
    cache: RefCell<Cache>,
    table: Table,
    /// It is sought in paths, not in names.
    in_paths: bool,
    /// The directories that lead to the entry that was asked for last.
    above: Vec<Above>,
}

/// A directory.
struct Above {
    id: u32,
    /// Behind its path and the slash that follows.
    state: State,
}

impl Expression {
    /// Reads an expression. One with a slash is about paths, others are about names.
    ///
    /// # Errors
    /// It is malformed or too large: the sentence says so.
    pub fn new(text: &str) -> Result<Self, String> {
        let syntax = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true);
        let limit = thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST));
        let config = DFA::config().cache_capacity(LARGEST);
        let dfa = DFA::builder().configure(config.clone()).syntax(syntax).thompson(limit).build(text);
        let dfa = dfa.map_err(|error| sentence(&error))?;
        let strict = DFA::builder()
            .configure(config.minimum_cache_clear_count(Some(0)))
            .build_from_nfa(dfa.get_nfa().clone())
            .map_err(|error| sentence(&error))?;
        let cache = RefCell::new(dfa.create_cache());
        Ok(Self { dfa, cache, table: Table::new(strict), in_paths: text.contains('/'), above: Vec::new() })
    }

    /// Whether paths are what it is sought in.
    pub const fn is_path(&self) -> bool {
        self.in_paths
    }

    /// Forgets the directories, so that entries can be asked for from the first one on.
    pub fn restart(&mut self) {
        self.above.clear();
    }

    /// Calls `found` with those of `ids` in whose names, or paths with a leading slash, it matches, in order. Ranges must follow each other from
    /// [`Expression::restart`] on.
    pub fn run(&mut self, tree: &Tree, ids: Range<u32>, mut found: impl FnMut(u32)) {
        let mut before = None;
        for id in ids {
            let is_in = self.ask(tree, id, &mut before).unwrap_or_else(|| {
                before = None;
                self.ask_slowly(tree, id)
            });
            if is_in {
                found(id);
            }
        }
    }

    /// `None` if there are too many states. `before` is the directory that the last entry was in, and the state before the names in it.
    fn ask(&mut self, tree: &Tree, id: u32, before: &mut Option<(u32, State)>) -> Option<bool> {
        let directory = if self.in_paths { tree.parent(id) } else { 0 };
        let start = match *before {
            Some((known, start)) if known == directory => start,
            _ => {
                let start = if self.in_paths { self.enter(tree, directory, id) } else { self.table.start() };
                before.insert((directory, start?)).1
            }
        };
        let end = self.table.run(start, tree.name(id))?;
        self.table.ends(end)
    }

    /// With as many states as it takes.
    fn ask_slowly(&mut self, tree: &Tree, id: u32) -> bool {
        let mut path = Vec::new();
        if self.in_paths {
            // What is kept of directories may be incomplete.
            self.above.clear();
            path.push(b'/');
            tree.path(id, &mut path);
        } else {
            path.extend_from_slice(tree.name(id));
        }
        let input = Input::new(&path).earliest(true);
        self.dfa.try_search_fwd(self.cache.get_mut(), &input).is_ok_and(|found| found.is_some())
    }

    /// The state behind the directory above `id`, and the slash that follows.
    fn enter(&mut self, tree: &Tree, directory: u32, id: u32) -> Option<State> {
        while self.above.pop_if(|above| tree.end(above.id) <= id || above.id > directory).is_some() {}
        let known = self.above.last().map(|above| above.id);
        let mut state = match self.above.last() {
            Some(above) => above.state,
            None => {
                let start = self.table.start()?;
                self.table.run(start, b"/")?
            }
        };
        if directory != 0 && known != Some(directory) {
            let mut way = Vec::new();
            let mut at = directory;
            while at != 0 && Some(at) != known {
                way.push(at);
                at = tree.parent(at);
            }
            for &above in way.iter().rev() {
                let end = self.table.run(state, tree.name(above))?;
                state = self.table.run(end, b"/")?;
                self.above.push(Above { id: above, state });
            }
        }
        Some(state)
    }

    /// Where it matches in a text, without empty matches: from the first on, each behind the one before.
    pub fn marks(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut cache = self.cache.borrow_mut();
        let mut marks = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let input = Input::new(text).range(at..).anchored(Anchored::Yes);
            match self.dfa.try_search_fwd(&mut cache, &input) {
                Ok(Some(end)) if end.offset() > at => {
                    marks.push(at..end.offset());
                    at = end.offset();
                }
                _ => at += 1,
            }
        }
        marks
    }
}

/// What is wrong with an expression: the first line that says so; the rest is a drawing for terminals.
fn sentence(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    let line = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    line.unwrap_or("the expression is too large").to_owned()
}

#[cfg(test)]
mod tests;
