//! Groups: opened as one walks in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pxkit::backup::Mode;
use pxkit::store::{Namespace, Repository as _};
use pxkit_tests::disk::Scratch;
use pxkit_tests::snapshots::{Snapshots, options};
use pxkit_tests::{describe, golden};

use super::support::{Mount, needs_fuse};

fn write(tree: &Path, text: &str) {
    fs::create_dir_all(tree.join("dir")).unwrap();
    fs::write(tree.join("dir/file"), text).unwrap();
}

#[test]
fn all_snapshots_of_a_group_are_there_and_new_ones_come() {
    if !needs_fuse("all_snapshots_of_a_group_are_there_and_new_ones_come") {
        return;
    }
    let (scratch, mut snapshots) = (Scratch::new(), Snapshots::new());
    let (tree, root) = (scratch.join("tree"), snapshots.root());
    let mut made = Vec::new();
    // More than stay open at once.
    for number in 0..20 {
        write(&tree, &format!("generation {number}"));
        let mode = if number % 3 == 0 { Mode::Legacy } else { Mode::Metadata };
        made.push(snapshots.backup(&tree, &options(mode)).id);
    }
    let mount = Mount::new("host/a", &[OsStr::new("--repository"), root.as_os_str()]);
    let path = mount.path();
    let names: Vec<Vec<u8>> = made.iter().map(|id| id.time_text().into_bytes()).collect();
    assert_eq!(describe::names(&path), names);
    let file = |number: usize| path.join(made[number].time_text()).join("root.pxar/dir/file");
    let numbers: Vec<u64> = (0..20).map(|number| fs::metadata(file(number)).unwrap().ino()).collect();
    for number in (0..20).chain((0..20).rev()) {
        assert_eq!(fs::read_to_string(file(number)).unwrap(), format!("generation {number}"));
        // Also those that were closed meanwhile.
        assert_eq!(fs::metadata(file(number)).unwrap().ino(), numbers[number]);
    }
    write(&tree, "another one");
    let new = snapshots.backup(&tree, &options(Mode::Data)).id;
    assert_eq!(
        fs::read_to_string(path.join(new.time_text()).join("root.pxar/dir/file")).unwrap(),
        "another one"
    );
    assert_eq!(describe::names(&path).len(), 21);
    assert!(!path.join("2001-01-01T00:00:00Z").exists());
    assert_eq!(mount.messages(), "");
    mount.end();
}

#[test]
fn a_removed_snapshot_costs_no_other() {
    if !needs_fuse("a_removed_snapshot_costs_no_other") {
        return;
    }
    let (scratch, mut snapshots) = (Scratch::new(), Snapshots::new());
    let (tree, root) = (scratch.join("tree"), snapshots.root());
    write(&tree, "one");
    let one = snapshots.backup(&tree, &options(Mode::Data)).id;
    write(&tree, "two");
    let two = snapshots.backup(&tree, &options(Mode::Data)).id;
    let mount = Mount::new("host/a", &[OsStr::new("--repository"), root.as_os_str()]);
    let path = mount.path();
    assert_eq!(describe::names(&path).len(), 2);
    let store = pxkit::store::Local::open(&root, Default::default()).unwrap();
    store.forget(&Namespace::default(), &one).unwrap();
    assert!(fs::read_dir(path.join(one.time_text())).is_err());
    assert_eq!(fs::read_to_string(path.join(two.time_text()).join("root.pxar/dir/file")).unwrap(), "two");
    // Whatever is open keeps its snapshot.
    assert!(store.forget(&Namespace::default(), &two).is_err());
    mount.end();
}

#[test]
fn the_golden_group_and_keys() {
    if !needs_fuse("the_golden_group_and_keys") {
        return;
    }
    let store = golden::path("datastore");
    let repository = [OsStr::new("--repository"), store.as_os_str()];
    let mount = Mount::new("host/meta", &repository);
    assert_eq!(describe::names(&mount.path()).len(), 4);
    mount.end();
    // Without its key the snapshot cannot be entered, and says so in the log.
    let mount = Mount::new("host/enc", &repository);
    let snapshot = &describe::names(&mount.path())[0];
    let snapshot = mount.path().join(str::from_utf8(snapshot).unwrap());
    assert!(fs::read_dir(&snapshot).is_err());
    assert!(mount.messages().contains("key"), "{}", mount.messages());
    mount.end();
    let key = golden::path("key.json");
    let mount =
        Mount::new("host/enc", &[&repository[..], &[OsStr::new("--keyfile"), key.as_os_str()]].concat());
    let snapshot = &describe::names(&mount.path())[0];
    let text = mount.path().join(str::from_utf8(snapshot).unwrap()).join("tree.pxar/text");
    assert!(!fs::read(text).unwrap().is_empty());
}
