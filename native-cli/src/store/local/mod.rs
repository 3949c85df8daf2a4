//! The datastore in a local directory, as a Proxmox Backup Server has it (datastore specification).
//!
//! | file | purpose |
//! |---|---|
//! | `layout` | paths, making a store, whose it is |
//! | `process` | the process lock, and what else all users in one process share |
//! | `lock` | locks of groups, snapshots and manifests |
//! | `disk`, `fault` | everything that changes a store passes there |
//! | `chunk` | chunks |
//! | `group`, `snapshot` | what is there |
//! | `session`, `index` | a snapshot in the making |
//! | `forget` | removing and protecting snapshots, notes |
//! | `gc` | garbage collection |
//! | `verify`, `upid` | verification here, its result, the name of its task |

mod chunk;
mod disk;
mod fault;
mod forget;
mod gc;
mod group;
mod index;
mod layout;
mod lock;
mod process;
mod session;
mod snapshot;
mod upid;
mod verify;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use rustix::fs::statvfs;

pub use chunk::{ChunkError, ChunkProblem};
pub use fault::{Fault, Faults};
pub use gc::{CUTOFF, Collect, Collected};
pub use layout::Server;
pub(super) use snapshot::Index;

use self::chunk::ChunkStore;
use self::disk::Disk;
use self::layout::Layout;
use self::lock::Locks;
use self::process::Process;
use self::session::Session;
use self::snapshot::Opened;
use super::{
    Backup, Group, GroupInfo, Namespace, NewSnapshot, OpenSnapshot, Repository, SnapshotId, SnapshotInfo,
    Space, Verification,
};

/// When what is written is made to survive a power cut (5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncLevel {
    /// When the system likes.
    None,
    /// The whole file system, once for each backup before its manifest is written.
    #[default]
    Filesystem,
    /// Each chunk when it is inserted, and the rest before the manifest.
    File,
}

/// How a datastore is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// When what is written is made durable.
    pub sync: SyncLevel,
    /// To whom new groups belong, and in whose groups backups are made: `user@realm` or `user@realm!token`.
    pub auth_id: String,
    /// Where a server on this machine keeps its things.
    pub server: Server,
    /// Failures on demand, for tests.
    pub faults: Option<Arc<Faults>>,
}

impl Default for Options {
    fn default() -> Self {
        let (sync, server) = Default::default();
        Self { sync, auth_id: "root@pam".to_owned(), server, faults: Faults::from_env() }
    }
}

/// A datastore in a local directory.
#[derive(Clone, Debug)]
pub struct Local(Arc<Store>);

#[derive(Debug)]
struct Store {
    layout: Layout,
    disk: Disk,
    process: &'static Process,
    locks: Locks,
    chunks: ChunkStore,
    auth_id: String,
    sync: SyncLevel,
}

impl Store {
    /// The name of the store, as that of a server.
    fn name(&self) -> String {
        self.layout.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How messages name a namespace of this store.
    fn place(&self, namespace: &Namespace) -> String {
        let root = self.layout.root.display();
        if namespace.is_root() { root.to_string() } else { format!("namespace `{namespace}` of {root}") }
    }
}

impl Local {
    /// Opens the datastore in a directory. It may be read-only, and lack subdirectories of chunks that would be empty.
    ///
    /// # Errors
    /// There is none, or nobody may look into it.
    pub fn open(root: &Path, options: Options) -> anyhow::Result<Self> {
        let layout = Layout { root: root.to_owned() };
        match layout.chunks().metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => bail!("{} is no datastore: .chunks is not a directory", root.display()),
            Err(error) if disk::is_missing(&error) && !root.exists() => {
                bail!("there is no datastore {}: no such directory", root.display())
            }
            Err(error) if disk::is_missing(&error) => {
                bail!("{} is no datastore: it has no directory .chunks", root.display())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", root.display())),
        }
        let owner = layout::owner_below(root).with_context(|| format!("cannot open {}", root.display()))?;
        let disk = Disk { owner, faults: options.faults };
        let server = options.server;
        let locks = match server.store_name(root)? {
            Some(name) => Locks {
                directory: server.locks.join(name),
                old: server.old_locking.exists(),
                disk: disk.clone(),
            },
            None => Locks { directory: root.join(".pxkit-locks"), old: false, disk: disk.clone() },
        };
        let (process, sync) = (Process::of(root)?, options.sync);
        let chunks = ChunkStore { directory: layout.chunks(), disk: disk.clone(), process, sync };
        let auth_id = options.auth_id;
        Ok(Self(Arc::new(Store { layout, disk, process, locks, chunks, auth_id, sync })))
    }

