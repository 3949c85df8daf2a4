//! Users: who may mount without being root, and who may look into a mount.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip::skip;
use pxkit_tests::{golden, pxkit};

use super::support::{Mount, is_mounted, needs_fuse, needs_root, umount};

/// Somebody who is not root.
const NOBODY: &str = "65534";

/// Runs a program as somebody who is not root.
fn as_nobody(program: &OsStr, args: &[&dyn AsRef<OsStr>]) -> Run {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).arg(program).args(args);
    command.env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
    Run::of(command)
}

fn cat_as_nobody(path: &Path) -> Run {
    as_nobody("cat".as_ref(), &[&path])
}

/// Whether another user can run the program here, and read what tests use; notes the test as skipped if not.
fn has_nobody(name: &str, scratch: &Scratch) -> bool {
    if !needs_root(name) {
        return false;
    }
    let is_there = Path::new("/usr/bin/setpriv").exists()
        && as_nobody("ls".as_ref(), &[&scratch.path(), &golden::path("archives")]).code == Some(0)
        && as_nobody(cli::binary().as_ref(), &[&"--version"]).code == Some(0);
    if !is_there {
        skip(name, "needs setpriv, and folders of the tests that other users can look into");
    }
    is_there
}

/// A directory that everybody can look into, and one in it, `own`, that belongs to somebody who is not root.
fn open_scratch() -> Scratch {
    let scratch = Scratch::new();
    open_to_all(scratch.path());
    let (own, id) = (scratch.join("own"), NOBODY.parse().ok());
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, id, id).unwrap();
    scratch
}

fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn whoever_is_not_root_mounts_with_fusermount() {
    const NAME: &str = "whoever_is_not_root_mounts_with_fusermount";
    let scratch = open_scratch();
    if !needs_fuse(NAME) || !has_nobody(NAME, &scratch) {
        return;
    }
    let mode = fs::metadata("/dev/fuse").unwrap().permissions().mode();
    if !Path::new("/usr/bin/fusermount3").exists()
        || !Path::new("/etc/mtab").exists()
        || mode & 0o006 != 0o006
    {
        return skip(
            NAME,
            "needs fusermount3 (package fuse3), /etc/mtab for it, and /dev/fuse for everybody",
        );
    }
    let (place, log, source) =
        (scratch.join("own/mnt"), scratch.join("own/log"), golden::path("archives/kinds.pxar"));
    let pxkit = cli::binary().as_os_str();
    as_nobody("mkdir".as_ref(), &[&place]).succeeds();
    as_nobody(pxkit, &[&"mount", &source, &place, &"--log", &log]).exits(0);
    let file = place.join("a-text");
    assert!(is_mounted(&place) && !cat_as_nobody(&file).succeeds().out.is_empty());
    // Not even root looks into what somebody else has mounted.
    assert!(fs::read(&file).is_err());
    as_nobody(pxkit, &[&"umount", &place]).succeeds();
    assert!(!is_mounted(&place));

    // For others root has to allow it.
    let run = as_nobody(pxkit, &[&"mount", &"--allow-other", &source, &place, &"--log", &log]);
    let conf = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if conf.lines().any(|line| line.trim() == "user_allow_other") {
        run.exits(0);
        assert!(!fs::read(&file).unwrap().is_empty());
        umount(&place, &[]).succeeds();
    } else {
        run.fails(2, &["user_allow_other"]);
    }
    assert!(!is_mounted(&place));
}

#[test]
fn others_see_what_permissions_give_if_the_mount_allows_it() {
    const NAME: &str = "others_see_what_permissions_give_if_the_mount_allows_it";
    let scratch = open_scratch();
    if !needs_fuse(NAME) || !has_nobody(NAME, &scratch) {
        return;
    }
    let (tree, archive) = (scratch.join("tree"), scratch.join("tree.pxar"));
    fs::create_dir(&tree).unwrap();
    for (name, mode) in [("open", 0o644), ("closed", 0o600)] {
        fs::write(tree.join(name), name).unwrap();
        fs::set_permissions(tree.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    pxkit!["create", &archive, &tree, "-q"].exits(0);
    for (options, seen) in [(&[][..], ""), (&[OsStr::new("--allow-other")], "open")] {
        let mount = Mount::new(&archive, options);
        open_to_all(mount.path().parent().unwrap());
        assert_eq!(fs::read_to_string(mount.path().join("closed")).unwrap(), "closed");
        assert_eq!(cat_as_nobody(&mount.path().join("open")).text(), seen);
        assert_eq!(cat_as_nobody(&mount.path().join("closed")).text(), "");
        mount.end();
    }
}
