//! Reading and applying against real files.

use std::ffi::CString;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use pxkit_core::format::{Attribute, Attributes, Features, Kind, Permissions, Stat, Timestamp};
use rustix::fs::{FileType, Mode, XattrFlags, fsetxattr, fstatfs, mknodat};
use tempfile::TempDir;

use super::*;
use crate::testing::{Mount, is_root, skip};

/// A directory on the file system of the checkout, since `/tmp` may have no extended attributes.
fn directory() -> TempDir {
    TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap()
}

fn is_ext4(file: &File) -> bool {
    fstatfs(file).unwrap().f_type as u64 == pxkit_core::format::magic::EXT4
}

fn file_system(features: Features) -> FileSystem {
    FileSystem::new(0, pxkit_core::format::magic::EXT4, features)
}

fn read(file: &File, kind: Kind, features: Features) -> (Attributes, u64) {
    let mut attributes = Attributes::new();
    let mut reader = AttributeReader::new(ReadOptions::default());
    let found = reader.read(file.as_fd(), kind, &mut file_system(features), &mut attributes).unwrap();
    (attributes, found.flags)
}

fn apply(target: Target<'_>, stat: &Stat, attributes: &Attributes, known: Known) -> Vec<StepError> {
    let mut errors = Vec::new();
    let mut report = |error| {
        errors.push(error);
        ControlFlow::Continue(())
    };
    let mut applier = Applier::new(Features::DEFAULT);
    assert!(applier.apply(target, stat, attributes, known, &mut report).is_continue());
    errors
}

/// mtime, owner and permissions as `apply` should have left them.
fn check_stat(path: &Path, stat: &Stat) {
    let metadata = path.symlink_metadata().unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (stat.mtime.secs, stat.mtime.nanos.into()));
    assert_eq!((metadata.uid(), metadata.gid()), (stat.uid, stat.gid));
    if !metadata.is_symlink() {
        assert_eq!(u64::from(metadata.mode()) & 0o7777, stat.mode & 0o7777);
    }
}

fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&permissions.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    out
}

const NONE: u32 = u32::MAX;

#[test]
fn attributes_of_a_file_come_back() {
    const NAME: &str = "linux::attributes_of_a_file_come_back";
    let dir = directory();
    let path = dir.path().join("source");
    let file = File::create_new(&path).unwrap();
    if !(is_root() && is_ext4(&file)) {
        assert!(skip(NAME, "needs root and ext4"));
        return;
    }
    let set = |name: &str, value: &[u8]| fsetxattr(&file, name, value, XattrFlags::empty()).unwrap();
    set("user.zz", b"1");
    set("user.empty", b"");
    set("trusted.t", b"a\0b");
    set("security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    set(
        "system.posix_acl_access",
        &acl(&[(1, 6, NONE), (2, 4, 1000), (4, 0, NONE), (8, 4, 50), (0x10, 4, NONE), (0x20, 0, NONE)]),
    );
    set_native_flags(&file, 0x40 | 0x80);

    let (attributes, flags) = read(&file, Kind::File, Features::DEFAULT);
    assert_eq!(flags, 0x12_0000);
    assert_eq!(attributes.iter().filter(|a| matches!(a, Attribute::Xattr { .. })).count(), 3);
    assert!(attributes.iter().any(|a| a == Attribute::AclUser(Permissions { id: 1000, permissions: 4 })));
    assert!(attributes.iter().any(|a| a == Attribute::AclGroupObj(0)));
    assert!(attributes.iter().any(|a| matches!(a, Attribute::Fcaps(_))));

    let stat = Stat {
        mode: 0o104_640,
        flags,
        uid: 1234,
        gid: 4321,
        mtime: Timestamp { secs: -305_112_601, nanos: 999_000_000 },
    };
    let copy_path = dir.path().join("copy");
    let copy = File::create_new(&copy_path).unwrap();
    let target = Target::Open(copy.as_fd());
    assert_eq!(apply(target, &stat, &attributes, Known::default()), []);
    assert_eq!(read(&copy, Kind::File, Features::DEFAULT), (attributes.clone(), flags));
    check_stat(&copy_path, &stat);

    // `--no-xattrs` takes ACLs and capabilities along; flags stay.
    let (none, flags) = read(&copy, Kind::File, Features::DEFAULT.without(Features::XATTRS));
    assert!(none.is_empty() && flags == 0x12_0000);
    let (no_acl, _) = read(&copy, Kind::File, Features::DEFAULT.without(Features::ACL));
    assert!(!no_acl.has_acl() && no_acl.has_xattr());
}

#[test]
fn a_default_acl_of_a_directory_comes_back() {
    const NAME: &str = "linux::a_default_acl_of_a_directory_comes_back";
    let dir = directory();
    let open = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        File::open(path).unwrap()
    };
    let (source, copy) = (open("source"), open("copy"));
    if !is_ext4(&source) {
        assert!(skip(NAME, "needs ext4"));
        return;
    }
    let value = acl(&[(1, 7, NONE), (4, 5, NONE), (0x20, 0, NONE)]);
    fsetxattr(&source, "system.posix_acl_default", &value, XattrFlags::empty()).unwrap();
    let (attributes, _) = read(&source, Kind::Directory, Features::DEFAULT);
    assert_eq!(attributes.iter().count(), 1);
    let metadata = dir.path().metadata().unwrap();
    let stat = Stat { mode: 0o040_500, uid: metadata.uid(), gid: metadata.gid(), ..Stat::default() };
    assert_eq!(apply(Target::Open(copy.as_fd()), &stat, &attributes, Known::default()), []);
    assert_eq!(read(&copy, Kind::Directory, Features::DEFAULT).0, attributes);
    check_stat(&dir.path().join("copy"), &stat);
}

