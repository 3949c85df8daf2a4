//! A datastore on a server, read by the names that one in a directory has. Nothing but what somebody asks for is fetched, so listings do not
//! tell the sizes of files that the server does not tell, until they were read.
//!
//! Chunks belong to the datastore here, and to a snapshot there: the server hands out only those of indexes that were asked for in the same
//! session. So the snapshots whose indexes the page read stay open, the last few of them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pxkit_core::blob::{BackupType, MAX_PLAIN_SIZE, SEALED_HEADER_SIZE};
use pxkit_core::format::Digest;

use super::place::{GroupFile, Place};
use super::tree::{Content, Listed, Served};
use crate::codec;
use crate::remote::{Refused, Remote};
use crate::source::Memory;
use crate::store::{FileInfo, Namespace, OpenSnapshot, Repository as _, SnapshotId};

/// Snapshots that stay open.
const OPEN: usize = 8;
/// Largest file of a blob.
const MOST_BLOB: u64 = MAX_PLAIN_SIZE + SEALED_HEADER_SIZE as u64;
/// Largest index: of 40 TiB in chunks of 4 MiB.
const MOST_INDEX: u64 = 512 << 20;

/// The datastore on a server.
#[derive(Debug)]
pub struct ServerTree {
    remote: Remote,
    /// The snapshots that are open, the one that was used last at the end.
    open: Mutex<Vec<Arc<Session>>>,
}

/// A snapshot that is open.
#[derive(Debug)]
struct Session {
    namespace: Namespace,
    snapshot: Arc<dyn OpenSnapshot>,
    /// Files of it that were read.
    files: Mutex<HashMap<String, Arc<[u8]>>>,
    /// Chunks of indexes that were read in it.
    chunks: Mutex<HashSet<Digest>>,
}

impl Session {
    /// Lets the chunks of an index be asked for.
    fn allow(&self, name: &str) -> anyhow::Result<()> {
        let mut digests = Vec::new();
        if name.ends_with(".fidx") {
            digests.extend_from_slice(self.snapshot.image(name)?.digests());
        } else {
            digests.extend(self.snapshot.index(name)?.chunks().iter().map(|chunk| chunk.digest));
        }
        unpoisoned(&self.chunks).extend(digests);
        Ok(())
    }

    fn is_of(&self, namespace: &Namespace, id: &SnapshotId) -> bool {
        self.namespace == *namespace && self.snapshot.id() == id
    }

    /// The size of a file that was read.
    fn size(&self, name: &str) -> Option<u64> {
        unpoisoned(&self.files).get(name).map(|bytes| bytes.len() as u64)
    }

    fn has(&self, digest: &Digest) -> bool {
        unpoisoned(&self.chunks).contains(digest)
    }
}

impl ServerTree {
    /// Everything that its user may see there.
    pub fn new(remote: Remote) -> Self {
        Self { remote, open: Mutex::default() }
    }

    /// The first session that `is_it` is true of; it was used now.
    fn find(&self, is_it: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        let mut open = unpoisoned(&self.open);
        let at = open.iter().rposition(|session| is_it(session))?;
        let session = open.remove(at);
        open.push(session.clone());
        Some(session)
    }

    /// The session of a snapshot, which is begun if there is none.
    fn session(&self, namespace: &Namespace, id: &SnapshotId) -> anyhow::Result<Arc<Session>> {
        if let Some(session) = self.find(|session| session.is_of(namespace, id)) {
            return Ok(session);
        }
        let snapshot = self.remote.open(namespace, id)?;
        let session = Arc::new(Session {
            namespace: namespace.clone(),
            snapshot,
            files: Mutex::default(),
            chunks: Mutex::default(),
        });
        let mut open = unpoisoned(&self.open);
        if open.len() >= OPEN {
            open.remove(0);
        }
        open.push(session.clone());
        Ok(session)
    }

