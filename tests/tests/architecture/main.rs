//! Holds the invariants of the design that a look at the sources can hold. Each rule is a function from sources to complaints,
//! and each is shown, at the end, to complain where it should.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, tokens, uses};

/// Modules of core in levels: each may use those of the levels before, none of its own level, none behind.
const LEVELS: &[&[&str]] = &[
    &["format"],
    &["decode", "encode", "blob", "chunk", "index"],
    &["access"],
    &["compare"],
    &["reuse", "layout"],
    &["plan"],
];
/// Modules of core that use no other and that no other uses.
const ALONE: &[&str] = &["pattern"];
/// Files of one module that use each other and may: an error names its item, and items are refused with errors; an archive
/// opens its root, and whatever was opened knows its archive.
const CIRCLES: &[&str] = &["access/directory", "access/entry", "access/open", "format/error", "format/item"];
/// What core may depend on.
const CORE_DEPENDENCIES: &[&str] =
    &["base64ct", "crc", "crc32fast", "serde_json", "sha2", "siphasher", "zeroize"];
/// Core knows no thread, file, clock, operating system, output; nor has it sync and async twins.
const FORBIDDEN_IN_CORE: &[&str] = &[
    "async",
    "await",
    "Path",
    "PathBuf",
    "OsStr",
    "OsString",
    "Instant",
    "SystemTime",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "unsafe",
];
/// Crates that must not be named in core.
const FORBIDDEN_CRATES: &[&str] = &["std", "log", "rand", "time", "chrono"];
/// The one place for calls that no crate wraps.
const UNSAFE_ALLOWED: &[&str] = &["native-cli/src/linux/sys.rs"];
/// A file of more lines does more than one thing, unless its reason stands here.
const MOST_LINES: usize = 500;
const LONG_FILES: &[(&str, &str)] = &[
    ("web/src/worker/open/tests.rs", "one datastore in memory; each test is short, and they share it"),
    ("web/src/worker/structure/archive.rs", "one walk over items; what each of them says"),
];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// Arrows between the modules of core go one way.
fn order_of_modules(sources: &[Source]) -> Vec<String> {
    let mut out = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(&[here, ..]) = source.core_modules().as_deref() else { continue };
        if level(here).is_none() && !ALONE.contains(&here) {
            out.push(format!("{}: module `{here}` has no place in the order", source.path));
            continue;
        }
        for path in uses(source) {
            let there = path[0].as_str();
            let known = level(there).is_some() || ALONE.contains(&there);
            if there == here {
                continue;
            }
            if !known {
                // `use crate::*` or an item of the root would hide where things come from.
                out.push(format!("{}: uses `{there}` of the crate's root", source.path));
            } else if level(there).is_none() || level(here).is_none_or(|here| level(there) >= Some(here)) {
                out.push(format!("{}: `{here}` must not use `{there}`", source.path));
            }
        }
    }
    out
}

/// No circle between the files of one directory.
fn circles_of_files(sources: &[Source]) -> Vec<String> {
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test() && !source.path.ends_with("/mod.rs")) {
        let Some(here) = source.core_modules() else { continue };
        let here: Vec<String> = here.into_iter().map(str::to_owned).collect();
        edges.insert(here, uses(source));
    }
    let reaches = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&Vec<String>> = edges[from].iter().collect();
        while let Some(next) = todo.pop() {
            if let Some(further) = edges.get(next).filter(|_| seen.insert(next)) {
                todo.extend(further);
            }
        }
        seen.contains(from)
    };
    let circles = edges.keys().filter(|file| reaches(file)).map(|file| file.join("/"));
    let new = circles.filter(|path| !CIRCLES.contains(&path.as_str()));
    new.map(|path| format!("core/src/{path}.rs: uses itself through other files")).collect()
}

