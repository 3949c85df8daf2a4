//! Trees in memory to trees on disk, with all their metadata. Needs root and, for flags and attributes, ext4.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use pxkit_core::format::{Attribute, CHATTR_FLAGS, Stat, mode};
use rustix::fs::{AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use tempfile::TempDir;

use crate::acl::Acl;
use crate::tree::{Kind, Node, Visit};

/// A temporary directory that can be removed although files in it must not be changed.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// In this directory.
    pub fn new_in(directory: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        Self(builder.prefix("pxkit-test-").tempdir_in(directory).expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        release(self.path());
    }
}

/// Clears the flags below `path` that forbid removal. Errors show when something is removed.
fn release(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_dir() || metadata.is_file() {
        let _ = change_flags(path, |flags| flags & !(IFlags::IMMUTABLE | IFlags::APPEND));
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            release(&entry.path());
        }
    }
}

/// Makes the tree in the directory `target`, which may not exist or be empty.
pub fn make(root: &Node, target: &Path) {
    // Contents first: flags and the modes of directories may forbid to add names, and names change the times of directories.
    root.walk(&mut |path, visit| {
        if let Visit::Node(node) = visit {
            let on_disk = place(target, path);
            let result = create(node, &on_disk, target);
            result.unwrap_or_else(|error| panic!("create {}: {error}", on_disk.display()));
        }
    });
    root.walk(&mut |path, visit| {
        let node = match visit {
            Visit::Node(node) if matches!(node.kind, Kind::Directory(_) | Kind::Hardlink { .. }) => return,
            Visit::Node(node) | Visit::Leave(node) => node,
        };
        let on_disk = place(target, path);
        let result = apply(node, &on_disk);
        result.unwrap_or_else(|error| panic!("metadata of {}: {error}", on_disk.display()));
    });
}

fn place(target: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { target.to_owned() } else { target.join(OsStr::from_bytes(path)) }
}

fn create(node: &Node, path: &Path, root: &Path) -> io::Result<()> {
    let special =
        |kind: FileType, dev: u64| rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), dev);
    match &node.kind {
        Kind::Directory(_) => fs::create_dir_all(path)?,
        Kind::File(contents) => fs::write(path, contents.bytes())?,
        Kind::Symlink { target } => std::os::unix::fs::symlink(OsStr::from_bytes(target), path)?,
        // `linkat` does not follow symlinks, nor does this.
        Kind::Hardlink { target } => fs::hard_link(place(root, target), path)?,
        Kind::Device(device) if node.stat.mode & mode::TYPE == mode::CHAR => {
            special(FileType::CharacterDevice, device.to_dev_t())?;
        }
        Kind::Device(device) => special(FileType::BlockDevice, device.to_dev_t())?,
        Kind::Fifo => special(FileType::Fifo, 0)?,
        Kind::Socket => special(FileType::Socket, 0)?,
    }
    Ok(())
}

fn apply(node: &Node, path: &Path) -> io::Result<()> {
    let Stat { mode: bits, flags, uid, gid, mtime } = node.stat;
    let follow = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), follow)?;
    if !matches!(node.kind, Kind::Symlink { .. }) {
        let permissions = Mode::from_raw_mode((bits & mode::PERMISSIONS) as u32);
        rustix::fs::chmodat(CWD, path, permissions, AtFlags::empty())?;
    }
    let set = |name: &[u8], value: &[u8]| {
        rustix::fs::lsetxattr(path, OsStr::from_bytes(name), value, XattrFlags::empty())
    };
    for attribute in &node.attributes {
        match attribute {
            Attribute::Xattr { name, value } => set(name, value)?,
            Attribute::Fcaps(value) => set(b"security.capability", value)?,
            Attribute::QuotaProjid(_) => panic!("project ids need a file system with quotas"),
            _ => {}
        }
    }
    if let Some(acl) = Acl::access_of(bits, &node.attributes) {
        set(b"system.posix_acl_access", &acl.to_xattr())?;
    }
    if let Some(acl) = Acl::default_of(&node.attributes) {
        set(b"system.posix_acl_default", &acl.to_xattr())?;
    }
    let time = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    // Last: an inode that must not change takes nothing more.
    if flags != 0 {
        let native =
            CHATTR_FLAGS.iter().filter(|flag| flags & flag.bit != 0).fold(0, |all, flag| all | flag.native);
        change_flags(path, |flags| flags | IFlags::from_bits_retain(native))?;
    }
    Ok(())
}

fn change_flags(path: &Path, change: impl FnOnce(IFlags) -> IFlags) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let before = rustix::fs::ioctl_getflags(&file)?;
    let after = change(before);
    if after != before {
        rustix::fs::ioctl_setflags(&file, after)?;
    }
    Ok(())
}
