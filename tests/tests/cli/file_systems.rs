//! `pxkit create` on file systems that keep less, and what reading leaves behind.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use pxkit_tests::disk::Scratch;
use pxkit_tests::{pxkit, skip};
use rustix::fs::{IFlags, XattrFlags, ioctl_setflags, setxattr, statfs};

#[test]
fn tmpfs_keeps_flags_but_no_attributes() {
    const NAME: &str = "cli: tmpfs_keeps_flags_but_no_attributes";
    const TMPFS: u64 = 0x0102_1994;
    if statfs("/dev/shm").map(|fs| fs.f_type as u64) != Ok(TMPFS) {
        return skip::skip(NAME, "needs tmpfs at /dev/shm");
    }
    let source = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = source.path().join("file");
    fs::write(&file, "contents").unwrap();
    if setxattr(&file, "user.kept", b"no", XattrFlags::empty()).is_err()
        || ioctl_setflags(File::open(&file).unwrap(), IFlags::NODUMP).is_err()
    {
        return skip::skip(NAME, "needs a tmpfs with attributes and flags");
    }
    let scratch = Scratch::new();
    let archive = scratch.join("a.pxar");
    pxkit!["create", &archive, source.path()].exits(0);
    let lines = pxkit!["list", "--json", &archive].exits(0).json();
    let file = lines.iter().find(|line| line["path"] == "/file").unwrap();
    assert!(file.get("attributes").is_none(), "{file}");
    assert_eq!(file["flag_names"], serde_json::json!(["nodump"]));
}

#[test]
fn reading_does_not_change_access_times() {
    let scratch = Scratch::new();
    let source = scratch.join("src");
    super::create::plant(&source, &[("file", "contents")]);
    // Older than the modification: without O_NOATIME the kernel would renew it whatever the mount options but noatime.
    let long_ago = SystemTime::now() - Duration::from_secs(1_000_000);
    let times = FileTimes::new().set_accessed(long_ago).set_modified(SystemTime::now());
    File::options().write(true).open(source.join("file")).unwrap().set_times(times).unwrap();
    let before = fs::metadata(source.join("file")).unwrap();
    pxkit!["create", scratch.join("a.pxar"), &source].exits(0);
    let after = fs::metadata(source.join("file")).unwrap();
    assert_eq!((after.atime(), after.atime_nsec()), (before.atime(), before.atime_nsec()));
}
