//! What a mount shows is what the archive holds: contents and all metadata.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use pxkit::backup::Mode;
use pxkit_tests::cli::Run;
use pxkit_tests::disk::{self, Scratch};
use pxkit_tests::random::{self, Shape};
use pxkit_tests::skip::needs_root_and_ext4;
use pxkit_tests::snapshots::{Snapshots, options};
use pxkit_tests::{archive, cli, describe, golden, pxkit};

use super::support::{Mount, needs_fuse, needs_root};

const ARCHIVES: [&str; 5] = ["kinds", "attributes", "names", "goodbye", "wide"];

fn files(name: &str) -> [PathBuf; 2] {
    ["pxar", "mpxar"].map(|half| golden::path(&format!("archives/{name}.{half}")))
}

/// Everything below a directory, but for the link counts of directories, which no archive has.
fn tree(root: &Path) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut tree = describe::tree(root);
    for lines in tree.values_mut().filter(|lines| lines.iter().any(|line| line.starts_with("mode 4"))) {
        lines.retain(|line| !line.starts_with("names "));
    }
    tree
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, lines) in &one {
        assert_eq!(lines, &other[path], "{}", path.escape_ascii());
    }
}

#[test]
fn golden_archives_look_as_extracted() {
    let name = "golden_archives_look_as_extracted";
    if !needs_fuse(name) || !needs_root_and_ext4(name) {
        return;
    }
    for archive in ARCHIVES {
        for file in files(archive) {
            let scratch = Scratch::new();
            let mut command = cli::command();
            command.arg("extract").arg(&file).arg(scratch.join("out"));
            if file.extension() == Some(OsStr::new("mpxar")) {
                command.arg("--payload-input").arg(file.with_extension("ppxar"));
            }
            Run::of(command).exits(0);
            let mount = Mount::new(&file, &[]);
            assert_same(&mount.path(), &scratch.join("out"));
            assert_eq!(mount.messages(), "");
            mount.end();
        }
    }
}

/// The kernel gives back whatever `create` asks of it.
#[test]
fn archives_made_of_a_mount_are_the_same_bytes() {
    let name = "archives_made_of_a_mount_are_the_same_bytes";
    if !needs_fuse(name) || !needs_root(name) {
        return;
    }
    // Of FUSE, archives take no ACLs: they do not have those of `attributes`.
    for archive in ["kinds", "names", "goodbye", "wide"] {
        for file in files(archive) {
            let (mount, scratch) = (Mount::new(&file, &[]), Scratch::new());
            pxkit!["create", scratch.join("again"), mount.path()].exits(0);
            let same = fs::read(scratch.join("again")).unwrap() == fs::read(&files(archive)[0]).unwrap();
            assert!(same, "{}", file.display());
        }
    }
}

#[test]
fn golden_snapshots_look_as_restored() {
    let name = "golden_snapshots_look_as_restored";
    if !needs_fuse(name) || !needs_root_and_ext4(name) {
        return;
    }
    let (store, key) = (golden::path("datastore"), golden::path("key.json"));
    for (snapshot, key) in [
        ("host/legacy/latest", None),
        ("host/data/latest", None),
        ("host/meta/2026-11-22T21:15:56Z", None),
        ("host/sign/latest", Some(&key)),
        ("host/enc/latest", Some(&key)),
    ] {
        let scratch = Scratch::new();
        let mut arguments = vec![OsStr::new("--repository"), store.as_os_str()];
        if let Some(key) = key {
            arguments.extend([OsStr::new("--keyfile"), key.as_os_str()]);
        }
        let mut command = cli::command();
        command.args(["restore", snapshot, "tree.pxar"]).arg(scratch.join("out")).args(&arguments);
        Run::of(command).exits(0);
        let archive = Mount::new(format!("{snapshot}/tree.pxar"), &arguments);
        assert_same(&archive.path(), &scratch.join("out"));
        archive.end();
        let whole = Mount::new(snapshot, &arguments);
        assert_eq!(describe::names(&whole.path()), [b"tree.pxar"]);
        assert_same(&whole.path().join("tree.pxar"), &scratch.join("out"));
        assert_eq!(whole.messages(), "");
    }
}

#[test]
fn random_trees_look_as_on_disk() {
    let name = "random_trees_look_as_on_disk";
    if !needs_fuse(name) || !needs_root_and_ext4(name) {
        return;
    }
    for seed in 0..6 {
        let (tree, scratch) = (random::tree(seed, Shape { nodes: 150, on_disk: true }), Scratch::new());
        disk::make(&tree, &scratch.join("tree"));
        let (meta, payload) = archive::split(&tree, None);
        fs::write(scratch.join("a.pxar"), archive::unified(&tree)).unwrap();
        fs::write(scratch.join("a.mpxar"), meta).unwrap();
        fs::write(scratch.join("a.ppxar"), payload).unwrap();
        for file in ["a.pxar", "a.mpxar"] {
            let mount = Mount::new(scratch.join(file), &[]);
            assert_same(&mount.path(), &scratch.join("tree"));
            assert_eq!(mount.messages(), "", "tree {seed}");
        }
    }
}

#[test]
fn snapshots_in_all_modes_look_as_on_disk() {
    let name = "snapshots_in_all_modes_look_as_on_disk";
    if !needs_fuse(name) || !needs_root_and_ext4(name) {
        return;
    }
    let (tree, scratch) = (random::tree(77, Shape { nodes: 600, on_disk: true }), Scratch::new());
    disk::make(&tree, &scratch.join("tree"));
    for mode in [Mode::Legacy, Mode::Data, Mode::Metadata] {
        let mut snapshots = Snapshots::new();
        let made = snapshots.backup(&scratch.join("tree"), &options(mode));
        let root = snapshots.root();
        let mount =
            Mount::new(format!("{}/root.pxar", made.id), &[OsStr::new("--repository"), root.as_os_str()]);
        assert_same(&mount.path(), &scratch.join("tree"));
        assert_eq!(mount.messages(), "");
    }
}

#[test]
fn inode_numbers_stay_and_links_share_theirs() {
    let name = "inode_numbers_stay_and_links_share_theirs";
    if !needs_fuse(name) || !needs_root(name) {
        return;
    }
    let numbers = || {
        let mount = Mount::new(golden::path("archives/kinds.mpxar"), &[]);
        let mut all = BTreeMap::new();
        for name in describe::names(&mount.path()) {
            use std::os::unix::ffi::OsStrExt as _;
            let metadata = fs::symlink_metadata(mount.path().join(OsStr::from_bytes(&name))).unwrap();
            all.insert(name, (metadata.ino(), metadata.nlink()));
        }
        all
    };
    let first = numbers();
    assert_eq!(first, numbers());
    let of = |name: &[u8]| first[name];
    assert_eq!(of(b"a-text"), of(b"zz-hard-3"));
    assert_eq!((of(b"a-text").1, of(b"hard-2").1, of(b"empty").1), (3, 2, 1));
    let different: std::collections::BTreeSet<_> = first.values().map(|(ino, _)| ino).collect();
    // `a-text` and `zz-hard-3` are one file; the others' further names lie elsewhere.
    assert_eq!(different.len(), first.len() - 1);
}
