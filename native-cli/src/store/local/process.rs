//! What all users of a datastore in one process share: the process lock (datastore specification 4.1) and the mutexes of its chunks.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use pxkit_core::format::Digest;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fchmod, fcntl_lock, fstat, openat, statat};
use rustix::io::Errno;

use super::disk::{Disk, open_dir};

/// Mutexes of chunks; each belongs to the digests with the same first six bits.
const SHARDS: usize = 64;

/// A datastore as this process knows it. There is one for each, and it stays: closing any descriptor of `.lock` would drop the locks of
/// the whole process.
#[derive(Debug)]
pub(super) struct Process {
    path: PathBuf,
    /// Keeps the directory's inode number from being given to another.
    root: OwnedFd,
    shards: [Mutex<()>; SHARDS],
    lock: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<OwnedFd>,
    /// Garbage is collected here.
    exclusive: bool,
    /// Start of each writer, in seconds since 1970.
    writers: BTreeMap<u64, i64>,
    next_writer: u64,
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under these mutexes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// The datastore in a directory.
    pub fn of(root: &Path) -> anyhow::Result<&'static Self> {
        static KNOWN: Mutex<Option<HashMap<(u64, u64), &'static Process>>> = Mutex::new(None);
        let directory = open_dir(root).with_context(|| format!("cannot open {}", root.display()))?;
        let stat = fstat(&directory)?;
        let mut known = unpoisoned(&KNOWN);
        let entry = known.get_or_insert_default().entry((stat.st_dev, stat.st_ino));
        Ok(entry.or_insert_with(|| {
            let shards = std::array::from_fn(|_| Mutex::default());
            Box::leak(Box::new(Self {
                path: root.to_owned(),
                root: directory,
                shards,
                lock: Mutex::default(),
            }))
        }))
    }

    /// Keeps others in this process from inserting, touching or removing chunks of this digest.
    pub fn chunk_mutex(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        unpoisoned(&self.shards[usize::from(digest.0[0] >> 2)])
    }

    /// Announces a writer who starts now; while there is one, no other process collects garbage.
    pub fn share(&'static self, disk: &Disk, now: i64) -> anyhow::Result<SharedLock> {
        let mut state = unpoisoned(&self.lock);
        if state.writers.is_empty() && !state.exclusive {
            self.acquire(
                &mut state,
                disk,
                FlockOperation::NonBlockingLockShared,
                "another process collects garbage",
            )?;
        }
        let id = state.next_writer;
        state.next_writer += 1;
        state.writers.insert(id, now);
        Ok(SharedLock { process: self, id })
    }

    /// Begins to collect garbage; no other process has a writer then. Writers of this process go on.
    pub fn exclude(&'static self, disk: &Disk) -> anyhow::Result<ExclusiveLock> {
        let mut state = unpoisoned(&self.lock);
        if state.exclusive {
            bail!("{}: garbage is being collected already", self.path.display());
        }
        let why = "another process makes a backup or collects garbage";
        self.acquire(&mut state, disk, FlockOperation::NonBlockingLockExclusive, why)?;
        state.exclusive = true;
        Ok(ExclusiveLock { process: self })
    }

    /// Start of the writer that has been at work longest.
    pub fn oldest_writer(&self) -> Option<i64> {
        unpoisoned(&self.lock).writers.values().min().copied()
    }

    fn acquire(
        &self,
        state: &mut State,
        disk: &Disk,
        operation: FlockOperation,
        busy: &str,
    ) -> anyhow::Result<()> {
        let name = || format!("the process lock {}/.lock", self.path.display());
        if state.file.is_none() {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let is_new = statat(&self.root, ".lock", AtFlags::SYMLINK_NOFOLLOW).is_err();
            let file = openat(&self.root, ".lock", flags, Mode::from_raw_mode(0o644));
            let file = file.with_context(|| format!("cannot open {}", name()))?;
            if is_new {
                fchmod(&file, Mode::from_raw_mode(0o644))
                    .and_then(|()| disk.give(&file))
                    .with_context(name)?;
            }
            state.file = Some(file);
        }
        let file = state.file.as_ref().expect("opened above");
        match fcntl_lock(file, operation) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                bail!("the datastore {} is busy: {busy}; try again later", self.path.display())
            }
            Err(errno) => return Err(errno).with_context(|| format!("cannot take {}", name())),
        }
        // A lock on a file that others do not find protects nothing.
        let (mine, there) = (fstat(file)?, statat(&self.root, ".lock", AtFlags::SYMLINK_NOFOLLOW));
        if !there.is_ok_and(|there| (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)) {
            let _ = fcntl_lock(file, FlockOperation::NonBlockingUnlock);
            bail!("{} was replaced while it was in use", name());
        }
        Ok(())
    }

    /// What is left when a lock of this process is given back.
    fn release(&self, state: &State) {
        let operation = match (state.exclusive, state.writers.is_empty()) {
            (true, _) => return,
            (false, false) => FlockOperation::NonBlockingLockShared,
            (false, true) => FlockOperation::NonBlockingUnlock,
        };
        if let Some(file) = &state.file {
            // To weaken a lock that is held cannot fail.
            let _ = fcntl_lock(file, operation);
        }
    }
}

/// A live writer.
#[derive(Debug)]
pub(super) struct SharedLock {
    process: &'static Process,
    id: u64,
}

impl Drop for SharedLock {
    fn drop(&mut self) {
        let mut state = unpoisoned(&self.process.lock);
        state.writers.remove(&self.id);
        if state.writers.is_empty() {
            self.process.release(&state);
        }
    }
}

/// Garbage is being collected.
#[derive(Debug)]
pub(super) struct ExclusiveLock {
    process: &'static Process,
}

impl Drop for ExclusiveLock {
    fn drop(&mut self) {
        let mut state = unpoisoned(&self.process.lock);
        state.exclusive = false;
        self.process.release(&state);
    }
}
