//! Archives of the golden trees are the reference's, byte for byte; so are the listings; and extraction gives the trees back.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::{self, Scratch};
use pxkit_tests::random::{self, Shape};
use pxkit_tests::tree::{Kind, Node, Visit};
use pxkit_tests::{back, describe, golden, pxkit, skip};

fn sha256(path: &Path) -> String {
    golden::sha256(&fs::read(path).unwrap())
}

fn make(name: &str, scratch: &Scratch) -> std::path::PathBuf {
    let tree = scratch.join("tree");
    disk::make(&Node::from_manifest(&golden::manifest(name)), &tree);
    tree
}

fn checked_in(file: &str) -> std::path::PathBuf {
    golden::path(&format!("archives/{file}"))
}

#[test]
fn golden_trees_become_golden_archives_with_any_number_of_threads() {
    if !skip::needs_root_and_ext4("golden_trees_become_golden_archives_with_any_number_of_threads") {
        return;
    }
    for name in golden::NAMES {
        let scratch = Scratch::new();
        let tree = make(name, &scratch);
        let all: &[&str] = if name == "payloads" { &["2"] } else { &["1", "2", "8"] };
        for &threads in all {
            let files = ["pxar", "mpxar", "ppxar"].map(|extension| format!("{name}.{extension}"));
            let [unified, meta, payload] = files.each_ref().map(|file| scratch.join(file));
            pxkit!["create", &unified, &tree, "--threads", threads].succeeds();
            pxkit!["create", &meta, &tree, "--payload-output", &payload, "--threads", threads].succeeds();
            for (file, path) in files.iter().zip([unified, meta, payload]) {
                assert_eq!(sha256(&path), golden::expected_sha256(file), "{file}, {threads} threads");
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// A line for each node; the file system lists attributes in an order of its own.
fn lines(root: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    root.walk(&mut |path, visit| {
        let Visit::Node(node) = visit else { return };
        let mut attributes: Vec<String> = node.attributes.iter().map(|a| format!("{a:?}")).collect();
        attributes.sort();
        let content = match &node.kind {
            Kind::Directory(_) => "directory".into(),
            other => format!("{other:?}"),
        };
        lines.push(format!("{} {:?} {attributes:?} {content}", path.escape_ascii(), node.stat));
    });
    lines
}

#[test]
fn random_trees_survive_create_and_extract() {
    if !skip::needs_root_and_ext4("random_trees_survive_create_and_extract") {
        return;
    }
    // Files of excludes would have their say.
    let has_excludes = |root: &Node| cli::paths(root).iter().any(|path| path.contains(".pxarexclude"));
    let roots = (0..).map(|seed| (seed, random::tree(seed, Shape { nodes: 250, on_disk: true })));
    for (seed, root) in roots.filter(|(_, root)| !has_excludes(root)).take(5) {
        let scratch = Scratch::new();
        disk::make(&root, &scratch.join("tree"));
        let (unified, meta, payload) =
            (scratch.join("a.pxar"), scratch.join("a.mpxar"), scratch.join("a.ppxar"));
        pxkit!["create", &unified, scratch.join("tree")].succeeds();
        pxkit!["create", &meta, scratch.join("tree"), "--payload-output", &payload].succeeds();
        let expected = lines(&back::spelled_out(&root));
        assert!(lines(&cli::read(&unified)) == expected, "seed {seed}");
        assert!(lines(&cli::read_split(&meta, &payload)) == expected, "seed {seed}");
        pxkit!["extract", &unified, scratch.join("back")].succeeds();
        describe::assert_same(&scratch.join("tree"), &scratch.join("back"));
    }
}

#[test]
fn listings_are_those_of_the_reference() {
    for name in ["kinds", "names", "attributes"] {
        let expected = String::from_utf8(golden::archive(&format!("{name}.list.txt"))).unwrap();
        let debug = String::from_utf8(golden::archive(&format!("{name}.list-debug.txt"))).unwrap();
        let (version, long) = debug.split_once('\n').unwrap();
        let (unified, meta) = (checked_in(&format!("{name}.pxar")), checked_in(&format!("{name}.mpxar")));
        let payload = checked_in(&format!("{name}.ppxar"));
        assert_eq!(pxkit!["list", &unified].succeeds().text(), expected, "{name}");
        assert_eq!(pxkit!["list", &meta].succeeds().text(), expected, "{name}");
        assert_eq!(pxkit!["list", &meta, "--payload-input", &payload].succeeds().text(), expected, "{name}");
        let run = pxkit!["list", "-l", "-v", &meta].exits(0);
        assert_eq!((run.text(), run.err.trim_end()), (long, version), "{name}");
        // Without payload file there are no offsets in it.
        let plain = |line: &str| match line.rsplit_once("\" ") {
            Some((path, offset)) if line.starts_with('-') && offset.parse::<u64>().is_ok() => {
                format!("{path}\"\n")
            }
            _ => format!("{line}\n"),
        };
        let without_offsets: String = long.lines().map(plain).collect();
        assert_eq!(pxkit!["list", "-l", &unified].succeeds().text(), without_offsets, "{name}");
    }
}

#[test]
fn extraction_gives_the_trees_back() {
    if !skip::needs_root_and_ext4("extraction_gives_the_trees_back") {
        return;
    }
    for name in golden::NAMES {
        let scratch = Scratch::new();
        let tree = make(name, &scratch);
        let (unified, meta, payload) = if golden::ARCHIVED.contains(&name) {
            let file = |extension| checked_in(&format!("{name}.{extension}"));
            (file("pxar"), file("mpxar"), file("ppxar"))
        } else {
            let (unified, meta, payload) =
                (scratch.join("pxar"), scratch.join("mpxar"), scratch.join("ppxar"));
            pxkit!["create", &unified, &tree].succeeds();
            pxkit!["create", &meta, &tree, "--payload-output", &payload].succeeds();
            (unified, meta, payload)
        };
        let back = scratch.join("unified");
        pxkit!["extract", &unified, &back].succeeds();
        describe::assert_same(&tree, &back);

        let back = scratch.join("split");
        pxkit!["extract", &meta, &back, "--payload-input", &payload, "--threads", "8"].succeeds();
        describe::assert_same(&tree, &back);

        if name == "payloads" || name == "wide" {
            // Much more of the same.
            continue;
        }
        // A pipe, and a file that is standard input; another umask must not show.
        let back = scratch.join("pipe");
        let script = r#"umask 077; cat "$1" | "$PXKIT" extract - "$2""#;
        Run::of(cli::shell(script, &[&unified, &back])).succeeds();
        describe::assert_same(&tree, &back);

        let back = scratch.join("stdin");
        let mut command = cli::command();
        command.arg("extract").arg("-").arg(&back).stdin(Stdio::from(File::open(&unified).unwrap()));
        Run::of(command).succeeds();
        describe::assert_same(&tree, &back);

        // And what was restored becomes the same archive again.
        let again = scratch.join("again.pxar");
        pxkit!["create", &again, &back].succeeds();
        assert_eq!(sha256(&again), golden::expected_sha256(&format!("{name}.pxar")));
    }
}
