//! What need not be read.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use pxkit::backup::Mode;
use pxkit_tests::describe;
use pxkit_tests::skip::needs_root_and_ext4;
use rustix::fs::{IFlags, XattrFlags, ioctl_getflags, ioctl_setflags, setxattr};

use super::{AUTO, STRICT, World, looked_into, number, read, settle};

const FILES: [(&str, usize); 7] = [
    ("a", 5000),
    ("b/c", 70_000),
    ("b/d/e", 300),
    ("b/d/f", 700_000),
    ("empty", 0),
    ("g/h", 100_000),
    ("g/i", 1),
];

fn set(path: &Path, name: &str, value: &str) {
    setxattr(path, name, value.as_bytes(), XattrFlags::empty()).expect("an attribute");
}

#[test]
fn what_nobody_touched_is_not_asked_for_its_metadata() {
    if !needs_root_and_ext4("state: what_nobody_touched_is_not_asked_for_its_metadata") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    set(&world.path("a"), "user.one", "1");
    set(&world.path("b"), "user.two", "2");
    let flagged = fs::File::open(world.path("g/h")).expect("a file");
    ioctl_setflags(&flagged, ioctl_getflags(&flagged).expect("flags") | IFlags::NODUMP).expect("flags");
    std::os::unix::fs::symlink("a", world.path("link")).expect("a symlink");
    fs::hard_link(world.path("a"), world.path("z")).expect("a hard link");

    let first = world.backup();
    assert!(looked_into(&first) > 0);
    let second = world.backup();
    assert_eq!((number(&second, "/read/files"), looked_into(&second)), (0, 0), "{}", second.json);
    // Four directories and seven files; not the symlink, not the further name.
    assert_eq!(number(&second, "/state/untouched"), 11);
    world.is_whole(&second);
    // It is the same archive as without state.
    let stateless = pxkit::backup::Options { state: None, ..world.options(Mode::Metadata) };
    let third = world.snapshots.backup(world.tree.path(), &stateless);
    for name in ["root.mpxar.didx", "root.ppxar.didx"] {
        assert_eq!(world.snapshots.stream(&second.id, name), world.snapshots.stream(&third.id, name));
    }
    world.snapshots.verify();
}

