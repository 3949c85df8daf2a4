//! Text in names and paths.
//!
//! Names of a tree stand one after the other in one buffer, which is searched as a whole; that a name holds the text is then a matter
//! of where the hits are. A path holds a text with slashes if some name on it ends with what is before the first slash, the next ones are
//! what is between slashes, and one begins with what is behind the last: no path is ever put together. What is below such an entry
//! has a path that holds the text, too.

use std::ops::Range;

use memchr::memmem::Finder;
use pxkit_core::access::Tree;

use super::bits::Bits;

/// Bytes that are put into small letters at once.
const BLOCK: usize = 64 << 10;

/// A text that is sought.
pub struct Needle {
    text: Finder<'static>,
    /// Case does not matter.
    fold: bool,
    /// For a text with slashes: entries whose paths hold it. It grows with the ranges that are asked for.
    within: Option<Bits>,
}

impl Needle {
    /// For a text that is not empty. Case matters if there are capitals in it; otherwise it does not, for letters of ASCII.
    pub fn new(text: &str) -> Self {
        let fold = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let within = text.contains('/').then(Bits::default);
        Self { text: Finder::new(text.as_bytes()).into_owned(), fold, within }
    }

    /// Whether it is about paths, which begin with a slash.
    pub fn is_path(&self) -> bool {
        self.within.is_some()
    }

    /// Calls `found` with those of `ids` that match, in order. Ranges must follow each other from 0 on.
    pub fn run(&mut self, tree: &Tree, ids: Range<u32>, mut found: impl FnMut(u32)) {
        match &mut self.within {
            None if ids.is_empty() => {}
            None => names(&self.text, self.fold, tree, ids, found),
            Some(within) => {
                let path = Path { text: self.text.needle(), fold: self.fold };
                within.grow(ids.end);
                for id in ids {
                    if within.has(tree.parent(id)) || path.ends_at(tree, id) {
                        within.set(id, true);
                        found(id);
                    }
                }
            }
        }
    }

    /// Where the text is in a name, or in a path with a leading slash.
    pub fn marks(&self, text: &[u8]) -> Vec<Range<usize>> {
        let lowered = self.fold.then(|| text.to_ascii_lowercase());
        let found = self.text.find_iter(lowered.as_deref().unwrap_or(text));
        found.map(|at| at..at + self.text.needle().len()).collect()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.within.as_ref().map_or(0, Bits::memory)
    }
}

/// Calls `found` with those of `ids`, which are not empty, whose names hold the text.
pub fn names(text: &Finder<'_>, fold: bool, tree: &Tree, ids: Range<u32>, mut found: impl FnMut(u32)) {
    let len = text.needle().len();
    let end = tree.name_range(ids.end - 1).end;
    let (mut at, mut id) = (tree.name_range(ids.start).start, ids.start);
    let mut lowered = Vec::new();
    while end - at >= len {
        // The next block overlaps with this one, so that no hit is cut in two.
        let block =
            if fold { &tree.names()[at..end.min(at + BLOCK.max(2 * len))] } else { &tree.names()[at..end] };
        let (start, next) = (at, at + block.len() + 1 - len);
        let block = if fold {
            lowered.clear();
            lowered.extend(block.iter().map(u8::to_ascii_lowercase));
            &lowered[..]
        } else {
            block
        };
        while let Some(hit) = block.get(at - start..).and_then(|rest| text.find(rest)) {
            id = tree.name_at(at + hit, id);
            let name = tree.name_range(id);
            if at + hit + len <= name.end {
                found(id);
                at = name.end;
            } else {
                // The hit is made of the ends of two names.
                at += hit + 1;
            }
        }
        at = at.max(next);
        if at >= end {
            break;
        }
    }
}

/// A text with slashes.
struct Path<'a> {
    text: &'a [u8],
    fold: bool,
}

impl Path<'_> {
    /// Whether the text ends in the name of an entry, or in the slash before it.
    fn ends_at(&self, tree: &Tree, id: u32) -> bool {
        if id == 0 {
            return self.text == b"/";
        }
        let mut parts = self.text.rsplit(|&byte| byte == b'/');
        let last = parts.next().unwrap_or_default();
        if !tree.name(id).get(..last.len()).is_some_and(|start| self.equal(start, last)) {
            return false;
        }
        let (mut at, mut parts) = (id, parts.peekable());
        while let Some(part) = parts.next() {
            if at == 0 {
                return false;
            }
            at = tree.parent(at);
            let name = tree.name(at);
            let is_first = parts.peek().is_none();
            let skipped = if is_first { name.len().saturating_sub(part.len()) } else { 0 };
            if !self.equal(&name[skipped..], part) {
                return false;
            }
        }
        true
    }

    fn equal(&self, name: &[u8], part: &[u8]) -> bool {
        if self.fold { name.eq_ignore_ascii_case(part) } else { name == part }
    }
}
