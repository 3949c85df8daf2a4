//! Moves a tree from one manifest to another, touching only what differs.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::manifest::{Entry, Manifest, Node, Pair, pairs};
use super::pool::Pool;

/// Makes the tree, which is as `old` says, what `new` says. May be repeated after it was interrupted.
pub(super) fn advance(tree: &Path, old: &Manifest, new: &Manifest, pool: &Pool) -> anyhow::Result<()> {
    let pairs = pairs(old, new);
    // What is below a directory comes behind it, so backwards the directories are empty when they go.
    for pair in pairs.iter().rev() {
        if let Some(entry) = pair.old.filter(|_| must_go(pair)) {
            remove(tree, entry, pool)
                .with_context(|| format!("cannot remove {}", entry.place(tree).display()))?;
        }
    }
    for pair in &pairs {
        if let Some(entry) = pair.new.filter(|entry| pair.old != Some(entry)) {
            let is_there = pair.old.is_some_and(|old| old.node == entry.node);
            make(tree, entry, is_there, pool)
                .with_context(|| format!("cannot make {}", entry.place(tree).display()))?;
        }
    }
    // Names that came and went changed the times of directories.
    for entry in new.entries().iter().filter(|entry| entry.node == Node::Directory) {
        settle(tree, entry)?;
    }
    Ok(())
}

fn must_go(pair: &Pair) -> bool {
    pair.old.map(|entry| &entry.node) != pair.new.map(|entry| &entry.node)
}

fn remove(tree: &Path, entry: &Entry, pool: &Pool) -> anyhow::Result<()> {
    let place = entry.place(tree);
    let removed = match &entry.node {
        Node::Directory => fs::remove_dir(&place),
        Node::Symlink { .. } => fs::remove_file(&place),
        Node::File { digest, .. } => {
            pool.take(&place, digest)?;
            fs::remove_file(&place)
        }
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn make(tree: &Path, entry: &Entry, is_there: bool, pool: &Pool) -> anyhow::Result<()> {
    let place = entry.place(tree);
    if !is_there {
        match &entry.node {
            Node::Directory => fs::create_dir_all(&place)?,
            Node::Symlink { target } => {
                // One may be there if this is done again.
                let _ = fs::remove_file(&place);
                symlink(OsStr::from_bytes(target), &place)?;
            }
            Node::File { digest, .. } => fs::write(&place, pool.read(digest)?)?,
        }
    }
    settle(tree, entry)
}

/// Gives an entry its mode and time.
pub(super) fn settle(tree: &Path, entry: &Entry) -> anyhow::Result<()> {
    let place = entry.place(tree);
    let failed = || format!("cannot set mode and time of {}", place.display());
    if !matches!(entry.node, Node::Symlink { .. }) {
        fs::set_permissions(&place, Permissions::from_mode(entry.mode)).with_context(failed)?;
    }
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, &place, &times, AtFlags::SYMLINK_NOFOLLOW).with_context(failed)
}
