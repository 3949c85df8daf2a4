//! Files that change after they were listed and before they are read (rule 91).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use pxkit::backup::{Mode, Options};
use pxkit_tests::cli::Run;
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Made, Snapshots};
use pxkit_tests::{cli, describe};

use super::{keeping, number, tree, write};

const MODES: [Mode; 3] = [Mode::Legacy, Mode::Data, Mode::Metadata];

/// Everything but directories, whose times tell what was done in them.
fn nodes(root: &Path) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut tree = describe::tree(root);
    tree.retain(|_, description| !description.iter().any(|line| line.starts_with("mode 4")));
    tree
}

/// Backs up with a change after the listing. What is restored is the tree as it is afterwards.
fn check(
    snapshots: &mut Snapshots,
    tree: &Scratch,
    options: &Options,
    warnings: u64,
    change: impl FnOnce(&Path) + Send + 'static,
) -> Made {
    let root = tree.path().to_owned();
    let made = snapshots.backup_with(tree.path(), options, move || change(&root)).expect("a backup");
    assert_eq!(made.warnings, warnings);
    if options.mode != Mode::Legacy {
        snapshots.check(&made.id);
    }
    assert_eq!(nodes(snapshots.restore(&made.id).path()), nodes(tree.path()));
    made
}

fn append(path: PathBuf, bytes: usize) {
    let mut file = fs::File::options().append(true).open(path).expect("a file");
    file.write_all(&vec![7; bytes]).expect("written");
}

fn cut(path: PathBuf, size: u64) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(size)).expect("resized");
}

const FILES: [(&str, usize); 6] =
    [("a", 5000), ("b", 70_000), ("c/d", 3000), ("c/e", 700_000), ("f", 0), ("g", 100_000)];

#[test]
fn rule_91_files_that_grow_and_shrink_are_stored_as_they_are_opened() {
    for mode in MODES {
        let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
        let made = check(&mut snapshots, &tree, &keeping(mode), 0, |root| {
            append(root.join("a"), 100_000);
            cut(root.join("b"), 10);
            append(root.join("c/d"), 600_000);
            cut(root.join("c/e"), 300_000);
            append(root.join("f"), 1);
            cut(root.join("g"), 0);
        });
        assert_eq!(number(&made, "/read/files"), 6);
    }
}

#[test]
fn rule_91_files_that_vanish_are_left_out_with_a_warning() {
    for mode in MODES {
        for gone in [&["a"][..], &["g"], &["b", "c/d"], &["a", "b", "c/d", "c/e", "f", "g"]] {
            let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
            let made = check(&mut snapshots, &tree, &keeping(mode), gone.len() as u64, |root| {
                gone.iter().for_each(|name| fs::remove_file(root.join(name)).expect("removed"));
            });
            assert_eq!(number(&made, "/vanished"), gone.len() as u64);
        }
    }
}

#[test]
fn rule_91_what_is_no_file_any_more_is_left_out() {
    for mode in MODES {
        let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
        let root = tree.path().to_owned();
        let made = snapshots.backup_with(tree.path(), &keeping(mode), move || {
            fs::remove_file(root.join("a")).expect("removed");
            symlink("b", root.join("a")).expect("a symlink");
            fs::remove_file(root.join("b")).expect("removed");
            fs::create_dir(root.join("b")).expect("a directory");
            fs::rename(root.join("c"), root.join("elsewhere")).expect("renamed");
            symlink("elsewhere", root.join("c")).expect("a symlink");
        });
        let made = made.expect("a backup");
        assert_eq!((number(&made, "/vanished"), made.warnings), (4, 4));
        // Nothing was read through the symlinks.
        let restored = snapshots.restore(&made.id);
        let names = nodes(restored.path());
        assert_eq!(names.keys().map(Vec::as_slice).collect::<Vec<_>>(), [b"f", b"g"]);
    }
}

#[test]
fn rule_91_another_file_of_the_name_is_stored_as_it_is() {
    for mode in MODES {
        let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
        check(&mut snapshots, &tree, &keeping(mode), 0, |root| {
            write(root, "new", 50, 90_000);
            fs::rename(root.join("new"), root.join("a")).expect("renamed");
            write(root, "new", 51, 900);
            fs::rename(root.join("new"), root.join("c/e")).expect("renamed");
        });
    }
}

