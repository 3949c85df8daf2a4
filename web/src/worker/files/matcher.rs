//! Filters: which entries are meant.

use std::ops::Range;

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;

use super::expression::Expression;
use super::facts::Facts;
use super::glob::Glob;
use super::needle::Needle;
use crate::protocol::files::{Filter, Syntax};

/// A filter that can be asked.
pub struct Matcher {
    filter: Filter,
    text: Option<Text>,
    /// One bit for each kind.
    kinds: u8,
    /// The entries in the chunk, sorted, once that is known.
    in_chunk: Option<Vec<u32>>,
}

/// What is sought in names or paths.
enum Text {
    Needle(Box<Needle>),
    Glob(Box<Glob>),
    Regex(Box<Expression>),
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
            Syntax::Glob => Some(Text::Glob(Box::new(Glob::new(&filter.text)?))),
            Syntax::Regex => Some(Text::Regex(Box::new(Expression::new(&filter.text)?))),
        };
        let kinds = filter.kinds.iter().filter(|&&kind| kind < 8).fold(0, |kinds, kind| kinds | 1 << kind);
        let kinds = if filter.kinds.is_empty() { u8::MAX } else { kinds };
        Ok(Some(Self { filter: filter.clone(), text, kinds, in_chunk: None }))
    }

    /// Whether it asks for more than the tree.
    pub fn needs_facts(&self) -> bool {
        self.filter.with_finding || self.filter.reused.is_some() || self.filter.chunk.is_some()
    }

    /// The same filter, to be asked from the first entry on.
    #[must_use]
    pub fn again(mut self) -> Self {
        match &mut self.text {
            Some(Text::Needle(needle)) => **needle = Needle::new(&self.filter.text),
            Some(Text::Glob(glob)) => glob.restart(),
            Some(Text::Regex(expression)) => expression.restart(),
            None => {}
        }
        Self { in_chunk: None, ..self }
    }

    /// Calls `found` with those of `ids` that match, in order. Ranges must follow each other from 0 on.
    pub fn run(&mut self, facts: &Facts<'_>, ids: Range<u32>, mut found: impl FnMut(u32)) {
        let Self { filter, text, kinds, in_chunk } = self;
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
            Some(Text::Glob(glob)) => glob.run(tree, ids, |id| {
                if rest.holds(facts, id) {
                    found(id);
                }
            }),
            Some(Text::Regex(expression)) => expression.run(tree, ids, |id| {
                if rest.holds(facts, id) {
                    found(id);
                }
            }),
        }
    }

    /// Where a name or, as `is_path` says, a path with leading slash matches.
    pub fn marks(&self, text: &[u8], is_path: bool) -> Vec<Range<usize>> {
        match &self.text {
            Some(Text::Needle(needle)) if is_path || !needle.is_path() => needle.marks(text),
            Some(Text::Regex(expression)) if is_path || !expression.is_path() => expression.marks(text),
            _ => Vec::new(),
        }
    }

    /// Whether paths are what the text is sought in.
    pub fn is_about_paths(&self) -> bool {
        match &self.text {
            Some(Text::Needle(needle)) => needle.is_path(),
            Some(Text::Regex(expression)) => expression.is_path(),
            _ => false,
        }
    }

    /// Bytes of memory that it holds beside the expression.
    pub fn memory(&self) -> usize {
        let needle = if let Some(Text::Needle(needle)) = &self.text { needle.memory() } else { 0 };
        needle + self.in_chunk.as_ref().map_or(0, |ids| ids.capacity() * size_of::<u32>())
    }
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
