//! Rust sources, read as far as the rules need: words without comments and the insides of literals, and what a file uses.

use std::collections::BTreeSet;

/// A source file: its path from the root of the checkout, and its text without comments and the insides of literals.
pub struct Source {
    pub path: String,
    pub text: String,
    pub lines: usize,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: strip(text), lines: text.lines().count() }
    }

    /// Names of modules from the crate's root, if it is part of core.
    pub fn core_modules(&self) -> Option<Vec<&str>> {
        let path = self.path.strip_prefix("core/src/")?.strip_suffix(".rs")?;
        let path = path.strip_suffix("/mod").unwrap_or(path);
        Some(if path == "lib" { Vec::new() } else { path.split('/').collect() })
    }

    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// Replaces comments and the insides of string and character literals by spaces, keeping lines.
fn strip(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let len = match rest[0] {
            b'/' if rest.starts_with(b"//") => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'r' if !word_before || bytes[at - 1] == b'b' => raw_string(rest),
            b'"' => quoted(rest, b'"'),
            // A character has an end soon; a lifetime has not.
            b'\'' if rest.get(1) == Some(&b'\\') => quoted(rest, b'\''),
            b'\'' => rest.iter().take(6).skip(2).position(|&b| b == b'\'').map_or(0, |end| end + 3),
            _ => 0,
        };
        out[at..at + len].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at += len.max(1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let (change, step) = match &text[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth += change;
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(text: &[u8]) -> usize {
    let hashes = text[1..].iter().take_while(|&&b| b == b'#').count();
    if text.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let inside = &text[hashes + 2..];
    let close = inside.windows(end.len()).position(|window| window == end);
    close.map_or(text.len(), |close| hashes + 2 + close + end.len())
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// Identifiers and single other characters.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let len = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        out.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    out
}

/// Position behind the group that opens at `start`.
fn group_end(tokens: &[&str], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Leaves out modules that are only there for tests: they may use what they like.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]", "mod"]) {
            let name = at + 8;
            at = match tokens.get(name + 1) {
                Some(&"{") => group_end(tokens, name + 1),
                _ => name + 2,
            };
        } else {
            out.push(tokens[at]);
            at += 1;
        }
    }
    out
}

/// What stands first in each branch behind `prefix::`, which ends before `at`: `x` of `x::y`, `x` and `y` of `{x::a, y}`.
fn branches<'a>(tokens: &[&'a str], at: usize) -> Vec<&'a str> {
    if tokens.get(at) != Some(&"{") {
        return tokens.get(at).copied().into_iter().collect();
    }
    let end = group_end(tokens, at);
    let mut out = Vec::new();
    let mut branch = at + 1;
    while branch + 1 < end {
        out.push(tokens[branch]);
        while branch < end - 1 && tokens[branch] != "," {
            branch = if tokens[branch] == "{" { group_end(tokens, branch) } else { branch + 1 };
        }
        branch += 1;
    }
    out
}

/// Paths of `source` that begin with `crate` or `super`, as names of modules from the crate's root.
pub fn uses(source: &Source) -> BTreeSet<Vec<String>> {
    let Some(here) = source.core_modules() else { return BTreeSet::new() };
    let all = tokens(&source.text);
    let tokens = without_tests(&all);
    let mut out = BTreeSet::new();
    let is_path = |at: usize| tokens[at + 1..].starts_with(&[":", ":"]);
    let mut at = 0;
    while at < tokens.len() {
        let mut base: Vec<&str> = match tokens[at] {
            "crate" if is_path(at) => Vec::new(),
            "super" if is_path(at) => here[..here.len().saturating_sub(1)].to_vec(),
            _ => {
                at += 1;
                continue;
            }
        };
        at += 3;
        while tokens.get(at) == Some(&"super") {
            base.pop();
            at += 3;
        }
        // No rule needs more than the first name behind the module.
        for first in branches(&tokens, at) {
            let mut path: Vec<String> = base.iter().map(|name| (*name).to_owned()).collect();
            path.push(first.to_owned());
            out.insert(path);
        }
    }
    out
}
