use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::set::Set;
use super::{PatternError, PatternProblem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `[...]`, by its place in the table of sets.
    Set(u32),
    /// `*`
    Star,
    /// `**` before a slash, with that slash: nothing, or anything that ends in a slash.
    Dirs,
    /// `**` at the end: anything.
    Rest,
}

/// Which parts of a path are compared with the whole pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The full path only. Either the pattern is anchored or it starts with a slash, and what follows a slash in a path
    /// never does.
    Full,
    /// The pattern matches a fixed number of slashes, so only one suffix of a path comes into question.
    Suffix { slashes: usize },
    /// Any suffix after a slash, or the full path: which is just what a leading [`Token::Dirs`] stands for.
    Any,
}

/// A compiled glob: literal bytes at both ends, compared first, and what stands between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    scope: Scope,
    head: Box<[u8]>,
    /// Neither starts nor ends with [`Token::Byte`].
    body: Box<[Token]>,
    sets: Box<[Set]>,
    tail: Box<[u8]>,
    /// Fewest bytes that the body matches.
    least: usize,
}

/// States of the simulation that need no allocation: patterns of up to 16 * 64 - 1 tokens between the literal ends.
const INLINE_WORDS: usize = 16;

impl Glob {
    pub(super) fn compile(text: &[u8], anchored: bool) -> Result<Self, PatternError> {
        let (mut tokens, sets) = tokenise(text)?;
        let crosses = |token: &Token| match *token {
            Token::Dirs | Token::Rest => true,
            Token::Set(set) => sets[set as usize].contains(b'/'),
            _ => false,
        };
        let scope = if anchored || tokens.first() == Some(&Token::Byte(b'/')) {
            Scope::Full
        } else if tokens.iter().any(crosses) {
            if tokens.first() != Some(&Token::Dirs) {
                tokens.insert(0, Token::Dirs);
            }
            Scope::Any
        } else {
            Scope::Suffix { slashes: tokens.iter().filter(|&&token| token == Token::Byte(b'/')).count() }
        };
        let byte = |token: &Token| match *token {
            Token::Byte(byte) => Some(byte),
            _ => None,
        };
        let head: Box<[u8]> = tokens.iter().map_while(byte).collect();
        let body = &tokens[head.len()..];
        let mut tail: Vec<u8> = body.iter().rev().map_while(byte).collect();
        tail.reverse();
        let body = &body[..body.len() - tail.len()];
        let least =
            body.iter().filter(|token| !matches!(token, Token::Star | Token::Dirs | Token::Rest)).count();
        Ok(Self { scope, head, body: body.into(), sets: sets.into(), tail: tail.into(), least })
    }

