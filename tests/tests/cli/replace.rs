//! `pxkit extract` over what exists, and with archives that lack something: what was there is not lost for nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::{golden, pxkit, skip};

/// A scratch directory with `src` (two files in two directories), and `a.mpxar` and `a.ppxar` of it.
fn split() -> Scratch {
    let scratch = Scratch::new();
    super::create::plant(&scratch.join("src"), &[("a/one", "first contents"), ("b/two", "second")]);
    let payload = scratch.join("a.ppxar");
    pxkit!["create", scratch.join("a.mpxar"), scratch.join("src"), "--payload-output", payload].succeeds();
    scratch
}

#[test]
fn a_wrong_payload_file_destroys_nothing() {
    let scratch = split();
    let out = scratch.join("out");
    let over = ["--overwrite", "--allow-existing-dirs", "--payload-input"];
    pxkit!["extract", scratch.join("a.mpxar"), &out, "--payload-input", scratch.join("a.ppxar")].exits(0);
    let kinds = golden::path("archives/kinds.ppxar");
    let wrong = pxkit!["extract", scratch.join("a.mpxar"), &out, over[0], over[1], over[2], kinds].exits(1);
    assert!(wrong.err.contains("/a/one") && wrong.err.contains("/b/two"), "{}", wrong.err);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!((read("a/one"), read("b/two")), ("first contents".into(), "second".into()));
    // No temporary names stay.
    assert_eq!(fs::read_dir(out.join("a")).unwrap().count(), 1);
    // With the right one, files are replaced by new ones.
    let before = fs::metadata(out.join("a/one")).unwrap().ino();
    fs::hard_link(out.join("a/one"), scratch.join("other-name")).unwrap();
    fs::write(out.join("b/two"), "changed").unwrap();
    let right = scratch.join("a.ppxar");
    pxkit!["extract", scratch.join("a.mpxar"), &out, over[0], over[1], over[2], right].exits(0);
    assert_eq!(read("b/two"), "second");
    assert_ne!(fs::metadata(out.join("a/one")).unwrap().ino(), before);
    assert_eq!(fs::metadata(scratch.join("other-name")).unwrap().ino(), before);
    assert_eq!(fs::read_dir(out.join("a")).unwrap().count(), 1);
}

#[test]
fn what_to_do_about_what_is_in_the_way_is_said_once() {
    let (replace, enter) = ("--overwrite replaces it", "--allow-existing-dirs takes those");
    let scratch = Scratch::new();
    let (path, out) = (scratch.join("a.pxar"), scratch.join("out"));
    super::create::plant(
        &scratch.join("src"),
        &[("one", "1"), ("two", "2"), ("a/three", "3"), ("b/four", "4")],
    );
    pxkit!["create", &path, scratch.join("src")].succeeds();
    let said = |options: &[&str], code: i32| {
        let mut command = cli::command();
        command.arg("extract").arg(&path).arg(&out).args(options);
        let run = Run::of(command).exits(code);
        [replace, enter].map(|advice| run.err.matches(advice).count())
    };
    assert_eq!(said(&[], 0), [0, 0]);
    assert_eq!(said(&[], 1), [1, 1]);
    assert_eq!(said(&["--overwrite"], 1), [0, 1]);
    assert_eq!(said(&["--allow-existing-dirs"], 1), [1, 0]);
    assert_eq!(said(&["--allow-existing-dirs", "--overwrite"], 0), [0, 0]);
}

#[test]
fn a_forgotten_payload_file_is_noticed_before_anything_is_made() {
    let scratch = split();
    let out = scratch.join("out");
    pxkit!["extract", scratch.join("a.mpxar"), &out].fails(2, &["a.mpxar", "--payload-input"]);
    assert!(!out.exists());
}

#[test]
fn paths_are_found_by_reading_where_tables_are_damaged() {
    let scratch = Scratch::new();
    super::create::plant(&scratch.join("src"), &[("a/one", "first"), ("name", "x")]);
    let archive = scratch.join("a.pxar");
    pxkit!["create", &archive, scratch.join("src")].succeeds();
    let mut bytes = fs::read(&archive).unwrap();
    bytes.extend_from_slice(b"trailing");
    fs::write(&archive, &bytes).unwrap();
    let run = pxkit!["extract", &archive, scratch.join("out"), "--pattern", "/a/one"].exits(1);
    assert!(run.err.contains("cannot be searched"), "{}", run.err);
    assert_eq!(fs::read_to_string(scratch.join("out/a/one")).unwrap(), "first");
    assert!(!scratch.join("out/name").exists());
}

#[test]
fn an_empty_list_is_not_everything() {
    let scratch = Scratch::new();
    super::create::plant(&scratch.join("src"), &[("name", "x")]);
    let archive = scratch.join("a.pxar");
    pxkit!["create", &archive, scratch.join("src")].succeeds();
    fs::write(scratch.join("list"), "\n# nothing\n\n").unwrap();
    let out = scratch.join("out");
    pxkit!["extract", &archive, &out, "--files-from", scratch.join("list")]
        .fails(2, &["list", "no patterns"]);
    assert!(!out.exists());
}

#[test]
fn owners_can_be_left_as_they_come() {
    if !skip::needs_root_and_ext4("cli: owners_can_be_left_as_they_come") {
        return;
    }
    let scratch = Scratch::new();
    let out = scratch.join("out");
    pxkit!["extract", golden::path("archives/kinds.pxar"), &out, "--no-owner", "--no-device-nodes"].exits(0);
    let owner = |name: &str| {
        let metadata = fs::symlink_metadata(out.join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner("seeded-4097"), (0, 0));
    let kept = scratch.join("kept");
    pxkit!["extract", golden::path("archives/kinds.pxar"), &kept, "--no-device-nodes"].exits(0);
    assert_eq!(fs::metadata(kept.join("seeded-4097")).unwrap().uid(), 1000);
}