/// Core names nothing of an operating system.
fn forbidden_words(sources: &[Source]) -> Vec<String> {
    let mut out = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("core/src/")) {
        let tokens = tokens(&source.text);
        for (at, token) in tokens.iter().enumerate() {
            let next = &tokens[at + 1..];
            let a_crate = FORBIDDEN_CRATES.contains(token)
                && (next.starts_with(&[":", ":"]) || (at >= 2 && tokens[at - 2..at] == ["extern", "crate"]));
            if a_crate || FORBIDDEN_IN_CORE.contains(token) {
                out.push(format!("{}: `{token}` does not belong into core", source.path));
            }
        }
    }
    out
}

/// The two attributes stand at the top of core.
fn attributes_of_core(sources: &[Source]) -> Vec<String> {
    let Some(root) = sources.iter().find(|source| source.path == "core/src/lib.rs") else {
        return vec!["core/src/lib.rs: missing".to_owned()];
    };
    let text: String = root.text.split_whitespace().collect();
    let attributes = ["#![no_std]", "#![forbid(unsafe_code)]"];
    let missing = attributes.iter().filter(|attribute| !text.contains(*attribute));
    missing.map(|attribute| format!("{}: `{attribute}` is missing", root.path)).collect()
}

/// Core depends on next to nothing.
fn dependencies_of_core(manifest: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        let name = if let Some(name) = section.strip_prefix("dependencies.").filter(|_| line.starts_with('['))
        {
            name
        } else if section.starts_with("target.")
            && section.contains("dependencies")
            && !section.contains("dev-")
        {
            "dependencies for some targets"
        } else if matches!(section, "dependencies" | "build-dependencies") {
            match line.split_once('=') {
                Some((name, _)) if !line.starts_with('#') => name.trim().trim_end_matches(".workspace"),
                _ => continue,
            }
        } else {
            continue;
        };
        if !CORE_DEPENDENCIES.contains(&name) {
            out.push(format!("core/Cargo.toml: `{name}` is not on the list of dependencies"));
        }
    }
    out
}

fn places_of_unsafe(sources: &[Source]) -> Vec<String> {
    let elsewhere = sources.iter().filter(|source| !UNSAFE_ALLOWED.contains(&source.path.as_str()));
    let unsafe_here = elsewhere.filter(|source| tokens(&source.text).contains(&"unsafe"));
    unsafe_here.map(|source| format!("{}: `unsafe` outside of {UNSAFE_ALLOWED:?}", source.path)).collect()
}

fn lengths_of_files(sources: &[Source]) -> Vec<String> {
    let is_listed = |path: &str| LONG_FILES.iter().any(|(listed, _)| *listed == path);
    let long = sources.iter().filter(|source| source.lines > MOST_LINES && !is_listed(&source.path));
    long.map(|source| format!("{}: {} lines, more than {MOST_LINES}", source.path, source.lines)).collect()
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

/// The Rust sources of the workspace, without what was built.
fn sources() -> Vec<Source> {
    fn gather(directory: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                gather(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                out.push(path);
            }
        }
    }
    let root = checkout();
    let mut paths = Vec::new();
    for member in ["core/src", "native-cli/src", "web/src", "xtask/src", "tests/src", "tests/tests"] {
        gather(&root.join(member), &mut paths);
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path.strip_prefix(&root).expect("below the checkout");
        Source::new(path.to_str().expect("our files have plain names"), &text)
    };
    paths.iter().map(read).collect()
}

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_of_core_are_in_order() {
    none(order_of_modules(&sources()));
    none(circles_of_files(&sources()));
}

#[test]
fn core_is_apart_from_the_world() {
    none(attributes_of_core(&sources()));
    none(forbidden_words(&sources()));
    none(dependencies_of_core(
        &fs::read_to_string(checkout().join("core/Cargo.toml")).expect("core has a manifest"),
    ));
}

#[test]
fn unsafe_has_one_place() {
    none(places_of_unsafe(&sources()));
}

#[test]
fn files_have_one_purpose() {
    none(lengths_of_files(&sources()));
}

/// Whether a rule complains about a file of that text.
fn complains(rule: fn(&[Source]) -> Vec<String>, path: &str, text: &str) -> bool {
    !rule(&[Source::new(path, text)]).is_empty()
}

