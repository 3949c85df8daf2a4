//! `pxkit bench`: sets, and what is refused.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pxkit_tests::disk::Scratch;
use pxkit_tests::pxkit;
use serde_json::Value;

fn set(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("set.json")).unwrap()).unwrap()
}

#[test]
fn a_small_set_is_prepared_once_and_the_same_everywhere() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    for dir in [&one, &two] {
        pxkit!["bench", "prepare", "small", "--files", "300", "--generations", "3", "--target", dir]
            .succeeds();
    }
    let prepared = set(&one);
    assert_eq!(prepared, set(&two));
    let generations = prepared["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 3);
    assert!(generations.iter().skip(1).all(|generation| {
        let changed = generation["changed_files"].as_u64().unwrap();
        generation["files"] == 300 && (2..=4).contains(&changed)
    }));

    // The tree is at the first generation, its files are text, and all have the time of that generation.
    let files: Vec<_> = fs::read_dir(one.join("tree/00/000")).unwrap().flatten().collect();
    assert_eq!(files.len(), 250);
    for file in &files {
        let text = fs::read_to_string(file.path()).unwrap();
        assert!((512..=6144).contains(&text.len()));
        assert_eq!(file.metadata().unwrap().mtime(), 1_700_000_000);
    }

    // Again: nothing happens, or nothing that was not asked for.
    let inode = files[0].metadata().unwrap().ino();
    pxkit!["bench", "prepare", "small", "--files", "300", "--generations", "3", "--target", &one].succeeds();
    assert_eq!(files[0].path().metadata().unwrap().ino(), inode);
    pxkit!["bench", "prepare", "small", "--files", "200", "--generations", "3", "--target", &one]
        .fails(2, &["holds another set"]);
}

#[test]
fn what_a_set_has_not_is_refused() {
    let scratch = Scratch::new();
    let dir = scratch.join("set");
    pxkit!["bench", "prepare", "small", "--scale", "1", "--target", &dir].fails(2, &["--scale"]);
    pxkit!["bench", "prepare", "coco", "--scale", "-1", "--target", &dir].exits(64);
    pxkit!["bench", "prepare", "coco", "--scale=nan", "--target", &dir].fails(2, &["--scale"]);
    pxkit!["bench", "prepare", "frob", "--target", &dir].exits(64);
    assert!(!dir.exists());
}

#[test]
fn a_plain_directory_needs_a_place_for_its_stores() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "x").unwrap();
    pxkit!["bench", "run", scratch.path()].fails(2, &["--repository"]);
    pxkit!["bench", "run", "--extend", "2", scratch.path()].fails(2, &["bench prepare"]);
    pxkit!["bench", "run", "--modes", "frob", scratch.path()].exits(64);
    pxkit!["bench", "run", "/nowhere/at/all"].fails(2, &["/nowhere/at/all"]);
    let store = scratch.join("stores/data");
    fs::create_dir_all(&store).unwrap();
    pxkit!["bench", "run", "--modes", "data", "--repository", scratch.join("stores"), scratch.path()]
        .fails(2, &["stores/data exists already"]);
    assert!(store.exists());
}

#[test]
fn man_pages_tell_the_options_of_both_commands() {
    let scratch = Scratch::new();
    pxkit!["man-pages", scratch.path()].succeeds();
    for (command, options) in [
        ("prepare", ["--target", "--versions", "--scale", "--files", "--seed"]),
        ("run", ["--reuse", "--padding-budget", "--cuts", "--extend", "--restore"]),
    ] {
        let page =
            fs::read_to_string(scratch.join(&format!("pxkit-bench-{command}.1"))).unwrap().replace('\\', "");
        assert!(options.iter().all(|option| page.contains(option)), "{command}");
    }
}
