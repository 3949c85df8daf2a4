//! Which files are read again.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use pxkit::backup::{Mode, Options};
use pxkit_tests::churn::set_time;
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Made, Snapshots};
use pxkit_tests::{describe, skip};
use rustix::fs::{IFlags, XattrFlags, ioctl_getflags, ioctl_setflags, setxattr};

use super::{keeping, number, tree, write};

/// What becomes of the file `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unchanged,
    New,
    Changed,
    Metadata,
    Racy,
}

fn fate(made: &Made) -> Vec<(Fate, u64)> {
    let counts = [
        (Fate::New, number(made, "/changed/new/files")),
        (Fate::Changed, number(made, "/changed/contents/files")),
        (Fate::Metadata, number(made, "/reencoded/metadata/files")),
        (Fate::Racy, number(made, "/reencoded/racy/files")),
        (Fate::Unchanged, number(made, "/unchanged/files")),
    ];
    counts.into_iter().filter(|count| count.1 > 0).collect()
}

/// Backs up three files, changes the second, backs up again. The others are used again, and everything is restored as it is.
#[track_caller]
fn check(options: &Options, before: impl FnOnce(&Path), change: impl FnOnce(&Path), expected: Fate) {
    let tree = tree(&[("a", 5000), ("b", 5000), ("c", 5000)]);
    let path = tree.join("b");
    before(&path);
    let mut snapshots = Snapshots::new();
    snapshots.backup(tree.path(), options);
    change(&path);
    let made = snapshots.backup(tree.path(), options);
    // Whatever is unchanged lies in chunks that hold little else, so it is not read.
    assert_eq!(number(&made, "/reused/files"), number(&made, "/unchanged/files"));
    let expected = match expected {
        Fate::Unchanged => vec![(Fate::Unchanged, 3)],
        other => vec![(other, 1), (Fate::Unchanged, 2)],
    };
    assert_eq!(fate(&made), expected);
    snapshots.check(&made.id);
    describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
}

fn metadata(change: impl FnOnce(&Path), expected: Fate) {
    check(&keeping(Mode::Metadata), |_| (), change, expected);
}

#[test]
fn rule_12_equal_metadata_and_size() {
    metadata(|_| (), Fate::Unchanged);
}

/// Defect 3.3.2: the size was not compared.
#[test]
fn rule_13_and_3_3_2_another_size_at_the_same_time() {
    for size in [0, 4999, 5001, 300_000] {
        let change = |path: &Path| {
            let before = fs::metadata(path).expect("a file");
            fs::File::options().write(true).open(path).and_then(|file| file.set_len(size)).expect("resized");
            set_time(path, before.mtime(), before.mtime_nsec());
        };
        metadata(change, Fate::Changed);
        let trusting = Options { trust_mtime_size: true, ..keeping(Mode::Metadata) };
        check(&trusting, |_| (), change, Fate::Changed);
    }
}

#[test]
fn rule_14_a_nanosecond() {
    metadata(|path| set_time(path, 1_000_000_001, 8), Fate::Changed);
    metadata(|path| set_time(path, 1_000_000_001, 6), Fate::Changed);
}

#[test]
fn rule_15_owner_permissions_acl_capabilities_flags() {
    let mode = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o4711)).expect("set");
    metadata(mode, Fate::Metadata);
    let trusting = Options { trust_mtime_size: true, ..keeping(Mode::Metadata) };
    check(&trusting, |_| (), mode, Fate::Unchanged);
    if !skip::needs_root_and_ext4("rule_15_owner_permissions_acl_capabilities_flags") {
        return;
    }
    let capability: Vec<u8> =
        [0x0200_0000u32, 0x400, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    let acl: Vec<u8> = [
        &2u32.to_le_bytes()[..],
        // user, user 7, group, mask, others
        &[1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255],
    ]
    .concat();
    let set = |name: &'static str, value: Vec<u8>| {
        move |path: &Path| setxattr(path, name, &value, XattrFlags::empty()).expect("set")
    };
    for change in [
        Box::new(|path: &Path| std::os::unix::fs::chown(path, Some(5), None).expect("set"))
            as Box<dyn Fn(&Path)>,
        Box::new(|path: &Path| std::os::unix::fs::chown(path, None, Some(5)).expect("set")),
        Box::new(set("security.capability", capability)),
        Box::new(set("system.posix_acl_access", acl)),
        Box::new(|path: &Path| {
            let file = fs::File::open(path).expect("a file");
            let flags = ioctl_getflags(&file).expect("flags");
            ioctl_setflags(&file, flags | IFlags::NODUMP).expect("flags");
        }),
    ] {
        metadata(&change, Fate::Metadata);
        check(&trusting, |_| (), &change, Fate::Unchanged);
    }
}

#[test]
fn rule_16_extended_attributes_by_name() {
    if !skip::needs_root_and_ext4("rule_16_extended_attributes_by_name") {
        return;
    }
    let set = |path: &Path, name: &str, value: &[u8]| {
        setxattr(path, name, value, XattrFlags::empty()).expect("set")
    };
    let options = keeping(Mode::Metadata);
    metadata(|path| set(path, "user.a", b"x"), Fate::Metadata);
    let one = |path: &Path| set(path, "user.a", b"x");
    check(&options, one, |path| rustix::fs::removexattr(path, "user.a").expect("removed"), Fate::Metadata);
    check(&options, one, |path| set(path, "user.b", b"x"), Fate::Metadata);
    // Only another value: used again, with the new value (which `check` compares).
    check(&options, one, |path| set(path, "user.a", b"another value"), Fate::Unchanged);
}