#[test]
fn the_rule_about_order_can_fail() {
    let check = |path, text| complains(order_of_modules, path, text);
    assert!(check("core/src/encode/mod.rs", "use crate::decode::Entry;"));
    assert!(check("core/src/encode/a.rs", "use crate::{format::Stat, access::{A, B}};"));
    assert!(check("core/src/decode/a.rs", "fn f() { super::super::encode::f() }"));
    assert!(check("core/src/format/mod.rs", "use super::decode::X;"));
    assert!(check("core/src/pattern/mod.rs", "use crate::format::Stat;"));
    assert!(check("core/src/access/mod.rs", "use crate::pattern::Pattern;"));
    assert!(check("core/src/surprise/mod.rs", ""));
    assert!(check("core/src/access/mod.rs", "use crate::*;"));
    assert!(!check(
        "core/src/access/a.rs",
        "use crate::{format::{A, encode}, decode}; use super::plan; use super::{a, b};"
    ));
    assert!(!check(
        "core/src/encode/mod.rs",
        "#[cfg(test)] mod tests { use crate::decode::X; } // crate::plan::X"
    ));
    assert!(!check("core/src/encode/tests.rs", "use crate::decode::X;"));
}

#[test]
fn the_rule_about_circles_can_fail() {
    let files = |a: &str, b: &str| {
        let path = |name| format!("core/src/decode/{name}.rs");
        circles_of_files(&[Source::new(&path("a"), a), Source::new(&path("b"), b)]).len()
    };
    assert_eq!(files("use super::b::X;", "use super::{c, a::Y};"), 2);
    assert_eq!(files("use super::b::X;", "use crate::format::X;"), 0);
}

#[test]
fn the_rules_about_core_can_fail() {
    let check = |text| complains(forbidden_words, "core/src/format/a.rs", text);
    for text in [
        "use std::io;",
        "extern crate std;",
        "async fn f() {}",
        "fn f(p: &Path) {}",
        "println!()",
        "log::info!()",
    ] {
        assert!(check(text), "{text}");
    }
    for text in [
        "/* std::io /* x */ Path */",
        "let s = \"std::io \\\" Path\";",
        "r#\"\" Path\"#",
        "'\"'; \"Path\"",
        "//! Path",
    ] {
        assert!(!check(text), "{text}");
    }
    assert!(check("fn f<'a>(x: &'a str) { 'x'; '\\''; std::f() }"));
    assert!(complains(attributes_of_core, "core/src/lib.rs", "#![no_std]"));
    assert!(complains(attributes_of_core, "core/src/lib.rs", "#![forbid(unsafe_code)] // #![no_std]"));
    assert!(!complains(attributes_of_core, "core/src/lib.rs", "#![no_std]\n#![forbid(unsafe_code)]"));
}

#[test]
fn the_rule_about_dependencies_can_fail() {
    let count = |manifest| dependencies_of_core(manifest).len();
    assert_eq!(
        count("[dependencies]\nsiphasher = { version = \"1\" }\n# x = 1\n[dev-dependencies]\nrand = \"1\""),
        0
    );
    assert_eq!(count("[dependencies]\nrand = \"1\"\nlibc.workspace = true"), 2);
    assert_eq!(count("[dependencies.rand]\nversion = \"1\""), 1);
    assert_eq!(count("[target.'cfg(unix)'.dependencies]\nlibc = \"1\""), 2);
}

#[test]
fn the_rules_about_files_can_fail() {
    assert!(complains(places_of_unsafe, "native-cli/src/main.rs", "unsafe { f() }"));
    assert!(!complains(places_of_unsafe, "native-cli/src/linux/sys.rs", "unsafe { f() }"));
    assert!(!complains(places_of_unsafe, "core/src/lib.rs", "#![forbid(unsafe_code)]"));
    assert!(complains(lengths_of_files, "web/src/a.rs", &"\n".repeat(MOST_LINES + 1)));
    assert!(!complains(lengths_of_files, "web/src/a.rs", &"\n".repeat(MOST_LINES)));
}