    /// Makes a datastore in a directory, which does not exist or is empty, and opens it. It belongs to whom the directory belongs.
    /// Directories of chunks are made when they are needed; [`Local::complete`] makes all.
    ///
    /// # Errors
    /// There is something in the directory, or it cannot be written.
    pub fn create(root: &Path, options: Options) -> anyhow::Result<Self> {
        layout::create(root, options.faults.clone())?;
        Self::open(root, options)
    }

    /// Makes all 65,536 directories of chunks that are missing: a server takes a store over only if it has them.
    ///
    /// # Errors
    /// One cannot be made, or a signal came.
    pub fn complete(&self) -> anyhow::Result<()> {
        layout::complete(&self.0.layout.chunks(), &self.0.disk)
    }

    /// Removes chunks that nobody uses.
    ///
    /// # Errors
    /// Another process has a writer or collects garbage; something cannot be read that might name chunks, and nothing was removed;
    /// something cannot be removed.
    pub fn collect_garbage(&self, collect: &Collect<'_>) -> anyhow::Result<Collected> {
        gc::run(&self.0, collect)
    }

    /// What the last garbage collection found and did, if that is known.
    pub fn last_collection(&self) -> Option<Collected> {
        gc::last(self.root())
    }

    /// Begins a verification by `threads` threads; `now` is the time in seconds since 1970.
    pub fn verification(&self, threads: usize, now: i64) -> Verification {
        Verification::new(Box::new(verify::Here { store: self.0.clone(), now }), threads)
    }

    /// Number of chunk files and their bytes.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn count_chunks(&self) -> anyhow::Result<(u64, u64)> {
        self.0.chunks.count()
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.0.layout.root
    }
}

impl Repository for Local {
    fn name(&self) -> String {
        self.root().display().to_string()
    }

    fn namespaces(&self, below: &Namespace) -> anyhow::Result<Vec<Namespace>> {
        group::namespaces(&self.0.layout, below)
    }

    fn groups(&self, namespace: &Namespace) -> anyhow::Result<Vec<GroupInfo>> {
        group::list(&self.0.layout, namespace)
    }

    fn snapshots(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<Vec<SnapshotInfo>> {
        snapshot::list(&self.0, namespace, group)
    }

    fn open(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<Arc<dyn OpenSnapshot>> {
        Ok(Arc::new(Opened::open(&self.0, namespace, snapshot)?))
    }

    fn begin(&self, new: &NewSnapshot) -> anyhow::Result<Box<dyn Backup>> {
        Ok(Box::new(Session::begin(&self.0, new, Timestamp::now().as_second())?))
    }

    fn forget(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<()> {
        self.0.forget(namespace, snapshot)
    }

    fn set_protected(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        protected: bool,
    ) -> anyhow::Result<()> {
        self.0.set_protected(namespace, snapshot, protected)
    }

    fn notes(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<String> {
        let open = self.open(namespace, snapshot)?;
        let notes = open.manifest().unprotected.get("notes").and_then(|notes| notes.as_str());
        Ok(notes.unwrap_or_default().to_owned())
    }

    fn set_notes(&self, namespace: &Namespace, snapshot: &SnapshotId, notes: &str) -> anyhow::Result<()> {
        self.0.update_manifest(namespace, snapshot, |manifest| {
            if notes.is_empty() {
                manifest.unprotected.remove("notes");
            } else {
                manifest.unprotected.insert("notes".to_owned(), notes.into());
            }
        })
    }

    fn group_notes(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<String> {
        let directory = self.0.layout.group(namespace, group);
        if !directory.is_dir() {
            bail!("there is no group {group} in {}", self.0.place(namespace));
        }
        let notes = group::notes(&directory).with_context(|| format!("cannot read the notes of {group}"))?;
        Ok(notes.unwrap_or_default())
    }

    fn set_group_notes(&self, namespace: &Namespace, group: &Group, notes: &str) -> anyhow::Result<()> {
        self.0.set_group_notes(namespace, group, notes)
    }

    fn change_owner(&self, namespace: &Namespace, group: &Group, owner: &str) -> anyhow::Result<()> {
        self.0.change_owner(namespace, group, owner)
    }

    fn create_namespace(&self, namespace: &Namespace) -> anyhow::Result<()> {
        group::create_namespace(&self.0, namespace)
    }

    fn delete_namespace(&self, namespace: &Namespace, groups: bool) -> anyhow::Result<()> {
        self.0.delete_namespace(namespace, groups)
    }

    fn space(&self) -> anyhow::Result<Space> {
        let space = statvfs(self.root()).with_context(|| format!("cannot look at {}", self.name()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Space { total: bytes(space.f_blocks), free: bytes(space.f_bavail) })
    }
}
