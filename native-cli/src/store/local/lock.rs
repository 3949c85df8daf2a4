//! Locks of groups, snapshots and manifests: files beside the store, locked with `flock` (datastore specification 4.2).

use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, fchmod, flock, fstat, openat, stat};
use rustix::io::Errno;

use super::disk::{Disk, open_dir};
use crate::codec;
use crate::store::{Group, Namespace, SnapshotId};

/// How long the lock of a manifest is waited for.
const MANIFEST_PATIENCE: Duration = Duration::from_secs(5);
/// Longest file name that is not hashed.
const LONGEST_NAME: usize = 254;

/// Where the locks of a store are.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    /// One directory for all of the store.
    pub directory: PathBuf,
    /// Groups and snapshots are locked by their directories, as old servers do.
    pub old: bool,
    /// How lock files are made.
    pub disk: Disk,
}

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Lock {
    file: OwnedFd,
    path: PathBuf,
    is_directory: bool,
}

impl Lock {
    /// Removes the file of a lock whose object is gone.
    pub fn remove(self) {
        if !self.is_directory {
            // What stays does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close it is not enough while a child, between fork and exec, has it open, too.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shared,
    Exclusive,
}

impl Locks {
    /// The lock of a group in `directory`.
    ///
    /// # Errors
    /// Somebody holds it.
    pub fn group(&self, namespace: &Namespace, group: &Group, directory: &Path) -> anyhow::Result<Lock> {
        let taken = self.take(namespace, &group.to_string(), Some(directory), Kind::Exclusive);
        match taken.with_context(|| format!("cannot lock the group {group}"))? {
            Some(lock) => Ok(lock),
            None => {
                bail!("the group {group} is locked: another backup or a removal is running; try again later")
            }
        }
    }

    /// The exclusive lock of a snapshot in `directory`.
    ///
    /// # Errors
    /// Somebody holds it.
    pub fn snapshot(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        directory: &Path,
    ) -> anyhow::Result<Lock> {
        let taken = self.take(namespace, &snapshot.to_string(), Some(directory), Kind::Exclusive);
        match taken.with_context(|| format!("cannot lock {snapshot}"))? {
            Some(lock) => Ok(lock),
            None => {
                bail!(
                    "{snapshot} is in use: a backup, a restore, a verification or a mount holds it; try again later"
                )
            }
        }
    }

    /// The shared lock of a snapshot, `Ok(None)` if somebody has it for himself.
    ///
    /// Where locks cannot be made because nothing can be written, nobody removes snapshots either: that counts as locked.
    pub fn reader(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        directory: &Path,
    ) -> anyhow::Result<Option<ReaderLock>> {
        match self.take(namespace, &snapshot.to_string(), Some(directory), Kind::Shared) {
            Ok(lock) => Ok(lock.map(|lock| ReaderLock(Some(lock)))),
            Err(error) if is_read_only(&error) => Ok(Some(ReaderLock(None))),
            Err(error) => Err(error).with_context(|| format!("cannot lock {snapshot}")),
        }
    }

    /// The lock under which a manifest is rewritten.
    ///
    /// # Errors
    /// Somebody holds it for 5 seconds.
    pub fn manifest(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<Lock> {
        let path = format!("{snapshot}/.index.json.lck");
        let start = Instant::now();
        loop {
            let taken = self.take(namespace, &path, None, Kind::Exclusive);
            if let Some(lock) = taken.with_context(|| format!("cannot lock the manifest of {snapshot}"))? {
                return Ok(lock);
            }
            if start.elapsed() >= MANIFEST_PATIENCE {
                bail!("the manifest of {snapshot} is locked; try again later");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn take(
        &self,
        namespace: &Namespace,
        object: &str,
        directory: Option<&Path>,
        kind: Kind,
    ) -> io::Result<Option<Lock>> {
        let directory = directory.filter(|_| self.old);
        let (file, path) = match directory {
            Some(directory) => (open_dir(directory)?, directory.to_owned()),
            None => {
                let path = self.path(namespace, object);
                (self.open(&path)?, path)
            }
        };
        let operation = match kind {
            Kind::Shared => FlockOperation::NonBlockingLockShared,
            Kind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&file, operation) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let mine = fstat(&file)?;
        if !stat(&path).is_ok_and(|there| (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)) {
            return Err(io::Error::other(format!(
                "{} was removed or replaced meanwhile; try again",
                path.display()
            )));
        }
        Ok(Some(Lock { file, path, is_directory: directory.is_some() }))
    }

    fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o660);
        loop {
            match openat(CWD, path, flags, mode) {
                Err(Errno::NOENT) => {}
                result => return Ok(result?),
            }
            self.make_parents(path)?;
            match openat(CWD, path, flags | OFlags::CREATE | OFlags::EXCL, mode) {
                Ok(file) => {
                    fchmod(&file, mode)?;
                    self.disk.give(&file)?;
                    return Ok(file);
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Makes the directories of a lock file: the store's, its parent, and what is below.
    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let base = self.directory.parent().unwrap_or(&self.directory);
        let mut missing: Vec<&Path> =
            path.ancestors().skip(1).take_while(|path| path.starts_with(base) && !path.is_dir()).collect();
        while let Some(directory) = missing.pop() {
            self.disk.ensure_dir(directory, 0o755)?;
        }
        Ok(())
    }

    fn path(&self, namespace: &Namespace, object: &str) -> PathBuf {
        let mut path = self.directory.clone();
        if !namespace.is_root() {
            path.push(namespace.components().join(":"));
        }
        let name = escape(object);
        if name.len() <= LONGEST_NAME {
            path.push(name);
        } else {
            path.push("hashed");
            let hash = codec::digest(object.as_bytes());
            path.push(format!("{}...{}-{hash}", &name[..80], &name[name.len() - 80..]));
        }
        path
    }
}

/// The lock of somebody who only reads, or none where nothing can be written.
#[derive(Debug)]
pub(super) struct ReaderLock(#[allow(dead_code)] Option<Lock>);

fn is_read_only(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), ReadOnlyFilesystem | PermissionDenied | NotFound)
}

/// A path as units of systemd are named.
pub(super) fn escape(path: &str) -> String {
    let mut out = String::new();
    for (at, byte) in path.trim_start_matches('/').bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if at == 0 => out.push_str("\\x2e"),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'.' => out.push(char::from(byte)),
            other => write!(out, "\\x{other:02x}").expect("strings take everything"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks(directory: &Path) -> Locks {
        Locks { directory: directory.join("locks/store"), old: false, disk: Disk::default() }
    }

    fn id() -> SnapshotId {
        "host/elsa/2020-06-26T13:56:05Z".parse().unwrap()
    }

    /// Behaviour 55.
    #[test]
    fn names_of_lock_files() {
        let locks = locks(Path::new("/run"));
        let (root, deep): (Namespace, Namespace) = (Namespace::default(), "a/b-c".parse().unwrap());
        let name = |namespace: &Namespace, object: &str| {
            let path = locks.path(namespace, object);
            path.strip_prefix("/run/locks/store").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(&root, "host/elsa"), "host-elsa");
        assert_eq!(name(&root, &id().to_string()), r"host-elsa-2020\x2d06\x2d26T13\x3a56\x3a05Z");
        assert_eq!(
            name(&deep, "host/x.y-z_1/2026-11-22T22:06:00Z/.index.json.lck"),
            r"a:b-c/host-x.y\x2dz_1-2026\x2d11\x2d22T22\x3a06\x3a00Z-.index.json.lck"
        );
        assert_eq!(escape("/.x"), r"\x2ex");
        // 5 and 249 characters are 254; one more is hashed.
        assert_eq!(name(&root, &format!("host/{}", "x".repeat(249))).len(), 254);
        let long = name(&root, &format!("host/{}", "x".repeat(250)));
        assert!(long.starts_with("hashed/host-xxx") && long.len() == 7 + 80 + 3 + 80 + 1 + 64, "{long}");
        assert!(long.ends_with(&codec::digest(format!("host/{}", "x".repeat(250)).as_bytes()).to_string()));
    }

    #[test]
    fn one_exclusive_or_many_shared() {
        let temp = tempfile::tempdir().unwrap();
        let (locks, root) = (locks(temp.path()), Namespace::default());
        let path = temp.path();
        let first = locks.reader(&root, &id(), path).unwrap().unwrap();
        let second = locks.reader(&root, &id(), path).unwrap().unwrap();
        assert!(locks.snapshot(&root, &id(), path).unwrap_err().to_string().contains("in use"));
        drop((first, second));
        let alone = locks.snapshot(&root, &id(), path).unwrap();
        assert!(locks.reader(&root, &id(), path).unwrap().is_none());
        // Another object is another lock.
        let other = locks.group(&root, &id().group, path).unwrap();
        assert!(
            locks.group(&root, &id().group, path).unwrap_err().to_string().contains("host/elsa is locked")
        );
        alone.remove();
        other.remove();
        assert_eq!(std::fs::read_dir(temp.path().join("locks/store")).unwrap().count(), 0);
    }

    /// Behaviour 54.
    #[test]
    fn a_replaced_lock_file_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let locks = locks(temp.path());
        let path = locks.path(&Namespace::default(), "host/elsa");
        let file = locks.open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        drop(locks.open(&path).unwrap());
        let mine = fstat(&file).unwrap();
        assert_ne!(stat(&path).unwrap().st_ino, mine.st_ino);
        // The same through the front door, with somebody who replaces the file as soon as it is there.
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = std::fs::remove_file(&path);
                }
            });
            let noticed = (0..1_000_000).any(|_| {
                match locks.take(&Namespace::default(), "host/elsa", None, Kind::Exclusive) {
                    Ok(_) => false,
                    Err(error) => error.to_string().contains("removed or replaced"),
                }
            });
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(noticed);
        });
    }

    /// The lock of old servers.
    #[test]
    fn directories_can_be_locks() {
        let temp = tempfile::tempdir().unwrap();
        let locks = Locks { old: true, ..locks(temp.path()) };
        let held = locks.snapshot(&Namespace::default(), &id(), temp.path()).unwrap();
        assert!(locks.snapshot(&Namespace::default(), &id(), temp.path()).is_err());
        held.remove();
        assert!(temp.path().exists() && !temp.path().join("locks").exists());
    }
}
