//! Every snapshot that a real server wrote restores to the tree that was backed up.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pxkit::cli::{Extracting, OpenArgs, RepositoryArgs, Restore, Talk};
use pxkit::cmd::restore::restore;
use pxkit::crypt::{Keyring, Origin, WithoutKey};
use pxkit::report::{Outcome, Report};
use pxkit::store::{Local, Namespace, OpenSnapshot, Options, Snapshot, SnapshotName};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{describe, generations, golden};

/// All snapshots, with the generation of the tree in them.
const SNAPSHOTS: &[(&str, u32)] = &[
    ("host/data/latest", 0),
    ("host/meta/2026-11-22T21:15:54Z", 0),
    ("host/meta/2026-11-22T21:15:55Z", 0),
    ("host/meta/2026-11-22T21:15:56Z", 1),
    ("host/meta/2026-11-22T21:15:58Z", 2),
    ("host/legacy/2026-11-22T21:15:58Z", 2),
    ("host/sign/latest", 2),
    ("host/enc/latest", 2),
];
/// The one that was made with `--exclude '/dir5/small0*'`.
const EXCLUDED: &str = "host/meta/2026-11-22T21:15:55Z";

fn stored(name: &str) -> Arc<dyn OpenSnapshot> {
    let store = Local::open(&golden::path("datastore"), Options::default()).expect("a datastore");
    let name: SnapshotName = name.parse().expect("a name");
    name.open(&store, &Namespace::default()).expect("a snapshot")
}

/// With the key that lies at the default place: most snapshots are not signed.
fn open(name: &str) -> Snapshot {
    let keyring = Keyring::with(golden::key(), Origin::Default);
    keyring.open(stored(name), WithoutKey::Refuse, &Report::new(true)).expect("the right key")
}

fn arguments(snapshot: &str, target: PathBuf, patterns: &[&str]) -> Restore {
    let talk = Talk { quiet: true, ..Talk::default() };
    Restore {
        snapshot: snapshot.parse().expect("a name"),
        archive: "tree.pxar".to_owned(),
        target,
        patterns: patterns.iter().map(Into::into).collect(),
        repository: RepositoryArgs::default(),
        open: OpenArgs::default(),
        how: Extracting { no_owner: true, talk, ..Extracting::default() },
    }
}

/// The tree of a snapshot as it should be.
fn expected(scratch: &Scratch, snapshot: &str, generation: u32) -> PathBuf {
    let tree = scratch.join("expected");
    fs::create_dir(&tree).unwrap();
    generations::make(&tree, generation).unwrap();
    if snapshot == EXCLUDED {
        for file in 0..10 {
            fs::remove_file(tree.join(format!("dir5/small0{file}"))).unwrap();
        }
        generations::finish(&tree).unwrap();
    }
    tree
}

/// Compares two trees, but for the time of the symlink, which nobody wrote down.
#[track_caller]
fn assert_same(expected: &Path, restored: &Path) {
    assert_eq!(fs::read_link(restored.join("link")).unwrap(), Path::new("large"));
    let [mut expected, mut restored] = [expected, restored].map(describe::tree);
    expected.remove(&b"link"[..]);
    restored.remove(&b"link"[..]);
    assert_eq!(expected.keys().collect::<Vec<_>>(), restored.keys().collect::<Vec<_>>());
    for (path, description) in &expected {
        assert_eq!(description, &restored[path], "{}", path.escape_ascii());
    }
}

#[test]
fn every_snapshot_restores_to_its_generation() {
    for &(snapshot, generation) in SNAPSHOTS {
        let scratch = Scratch::new();
        let expected = expected(&scratch, snapshot, generation);
        let target = scratch.join("restored");
        let outcome = restore(open(snapshot), &arguments(snapshot, target.clone(), &[])).unwrap();
        assert_eq!(outcome, Outcome::Complete, "{snapshot}");
        assert_same(&expected, &target);
    }
}

#[test]
fn patterns_restore_parts() {
    for &(snapshot, generation) in SNAPSHOTS {
        let scratch = Scratch::new();
        let expected = expected(&scratch, snapshot, generation);
        let target = scratch.join("restored");
        let patterns = ["/dir2", "!/dir2/small*", "text"];
        restore(open(snapshot), &arguments(snapshot, target.clone(), &patterns)).unwrap();
        let whole = describe::tree(&expected);
        let parts = describe::tree(&target);
        let mut names: Vec<_> = parts.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        names.retain(|name| name != "dir2/new-file");
        assert_eq!(names, ["", "dir2", "dir2/medium", "text"], "{snapshot}");
        assert_eq!(parts.contains_key(&b"dir2/new-file"[..]), generation > 0);
        for (path, mut description) in parts {
            let mut all = whole[&path].clone();
            // Directories have fewer names.
            for lines in [&mut description, &mut all] {
                lines.retain(|line| !line.starts_with("names "));
            }
            assert_eq!(description, all, "{}", path.escape_ascii());
        }
    }
}

#[test]
fn a_link_without_its_file_becomes_the_file() {
    for &(snapshot, _) in SNAPSHOTS {
        let scratch = Scratch::new();
        let name = "/dir5/medium-hard";
        restore(open(snapshot), &arguments(snapshot, scratch.join("out"), &[name])).unwrap();
        let bytes = fs::read(scratch.join("out/dir5/medium-hard")).unwrap();
        assert_eq!(
            golden::sha256(&bytes),
            golden::sha256(&pxkit_tests::random::Rng::new(1000).bytes(180_000))
        );
    }
}

#[test]
fn what_is_encrypted_is_refused_before_anything_is_made() {
    let scratch = Scratch::new();
    let target = scratch.join("out");
    let error = restore(stored("host/enc/latest"), &arguments("host/enc/latest", target.clone(), &[]));
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("tree.mpxar.didx is encrypted"), "{error}");
    assert!(!target.exists());
}