#[test]
fn nodes_without_descriptor_get_their_metadata() {
    let dir = directory();
    let open = File::open(dir.path()).unwrap();
    let owner = dir.path().metadata().unwrap();
    let (uid, gid) = if is_root() { (77, 88) } else { (owner.uid(), owner.gid()) };
    let mtime = Timestamp { secs: 1_000_000_000, nanos: 123_456_789 };
    // What the link points to must stay as it is.
    std::fs::write(dir.path().join("file"), b"").unwrap();
    let before = dir.path().join("file").metadata().unwrap();
    symlink("file", dir.path().join("link")).unwrap();
    mknodat(&open, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for (name, mode) in [("link", 0o120_777), ("pipe", 0o010_644)] {
        let stat = Stat { mode, flags: 0, uid, gid, mtime };
        let c_name = CString::new(name).unwrap();
        let target = Target::Named { dir: open.as_fd(), name: &c_name };
        assert_eq!(apply(target, &stat, &Attributes::new(), Known::default()), []);
        check_stat(&dir.path().join(name), &stat);
    }
    let after = dir.path().join("file").metadata().unwrap();
    assert_eq!((before.mtime_nsec(), before.uid()), (after.mtime_nsec(), after.uid()));
}

#[test]
fn every_failing_step_is_reported_until_told_to_stop() {
    let dir = directory();
    let path = dir.path().join("file");
    let file = File::create_new(&path).unwrap();
    let owner = path.metadata().unwrap();
    let mut attributes = Attributes::new();
    attributes.push(Attribute::Xattr { name: b"user.", value: b"" }).unwrap();
    attributes.push(Attribute::Xattr { name: b"security.selinux", value: b"" }).unwrap();
    let mtime = Timestamp { secs: 5, nanos: u32::MAX };
    let stat = Stat { mode: 0o7_100_600, flags: 0, uid: owner.uid(), gid: owner.gid(), mtime };
    let known = Known { owner: Some((stat.uid, stat.gid)), permissions: None };
    let errors = apply(Target::Open(file.as_fd()), &stat, &attributes, known);
    assert!(errors.contains(&StepError::ForeignXattr(b"security.selinux".to_vec())));
    assert!(errors.contains(&StepError::Mode(0o7_100_600)));
    assert!(errors.iter().any(|e| matches!(e, StepError::Call { step: Step::Times, .. })));
    assert!(!format!("{}", errors[0]).is_empty());

    let mut count = 0;
    let mut report = |_| {
        count += 1;
        ControlFlow::Break(())
    };
    let mut applier = Applier::new(Features::DEFAULT);
    let target = Target::Open(file.as_fd());
    assert!(applier.apply(target, &stat, &attributes, known, &mut report).is_break());
    assert_eq!(count, 1);
}

#[test]
fn flags_that_shape_data_come_first() {
    const NAME: &str = "linux::flags_that_shape_data_come_first";
    let dir = directory();
    let file = File::create_new(dir.path().join("file")).unwrap();
    if !(is_root() && is_ext4(&file)) {
        assert!(skip(NAME, "needs root and ext4"));
        return;
    }
    let stat = Stat { flags: 0x2_0000 | 0x40_0000, ..Stat::default() };
    let mut report = |error: StepError| panic!("{error}");
    assert!(Applier::new(Features::DEFAULT).before_data(file.as_fd(), &stat, &mut report).is_continue());
    assert_eq!(read(&file, Kind::File, Features::DEFAULT).1, 0x2_0000);
}

fn set_native_flags(file: &File, flags: u32) {
    let current = rustix::fs::ioctl_getflags(file).unwrap().bits();
    rustix::fs::ioctl_setflags(file, rustix::fs::IFlags::from_bits_retain(current | flags)).unwrap();
}

#[test]
fn project_ids_come_back() {
    const NAME: &str = "linux::project_ids_come_back";
    let dir = directory();
    let at = dir.path().join("mounted");
    let image = dir.path().join("image");
    // XFS where the kernel lacks quotas.
    let Some(_mount) = Mount::ext4(&image, &at).or_else(|| Mount::xfs(&image, &at)) else {
        assert!(skip(NAME, "cannot mount a file system with project ids"));
        return;
    };
    let file = File::create_new(at.join("file")).unwrap();
    assert!(read(&file, Kind::File, Features::DEFAULT).0.is_empty());
    let mut attributes = Attributes::new();
    attributes.push(Attribute::QuotaProjid(4711)).unwrap();
    let stat = Stat { mode: 0o100_600, ..Stat::default() };
    assert_eq!(apply(Target::Open(file.as_fd()), &stat, &attributes, Known::default()), []);
    let (back, _) = read(&file, Kind::File, Features::DEFAULT);
    assert_eq!(back, attributes);
    assert!(read(&file, Kind::File, Features::DEFAULT.without(Features::QUOTA_PROJID)).0.is_empty());
}