#[test]
fn rule_17_ctime_and_inode_are_not_looked_at() {
    let copy = |path: &Path| {
        let copy = path.with_file_name("copy");
        fs::copy(path, &copy).expect("copied");
        let before = fs::metadata(path).expect("a file");
        set_time(&copy, before.mtime(), before.mtime_nsec());
        fs::rename(&copy, path).expect("renamed");
        assert_ne!(fs::metadata(path).expect("a file").ino(), before.ino());
    };
    metadata(copy, Fate::Unchanged);
    let ctime = |path: &Path| {
        let before = fs::metadata(path).expect("a file");
        fs::set_permissions(path, before.permissions()).expect("set");
        assert_ne!(fs::metadata(path).expect("a file").ctime_nsec(), before.ctime_nsec());
    };
    metadata(ctime, Fate::Unchanged);
}

#[test]
fn rule_18_other_kinds_at_the_same_path() {
    let tree = tree(&[("a", 5000), ("b", 5000), ("c/x", 5000), ("d", 5000), ("e/f/g", 5000), ("z", 10)]);
    let mut snapshots = Snapshots::new();
    let options = keeping(Mode::Metadata);
    snapshots.backup(tree.path(), &options);
    fs::remove_file(tree.join("a")).expect("removed");
    symlink("b", tree.join("a")).expect("a symlink");
    fs::remove_file(tree.join("b")).expect("removed");
    write(tree.path(), "b/x", 1, 5000);
    fs::remove_dir_all(tree.join("c")).expect("removed");
    write(tree.path(), "c", 2, 5000);
    fs::rename(tree.join("e/f/g"), tree.join("g")).expect("renamed");
    fs::remove_dir(tree.join("e/f")).expect("removed");
    fs::rename(tree.join("g"), tree.join("e/f")).expect("renamed");
    let made = snapshots.backup(tree.path(), &options);
    assert_eq!(fate(&made), [(Fate::New, 3), (Fate::Unchanged, 2)]);
    snapshots.check(&made.id);
    describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
    // And back.
    fs::remove_file(tree.join("a")).expect("removed");
    write(tree.path(), "a", 0, 5000);
    fs::remove_file(tree.join("c")).expect("removed");
    write(tree.path(), "c/x", 2, 5000);
    let made = snapshots.backup(tree.path(), &options);
    assert_eq!(fate(&made), [(Fate::New, 2), (Fate::Unchanged, 4)]);
    describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
}

#[test]
fn rule_19_renamed_files_and_directories_are_new() {
    metadata(|path| fs::rename(path, path.with_file_name("bb")).expect("renamed"), Fate::New);
    let tree = tree(&[("a", 5000), ("d/x", 5000), ("d/y", 5000)]);
    let mut snapshots = Snapshots::new();
    snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    fs::rename(tree.join("d"), tree.join("e")).expect("renamed");
    let made = snapshots.backup(tree.path(), &keeping(Mode::Metadata));
    assert_eq!(fate(&made), [(Fate::New, 2), (Fate::Unchanged, 1)]);
    describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
}

#[test]
fn rule_21_and_22_names_of_one_file() {
    let tree = tree(&[("a", 5000), ("b/first", 40_000), ("c", 5000), ("d/x", 10)]);
    for name in ["b/second", "c2", "d/third"] {
        fs::hard_link(tree.join("b/first"), tree.join(name)).expect("linked");
    }
    let mut snapshots = Snapshots::new();
    let options = keeping(Mode::Metadata);
    for (is_gone, expected) in [
        (false, vec![(Fate::New, 4)]),
        (false, vec![(Fate::Unchanged, 4)]),
        (true, vec![(Fate::New, 1), (Fate::Unchanged, 3)]),
    ] {
        if is_gone {
            // O5: the next name becomes the file; it was a link before, so it is read.
            fs::remove_file(tree.join("b/first")).expect("removed");
        }
        let made = snapshots.backup(tree.path(), &options);
        assert_eq!(fate(&made), expected);
        snapshots.check(&made.id);
        describe::assert_same(tree.path(), snapshots.restore(&made.id).path());
        // O11: names are counted once, as what they are.
        let links = if is_gone { 2 } else { 3 };
        assert_eq!((number(&made, "/files/files"), number(&made, "/hardlinks")), (4, links));
    }
}

/// O9: a write in the same tick of the clock as the previous backup.
#[test]
fn rule_26_and_o9_times_that_prove_nothing() {
    let tree = tree(&[("a", 5000), ("b", 5000), ("c", 5000)]);
    let path = tree.join("b");
    let mut snapshots = Snapshots::new();
    let options = keeping(Mode::Metadata);
    let during = path.clone();
    // It changes while the backup runs, and again behind its back, in the same tick.
    let made =
        snapshots.backup_with(tree.path(), &options, move || fs::write(during, [1; 5000]).expect("written"));
    let made = made.expect("a backup");
    assert_eq!(restored(&snapshots, &made, "b"), [1; 5000]);
    let tick = fs::metadata(&path).expect("a file");
    fs::write(&path, [2; 5000]).expect("written");
    set_time(&path, tick.mtime(), tick.mtime_nsec());
    let made = snapshots.backup(tree.path(), &options);
    assert_eq!(fate(&made), [(Fate::Racy, 1), (Fate::Unchanged, 2)]);
    assert_eq!(restored(&snapshots, &made, "b"), [2; 5000]);
    // Once: the next backup began long after it.
    set_time(&path, tick.mtime() - 10, 0);
    snapshots.backup(tree.path(), &options);
    let made = snapshots.backup(tree.path(), &options);
    assert_eq!(fate(&made), [(Fate::Unchanged, 3)]);
}

fn restored(snapshots: &Snapshots, made: &Made, name: &str) -> Vec<u8> {
    let target: Scratch = snapshots.restore(&made.id);
    fs::read(target.join(name)).expect("a file")
}
