use alloc::vec::Vec;

use super::{MatchType, Pattern, PatternError};

/// Cleans a path lexically, as the backup client does with every pattern: `.` components go, `..` takes the component before
/// it along (if there is one), doubled slashes collapse; a trailing slash stays. Tells whether that changed anything, which is
/// worth a warning.
pub fn normalise(path: &[u8]) -> (Vec<u8>, bool) {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let absolute = path.starts_with(b"/");
    if absolute {
        out.push(b'/');
    }
    let root = out.len();
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let end = out[root..].iter().rposition(|&byte| byte == b'/').map_or(root, |at| root + at);
                out.truncate(end);
            }
            _ => {
                if out.len() > root {
                    out.push(b'/');
                }
                out.extend_from_slice(component);
            }
        }
    }
    if path.ends_with(b"/") && !out.ends_with(b"/") {
        out.push(b'/');
    }
    let changed = out != path;
    (out, changed)
}

/// Reads the contents of a `.pxarexclude` file (specification 8.4) in the directory `dir`, a path relative to the archive's root
/// without slash at either end. Gives the patterns in order and the lines, counted from 1, that are none.
///
/// Unlike the reference, wildcards in `dir` itself stand for themselves, so that anchored patterns work in a directory named
/// `d[x]`.
pub fn parse_exclude_file(contents: &[u8], dir: &[u8]) -> (Vec<Pattern>, Vec<(usize, PatternError)>) {
    let mut prefix = Vec::with_capacity(dir.len() + 1);
    if !dir.is_empty() {
        prefix.push(b'/');
    }
    for &byte in dir {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            prefix.push(b'\\');
        }
        prefix.push(byte);
    }
    let mut patterns = Vec::new();
    let mut errors = Vec::new();
    for (number, line) in (1..).zip(contents.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (match_type, text) = match line.strip_prefix(b"!") {
            Some(rest) => (MatchType::Include, rest),
            None => (MatchType::Exclude, line),
        };
        let anchored = text.starts_with(b"/");
        let text = match anchored {
            true => normalise(&[&prefix, text].concat()).0,
            false => normalise(text).0,
        };
        match Pattern::compile(&text, match_type, anchored) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => errors.push((number, error)),
        }
    }
    (patterns, errors)
}
