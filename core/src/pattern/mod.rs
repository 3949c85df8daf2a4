//! The glob language of exclude lists and of partial extraction (specification 8.2 to 8.4, 9.4), the files and options that
//! hold such lists, and how an archive records the ones of the command line (4.3, 5.5).
//!
//! Paths are byte strings that start with a slash, the archive's root being `/`. Matching costs at most the product of the
//! lengths of pattern and path, whatever the pattern, and does not allocate.

mod exclude;
mod glob;
mod prelude;
mod set;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

pub use exclude::{normalise, parse_exclude_file};
pub use prelude::{NotUtf8, decode_prelude, encode_prelude, exclude_text};

use glob::Glob;

/// What a matching pattern does with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchType {
    /// Keep it.
    Include,
    /// Leave it out.
    Exclude,
}

impl MatchType {
    /// The other one, which is what a leading `!` asks for.
    #[must_use]
    pub const fn inverted(self) -> Self {
        match self {
            Self::Include => Self::Exclude,
            Self::Exclude => Self::Include,
        }
    }
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatternProblem {
    /// A NUL, which no path holds.
    Nul,
    /// A backslash with nothing to escape.
    TrailingBackslash,
    /// A `[` without its `]`.
    UnterminatedSet,
    /// A `[:name:]` that is no class, or that does not end.
    UnknownClass,
}

/// Why a pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatternError {
    /// Position in the entry as it was parsed (after normalisation, where there is one).
    pub offset: usize,
    /// What is wrong there.
    pub problem: PatternProblem,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            PatternProblem::Nul => "expected a pattern without NUL, got one",
            PatternProblem::TrailingBackslash => {
                "expected a byte to escape after `\\`, got the end of the pattern"
            }
            PatternProblem::UnterminatedSet => {
                "expected `]` for this `[`, got the end of the pattern (a `-` before `]` makes a range with it)"
            }
            PatternProblem::UnknownClass => "expected a class like `[:alpha:]`, got an unknown one",
        };
        write!(f, "byte {}: {problem}", self.offset)
    }
}

impl core::error::Error for PatternError {}

/// One entry of a pattern list, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    match_type: MatchType,
    dirs_only: bool,
    anchored: bool,
    glob: Glob,
}

impl Pattern {
    /// Reads an entry of a command line's exclude list, verbatim.
    ///
    /// # Errors
    /// The entry is no pattern.
    pub fn parse_cli(entry: &[u8]) -> Result<Self, PatternError> {
        Self::parse(entry, MatchType::Exclude)
    }

    /// Reads an entry of a list whose entries are of type `default` unless they start with `!` (partial extraction: include).
    ///
    /// # Errors
    /// The entry is no pattern.
    pub fn parse(entry: &[u8], default: MatchType) -> Result<Self, PatternError> {
        Self::compile(entry, default, false)
    }

    /// The entry that the backup client's `--skip-lost-and-found` adds after those of the command line. It excludes the name
    /// at every level and of every file type, as the reference does.
    pub fn lost_and_found() -> Self {
        match Self::parse_cli(b"lost+found") {
            Ok(pattern) => pattern,
            Err(_) => unreachable!("a literal is a pattern"),
        }
    }

    /// An `anchored` pattern is only tried against the full path.
    fn compile(entry: &[u8], default: MatchType, anchored: bool) -> Result<Self, PatternError> {
        let (match_type, glob) = match entry.strip_prefix(b"!") {
            Some(rest) => (default.inverted(), rest),
            None => (default, entry),
        };
        let skipped = entry.len() - glob.len();
        let end = glob.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
        let (text, dirs_only) = match end {
            0 => (&b"/"[..], true),
            _ => (&glob[..end], end < glob.len()),
        };
        let glob = Glob::compile(text, anchored)
            .map_err(|error| PatternError { offset: error.offset + skipped, ..error })?;
        Ok(Self { text: text.into(), match_type, dirs_only, anchored, glob })
    }

    /// What the pattern does with a path that matches.
    pub const fn match_type(&self) -> MatchType {
        self.match_type
    }

    /// Whether only directories match.
    pub const fn dirs_only(&self) -> bool {
        self.dirs_only
    }

    /// Whether the pattern is only tried against the full path. Only those of `.pxarexclude` files can be.
    pub const fn anchored(&self) -> bool {
        self.anchored
    }

    /// The glob, without leading `!` and trailing slashes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the glob matches `path`, which starts with a slash. Does not look at [`Pattern::dirs_only`].
    #[inline]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.glob.matches(path)
    }

    /// How many slashes are in the end of a path that decides whether it matches: 0 if it is the last name alone. `None` if that is
    /// not always the same.
    pub const fn slashes(&self) -> Option<usize> {
        self.glob.slashes()
    }

    /// The one path that the pattern can match, if it starts with a slash and holds no wildcards: it can be looked up then.
    pub fn literal_path(&self) -> Option<&[u8]> {
        self.glob.literal().filter(|path| path.first() == Some(&b'/'))
    }

    /// Appends the entry as archives record it (specification 5.5), without line feed.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        if self.match_type == MatchType::Include {
            out.push(b'!');
        }
        out.extend_from_slice(&self.text);
        if self.dirs_only && !self.anchored && !self.text.ends_with(b"/") {
            out.push(b'/');
        }
    }
}

/// What the list says of `path`, which starts with a slash: the last entry that matches decides. `None` if none does.
///
/// `is_dir` is asked at most once, and only if an entry for directories matches otherwise.
pub fn decide<'a>(
    patterns: impl IntoIterator<Item = &'a Pattern, IntoIter: DoubleEndedIterator>,
    path: &[u8],
    is_dir: impl FnOnce() -> bool,
) -> Option<MatchType> {
    let result = try_decide::<Infallible>(patterns, path, || Ok(is_dir()));
    match result {
        Ok(decision) => decision,
        Err(never) => match never {},
    }
}

/// [`decide`] where finding out the file type may fail.
///
/// # Errors
/// Those of `is_dir`.
pub fn try_decide<'a, E>(
    patterns: impl IntoIterator<Item = &'a Pattern, IntoIter: DoubleEndedIterator>,
    path: &[u8],
    is_dir: impl FnOnce() -> Result<bool, E>,
) -> Result<Option<MatchType>, E> {
    let mut ask = Some(is_dir);
    let mut known = false;
    for pattern in patterns.into_iter().rev() {
        if !pattern.matches(path) {
            continue;
        }
        if pattern.dirs_only {
            if let Some(ask) = ask.take() {
                known = ask()?;
            }
            if !known {
                continue;
            }
        }
        return Ok(Some(pattern.match_type));
    }
    Ok(None)
}