#[test]
fn attributes_that_change_are_stored_and_nothing_is_read() {
    if !needs_root_and_ext4("state: attributes_that_change_are_stored_and_nothing_is_read") {
        return;
    }
    let mut world = World::new(AUTO, &FILES);
    world.backup();
    let changes: [fn(&World); 6] = [
        |world| fs::set_permissions(world.path("a"), fs::Permissions::from_mode(0o600)).expect("a mode"),
        |world| chown(world.path("b/c"), Some(7), Some(8)).expect("an owner"),
        |world| set(&world.path("b/d/e"), "user.new", "1"),
        |world| set(&world.path("b/d/e"), "user.new", "2"),
        |world| {
            let file = fs::File::open(world.path("g/h")).expect("a file");
            ioctl_setflags(&file, ioctl_getflags(&file).expect("flags") | IFlags::NODUMP).expect("flags");
        },
        |world| set(&world.path("g"), "user.directory", "1"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change(&world);
        let made = world.backup();
        assert_eq!(read(&made), 0, "change {number}: {}", made.json);
        assert!(looked_into(&made) <= 1, "change {number}");
        world.is_whole(&made);
    }
}

#[test]
fn after_chown_of_everything_no_contents_are_read() {
    if !needs_root_and_ext4("state: after_chown_of_everything_no_contents_are_read") {
        return;
    }
    for policy in [AUTO, STRICT] {
        let mut world = World::new(policy, &[]);
        // Enough for the workers to notice that they had better read ahead, and for the void rule to look.
        for number in 0..1500 {
            world.write(&format!("{}/{number}", number / 100), number, 50);
        }
        world.backup();
        for path in describe::tree(world.tree.path()).keys() {
            let path = world.path(std::str::from_utf8(path).expect("text"));
            chown(&path, Some(1234), Some(4321)).expect("an owner");
        }
        let made = world.backup();
        assert_eq!(
            (number(&made, "/read/files"), number(&made, "/unchanged/files")),
            (0, 1500),
            "{}",
            made.json
        );
        assert_eq!((number(&made, "/state/untouched"), looked_into(&made)), (0, 1500));
        assert_eq!(made.json["state"]["void"], false);
        world.is_whole(&made);
        let after = world.backup();
        assert_eq!((read(&after), looked_into(&after)), (0, 0));
    }
}

#[test]
fn renamed_files_and_directories_keep_their_contents() {
    if !needs_root_and_ext4("state: renamed_files_and_directories_keep_their_contents") {
        return;
    }
    for append in [false, true] {
        let mut world = World::new(AUTO, &FILES);
        world.append = append;
        world.backup();
        type Change = (&'static str, u64, fn(&World));
        let changes: [Change; 5] = [
            ("a file", 1, |world| fs::rename(world.path("a"), world.path("b/zz")).expect("renamed")),
            ("a directory", 3, |world| fs::rename(world.path("b/d"), world.path("0")).expect("renamed")),
            ("over another", 1, |world| fs::rename(world.path("g/h"), world.path("b/c")).expect("renamed")),
            ("with its directory", 1, |world| {
                fs::create_dir(world.path("new")).expect("a directory");
                fs::rename(world.path("g/i"), world.path("new/j")).expect("renamed");
            }),
            ("and with a mode", 1, |world| {
                fs::rename(world.path("empty"), world.path("full")).expect("renamed");
                fs::set_permissions(world.path("full"), fs::Permissions::from_mode(0o600)).expect("a mode");
            }),
        ];
        for (what, most, change) in changes {
            change(&world);
            let made = world.backup();
            assert_eq!(read(&made), 0, "{what}, append {append}: {}", made.json);
            let moved = number(&made, "/moved/files");
            assert!((1..=most).contains(&moved), "{what}: {moved}");
            world.is_whole(&made);
        }
        world.snapshots.verify();
    }
}

#[test]
fn a_rotated_log_is_not_read_again() {
    if !needs_root_and_ext4("state: a_rotated_log_is_not_read_again") {
        return;
    }
    let mut world = World::new(AUTO, &[("log", 9000), ("log.1", 8000), ("log.2", 7000), ("other", 10)]);
    world.backup();
    for seed in 0..3 {
        fs::rename(world.path("log.1"), world.path("log.2")).expect("renamed");
        fs::rename(world.path("log"), world.path("log.1")).expect("renamed");
        world.write("log", 100 + seed, 9500);
        let made = world.backup();
        assert_eq!((read(&made), number(&made, "/moved/files")), (1, 2), "{}", made.json);
        world.is_whole(&made);
    }
}

#[test]
fn a_file_whose_first_name_is_gone_keeps_its_contents() {
    if !needs_root_and_ext4("state: a_file_whose_first_name_is_gone_keeps_its_contents") {
        return;
    }
    let mut world = World::new(AUTO, &[("b", 9000), ("d", 8000)]);
    fs::hard_link(world.path("b"), world.path("c")).expect("a hard link");
    world.backup();
    // Rule 22: the next name becomes the file.
    fs::remove_file(world.path("b")).expect("removed");
    let made = world.backup();
    assert_eq!((read(&made), number(&made, "/moved/files")), (0, 1), "{}", made.json);
    world.is_whole(&made);
    // And a name before it.
    fs::hard_link(world.path("c"), world.path("a")).expect("a hard link");
    let made = world.backup();
    assert_eq!((read(&made), number(&made, "/moved/files")), (0, 1), "{}", made.json);
    world.is_whole(&made);
}

#[test]
fn a_first_name_that_vanishes_leaves_its_metadata_to_the_next() {
    if !needs_root_and_ext4("state: a_first_name_that_vanishes_leaves_its_metadata_to_the_next") {
        return;
    }
    let mut world = World::new(AUTO, &[("b", 9000), ("d", 8000), ("e", 7000)]);
    set(&world.path("b"), "user.one", "1");
    fs::hard_link(world.path("b"), world.path("c")).expect("a hard link");
    world.backup();
    // An edit, so that contents are read, and the name is gone by then. Nobody has read the metadata of the next one.
    super::edit_behind_time(&world.path("b"));
    settle();
    let (options, first) = (world.options(Mode::Metadata), world.path("b"));
    let made = world
        .snapshots
        .backup_with(world.tree.path(), &options, move || fs::remove_file(first).expect("removed"))
        .expect("a backup");
    assert_eq!(made.warnings, 1);
    let restored = world.snapshots.restore(&made.id);
    assert_eq!(describe::describe(&restored.join("c")), describe::describe(&world.path("c")));
    let after = world.backup();
    world.is_whole(&after);
}