    fn list_names(&self, directory: &Place) -> anyhow::Result<Vec<Listed>> {
        let folder = |name: &str| Listed { name: name.to_owned(), is_directory: true, size: Some(0) };
        let mut listed = match directory {
            Place::Namespace(ns) => {
                let groups = self.remote.groups(ns)?;
                let has = |kind: &BackupType| groups.iter().any(|info| info.group.backup_type == *kind);
                let kinds = [BackupType::Ct, BackupType::Host, BackupType::Vm].into_iter().filter(has);
                let mut all: Vec<Listed> = kinds.map(|kind| folder(kind.word())).collect();
                if self.remote.namespaces(ns)?.len() > 1 {
                    all.push(folder("ns"));
                }
                if ns.is_root() {
                    all.push(folder(".chunks"));
                }
                all
            }
            Place::Namespaces(ns) => {
                let depth = ns.components().len();
                let all = self.remote.namespaces(ns)?;
                let children = all.iter().filter(|child| child.components().len() == depth + 1);
                children.filter_map(|child| child.components().last().map(|name| folder(name))).collect()
            }
            Place::Groups(ns, kind) => {
                let groups = self.remote.groups(ns)?;
                let own = groups.iter().filter(|info| info.group.backup_type == *kind);
                own.map(|info| folder(&info.group.id)).collect()
            }
            Place::Group(ns, group) => {
                let snapshots = self.remote.snapshots(ns, group)?;
                let mut all: Vec<Listed> =
                    snapshots.iter().map(|info| folder(&info.id.time_text())).collect();
                let groups = self.remote.groups(ns)?;
                if let Some(info) = groups.iter().find(|info| info.group == *group) {
                    let file = |name: &str, size| Listed { name: name.to_owned(), is_directory: false, size };
                    all.push(file("owner", Some(owner_file(&info.owner).len() as u64)));
                    // The server tells their first line here.
                    all.extend(info.comment.as_ref().map(|_| file("notes", None)));
                }
                all
            }
            Place::Snapshot(ns, id) => {
                let all = self.remote.snapshots(ns, &id.group)?;
                let info = all.into_iter().find(|info| info.id == *id);
                let files = info.map(|info| info.files).ok_or_else(|| not_found(directory))?;
                let session = self.find(|session| session.is_of(ns, id));
                let size = |file: &FileInfo| {
                    let read = session.as_ref().and_then(|session| session.size(&file.name));
                    // Of an index it is the size of the archive, which is not that of its file.
                    let listed = file.listed.filter(|_| file.name.ends_with(".blob"));
                    read.or(file.stored).or(listed.map(|listed| listed.size))
                };
                let file = |file: &FileInfo| Listed {
                    name: file.name.clone(),
                    is_directory: false,
                    size: size(file),
                };
                files.iter().map(file).collect()
            }
            _ => return Err(not_found(directory)),
        };
        listed.sort_unstable();
        Ok(listed)
    }

    fn bytes(&self, file: &Place) -> anyhow::Result<Arc<[u8]>> {
        match file {
            Place::GroupFile(ns, group, GroupFile::Owner) => {
                let groups = self.remote.groups(ns)?;
                let info = groups.into_iter().find(|info| info.group == *group);
                Ok(owner_file(&info.ok_or_else(|| not_found(file))?.owner).into_bytes().into())
            }
            Place::GroupFile(ns, group, GroupFile::Notes) => {
                let notes = self.remote.group_notes(ns, group)?;
                if notes.is_empty() { Err(not_found(file)) } else { Ok(notes.into_bytes().into()) }
            }
            Place::File(ns, id, name) => {
                // It is asked for again for every range of it.
                let session = self.session(ns, id)?;
                let known = unpoisoned(&session.files).get(name).cloned();
                if let Some(bytes) = known {
                    return Ok(bytes);
                }
                let is_index = !name.ends_with(".blob");
                if is_index {
                    session.allow(name)?;
                }
                let most = if is_index { MOST_INDEX } else { MOST_BLOB };
                let bytes: Arc<[u8]> = self.remote.file(ns, id, name, most)?.into();
                unpoisoned(&session.files).insert(name.clone(), bytes.clone());
                Ok(bytes)
            }
            Place::Chunk(digest, None) => {
                let session = self.find(|session| session.has(digest)).ok_or_else(|| not_found(file))?;
                let mut blob = Vec::new();
                session.snapshot.encoded_chunk(digest, &mut blob)?;
                Ok(blob.into())
            }
            _ => Err(not_found(file)),
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a datastore in a directory has in the file `owner` of a group.
fn owner_file(owner: &str) -> String {
    format!("{owner}\n")
}

fn not_found(place: &Place) -> anyhow::Error {
    io::Error::new(io::ErrorKind::NotFound, place.to_string()).into()
}

/// As the page is told: what the server does not have is not found.
fn told(error: anyhow::Error) -> io::Error {
    if let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind) {
        return io::Error::new(kind, format!("{error:#}"));
    }
    let is_missing = error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 404);
    let kind = if is_missing { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
    io::Error::new(kind, format!("{error:#}"))
}

impl Served for ServerTree {
    fn name(&self) -> String {
        self.remote.name()
    }

    fn list(&self, directory: &Place) -> io::Result<Vec<Listed>> {
        self.list_names(directory).map_err(told)
    }

    fn open(&self, file: &Place) -> io::Result<Content> {
        let bytes = self.bytes(file).map_err(told)?;
        let tag = match file {
            // Its name says what it is.
            Place::Chunk(digest, _) => digest.to_string(),
            _ => codec::digest(&bytes).to_string(),
        };
        Ok(Content { source: Arc::new(Memory::new(bytes, file.to_string())), tag })
    }
}
