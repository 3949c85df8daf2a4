//! An entry as a row on screen.

use std::ops::Range;

use pxkit_core::access::Tree;
use pxkit_core::decode::Content;
use pxkit_core::format::Kind;

use super::facts::Facts;
use super::state::{Files, Place};
use crate::protocol::files::Row;
use crate::worker::text::escape;

/// Bytes of a path that are shown; of a longer one, the end.
const LONGEST: usize = 8 << 10;

/// The row of an entry.
pub fn row(files: &Files, facts: &Facts<'_>, (id, depth): Place) -> Row {
    let tree = facts.tree;
    let (kind, mtime, (uid, gid)) = (tree.kind(id), tree.mtime(id), tree.owner(id));
    let is_directory = kind == Kind::Directory;
    let end = tree.end(id);
    let open = is_directory && files.is_open(id);
    let (name, marks) = name(files, tree, id);
    let is_filtered = files.matches().matcher().is_some() && !files.view().flat;
    Row {
        entry: id,
        name,
        depth,
        kind: kind as u8,
        mode: tree.mode(id),
        uid,
        gid,
        mtime: mtime.secs,
        nanos: mtime.nanos,
        size: files.sums().size(tree, id),
        entries: if is_directory { end - id - 1 } else { 0 },
        open,
        has_children: is_directory && if is_filtered { files.has_rows_below(id) } else { end > id + 1 },
        target: match tree.content(id) {
            Content::Target(target) | Content::Hardlink { target, .. } => Some(escape(target)),
            _ => None,
        },
        offset: facts.offset(id),
        chunks: facts.chunks(id).map(|chunks| chunks.len() as u32),
        padding: facts.padding(id),
        finding: facts.is_flagged(id..if open { id + 1 } else { end.max(id + 1) }),
        reused: facts.reused(id),
        marks,
    }
}

/// The name, in the list the path, as text, and where the filter's text is in it.
fn name(files: &Files, tree: &Tree, id: u32) -> (String, Vec<(u32, u32)>) {
    let is_path = files.view().flat;
    if id == 0 {
        return ("/".to_owned(), Vec::new());
    }
    let (mut path, mut marks) = (Vec::new(), Vec::new());
    let name = tree.name(id);
    if is_path {
        path.push(b'/');
        tree.path(id, &mut path);
    }
    let text = if is_path { &path[..] } else { name };
    if let Some(matcher) = files.matches().matcher() {
        let sought = if matcher.is_about_paths() { text } else { name };
        let start = text.len() - sought.len();
        let moved = |mark: Range<usize>| mark.start + start..mark.end + start;
        marks = matcher.marks(sought, is_path).into_iter().map(moved).collect();
    }
    let cut = text.len().saturating_sub(LONGEST);
    let marks = marks.into_iter().map(|mark| mark.start.saturating_sub(cut)..mark.end.saturating_sub(cut));
    let (text, marks) = marked(&text[cut..], marks);
    if cut == 0 { (text, marks) } else { ellipsis(&text, &marks) }
}

/// Text of bytes, and where ranges of the bytes are in it.
fn marked(bytes: &[u8], marks: impl Iterator<Item = Range<usize>>) -> (String, Vec<(u32, u32)>) {
    let valid = str::from_utf8(bytes).ok();
    let (mut out, mut marked, mut at) = (String::with_capacity(bytes.len()), Vec::new(), 0);
    for mark in marks {
        let (mut start, mut end) = (mark.start.min(bytes.len()), mark.end.min(bytes.len()));
        if let Some(text) = valid {
            // Expressions on bytes may cut letters in two.
            (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
        }
        if start < at || end <= start {
            continue;
        }
        out += &escape(&bytes[at..start]);
        let first = out.len() as u32;
        out += &escape(&bytes[start..end]);
        marked.push((first, out.len() as u32));
        at = end;
    }
    out += &escape(&bytes[at..]);
    (out, marked)
}

fn ellipsis(text: &str, marks: &[(u32, u32)]) -> (String, Vec<(u32, u32)>) {
    const SIGN: &str = "\u{2026}";
    let by = SIGN.len() as u32;
    (format!("{SIGN}{text}"), marks.iter().map(|&(start, end)| (start + by, end + by)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_escaped_text() {
        let (text, marks) = marked(b"a\nb\xffc", [1..2, 3..5, 4..5].into_iter());
        assert_eq!((text.as_str(), marks), ("a\\nb\\xFFc", vec![(1, 3), (4, 9)]));
        // A mark within a letter becomes one of the letter.
        let (text, marks) = marked("x\u{e9}y".as_bytes(), std::iter::once(2..3));
        assert_eq!((text.as_str(), marks), ("x\u{e9}y", vec![(1, 3)]));
        assert_eq!(ellipsis("abc", &[(0, 1)]).1, [(3, 4)]);
    }
}