    /// The bytes of a pattern without wildcards.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        self.body.is_empty().then_some(&self.head)
    }

    /// How many slashes are in the part of a path that is compared; `None` if that is not always the same.
    pub(super) const fn slashes(&self) -> Option<usize> {
        match self.scope {
            Scope::Suffix { slashes } => Some(slashes),
            Scope::Full | Scope::Any => None,
        }
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        // Most entries of most lists fail here: `*.o`, `node_modules`.
        let end = if self.body.is_empty() { &self.head } else { &self.tail };
        if !path.ends_with(end) {
            return false;
        }
        let part = match self.scope {
            Scope::Full | Scope::Any => path,
            Scope::Suffix { slashes } => match suffix(path, slashes) {
                Some(part) => part,
                None => return false,
            },
        };
        let Some(rest) = part.strip_prefix(&*self.head) else { return false };
        let Some(rest) = rest.strip_suffix(&*self.tail) else { return false };
        if rest.len() < self.least {
            return false;
        }
        match *self.body {
            [] => rest.is_empty(),
            [Token::Star] => !rest.contains(&b'/'),
            [Token::Rest] => true,
            _ => self.simulate(rest),
        }
    }

    fn simulate(&self, text: &[u8]) -> bool {
        let words = self.body.len() / 64 + 1;
        if words == 1 {
            self.run(text, &mut [0], &mut [0])
        } else if words <= INLINE_WORDS {
            self.run(text, &mut [0; INLINE_WORDS][..words], &mut [0; INLINE_WORDS][..words])
        } else {
            self.run(text, &mut vec![0; words], &mut vec![0; words])
        }
    }

    /// Follows all ways to match at once. Bit `i` of `now` is set if `text` up to here can be matched by the tokens before `i`
    /// (and, for [`Token::Dirs`], by a part of that token).
    fn run<'a>(&self, text: &[u8], mut now: &'a mut [u64], mut next: &'a mut [u64]) -> bool {
        self.enter(0, now);
        for &byte in text {
            let mut alive = 0;
            for (word, &bits) in now.iter().enumerate() {
                let mut bits = bits;
                alive |= bits;
                while bits != 0 {
                    let at = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    // No token: all are used up and this byte is left over.
                    let Some(&token) = self.body.get(at) else { continue };
                    match token {
                        Token::Byte(expected) if byte == expected => self.enter(at + 1, next),
                        Token::Any if byte != b'/' => self.enter(at + 1, next),
                        Token::Set(set) if self.sets[set as usize].contains(byte) => self.enter(at + 1, next),
                        Token::Star if byte != b'/' => self.enter(at, next),
                        Token::Dirs => {
                            next[word] |= 1 << (at % 64);
                            if byte == b'/' {
                                self.enter(at + 1, next);
                            }
                        }
                        Token::Rest => self.enter(at, next),
                        _ => {}
                    }
                }
            }
            if alive == 0 {
                return false;
            }
            (now, next) = (next, now);
            next.fill(0);
        }
        let end = self.body.len();
        now[end / 64] >> (end % 64) & 1 != 0
    }

    /// Marks state `at`, and those behind it that are reached without a byte.
    #[inline]
    fn enter(&self, mut at: usize, states: &mut [u64]) {
        loop {
            states[at / 64] |= 1 << (at % 64);
            match self.body.get(at) {
                Some(Token::Star | Token::Dirs | Token::Rest) => at += 1,
                _ => return,
            }
        }
    }
}

/// The part of `path` after a slash (or the whole) that holds exactly `slashes` slashes.
fn suffix(path: &[u8], slashes: usize) -> Option<&[u8]> {
    let mut slash = path.iter().enumerate().rev().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at);
    if let Some(more) = slashes.checked_sub(1) {
        slash.nth(more)?;
    }
    Some(slash.next().map_or(path, |at| &path[at + 1..]))
}

fn tokenise(text: &[u8]) -> Result<(Vec<Token>, Vec<Set>), PatternError> {
    if let Some(offset) = text.iter().position(|&byte| byte == 0) {
        return Err(PatternError { offset, problem: PatternProblem::Nul });
    }
    let mut tokens = Vec::with_capacity(text.len() + 1);
    let mut sets = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'*' => {
                at += text[at..].iter().take_while(|&&byte| byte == b'*').count();
                let component = start == 0 || text[start - 1] == b'/';
                match text.get(at) {
                    None if component && at - start > 1 => tokens.push(Token::Rest),
                    Some(b'/') if component && at - start > 1 => {
                        at += 1;
                        if tokens.last() != Some(&Token::Dirs) {
                            tokens.push(Token::Dirs);
                        }
                    }
                    _ => tokens.push(Token::Star),
                }
            }
            b'?' => tokens.push(Token::Any),
            b'[' => {
                let (set, next) =
                    Set::parse(text, at).map_err(|(offset, problem)| PatternError { offset, problem })?;
                // A pattern has less than 2^32 sets: each takes two bytes, and a pattern is one argument or line.
                tokens.push(Token::Set(sets.len() as u32));
                sets.push(set);
                at = next;
            }
            b'\\' => {
                let problem = PatternProblem::TrailingBackslash;
                tokens.push(Token::Byte(*text.get(at).ok_or(PatternError { offset: start, problem })?));
                at += 1;
            }
            _ => tokens.push(Token::Byte(byte)),
        }
    }
    Ok((tokens, sets))
}
