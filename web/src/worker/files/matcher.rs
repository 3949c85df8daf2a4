//! Filters: which entries are meant.

use std::ops::Range;

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;
use pxkit_core::pattern::{MatchType, Pattern};
use regex::bytes::{Regex, RegexBuilder};

use super::facts::Facts;
use super::needle::Needle;
use crate::protocol::files::{Filter, Syntax};

/// Bytes of a compiled expression, and of what is made of it while it runs.
const EXPRESSION: usize = 1 << 20;

/// A filter that can be asked.
pub struct Matcher {
    filter: Filter,
    text: Option<Text>,
    /// One bit for each kind.
    kinds: u8,
    /// The entries in the chunk, sorted, once that is known.
    in_chunk: Option<Vec<u32>>,
    path: Walk,
}

/// What is sought in names or paths.
enum Text {
    Needle(Box<Needle>),
    Glob(Pattern),
    Regex(Regex),
}

impl Matcher {
    /// Reads a filter; `None` if it lets everything through.
    ///
    /// # Errors
    /// The text is malformed: the sentence says how.
    pub fn new(filter: &Filter) -> Result<Option<Self>, String> {
        if *filter == (Filter { syntax: filter.syntax, ..Filter::default() }) {
            return Ok(None);
        }
        let text = match filter.syntax {
            _ if filter.text.is_empty() => None,
            Syntax::Text => Some(Text::Needle(Box::new(Needle::new(&filter.text)))),
            Syntax::Glob => {
                let pattern = Pattern::parse(filter.text.as_bytes(), MatchType::Include);
                Some(Text::Glob(pattern.map_err(|error| error.to_string())?))
            }
            Syntax::Regex => {
                let mut builder = RegexBuilder::new(&filter.text);
                builder
                    .unicode(false)
                    .dot_matches_new_line(true)
                    .size_limit(EXPRESSION)
                    .dfa_size_limit(EXPRESSION);
                Some(Text::Regex(builder.build().map_err(|error| sentence(&error))?))
            }
        };
        let kinds = filter.kinds.iter().filter(|&&kind| kind < 8).fold(0, |kinds, kind| kinds | 1 << kind);
        let kinds = if filter.kinds.is_empty() { u8::MAX } else { kinds };
        Ok(Some(Self { filter: filter.clone(), text, kinds, in_chunk: None, path: Walk::default() }))
    }

    /// Whether it asks for more than the tree.
    pub fn needs_facts(&self) -> bool {
        self.filter.with_finding || self.filter.reused.is_some() || self.filter.chunk.is_some()
    }

    /// The same filter, to be asked from the first entry on.
    #[must_use]
    pub fn again(mut self) -> Self {
        if let Some(Text::Needle(needle)) = &mut self.text {
            **needle = Needle::new(&self.filter.text);
        }
        Self { in_chunk: None, path: Walk::default(), ..self }
    }

    /// Calls `found` with those of `ids` that match, in order. Ranges must follow each other from 0 on.
    pub fn run(&mut self, facts: &Facts<'_>, ids: Range<u32>, mut found: impl FnMut(u32)) {
        let Self { filter, text, kinds, in_chunk, path } = self;
        if let (Some(chunk), None) = (filter.chunk, &in_chunk) {
            *in_chunk = Some(facts.in_chunk(chunk));
        }
        let rest = Rest { filter, kinds: *kinds, in_chunk: in_chunk.as_deref() };
        let tree = facts.tree;
        match text {
            None => ids.filter(|&id| rest.holds(facts, id)).for_each(found),
            Some(Text::Needle(needle)) => needle.run(tree, ids, |id| {
                if rest.holds(facts, id) {
                    found(id);
                }
            }),
            Some(Text::Glob(pattern)) => {
                let wanted = pattern.match_type() == MatchType::Include;
                let by_path = is_path(pattern.text());
                for id in ids {
                    if rest.holds(facts, id)
                        && by_glob(pattern, path.of(tree, id, by_path), tree, id) == wanted
                    {
                        found(id);
                    }
                }
            }
            Some(Text::Regex(regex)) if filter.text.contains('/') => {
                for id in ids {
                    if rest.holds(facts, id) && regex.is_match(path.of(tree, id, true)) {
                        found(id);
                    }
                }
            }
            Some(Text::Regex(regex)) => {
                ids.filter(|&id| rest.holds(facts, id) && regex.is_match(tree.name(id))).for_each(found);
            }
        }
    }

