//! Our trees on disk are those that `make_tree.py`, which defines the manifests, makes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use pxkit_tests::describe::{attribute_names, describe, names};
use pxkit_tests::disk::{self, Scratch};
use pxkit_tests::random::{self, Shape};
use pxkit_tests::tree::{Kind, Node, Visit};
use pxkit_tests::{acl::Acl, golden, skip};

fn at(root: &Path, path: &[u8]) -> std::path::PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(path)) }
}

#[test]
fn golden_trees_are_those_of_the_script() {
    const NAME: &str = "golden_trees_are_those_of_the_script";
    if !skip::needs_root_and_ext4(NAME) {
        return;
    }
    for tool in ["python3", "setfacl", "chattr"] {
        if Command::new(tool).arg("--version").output().is_err() {
            skip::skip(NAME, &format!("needs {tool}"));
            return;
        }
    }
    for name in golden::NAMES {
        let scratch = Scratch::new();
        let (ours, scripts) = (scratch.join("ours"), scratch.join("script"));
        let root = Node::from_manifest(&golden::manifest(name));
        disk::make(&root, &ours);
        let mut script = Command::new("python3");
        script.arg(golden::path("make_tree.py")).arg(golden::path(&format!("{name}.json"))).arg(&scripts);
        assert!(script.status().unwrap().success());
        root.walk(&mut |path, visit| {
            let Visit::Node(node) = visit else { return };
            let (ours, scripts) = (at(&ours, path), at(&scripts, path));
            assert_eq!(describe(&ours), describe(&scripts), "{name}: {}", path.escape_ascii());
            if let Kind::Directory(children) = &node.kind {
                let expected: Vec<_> = children.iter().map(|child| child.name.clone()).collect();
                assert_eq!(names(&ours), expected, "{name}: {}", path.escape_ascii());
                assert_eq!(names(&scripts), expected, "{name}: {}", path.escape_ascii());
            }
        });
    }
}

#[test]
fn random_trees_can_be_made_and_removed() {
    if !skip::needs_root_and_ext4("random_trees_can_be_made_and_removed") {
        return;
    }
    for seed in 0..8 {
        let scratch = Scratch::new();
        let root = random::tree(seed, Shape { nodes: 300, on_disk: true });
        disk::make(&root, &scratch.join("tree"));
        root.walk(&mut |path, visit| {
            let Visit::Node(node) = visit else { return };
            let on_disk = at(&scratch.join("tree"), path);
            let stat = fs::symlink_metadata(&on_disk).unwrap();
            if matches!(node.kind, Kind::Hardlink { .. }) {
                assert!(stat.nlink() > 1);
                return;
            }
            let expected = node.stat;
            assert_eq!(u64::from(stat.mode()), expected.mode, "{}", on_disk.display());
            assert_eq!((stat.uid(), stat.gid()), (expected.uid, expected.gid));
            assert_eq!((stat.mtime(), stat.mtime_nsec()), (expected.mtime.secs, expected.mtime.nanos.into()));
            let acl = attribute_names(&on_disk).iter().any(|name| name == b"system.posix_acl_access");
            assert_eq!(
                acl,
                Acl::access_of(expected.mode, &node.attributes).is_some(),
                "{}",
                on_disk.display()
            );
        });
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists(), "{} was not removed", path.display());
    }
}
