//! The states of an automaton, in a table that is filled while it is used: one look for each byte of a name.

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};

/// Most states: 512 bytes each.
const MOST: usize = 1 << 10;

/// What is known of the bytes before: [`State::MATCHED`], [`State::DEAD`], or where the automaton stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u16);

impl State {
    /// Where a byte leads was not asked yet. No state has this number.
    const UNKNOWN: Self = Self(0);
    /// They hold a match, whatever follows.
    const MATCHED: Self = Self(1);
    /// There is no match, whatever follows.
    const DEAD: Self = Self(2);
    /// States of the automaton have the numbers from here on.
    const FIRST: u16 = 3;
}

/// An automaton that tells whether there is a match somewhere.
pub struct Table {
    /// Tells when its memory is full, as its states would mean nothing afterwards.
    dfa: DFA,
    cache: Cache,
    states: Vec<LazyStateID>,
    /// For each state, where the 256 bytes lead.
    next: Vec<State>,
    /// Whether there is a match if a state's text ends there, once that was asked.
    ends: Vec<Option<bool>>,
    start: Option<State>,
}

impl Table {
    /// For an automaton that must fail when its memory is full.
    pub fn new(dfa: DFA) -> Self {
        let cache = dfa.create_cache();
        Self { dfa, cache, states: Vec::new(), next: Vec::new(), ends: Vec::new(), start: None }
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
    pub fn run(&mut self, mut state: State, bytes: &[u8]) -> Option<State> {
        for &byte in bytes {
            if state.0 < State::FIRST {
                break;
            }
            let at = place(state) << 8 | usize::from(byte);
            state = match self.next[at] {
                State::UNKNOWN => self.ask(state, byte)?,
                known => known,
            };
        }
        Some(state)
    }

    /// Whether there is a match in a text that ends here; `None` if there are too many states.
    pub fn ends(&mut self, state: State) -> Option<bool> {
        if state.0 < State::FIRST {
            return Some(state == State::MATCHED);
        }
        let at = place(state);
        if self.ends[at].is_none() {
            let end = self.dfa.next_eoi_state(&mut self.cache, self.states[at]).ok()?;
            self.ends[at] = Some(end.is_match());
        }
        self.ends[at]
    }

    #[cold]
    fn ask(&mut self, state: State, byte: u8) -> Option<State> {
        let next = self.dfa.next_state(&mut self.cache, self.states[place(state)], byte).ok()?;
        let next = match next {
            next if next.is_match() => State::MATCHED,
            next if next.is_dead() => State::DEAD,
            next => self.number(next)?,
        };
        self.next[place(state) << 8 | usize::from(byte)] = next;
        Some(next)
    }

    fn number(&mut self, id: LazyStateID) -> Option<State> {
        // There are few states, and each is looked for at most 256 times for each that leads there.
        let at = match self.states.iter().position(|known| *known == id) {
            Some(at) => at,
            None if self.states.len() < MOST => {
                self.states.push(id);
                self.ends.push(None);
                self.next.resize(self.states.len() << 8, State::UNKNOWN);
                self.states.len() - 1
            }
            None => return None,
        };
        Some(State(State::FIRST + at as u16))
    }
}

/// Where a state of the automaton stands.
const fn place(state: State) -> usize {
    (state.0 - State::FIRST) as usize
}
