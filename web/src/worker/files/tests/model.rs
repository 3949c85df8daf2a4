//! What rows must be, told the simple way, and the views that are asked for.

use pxkit_core::access::Tree;
use pxkit_core::format::Kind;
use pxkit_core::pattern::{MatchType, Pattern};

use super::{Rng, facts};
use crate::protocol::files::{Filter, Sort, Syntax, Toggle, View};
use crate::worker::files::collate;

/// What rows must be.
#[derive(Default)]
pub struct Model {
    pub view: View,
    pub open: Vec<bool>,
    /// Directories that are open under the filter.
    pub filtered: Vec<bool>,
    pub all_open: bool,
}

impl Model {
    fn path(tree: &Tree, id: u32) -> Vec<u8> {
        let mut path = b"/".to_vec();
        tree.path(id, &mut path);
        path
    }

    pub fn matches(&self, tree: &Tree, id: u32) -> bool {
        let filter = &self.view.filter;
        let (name, path) = (tree.name(id), Self::path(tree, id));
        let sought = if filter.text.contains('/') { &path[..] } else { name };
        let text = match filter.syntax {
            _ if filter.text.is_empty() => true,
            Syntax::Text => {
                let fold = !filter.text.bytes().any(|byte| byte.is_ascii_uppercase());
                let lower = |bytes: &[u8]| if fold { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
                lower(sought).windows(filter.text.len()).any(|part| part == lower(filter.text.as_bytes()))
            }
            Syntax::Glob => {
                let pattern = Pattern::parse(filter.text.as_bytes(), MatchType::Include).expect("a pattern");
                let does =
                    pattern.matches(&path) && (!pattern.dirs_only() || tree.kind(id) == Kind::Directory);
                does == (pattern.match_type() == MatchType::Include)
            }
            Syntax::Regex => {
                let mut builder = regex::bytes::RegexBuilder::new(&filter.text);
                builder.unicode(false).build().expect("an expression").is_match(sought)
            }
        };
        let (kind, size) = (tree.kind(id), tree.size(id));
        let bounded = filter.least.is_some() || filter.most.is_some();
        text && (filter.kinds.is_empty() || filter.kinds.contains(&(kind as u8)))
            && (!bounded || kind == Kind::File)
            && filter.least.is_none_or(|least| size >= least)
            && filter.most.is_none_or(|most| size <= most)
            && filter.below.is_none_or(|below| below < id && id < tree.end(below))
    }

    pub fn is_filtered(&self) -> bool {
        self.view.filter != (Filter { syntax: self.view.filter.syntax, ..Filter::default() })
    }

    pub fn shown(&self, tree: &Tree) -> Vec<bool> {
        let ids = 0..tree.len() as u32;
        let matches: Vec<bool> = ids.clone().map(|id| self.matches(tree, id)).collect();
        ids.map(|id| id == 0 || (id..tree.end(id)).any(|below| matches[below as usize])).collect()
    }

    fn sort(&self, tree: &Tree, ids: &mut [u32]) {
        let size = |id: u32| (id..tree.end(id)).map(|id| tree.size(id)).sum::<u64>();
        let offset = |id: u32| facts(tree, true).offset(id);
        let entries = |id: u32| (tree.kind(id) == Kind::Directory).then(|| tree.end(id) - id);
        let compare = |a: &u32, b: &u32| match self.view.sort {
            Sort::Archive => a.cmp(b),
            Sort::Name => collate::compare(tree.name(*a), tree.name(*b)),
            Sort::Size => size(*a).cmp(&size(*b)),
            Sort::Entries => entries(*a).cmp(&entries(*b)),
            Sort::Mtime => tree.mtime(*a).cmp(&tree.mtime(*b)),
            Sort::Mode => tree.mode(*a).cmp(&tree.mode(*b)),
            Sort::Owner => tree.owner(*a).cmp(&tree.owner(*b)),
            Sort::Offset => offset(*a).cmp(&offset(*b)),
            Sort::Chunks | Sort::Padding => std::cmp::Ordering::Equal,
        };
        let has_none = |id: u32| match self.view.sort {
            Sort::Offset => offset(id).is_none(),
            Sort::Entries => entries(id).is_none(),
            _ => false,
        };
        ids.sort_by(|a, b| {
            let order = if self.view.descending { compare(b, a) } else { compare(a, b) };
            has_none(*a).cmp(&has_none(*b)).then(order)
        });
    }

    pub fn rows(&self, tree: &Tree) -> Vec<(u32, u16)> {
        if tree.is_empty() {
            return Vec::new();
        }
        if self.view.flat {
            let mut ids: Vec<u32> = (0..tree.len() as u32).filter(|&id| self.matches(tree, id)).collect();
            if self.view.sort == Sort::Name {
                let mut ordered = Vec::new();
                self.walk(tree, 0, 0, &mut |_| true, &mut |_| true, &mut ordered);
                ordered.retain(|(id, _)| ids.contains(id));
                return ordered.into_iter().map(|(id, _)| (id, 0)).collect();
            }
            self.sort(tree, &mut ids);
            return ids.into_iter().map(|id| (id, 0)).collect();
        }
        let shown = self.shown(tree);
        let open = if self.is_filtered() { &self.filtered } else { &self.open };
        let mut rows = Vec::new();
        self.walk(
            tree,
            0,
            0,
            &mut |id| shown[id as usize],
            &mut |id| id == 0 || open[id as usize],
            &mut rows,
        );
        rows
    }

    fn walk(
        &self,
        tree: &Tree,
        id: u32,
        depth: u16,
        shown: &mut dyn FnMut(u32) -> bool,
        open: &mut dyn FnMut(u32) -> bool,
        out: &mut Vec<(u32, u16)>,
    ) {
        out.push((id, depth));
        if open(id) {
            let mut children: Vec<u32> = tree.children(id).filter(|&child| shown(child)).collect();
            self.sort(tree, &mut children);
            for child in children {
                self.walk(tree, child, depth + 1, shown, open, out);
            }
        }
    }

    pub fn show(&mut self, tree: &Tree, view: View) {
        self.view = view;
        if self.is_filtered() {
            let shown = self.shown(tree);
            let opens = |id: u32| tree.children(id).any(|child| shown[child as usize]);
            self.filtered = (0..tree.len() as u32).map(opens).collect();
        }
    }

    pub fn toggle(&mut self, tree: &Tree, toggle: Toggle) {
        if self.view.flat || tree.kind(toggle.entry) != Kind::Directory {
            return;
        }
        let is_filtered = self.is_filtered();
        let open = if is_filtered { &mut self.filtered } else { &mut self.open };
        let end = if toggle.deep || toggle.entry == 0 { tree.end(toggle.entry) } else { toggle.entry + 1 };
        open[toggle.entry as usize..end as usize].fill(toggle.open);
        if toggle.entry == 0 && !is_filtered {
            self.all_open = toggle.open;
        }
    }
}

/// Any view.
pub fn view(rng: &mut Rng, tree: &Tree) -> View {
    const SORTS: [Sort; 10] = [
        Sort::Archive,
        Sort::Name,
        Sort::Size,
        Sort::Entries,
        Sort::Mtime,
        Sort::Mode,
        Sort::Owner,
        Sort::Offset,
        Sort::Chunks,
        Sort::Padding,
    ];
    let mut filter = Filter::default();
    let texts: &[(&str, Syntax)] = &[
        ("", Syntax::Text),
        ("a", Syntax::Text),
        ("B", Syntax::Text),
        ("file", Syntax::Text),
        ("ef", Syntax::Text),
        ("bfi", Syntax::Text),
        ("/", Syntax::Text),
        ("b/", Syntax::Text),
        ("/src", Syntax::Text),
        ("b/a", Syntax::Text),
        ("SRC/a", Syntax::Text),
        ("c/b/", Syntax::Text),
        ("//", Syntax::Text),
        ("\u{e9}", Syntax::Text),
        ("zzz", Syntax::Text),
        ("*.rs", Syntax::Glob),
        ("src/*", Syntax::Glob),
        ("/*/*a*", Syntax::Glob),
        ("**.rs", Syntax::Glob),
        ("!*a*", Syntax::Glob),
        ("[ab]*/", Syntax::Glob),
        ("src/**/a*", Syntax::Glob),
        ("*a*", Syntax::Glob),
        ("*a*/*b*", Syntax::Glob),
        ("*/*", Syntax::Glob),
        ("*/*/a*", Syntax::Glob),
        ("a?/b*/", Syntax::Glob),
        ("a//b", Syntax::Glob),
        ("\\a*", Syntax::Glob),
        ("^a", Syntax::Regex),
        ("[0-9]$", Syntax::Regex),
        ("(?i)AB", Syntax::Regex),
        ("^/a.*/b", Syntax::Regex),
        ("/[a-c].*e$", Syntax::Regex),
        ("/$", Syntax::Regex),
        ("^$", Syntax::Regex),
        // More states than are kept.
        ("[a-e].{11}s", Syntax::Regex),
        ("[ab/].{10}[a-e].{3}$", Syntax::Regex),
    ];
    if rng.below(3) > 0 {
        let (text, syntax) = rng.pick(texts);
        (filter.text, filter.syntax) = (text.to_owned(), syntax);
    }
    if rng.below(4) == 0 {
        filter.kinds = vec![rng.below(3) as u8];
    }
    if rng.below(6) == 0 {
        filter.least = Some(rng.pick(&[0, 1, 100]));
    }
    if rng.below(6) == 0 {
        filter.most = Some(rng.pick(&[0, 1, 100]));
    }
    if rng.below(6) == 0 {
        filter.below = Some(rng.below(tree.len().max(1)) as u32);
    }
    View { flat: rng.below(4) == 0, sort: rng.pick(&SORTS), descending: rng.below(2) == 0, filter }
}
