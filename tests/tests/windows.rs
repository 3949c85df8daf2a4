//! What a decoder says does not depend on how its input is cut into windows: golden archives, random trees, and every prefix
//! of an archive.

use pxkit_tests::archive;
use pxkit_tests::golden::{self, ARCHIVED};
use pxkit_tests::random::{self, Shape};
use pxkit_tests::windows::{self, Outcome, Transcript, Windows};

/// The same from all windows; gives what that was.
#[track_caller]
fn same(name: &str, bytes: &[u8], splits: u64) -> [Transcript; 2] {
    let whole = [windows::items(bytes, Windows::Whole), windows::entries(bytes, Windows::Whole)];
    for cut in Windows::all(splits) {
        let what = format!("{name}, {cut:?}");
        assert_eq!(windows::items(bytes, cut.clone()), whole[0], "items of {what}");
        assert_eq!(windows::entries(bytes, cut), whole[1], "entries of {what}");
    }
    whole
}

#[track_caller]
fn complete(name: &str, bytes: &[u8], splits: u64) {
    for transcript in same(name, bytes, splits) {
        assert_eq!(transcript.end, Some(Ok(Outcome::Ended(bytes.len()))), "{name}");
        assert_eq!(transcript.findings, [""; 0], "{name}");
    }
}

#[test]
fn golden_archives() {
    for file in ARCHIVED.iter().flat_map(|name| ["pxar", "mpxar"].map(|kind| format!("{name}.{kind}"))) {
        complete(&file, &golden::archive(&file), 3);
    }
}

#[test]
fn random_trees() {
    for seed in 0..40 {
        let root = random::tree(seed, Shape { nodes: 150, on_disk: false });
        complete(&format!("tree {seed}"), &archive::unified(&root), 2);
        let (meta, _) = archive::split(&root, Some(b"{}"));
        complete(&format!("split tree {seed}"), &meta, 2);
    }
}

#[test]
fn every_prefix_ends_in_the_same_way() {
    let archive = golden::archive("kinds.mpxar");
    for len in 0..archive.len() {
        let [items, entries] = same(&format!("{len} bytes"), &archive[..len], 0);
        assert!(matches!(items.end, Some(Ok(Outcome::Truncated { .. }))), "{len}: {:?}", items.end);
        assert!(matches!(entries.end, Some(Ok(Outcome::Truncated { .. }))), "{len}: {:?}", entries.end);
    }
}
