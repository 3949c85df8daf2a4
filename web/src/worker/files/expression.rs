//! Regular expressions on the bytes of names and paths.
//!
//! An expression runs as an automaton that is made while it is used. Of paths only the last name is run through: where the automaton stood behind a
//! directory is kept as long as entries of that directory come. No path is put together.

use std::cell::RefCell;
use std::error::Error;
use std::ops::Range;

use pxkit_core::access::Tree;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// Bytes of a compiled expression, and of what is made of it while it runs.
const LARGEST: usize = 1 << 20;

/// An expression that can be asked.
pub struct Expression {
    /// Begins anew when its memory is full.
    dfa: DFA,
    cache: RefCell<Cache>,
    /// Tells when its memory is full, as then the states that are kept mean nothing any more.
    strict: DFA,
    paths: Paths,
}

/// States behind directories.
struct Paths {
    cache: Cache,
    /// The directories that lead to the entry that was asked for last.
    above: Vec<Above>,
}

/// A directory.
struct Above {
    id: u32,
    /// Behind its path; `None`: there is a match already.
    state: Option<LazyStateID>,
}

impl Expression {
    /// Reads an expression.
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
        let paths = Paths { cache: strict.create_cache(), above: Vec::new() };
        Ok(Self { dfa, cache, strict, paths })
    }

    /// Forgets the directories, so that entries can be asked for from the first one on.
    pub fn restart(&mut self) {
        self.paths.above.clear();
    }

    /// Whether it matches somewhere in a text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let mut cache = self.cache.borrow_mut();
        let Ok(mut state) = self.dfa.start_state_forward(&mut cache, &Input::new(b"")) else { return false };
        for &byte in text {
            // Never fails: this automaton begins anew when its memory is full.
            let Ok(next) = self.dfa.next_state(&mut cache, state, byte) else { return false };
            if next.is_tagged() && (next.is_match() || next.is_dead()) {
                return next.is_match();
            }
            state = next;
        }
        self.dfa.next_eoi_state(&mut cache, state).is_ok_and(|end| end.is_match())
    }

    /// Whether it matches in the path of an entry, with a leading slash. Entries must be asked for in their order, from [`Expression::restart`] on.
    pub fn is_in_path(&mut self, tree: &Tree, id: u32) -> bool {
        let paths = &mut self.paths;
        if let Some(is_in) = paths.ask(&self.strict, tree, id) {
            return is_in;
        }
        paths.above.clear();
        paths.cache.reset(&self.strict);
        if let Some(is_in) = paths.ask(&self.strict, tree, id) {
            return is_in;
        }
        // The states of this path alone are too many.
        paths.above.clear();
        let mut path = vec![b'/'];
        tree.path(id, &mut path);
        self.is_in(&path)
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

impl Paths {
    /// `None` if the memory of states is full.
    fn ask(&mut self, dfa: &DFA, tree: &Tree, id: u32) -> Option<bool> {
        let Some(before) = self.enter(dfa, tree, tree.parent(id), id)? else { return Some(true) };
        let Some(state) = self.run(dfa, before, tree.name(id))? else { return Some(true) };
        let is_in = dfa.next_eoi_state(&mut self.cache, state).ok()?.is_match();
        if tree.end(id) > id + 1 && id != 0 {
            self.above.push(Above { id, state: Some(state) });
        }
        Some(is_in)
    }

    /// The state behind the directory above `id`, and the slash that follows.
    fn enter(&mut self, dfa: &DFA, tree: &Tree, directory: u32, id: u32) -> Option<Option<LazyStateID>> {
        while self.above.pop_if(|above| tree.end(above.id) <= id || above.id > directory).is_some() {}
        let known = self.above.last().map(|above| above.id);
        let mut way = Vec::new();
        let mut at = directory;
        while at != 0 && Some(at) != known {
            way.push(at);
            at = tree.parent(at);
        }
        let mut state = match self.above.last() {
            Some(above) => above.state,
            None => Some(dfa.start_state_forward(&mut self.cache, &Input::new(b"")).ok()?),
        };
        for &above in way.iter().rev() {
            state = match state {
                Some(before) => match self.run(dfa, before, b"/")? {
                    Some(slash) => self.run(dfa, slash, tree.name(above))?,
                    None => None,
                },
                None => None,
            };
            self.above.push(Above { id: above, state });
        }
        match state {
            Some(state) => self.run(dfa, state, b"/"),
            None => Some(None),
        }
    }

    /// The state behind some bytes; an inner `None` if there is a match in them.
    fn run(&mut self, dfa: &DFA, mut state: LazyStateID, bytes: &[u8]) -> Option<Option<LazyStateID>> {
        for &byte in bytes {
            state = dfa.next_state(&mut self.cache, state, byte).ok()?;
            if state.is_tagged() && state.is_match() {
                return Some(None);
            }
        }
        Some(Some(state))
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
