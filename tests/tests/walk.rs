//! A walk for metadata gives what a walk for everything gives, opened or not.

use std::path::Path;

use pxkit::walk::{Content, Node, Options, Prepare, Reading, Step, Walk, open_source};
use pxkit_core::format::{Attributes, Kind, Stat, Timestamp};
use pxkit_tests::disk::{self, Scratch};
use pxkit_tests::random::{self, Shape};
use pxkit_tests::{golden, skip, tree};

/// All that is known of a node but its contents.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    path: Vec<u8>,
    kind: Kind,
    stat: Stat,
    ctime: Timestamp,
    attributes: Attributes,
    numbers: [u64; 5],
    target: Vec<u8>,
}

impl Known {
    fn of(node: Node<'_>) -> Self {
        let target = if let Content::Target(target) = node.content { target.to_vec() } else { Vec::new() };
        let Node { kind, stat, ctime, size, dev, ino, nlink, rdev, .. } = node;
        let (path, attributes) = (node.path.to_vec(), node.attributes.clone());
        Self { path, kind, stat, ctime, attributes, numbers: [size, dev, ino, nlink, rdev], target }
    }
}

fn walk(root: &Path, options: Options) -> (Vec<Known>, Reading) {
    let mut walk = Walk::new(open_source(root).unwrap(), options).unwrap();
    let mut nodes = Vec::new();
    while let Some(step) = walk.next().unwrap() {
        match step {
            Step::Enter(node) | Step::Node(node) => {
                if let (Content::Unread, Kind::File) = (&node.content, node.kind) {
                    let identity = node.identity();
                    let same = (identity.dev, identity.ino, identity.size, identity.mtime, identity.ctime);
                    assert_eq!(same, (node.dev, node.ino, node.size, node.stat.mtime, node.ctime));
                }
                nodes.push(Known::of(node));
            }
            Step::Leave => {}
            // Names that patterns in the tree exclude, and lines that are none, are the same in all ways.
            Step::Warning(warning) => assert!(warning.path.ends_with(b".pxarexclude"), "{warning}"),
        }
    }
    (nodes, walk.reading())
}

fn check(root: &tree::Node, name: &str) {
    let scratch = Scratch::new();
    let path = scratch.join("tree");
    disk::make(root, &path);
    let everything = walk(&path, Options::default()).0;
    let files = everything.iter().filter(|node| node.kind == Kind::File).count() as u64;
    for (by_name, threads) in [(true, 0), (true, 3), (false, 1)] {
        let prepare = Prepare::Metadata;
        let options = Options { prepare, by_name, threads: Some(threads), ..Options::default() };
        let (nodes, reading) = walk(&path, options);
        assert_eq!(nodes.len(), everything.len(), "{name}");
        for (node, expected) in nodes.iter().zip(&everything) {
            assert_eq!(node, expected, "{name}, by name: {by_name}");
        }
        assert_eq!(reading.by_name + reading.opened, files, "{name}");
        assert!(by_name || reading.by_name == 0);
    }
}

#[test]
fn metadata_is_the_same_whether_files_are_opened_or_not() {
    if !skip::needs_root_and_ext4("metadata_is_the_same_whether_files_are_opened_or_not") {
        return;
    }
    for seed in 0..12 {
        check(&random::tree(seed, Shape { nodes: 400, on_disk: true }), &format!("seed {seed}"));
    }
    for name in golden::NAMES {
        check(&tree::Node::from_manifest(&golden::manifest(name)), name);
    }
}
