//! Which entries a command is about: patterns over paths, where what is below a matched directory is matched, too.

use pxkit_core::decode::Entry;
use pxkit_core::format::Kind;
use pxkit_core::pattern::{MatchType, Pattern, decide};

/// Follows a walk through an archive and says for each entry whether it is selected (specification 9.4).
#[derive(Debug)]
pub struct Selection {
    patterns: Vec<Pattern>,
    /// The state of each open directory.
    levels: Vec<bool>,
    path: Vec<u8>,
}

impl Selection {
    /// Selects what matches; everything if there are no patterns.
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, levels: Vec::new(), path: Vec::new() }
    }

    /// Whether there is anything to select by.
    pub const fn is_all(&self) -> bool {
        self.patterns.is_empty()
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
        selected
    }

    /// Leaves the innermost directory.
    pub fn leave(&mut self) {
        self.levels.pop();
    }
}
