//! Which entries a command is about: patterns over paths, where what is below a matched directory is matched, too; and what is searched for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use pxkit_core::decode::Entry;
use pxkit_core::format::Kind;
use pxkit_core::pattern::{MatchType, Pattern, decide};

use crate::report::Usage;

/// Follows a walk through an archive and says for each entry whether it is selected (specification 9.4).
#[derive(Debug)]
pub struct Selection {
    patterns: Vec<Pattern>,
    /// The state of each open directory.
    levels: Vec<bool>,
    path: Vec<u8>,
    has_matches: bool,
}

impl Selection {
    /// Selects what matches; everything if there are no patterns.
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, levels: Vec::new(), path: Vec::new(), has_matches: false }
    }

    /// Whether there is anything to select by.
    pub const fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether anything was selected so far.
    pub const fn has_matches(&self) -> bool {
        self.has_matches
    }

    /// Enters the directories above the first entry, none of which is selected.
    pub fn enter_unselected(&mut self, depth: usize) {
        self.levels = vec![false; depth];
    }

    /// Whether the entry is selected; a directory is entered by this, see [`Selection::leave`].
    pub fn entry(&mut self, entry: &Entry<'_>) -> bool {
        let inherited = self.levels.last().copied().unwrap_or(self.patterns.is_empty());
        // The root itself is never tested.
        let selected = if self.patterns.is_empty() || entry.depth == 0 {
            inherited
        } else {
            self.path.clear();
            self.path.push(b'/');
            self.path.extend_from_slice(entry.path);
            match decide(&self.patterns, &self.path, || entry.kind == Kind::Directory) {
                Some(MatchType::Include) => true,
                Some(MatchType::Exclude) => false,
                None => inherited,
            }
        };
        if entry.kind == Kind::Directory {
            self.levels.push(selected);
        }
        self.has_matches |= selected;
        selected
    }

    /// Leaves the innermost directory.
    pub fn leave(&mut self) {
        self.levels.pop();
    }
}

/// What is searched for: paths, by themselves. A text without any of `*?[\\` that does not start with `/` is looked for anywhere in a path; everything else is a
/// pattern. With `!` in front either takes back what it matches, and all below that.
#[derive(Debug)]
pub struct Search {
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    takes_back: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Text(Vec<u8>),
    Pattern(Pattern),
}

impl Search {
    /// Searches for what any of these finds, as far as none after it takes it back.
    ///
    /// # Errors
    /// A pattern is malformed.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<Self> {
        Ok(Self { terms: texts.into_iter().map(Term::new).collect::<anyhow::Result<_>>()? })
    }

    /// Whether a path, which starts with a slash, is found: the last term that matches decides.
    pub fn finds(&self, path: &[u8], is_dir: bool) -> bool {
        let last = self.terms.iter().rev().find(|term| term.matches(path, is_dir));
        last.is_some_and(|term| !term.takes_back)
    }
}

impl Term {
    fn new(text: &OsStr) -> anyhow::Result<Self> {
        let (takes_back, bytes) = match text.as_bytes().strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, text.as_bytes()),
        };
        let is_pattern = bytes.iter().any(|byte| b"*?[\\".contains(byte)) || bytes.starts_with(b"/");
        if !is_pattern && !bytes.is_empty() {
            return Ok(Self { takes_back, what: What::Text(bytes.to_vec()) });
        }
        let pattern = Pattern::parse(text.as_bytes(), MatchType::Include)
            .map_err(|error| Usage(format!("the pattern {} is malformed: {error}", text.display())))?;
        Ok(Self { takes_back, what: What::Pattern(pattern) })
    }

    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        let pattern = match &self.what {
            What::Text(text) => return path.windows(text.len()).any(|part| part == text),
            What::Pattern(pattern) => pattern,
        };
        let mut ends = (1..path.len()).filter(|&at| self.takes_back && path[at] == b'/');
        decide([pattern], path, || is_dir).is_some()
            || ends.any(|end| decide([pattern], &path[..end], || true).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_patterns_are_told_apart() {
        let finds = |terms: &[&str], path: &str| {
            Search::new(terms.iter().map(OsStr::new)).unwrap().finds(path.as_bytes(), false)
        };
        assert!(finds(&["ssh"], "/etc/ssh/config"));
        assert!(finds(&["etc/s"], "/etc/ssh/config"));
        assert!(!finds(&["sshd"], "/etc/ssh/config"));
        assert!(finds(&["*.conf"], "/etc/a.conf") && !finds(&["*.conf"], "/etc/a.conf/b"));
        assert!(finds(&["/etc/a"], "/etc/a") && !finds(&["/etc/a"], "/x/etc/a"));
        assert!(!finds(&["*.conf", "!/etc/**"], "/etc/a.conf"));
        assert!(finds(&["!*.conf", "etc"], "/etc/a.conf"));
        assert!(finds(&["!/etc", "a.c"], "/etc/a.conf"));
        assert!(Search::new([OsStr::new("[")]).is_err() && Search::new([OsStr::new("![")]).is_err());
    }

    #[test]
    fn what_is_taken_back_is_so_with_all_below() {
        let finds = |terms: &[&str], path: &str| {
            Search::new(terms.iter().map(OsStr::new)).unwrap().finds(path.as_bytes(), false)
        };
        for back in
            ["!/etc/ssl", "!/etc/ssl/", "!/e*", "!ss?", "!ssl", "!tc/s", "!openssl", "!/etc/ssl/openssl.conf"]
        {
            assert!(!finds(&["/etc/**/*.conf", back], "/etc/ssl/openssl.conf"), "{back}");
        }
        for other in ["!/etc/ss", "!/ssl", "!/etc/ssl/openssl.conf/", "!s?", "!sslx"] {
            assert!(finds(&["/etc/**/*.conf", other], "/etc/ssl/openssl.conf"), "{other}");
        }
        // What finds is not so: nothing is found because a directory above it is.
        assert!(!finds(&["/etc/ssl"], "/etc/ssl/openssl.conf"));
    }
}
