//! Paths and patterns in lines of the shell.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::text::quote;

/// The path from the root, without slashes at its ends, that `path` means in the directory `from`. `..` of the root is the root.
pub fn resolve(from: &[u8], path: &[u8]) -> Vec<u8> {
    let start: &[u8] = if path.starts_with(b"/") { b"" } else { from };
    let mut components: Vec<&[u8]> = Vec::new();
    for component in start.split(is_slash).chain(path.split(is_slash)) {
        match component {
            b"" | b"." => {}
            b".." => _ = components.pop(),
            name => components.push(name),
        }
    }
    components.join(&b'/')
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// The pattern that matches this path and nothing else.
pub fn pattern_of(path: &[u8]) -> OsString {
    let mut out = vec![b'/'];
    for &byte in path {
        if b"*?[]\\!".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    OsString::from_vec(out)
}

/// A path or name as it can be shown at a terminal and typed again: in quotes where it has to be.
pub fn shown(bytes: &[u8]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=~^#".contains(c);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        _ => {
            let mut out = Vec::new();
            // Writing to memory does not fail, and quoted text is UTF-8.
            let _ = quote(&mut out, bytes);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_they_say() {
        for (from, path, expected) in [
            ("", "a", "a"),
            ("a/b", "c", "a/b/c"),
            ("a/b", "../c", "a/c"),
            ("a/b", "/c//d/", "c/d"),
            ("a", "../../..", ""),
            ("a", ".", "a"),
            ("a", "", "a"),
            ("", "/", ""),
        ] {
            assert_eq!(resolve(from.as_bytes(), path.as_bytes()), expected.as_bytes(), "{from} {path}");
        }
    }

    #[test]
    fn names_are_shown_as_they_can_be_typed() {
        assert_eq!(shown(b"a.b-c"), "a.b-c");
        assert_eq!(shown("é".as_bytes()), "é");
        assert_eq!(shown(b"a b"), "\"a b\"");
        assert_eq!(shown(b"\x1b[2J"), "\"\\u{1b}[2J\"");
        assert_eq!(shown(b""), "\"\"");
        assert_eq!(pattern_of(b"a*[b]"), "/a\\*\\[b\\]");
    }
}
