//! The first phase: every index in the tree is found, and every chunk that it names marked as used.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use pxkit_core::format::Digest;
use rustix::fs::{FlockOperation, flock};

use super::super::disk::is_missing;
use super::super::snapshot::{Index, times};
use super::super::{Store, group};
use super::{Collect, Collected};
use crate::report::check_signals;
use crate::store::{Group, Namespace, SnapshotId};

/// Digests that are remembered so as not to touch chunks again and again.
const REMEMBERED: usize = 1 << 20;
/// How often a group is listed again because its newest snapshot vanished; then it is locked.
const ATTEMPTS: u32 = 10;

/// Marks all chunks that are in use.
pub(super) fn run(store: &Store, collect: &Collect<'_>, collected: &mut Collected) -> anyhow::Result<()> {
    let mut mark = Mark { store, collect, collected, seen: HashSet::new() };
    let mut strange = indexes_below(&store.layout.root)?;
    for namespace in strict_namespaces(store)? {
        for group in group::all(&store.layout, &namespace)? {
            mark.group(&namespace, &group, &mut strange)?;
        }
    }
    for path in strange {
        if mark.index(&path)? {
            (collect.warn)(&format!("Marked chunks for unexpected index file at {}", path.display()));
        }
    }
    mark.journal()
}

struct Mark<'a> {
    store: &'a Store,
    collect: &'a Collect<'a>,
    collected: &'a mut Collected,
    /// Chunks that were touched lately.
    seen: HashSet<Digest>,
}

impl Mark<'_> {
    fn group(
        &mut self,
        namespace: &Namespace,
        group: &Group,
        strange: &mut BTreeSet<PathBuf>,
    ) -> anyhow::Result<()> {
        let directory = self.store.layout.group(namespace, group);
        // Each index once, however often the group is listed.
        let mut done = HashSet::new();
        for attempt in 0..=ATTEMPTS {
            let _lock = match attempt {
                ATTEMPTS => Some(self.store.locks.group(namespace, group, &directory)?),
                _ => None,
            };
            if self.snapshots(namespace, group, &directory, strange, &mut done)? {
                return Ok(());
            }
        }
        bail!("snapshots of {group} vanish although the group is locked")
    }

    /// Marks what the snapshots of a group use, newest first; `false` if the newest vanished meanwhile: a backup that was begun since
    /// may rely on chunks that it kept.
    fn snapshots(
        &mut self,
        namespace: &Namespace,
        group: &Group,
        directory: &Path,
        strange: &mut BTreeSet<PathBuf>,
        done: &mut HashSet<PathBuf>,
    ) -> anyhow::Result<bool> {
        for (age, time) in times(directory)?.into_iter().rev().enumerate() {
            let id = SnapshotId { group: group.clone(), time };
            let snapshot = self.store.layout.snapshot(namespace, &id);
            let entries = match fs::read_dir(&snapshot) {
                Err(error) if is_missing(&error) && age == 0 => return Ok(false),
                Err(error) if is_missing(&error) => continue,
                result => result.with_context(|| cannot_read(&snapshot))?,
            };
            for entry in entries {
                let path = entry.with_context(|| cannot_read(&snapshot))?.path();
                if !is_index(&path) || done.contains(&path) {
                    continue;
                }
                if self.index(&path)? {
                    strange.remove(&path);
                    done.insert(path);
                } else if age == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Marks what an index names; `false` if it is gone.
    fn index(&mut self, path: &Path) -> anyhow::Result<bool> {
        check_signals()?;
        let index = match Index::read(path) {
            Err(error) if error.downcast_ref().is_some_and(is_missing) => return Ok(false),
            result => result.with_context(|| cannot_read(path))?,
        };
        self.collected.index_file_count += 1;
        self.collected.index_data_bytes += index.size();
        for at in 0..index.count() {
            let (digest, _) = index.chunk(at).expect("an index has as many chunks as it counts");
            if self.seen.len() >= REMEMBERED {
                self.seen.clear();
            }
            if !self.seen.insert(digest) {
                continue;
            }
            if at % 1024 == 0 {
                check_signals()?;
            }
            if self.store.chunks.touch(&digest)?.is_none() {
                self.missing(&digest, path)?;
            }
        }
        Ok(true)
    }

    /// A chunk is missing: what verify set aside of it is kept for whoever can make use of it.
    fn missing(&self, digest: &Digest, index: &Path) -> anyhow::Result<()> {
        let path = self.store.chunks.path(digest);
        for number in 0..10 {
            let bad = path.with_extension(format!("{number}.bad"));
            match self.store.disk.touch(&bad) {
                Err(error) if is_missing(&error) => {}
                result => result.with_context(|| format!("cannot mark {}", bad.display()))?,
            }
        }
        let index = index.display();
        (self.collect.warn)(&format!("unable to access non-existent chunk {digest}, required by {index}"));
        Ok(())
    }

    /// Indexes that are being moved between namespaces; the server notes them before it moves them.
    fn journal(&mut self) -> anyhow::Result<()> {
        let path = self.store.locks.directory.join("move-journal");
        let what = || cannot_read(&path);
        let mut file = match fs::File::options().read(true).write(true).open(&path) {
            Err(error) if is_missing(&error) => return Ok(()),
            result => result.with_context(what)?,
        };
        flock(&file, FlockOperation::LockExclusive).with_context(what)?;
        let text = io::read_to_string(&file).with_context(what)?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            self.index(Path::new(line))?;
        }
        if !self.collect.dry_run {
            file.set_len(0).and_then(|()| file.flush()).with_context(what)?;
        }
        Ok(())
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "didx" || extension == "fidx")
}

/// All indexes below a directory, wherever they lie, but for what is hidden.
fn indexes_below(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        check_signals()?;
        let is_lost_and_found = directory == root.join("lost+found");
        let entries = match fs::read_dir(&directory) {
            Err(error) if is_missing(&error) && directory != *root => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_lost_and_found => continue,
            result => result.with_context(|| cannot_read(&directory))?,
        };
        for entry in entries {
            let entry = entry.with_context(|| cannot_read(&directory))?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let is_directory = match entry.file_type() {
                Err(error) if is_missing(&error) => continue,
                result => result.with_context(|| cannot_read(&path))?.is_dir(),
            };
            if is_index(&path) {
                found.insert(path);
            } else if is_directory {
                todo.push(path);
            }
        }
    }
    Ok(found)
}

/// All namespaces. A directory among them that cannot be one may hide what is in use.
fn strict_namespaces(store: &Store) -> anyhow::Result<Vec<Namespace>> {
    let mut all = Vec::new();
    let mut todo = vec![Namespace::default()];
    while let Some(namespace) = todo.pop() {
        let directory = store.layout.namespace(&namespace).join("ns");
        let entries = match fs::read_dir(&directory) {
            Err(error) if is_missing(&error) => None,
            result => Some(result.with_context(|| cannot_read(&directory))?),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.with_context(|| cannot_read(&directory))?;
            if !entry.file_type().with_context(|| cannot_read(&entry.path()))?.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let child = name.to_str().and_then(|name| namespace.child(name).ok());
            let wrong = || anyhow!("{} is no namespace: remove or rename it", entry.path().display());
            todo.push(child.filter(|_| name != OsStr::new("")).ok_or_else(wrong)?);
        }
        all.push(namespace);
    }
    Ok(all)
}
