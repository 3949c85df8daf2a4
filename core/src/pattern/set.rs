use super::PatternProblem;

/// A set of bytes: `[...]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    /// Reads the set whose `[` stands before `start`; gives it with the position after its `]`.
    pub(super) fn parse(text: &[u8], start: usize) -> Result<(Self, usize), (usize, PatternProblem)> {
        let unterminated = (start - 1, PatternProblem::UnterminatedSet);
        let negated = text.get(start) == Some(&b'^');
        let mut at = start + usize::from(negated);
        let mut set = Self::default();
        // The member before, if a `-` after it makes a range: not at the start, nor after a range or a class.
        let mut before = None;
        loop {
            match *text.get(at).ok_or(unterminated)? {
                b']' => break,
                b'[' if text.get(at + 1) == Some(&b':') => {
                    let name = &text[at + 2..];
                    let len =
                        name.iter().position(|&b| b == b':').filter(|&len| name.get(len + 1) == Some(&b']'));
                    let class = len.and_then(|len| class(&name[..len]));
                    let (Some(len), Some(class)) = (len, class) else {
                        return Err((at, PatternProblem::UnknownClass));
                    };
                    (0..=255).filter(class).for_each(|b| set.insert(b));
                    at += 2 + len + 2;
                    before = None;
                }
                b'-' if before.is_some() => {
                    let (last, next) = member(text, at + 1).ok_or(unterminated)?;
                    let first = before.take().unwrap_or(last);
                    (first.min(last)..=first.max(last)).for_each(|b| set.insert(b));
                    at = next;
                }
                _ => {
                    let (byte, next) = member(text, at).ok_or(unterminated)?;
                    set.insert(byte);
                    before = Some(byte);
                    at = next;
                }
            }
        }
        if negated {
            set.0.iter_mut().for_each(|word| *word = !*word);
        }
        Ok((set, at + 1))
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    #[inline]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
    }
}

/// The byte at `at`, taking a backslash as an escape, and the position after it.
fn member(text: &[u8], at: usize) -> Option<(u8, usize)> {
    match *text.get(at)? {
        b'\\' => Some((*text.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        // DEL included, unlike isprint(3): so it is in the reference.
        b"print" => |b| matches!(b, 0x20..=0x7f),
        b"punct" => u8::is_ascii_punctuation,
        // No vertical tab, unlike isspace(3).
        b"space" => u8::is_ascii_whitespace,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
