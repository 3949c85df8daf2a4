//! Globs on names and paths. A text that must be in the name is looked for first, in the names of all entries at once, and most paths are compared
//! name by name, without being put together.

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
    /// What the last names of a path must match, the very last one at the end. Empty where that cannot be told.
    names: Vec<Pattern>,
    /// Text that every last name that matches holds.
    within: Option<Finder<'static>>,
    /// The last name matches if it holds that text.
    is_within: bool,
    /// The directory that was looked at last, and whether it and those above match.
    above: Option<(u32, bool)>,
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
        // Within brackets, and behind a backslash, a slash does not end a name; two stars stand for any number of names.
        let is_plain =
            !glob.contains(&b'[') && !glob.contains(&b'\\') && !glob.windows(2).any(|pair| pair == b"**");
        let last = glob.rsplit(|&byte| byte == b'/').next().filter(|last| is_plain && !last.is_empty());
        let is_wanted = pattern.match_type() == MatchType::Include;
        let longest = last.filter(|_| is_wanted).and_then(|last| {
            let pieces = last.split(|byte| b"*?".contains(byte));
            pieces.max_by_key(|piece| piece.len()).filter(|piece| !piece.is_empty())
        });
        let is_within =
            last.zip(longest).is_some_and(|(last, longest)| last == [b"*", longest, b"*"].concat());
        let within = longest.map(|longest| Finder::new(longest).into_owned());
        let is_name = |name: &Pattern| name.match_type() == MatchType::Include && name.slashes() == Some(0);
        let names =
            glob.split(|&byte| byte == b'/').map(|name| Pattern::parse(name, MatchType::Include).ok());
        let names = names.map(|name| name.filter(is_name)).collect::<Option<Vec<_>>>();
        let names = names.filter(|_| is_plain && pattern.slashes().is_some()).unwrap_or_default();
        Ok(Self { pattern, by_name, names, within, is_within, above: None, walk: Walk::default() })
    }

    /// Forgets what came before, so that entries can be asked for from the first one on.
    pub fn restart(&mut self) {
        (self.walk, self.above) = (Walk::default(), None);
    }

    /// Calls `found` with those of `ids` that match, in order. Ranges must follow each other from 0 on.
    pub fn run(&mut self, tree: &Tree, ids: Range<u32>, mut found: impl FnMut(u32)) {
        let Self { pattern, by_name, names, within, is_within, above, walk } = self;
        let is_wanted = pattern.match_type() == MatchType::Include;
        let mut matches = |id: u32| {
            if pattern.dirs_only() && tree.kind(id) != Kind::Directory {
                return false;
            }
            match &names[..] {
                _ if *by_name => *is_within || pattern.matches(tree.name(id)),
                [] => pattern.matches(walk.path(tree, id)),
                [before @ .., last] => {
                    let parent = tree.parent(id);
                    (*is_within || last.matches(tree.name(id)))
                        && match *above {
                            Some((known, matches)) if known == parent => matches,
                            _ => above.insert((parent, lead_to(tree, parent, before))).1,
                        }
                }
            }
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

/// Whether a directory and those above it match, the last of `names` first.
fn lead_to(tree: &Tree, directory: u32, names: &[Pattern]) -> bool {
    let mut at = Some(directory);
    names.iter().rev().all(|name| {
        let Some(id) = at else { return false };
        at = (id != 0).then(|| tree.parent(id));
        name.matches(tree.name(id))
    })
}
