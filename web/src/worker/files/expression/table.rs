//! The states of an automaton, in a table that is filled while it is used: one look for each byte of a name.

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};

/// Most states: 512 bytes each. Tests have few, so that they see what happens when there are more.
const MOST: usize = if cfg!(test) { 40 } else { 1 << 10 };

/// What is known of the bytes before: [`State::MATCHED`], [`State::DEAD`], or where the automaton stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u16);

impl State {
    /// Where a byte leads was not asked yet. It leads to itself, so that this is looked at once for a whole text.
    const UNKNOWN: Self = Self(0);
    /// They hold a match, whatever follows.
    const MATCHED: Self = Self(1);
    /// There is no match, whatever follows.
    const DEAD: Self = Self(2);
    /// States of the automaton have the numbers from here on.
    const FIRST: usize = 3;

    /// Where in the table it says where a byte leads.
    const fn place(self, byte: u8) -> usize {
        (self.0 as usize) << 8 | byte as usize
    }
}

/// An automaton that tells whether there is a match somewhere.
pub struct Table {
    /// Tells when its memory is full, as its states would mean nothing afterwards.
    dfa: DFA,
    cache: Cache,
    /// Those of the automaton, from [`State::FIRST`] on.
    states: Vec<LazyStateID>,
    /// For each state, where the 256 bytes lead.
    next: Vec<State>,
    /// For each state, whether there is a match if a text ends there, once that was asked.
    ends: Vec<Option<bool>>,
    start: Option<State>,
}

impl Table {
    /// For an automaton that must fail when its memory is full.
    pub fn new(dfa: DFA) -> Self {
        let cache = dfa.create_cache();
        let next = [State::UNKNOWN, State::MATCHED, State::DEAD].into_iter().flat_map(|state| [state; 256]);
        let ends = vec![None, Some(true), Some(false)];
        Self { dfa, cache, states: Vec::new(), next: next.collect(), ends, start: None }
    }

    /// Before the first byte; `None` if there are too many states.
    pub fn start(&mut self) -> Option<State> {
        if self.start.is_none() {
            let start = self.dfa.start_state_forward(&mut self.cache, &Input::new(b"")).ok()?;
            self.start = Some(self.number(start)?);
        }
        self.start
    }

    /// Behind some more bytes; `None` if there are too many states.
    #[inline]
    pub fn run(&mut self, state: State, bytes: &[u8]) -> Option<State> {
        let end = bytes.iter().fold(state, |state, &byte| self.next[state.place(byte)]);
        if end == State::UNKNOWN { self.explore(state, bytes) } else { Some(end) }
    }

    /// Whether there is a match in a text that ends here; `None` if there are too many states.
    #[inline]
    pub fn ends(&mut self, state: State) -> Option<bool> {
        self.ends[usize::from(state.0)].or_else(|| self.ask_end(state))
    }

    /// The same as [`Table::run`], through bytes that no text had there before.
    #[cold]
    fn explore(&mut self, state: State, bytes: &[u8]) -> Option<State> {
        bytes.iter().try_fold(state, |state, &byte| match self.next[state.place(byte)] {
            State::UNKNOWN => self.ask(state, byte),
            known => Some(known),
        })
    }

    fn ask(&mut self, state: State, byte: u8) -> Option<State> {
        let id = self.id(state)?;
        let next = match self.dfa.next_state(&mut self.cache, id, byte).ok()? {
            next if next.is_match() => State::MATCHED,
            next if next.is_dead() => State::DEAD,
            next => self.number(next)?,
        };
        self.next[state.place(byte)] = next;
        Some(next)
    }

    #[cold]
    fn ask_end(&mut self, state: State) -> Option<bool> {
        let id = self.id(state)?;
        let end = self.dfa.next_eoi_state(&mut self.cache, id).ok()?;
        self.ends[usize::from(state.0)] = Some(end.is_match());
        Some(end.is_match())
    }

    /// Whether there are as many states as there may be.
    #[cfg(test)]
    pub const fn is_full(&self) -> bool {
        self.states.len() >= MOST
    }

    /// A state of the automaton.
    fn id(&self, state: State) -> Option<LazyStateID> {
        self.states.get(usize::from(state.0).checked_sub(State::FIRST)?).copied()
    }

    fn number(&mut self, id: LazyStateID) -> Option<State> {
        // There are few states, and each is looked for at most 256 times for each that leads there.
        let at = match self.states.iter().position(|known| *known == id) {
            Some(at) => at,
            None if self.states.len() < MOST => {
                self.states.push(id);
                self.ends.push(None);
                self.next.resize(self.ends.len() << 8, State::UNKNOWN);
                self.states.len() - 1
            }
            None => return None,
        };
        Some(State((State::FIRST + at) as u16))
    }
}