/// Between files that keep their chunks.
#[test]
fn rule_91_changes_beside_files_that_are_used_again() {
    for (change, warnings) in [
        ((|root: &Path| fs::remove_file(root.join("c/e")).expect("removed")) as fn(&Path), 1),
        (|root| append(root.join("c/e"), 50_000), 0),
        (|root| cut(root.join("c/e"), 5), 0),
    ] {
        let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
        let options = keeping(Mode::Metadata);
        snapshots.backup(tree.path(), &options);
        write(tree.path(), "c/e", 60, 80_000);
        let made = check(&mut snapshots, &tree, &options, warnings, change);
        assert!(number(&made, "/reused/files") >= 3);
        let made = snapshots.backup(tree.path(), &options);
        snapshots.check(&made.id);
        assert_eq!(nodes(snapshots.restore(&made.id).path()), nodes(tree.path()));
    }
}

/// What keeps its chunks is not looked at again: the snapshot has it as it was listed.
#[test]
fn rule_91_a_file_that_is_used_again_may_vanish() {
    let (tree, mut snapshots) = (tree(&FILES), Snapshots::new());
    let options = keeping(Mode::Metadata);
    snapshots.backup(tree.path(), &options);
    let (before, path) = (nodes(tree.path()), tree.join("b"));
    let made = snapshots.backup_with(tree.path(), &options, || fs::remove_file(path).expect("removed"));
    let made = made.expect("a backup");
    assert_eq!((number(&made, "/reused/files"), made.warnings), (6, 0));
    assert_eq!(nodes(snapshots.restore(&made.id).path()), before);
}

/// `b`, `c/link` and `z` are one file.
fn linked() -> Scratch {
    let tree = tree(&FILES);
    fs::hard_link(tree.join("b"), tree.join("c/link")).expect("linked");
    fs::hard_link(tree.join("b"), tree.join("z")).expect("linked");
    tree
}

#[test]
fn rule_91_the_first_name_vanishes_and_the_next_is_the_file() {
    for mode in MODES {
        let (tree, mut snapshots) = (linked(), Snapshots::new());
        check(&mut snapshots, &tree, &keeping(mode), 1, |root| {
            fs::remove_file(root.join("b")).expect("removed")
        });
        let (tree, mut snapshots) = (linked(), Snapshots::new());
        check(&mut snapshots, &tree, &keeping(mode), 2, |root| {
            fs::remove_file(root.join("b")).expect("removed");
            fs::remove_file(root.join("c/link")).expect("removed");
        });
    }
}

#[test]
fn rule_91_the_first_name_becomes_another_file() {
    for mode in MODES {
        let (tree, mut snapshots) = (linked(), Snapshots::new());
        check(&mut snapshots, &tree, &keeping(mode), 0, |root| {
            write(root, "new", 50, 1000);
            fs::rename(root.join("new"), root.join("b")).expect("renamed");
        });
    }
}

/// Its names stay one file, whatever happens to that.
#[test]
fn rule_91_a_file_of_several_names_changes() {
    for mode in MODES {
        let (tree, mut snapshots) = (linked(), Snapshots::new());
        let made = check(&mut snapshots, &tree, &keeping(mode), 0, |root| append(root.join("z"), 10_000));
        assert_eq!(number(&made, "/read/files"), 6);
        // Another name more, or less, changes the time of the inode.
        let (tree, mut snapshots) = (linked(), Snapshots::new());
        let root = tree.path().to_owned();
        let made = snapshots.backup_with(tree.path(), &keeping(mode), move || {
            fs::hard_link(root.join("b"), root.join("c/more")).expect("linked");
            fs::remove_file(root.join("c/more")).expect("removed");
        });
        let restored = snapshots.restore(&made.expect("a backup").id);
        assert_eq!(nodes(restored.path()), nodes(tree.path()));
        assert_eq!(fs::metadata(restored.join("b")).expect("a file").nlink(), 3);
    }
}

/// Rule 34: files in many directories, read with few descriptors.
#[test]
fn rule_34_and_o8_descriptors_are_bounded() {
    let (tree, scratch) = (Scratch::new(), Scratch::new());
    for directory in 0..1500 {
        let path = tree.join(&format!("{directory:04}"));
        fs::create_dir(&path).expect("a directory");
        fs::write(path.join("f"), [7]).expect("written");
    }
    fs::create_dir_all(scratch.join("store/.chunks")).expect("a directory");
    let script = r#"ulimit -n 600; "$PXKIT" backup --repository "$1" --backup-id a "root.pxar:$2" --json"#;
    let run = Run::of(cli::shell(script, &[&scratch.join("store"), &tree.path()])).exits(0);
    let json = &run.json()[0];
    assert_eq!(json["archives"][0]["read"]["files"], 1500, "{json}");
}
