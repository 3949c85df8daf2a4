//! `pxkit backup --verify-reused`: what metadata cannot see is found.

use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use pxkit::backup::{Mode, Options};
use pxkit::crypt::Crypt;
use pxkit_tests::churn::Churn;
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::skip;
use pxkit_tests::snapshots::{Snapshots, options};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

fn checking(one_in: u32) -> Options {
    Options { verify_reused: NonZeroU32::new(one_in), ..options(Mode::Metadata) }
}

fn set_time(path: &Path) {
    let time = Timespec { tv_sec: 1_500_000_000, tv_nsec: 7 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::empty()).expect("a time");
}

/// Small and large files, none of which was modified lately.
fn plant(tree: &Path, rng: &mut Rng) {
    for (directory, size) in [("small", 3_000), ("middle", 50_000), ("large", 700_000)] {
        fs::create_dir_all(tree.join(directory)).expect("a directory");
        for number in 0..if size > 100_000 { 3 } else { 40 } {
            let path = tree.join(format!("{directory}/{number:02}"));
            fs::write(&path, rng.bytes(size)).expect("a file");
            set_time(&path);
        }
    }
}

/// Another byte in place; size and times stay.
fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("a byte");
    drop(file);
    set_time(path);
}

#[track_caller]
fn is_restored(snapshots: &Snapshots, id: &pxkit::store::SnapshotId, tree: &Path, name: &str) -> bool {
    let restored = snapshots.restore(id);
    let found = walk(restored.path(), name).expect("the file");
    found == fs::read(tree.join(name)).expect("a file")
}

/// The bytes of a file below a directory, wherever the restored tree begins.
fn walk(root: &Path, name: &str) -> Option<Vec<u8>> {
    if let Ok(bytes) = fs::read(root.join(name)) {
        return Some(bytes);
    }
    let entries = fs::read_dir(root).ok()?.filter_map(Result::ok);
    entries.filter(|entry| entry.path().is_dir()).find_map(|entry| walk(&entry.path(), name))
}

#[test]
fn all_finds_a_flipped_byte_at_once() {
    for (name, at, is_encrypted) in [
        ("small/07", 5, false),
        ("middle/20", 49_999, false),
        ("large/01", 400_000, false),
        ("large/02", 0, true),
    ] {
        let (scratch, mut rng) = (Scratch::new(), Rng::new(3));
        let tree = scratch.join("tree");
        plant(&tree, &mut rng);
        let key = golden::key();
        let (mut snapshots, crypt) = match is_encrypted {
            true => (Snapshots::new().with_key(&key), Crypt::encrypt(key.clone())),
            false => (Snapshots::new(), Crypt::NONE),
        };
        let all = Options { crypt, ..checking(1) };
        snapshots.backup(&tree, &all);
        let quiet = snapshots.backup(&tree, &all);
        let checked = &quiet.summary.archives[0].checked;
        assert_eq!((checked.differing, checked.skipped, quiet.warnings), (0, 0, 0), "{name}");
        assert!(checked.bytes > 4_000_000, "{name}: {checked:?}");

        flip(&tree.join(name), at);
        // Metadata says nothing.
        let blind = snapshots.backup(&tree, &Options { verify_reused: None, ..all.clone() });
        assert!(!is_restored(&snapshots, &blind.id, &tree, name), "{name}");
        let found = snapshots.backup(&tree, &all);
        let checked = &found.summary.archives[0].checked;
        assert_eq!((checked.differing, found.warnings), (1, 1), "{name}: {checked:?}");
        assert!(checked.files.files >= 1, "{name}: {checked:?}");
        assert_eq!(found.json["verified"]["differing"], 1);
        assert!(is_restored(&snapshots, &found.id, &tree, name), "{name}");
        // And that is that.
        let after = snapshots.backup(&tree, &all);
        assert_eq!((after.summary.archives[0].checked.differing, after.warnings), (0, 0), "{name}");
        snapshots.verify();
    }
}

#[test]
fn one_in_four_finds_it_within_four_runs() {
    for (seed, name) in ["small/00", "small/39", "middle/11", "large/00"].into_iter().enumerate() {
        let (scratch, mut rng) = (Scratch::new(), Rng::new(seed as u64));
        let tree = scratch.join("tree");
        plant(&tree, &mut rng);
        let (mut snapshots, sampled) = (Snapshots::new(), checking(4));
        snapshots.backup(&tree, &sampled);
        flip(&tree.join(name), 100);
        let found: Vec<u64> =
            (0..8).map(|_| snapshots.backup(&tree, &sampled).summary.archives[0].checked.differing).collect();
        assert_eq!(found[..4].iter().sum::<u64>(), 1, "{name}: {found:?}");
        assert_eq!(found.iter().sum::<u64>(), 1, "{name}: {found:?}");
        let last = snapshots.finished().pop().expect("a snapshot");
        assert!(is_restored(&snapshots, &last, &tree, name), "{name}");
    }
}

#[test]
fn chunks_with_padding_are_compared_with_what_is_stored() {
    let (scratch, mut rng) = (Scratch::new(), Rng::new(9));
    let tree = scratch.join("tree");
    plant(&tree, &mut rng);
    let (mut snapshots, all) = (Snapshots::new(), checking(1));
    snapshots.backup(&tree, &all);
    // Neighbours that are gone leave padding, which the budget allows.
    for name in ["small/05", "small/17"] {
        fs::remove_file(tree.join(name)).expect("removed");
    }
    let padded = snapshots.backup(&tree, &all);
    assert!(padded.json["padding"]["bytes"].as_u64() > Some(0), "{}", padded.json);
    assert_eq!((padded.summary.archives[0].checked.differing, padded.warnings), (0, 0));
    flip(&tree.join("small/06"), 2_999);
    flip(&tree.join("small/18"), 0);
    let found = snapshots.backup(&tree, &all);
    assert_eq!(found.warnings, 2, "each is named, and nothing else");
    assert!(found.summary.archives[0].checked.differing > 0);
    for name in ["small/06", "small/18", "small/04"] {
        assert!(is_restored(&snapshots, &found.id, &tree, name), "{name}");
    }
}

#[test]
fn no_false_alarm_in_a_hundred_generations() {
    if !rustix::process::geteuid().is_root() {
        return skip("no_false_alarm_in_a_hundred_generations", "needs root");
    }
    let (scratch, mut snapshots) = (Scratch::new(), Snapshots::new());
    let tree = scratch.join("tree");
    fs::create_dir(&tree).expect("a directory");
    let mut churn = Churn::plant(5, &tree, 200);
    let mut compared = 0;
    for generation in 0..100 {
        let made = snapshots.backup(&tree, &Options { append: generation % 10 == 9, ..checking(1) });
        let checked = &made.summary.archives[0].checked;
        assert_eq!((checked.differing, made.warnings), (0, 0), "generation {generation}: {:?}", churn.log);
        compared += checked.chunks;
        churn.step();
    }
    assert!(compared > 200, "{compared}");
}