    /// Where a name or, as `is_path` says, a path with leading slash matches.
    pub fn marks(&self, text: &[u8], is_path: bool) -> Vec<Range<usize>> {
        match &self.text {
            Some(Text::Needle(needle)) if is_path || !needle.is_path() => needle.marks(text),
            Some(Text::Regex(regex)) if is_path || !self.filter.text.contains('/') => {
                let found = regex.find_iter(text).map(|found| found.range());
                found.filter(|range| !range.is_empty()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether paths are what the text is sought in.
    pub fn is_about_paths(&self) -> bool {
        match &self.text {
            Some(Text::Needle(needle)) => needle.is_path(),
            Some(Text::Regex(_)) => self.filter.text.contains('/'),
            _ => false,
        }
    }

    /// Bytes of memory that it holds beside the expression.
    pub fn memory(&self) -> usize {
        let needle = if let Some(Text::Needle(needle)) = &self.text { needle.memory() } else { 0 };
        needle + self.in_chunk.as_ref().map_or(0, |ids| ids.capacity() * size_of::<u32>())
    }
}

/// Whether a glob can match more of a path than the last name.
fn is_path(glob: &[u8]) -> bool {
    glob.contains(&b'/') || glob.windows(2).any(|pair| pair == b"**") || glob.contains(&b'[')
}

fn by_glob(pattern: &Pattern, path: &[u8], tree: &Tree, id: u32) -> bool {
    pattern.matches(path) && (!pattern.dirs_only() || tree.kind(id) == Kind::Directory)
}

/// The first line that says what is wrong; the rest is a drawing for terminals.
fn sentence(error: &regex::Error) -> String {
    let text = match error {
        regex::Error::CompiledTooBig(_) => return "the expression is too large".to_owned(),
        error => error.to_string(),
    };
    let line = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    line.unwrap_or("malformed").to_owned()
}

/// What a filter asks beside the text.
struct Rest<'a> {
    filter: &'a Filter,
    kinds: u8,
    in_chunk: Option<&'a [u32]>,
}

impl Rest<'_> {
    #[inline]
    fn holds(&self, facts: &Facts<'_>, id: u32) -> bool {
        let Self { filter, kinds, in_chunk } = self;
        let tree = facts.tree;
        let kind = tree.kind(id);
        kinds & 1 << kind as u8 != 0
            && (filter.least.is_none() && filter.most.is_none()
                || kind == Kind::File && {
                    let size = tree.size(id);
                    filter.least.is_none_or(|least| size >= least)
                        && filter.most.is_none_or(|most| size <= most)
                })
            && filter.below.is_none_or(|below| id > below && is_below(tree, id, below))
            && (!filter.with_finding || facts.is_flagged(id..id + 1))
            && filter.reused.is_none_or(|reused| facts.reused(id) == Some(reused))
            && in_chunk.is_none_or(|ids| ids.binary_search(&id).is_ok())
    }
}

fn is_below(tree: &Tree, id: u32, directory: u32) -> bool {
    (directory as usize) < tree.len() && id < tree.end(directory)
}

/// Paths of entries that follow each other, each made from the one before.
#[derive(Default)]
struct Walk {
    path: Vec<u8>,
    /// The directories that `path` leads through, and how long it is up to each.
    above: Vec<(u32, usize)>,
}

impl Walk {
    /// The path of an entry with a leading slash; if not the `whole` one, of its name.
    fn of(&mut self, tree: &Tree, id: u32, whole: bool) -> &[u8] {
        if !whole {
            self.path.clear();
        } else if id > 0 {
            self.enter(tree, tree.parent(id));
        }
        self.path.push(b'/');
        self.path.extend_from_slice(tree.name(id));
        &self.path
    }

    /// Makes `path` that of a directory; nothing for the root.
    fn enter(&mut self, tree: &Tree, directory: u32) {
        while let Some(&(above, len)) = self.above.last() {
            if above <= directory && directory < tree.end(above) {
                self.path.truncate(len);
                break;
            }
            self.above.pop();
        }
        if self.above.is_empty() {
            self.path.clear();
        }
        let known = self.above.last().map_or(0, |&(above, _)| above);
        let from = self.above.len();
        let mut at = directory;
        while at != known {
            self.above.push((at, 0));
            at = tree.parent(at);
        }
        self.above[from..].reverse();
        for (above, len) in &mut self.above[from..] {
            self.path.push(b'/');
            self.path.extend_from_slice(tree.name(*above));
            *len = self.path.len();
        }
    }
}
