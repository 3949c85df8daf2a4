//! Globs on names and paths. A text that must be in the name is looked for first, in the names of all entries at once.

use std::ops::Range;

use memchr::memmem::Finder;
use pxkit_core::access::Tree;
use pxkit_core::format::Kind;
use pxkit_core::pattern::{MatchType, Pattern};

use super::needle;
use super::walk::Walk;

/// A glob that can be asked.
pub struct Glob {
    pattern: Pattern,
    /// Only the last name of a path matters.
    by_name: bool,
    /// What the last name must match, where that can be told.
    last: Option<Pattern>,
    /// Text that every name that matches holds.
    within: Option<Finder<'static>>,
    walk: Walk,
}

impl Glob {
    /// Reads a glob, as in exclude lists.
    ///
    /// # Errors
    /// It is malformed: the sentence says how.
    pub fn new(text: &str) -> Result<Self, String> {
        let pattern =
            Pattern::parse(text.as_bytes(), MatchType::Include).map_err(|error| error.to_string())?;
        let by_name = pattern.slashes() == Some(0);
        let glob = pattern.text();
        // Within brackets, and behind a backslash, a slash does not end a name.
        let last = if glob.contains(&b'[') || glob.contains(&b'\\') {
            None
        } else {
            glob.rsplit(|&byte| byte == b'/')
                .next()
                .filter(|last| !last.is_empty() && !last.starts_with(b"**"))
        };
        let is_wanted = pattern.match_type() == MatchType::Include;
        let within = last.filter(|_| is_wanted).and_then(|last| {
            let pieces = last.split(|byte| b"*?".contains(byte));
            let longest = pieces.max_by_key(|piece| piece.len()).filter(|piece| !piece.is_empty())?;
            Some(Finder::new(longest).into_owned())
        });
        let last = last.filter(|_| !by_name && !glob.windows(2).any(|pair| pair == b"**"));
        let last = last.and_then(|last| Pattern::parse(last, MatchType::Include).ok());
        let last = last.filter(|last| last.match_type() == MatchType::Include && last.slashes() == Some(0));
        Ok(Self { pattern, by_name, last, within, walk: Walk::default() })
    }

    /// Forgets what came before, so that entries can be asked for from the first one on.
    pub fn restart(&mut self) {
        self.walk = Walk::default();
    }

    /// Calls `found` with those of `ids` that match, in order. Ranges must follow each other from 0 on.
    pub fn run(&mut self, tree: &Tree, ids: Range<u32>, mut found: impl FnMut(u32)) {
        let Self { pattern, by_name, last, within, walk } = self;
        let is_wanted = pattern.match_type() == MatchType::Include;
        let mut matches = |id: u32| {
            let name = tree.name(id);
            last.as_ref().is_none_or(|last| last.matches(name))
                && (!pattern.dirs_only() || tree.kind(id) == Kind::Directory)
                && pattern.matches(if *by_name { name } else { walk.path(tree, id) })
        };
        match within {
            Some(_) if ids.is_empty() => {}
            Some(within) => needle::names(within, false, tree, ids, |id| {
                if matches(id) {
                    found(id);
                }
            }),
            None => ids.filter(|&id| matches(id) == is_wanted).for_each(found),
        }
    }
}
