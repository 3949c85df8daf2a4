//! Files that are opened some time after the walk.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::testing::{is_root, skip};

/// A file, what a walk recorded of it, and an opener.
struct Recorded {
    dir: TempDir,
    identity: Identity,
    opener: LateOpener,
}

impl Recorded {
    fn new() -> Self {
        let dir = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        write(dir.path(), "file", b"contents");
        let options = Options { prepare: Prepare::Metadata, ..with_threads(1) };
        let mut walk = start(dir.path(), options.clone());
        walk.next().unwrap();
        let Some(Step::Node(node)) = walk.next().unwrap() else { panic!("the file") };
        let on_disk = fs::metadata(dir.path().join("file")).unwrap();
        assert_eq!((node.ctime.secs, node.ctime.nanos), (on_disk.ctime(), on_disk.ctime_nsec() as u32));
        let identity = node.identity();
        assert_eq!((identity.ino, identity.size), (on_disk.ino(), 8));
        Self { dir, identity, opener: LateOpener::new(&options) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("file")
    }

    fn open(&mut self) -> Later {
        let dir = open_source(self.dir.path()).unwrap();
        self.opener.open(dir.as_fd(), c"file", &self.identity).unwrap()
    }

    fn changed(&mut self) -> (OwnedFd, Fresh) {
        match self.open() {
            Later::Changed(file, fresh) => (file, *fresh),
            other => panic!("{other:?}"),
        }
    }
}

fn contents(file: OwnedFd) -> String {
    std::io::read_to_string(fs::File::from(file)).unwrap()
}

#[test]
fn an_unchanged_file_is_the_same() {
    let mut recorded = Recorded::new();
    for _ in 0..2 {
        let Later::Same(file) = recorded.open() else { panic!("the same") };
        assert_eq!(contents(file), "contents");
    }
}

#[test]
fn a_file_that_was_touched_grown_or_relabelled_is_read_anew() {
    let mut recorded = Recorded::new();
    let path = recorded.path();
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let (_, fresh) = recorded.changed();
    assert_eq!((fresh.stat.mtime.secs, fresh.identity.mtime.secs, fresh.identity.size), (0, 0, 8));
    recorded.identity = fresh.identity;
    assert!(matches!(recorded.open(), Later::Same(_)));

    (&file).write_all(b", more").unwrap();
    let (open, fresh) = recorded.changed();
    assert_eq!((fresh.identity.size, fresh.nlink, fresh.warning), (14, 1, None));
    assert_eq!(contents(open), "contents, more");
    recorded.identity = fresh.identity;

    // Only the time of its last change tells.
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let has_xattr = rustix::fs::setxattr(&path, "user.new", b"1", XattrFlags::empty()).is_ok();
    let (_, fresh) = recorded.changed();
    assert_eq!(fresh.stat.mode, 0o100_640);
    assert_eq!(fresh.attributes.has_xattr(), has_xattr);
    assert_eq!(fresh.identity, Identity { ctime: fresh.identity.ctime, ..recorded.identity });
    assert_ne!(fresh.identity, recorded.identity);
}

#[test]
fn another_file_of_the_name_is_read_anew() {
    let mut recorded = Recorded::new();
    let path = recorded.path();
    let before = fs::metadata(&path).unwrap();
    // As alike as can be.
    write(recorded.dir.path(), "new", b"CONTENTS");
    let new = fs::File::options().write(true).open(recorded.dir.path().join("new")).unwrap();
    new.set_modified(before.modified().unwrap()).unwrap();
    fs::rename(recorded.dir.path().join("new"), &path).unwrap();
    let (open, fresh) = recorded.changed();
    assert_eq!(fresh.identity.ino, new.metadata().unwrap().ino());
    assert_eq!(fresh.identity.mtime, recorded.identity.mtime);
    assert_eq!(contents(open), "CONTENTS");
}

#[test]
fn what_is_no_file_any_more_is_replaced() {
    type Make = fn(&Path);
    let kinds: [Make; 5] = [
        |path| symlink("/etc/passwd", path).unwrap(),
        |path| symlink("nowhere", path).unwrap(),
        // Nobody writes to it, and it must not be waited for.
        |path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| drop(UnixListener::bind(path).unwrap()),
    ];
    for (number, make) in kinds.into_iter().enumerate() {
        let mut recorded = Recorded::new();
        fs::remove_file(recorded.path()).unwrap();
        make(&recorded.path());
        assert!(matches!(recorded.open(), Later::Replaced), "kind {number}");
    }
}

#[test]
fn what_was_removed_is_gone() {
    let mut recorded = Recorded::new();
    fs::remove_file(recorded.path()).unwrap();
    let Later::Gone(What::LeftOut(error)) = recorded.open() else { panic!("gone") };
    assert_eq!((error.action, error.errno), ("open the file", Errno::NOENT));
}

#[test]
fn what_may_not_be_read_is_gone() {
    const NAME: &str = "walk::what_may_not_be_read_is_gone";
    if is_root() {
        assert!(skip(NAME, "root may read everything"));
        return;
    }
    let mut recorded = Recorded::new();
    fs::set_permissions(recorded.path(), PermissionsExt::from_mode(0o000)).unwrap();
    let Later::Gone(What::LeftOut(error)) = recorded.open() else { panic!("gone") };
    assert_eq!(error.errno, Errno::ACCESS);
}
