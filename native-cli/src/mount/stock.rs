//! Archives of a snapshot, or of all snapshots of a group: opened as somebody walks in, closed when others were used since.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, anyhow};
use lru::LruCache;
use pxkit_core::blob::CryptMode;

use super::archive::{MountedArchive, lock};
use crate::crypt::{Keyring, WithoutKey};
use crate::input::Opened;
use crate::report::Report;
use crate::source::{ByteSource as _, ChunkCache, ChunkReader, ChunkedArchive, Readahead};
use crate::store::{ArchiveName, Group, Namespace, Repository, Snapshot, SnapshotId, SnapshotInfo};

/// Archives that stay open; snapshots with open archives cannot be removed.
const OPEN: usize = 16;
/// Plain bytes of metadata chunks that are kept.
const METADATA: u64 = 64 << 20;

/// Decoded chunks: metadata apart, so that contents do not drive it out.
#[derive(Clone, Debug)]
pub struct Caches {
    metadata: ChunkCache,
    contents: ChunkCache,
}

impl Default for Caches {
    fn default() -> Self {
        Self { metadata: ChunkCache::new(METADATA), contents: ChunkCache::default() }
    }
}

impl Caches {
    /// Opens a file archive of a snapshot.
    ///
    /// # Errors
    /// Those of [`Opened::stored`] and [`MountedArchive::open`].
    pub fn open(&self, snapshot: &Snapshot, name: &ArchiveName) -> anyhow::Result<MountedArchive> {
        let metadata = Arc::new(ChunkReader::sharing(snapshot.clone(), &self.metadata));
        let contents = Arc::new(ChunkReader::sharing(snapshot.clone(), &self.contents));
        let reader = if matches!(name, ArchiveName::Split { .. }) { &metadata } else { &contents };
        MountedArchive::open(Opened::stored_apart(reader, &contents, name, true)?)
    }

    fn open_image(&self, snapshot: &Snapshot, name: &str) -> anyhow::Result<ChunkedArchive> {
        ChunkedArchive::open(Arc::new(ChunkReader::sharing(snapshot.clone(), &self.contents)), name)
    }
}

/// What a name in a snapshot's directory is, once it is open.
#[derive(Debug)]
pub enum Item {
    Archive(MountedArchive),
    Image(ChunkedArchive, Readahead),
}

impl Item {
    /// Bytes as they are told of file systems.
    pub fn size(&self) -> u64 {
        match self {
            Self::Archive(archive) => archive.size(),
            Self::Image(image, _) => image.size(),
        }
    }
}

/// A name in a snapshot's directory.
#[derive(Clone, Debug)]
pub struct Slot {
    snapshot: usize,
    name: ArchiveName,
    /// As people know it: `root.pxar`.
    pub label: String,
}

/// Snapshots of a group.
#[derive(Debug)]
pub struct Stock {
    repository: Arc<dyn Repository>,
    namespace: Namespace,
    group: Group,
    keyring: Keyring,
    caches: Caches,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    snapshots: Vec<Known>,
    /// Their numbers by time.
    numbers: HashMap<i64, usize>,
    slots: Vec<Slot>,
    open: LruCache<usize, Arc<Item>>,
}

#[derive(Debug)]
struct Known {
    id: SnapshotId,
    /// Numbers of slots, once somebody looked into it.
    slots: Option<Arc<[usize]>>,
}

impl Stock {
    /// The snapshots of a group, or one of them. Somebody may be asked for the passphrase of the key now, if one of them has been made with a
    /// key: later there is nobody.
    ///
    /// # Errors
    /// There are no such snapshots, or the key cannot be opened.
    pub fn open(
        repository: Arc<dyn Repository>,
        namespace: Namespace,
        group: Group,
        only: Option<SnapshotId>,
        keyring: Keyring,
    ) -> anyhow::Result<Self> {
        let (snapshots, numbers, slots) = Default::default();
        let open = LruCache::new(OPEN.try_into().context("not zero")?);
        let state = Mutex::new(State { snapshots, numbers, slots, open });
        let stock = Self { repository, namespace, group, keyring, caches: Caches::default(), state };
        let all = stock.repository.snapshots(&stock.namespace, &stock.group)?;
        let mut wanted = all.iter().filter(|info| only.as_ref().is_none_or(|only| *only == info.id));
        let is_secret = |info: &SnapshotInfo| {
            info.key.is_some() || info.listed().any(|(_, file)| file.crypt_mode != CryptMode::None)
        };
        if wanted.any(is_secret) {
            stock.keyring.key()?;
        }
        if let Some(only) = only {
            stock.number(&only);
            // Says what is wrong with it while there is somebody to hear it.
            stock.slots(0)?;
        }
        Ok(stock)
    }

    /// The number of a snapshot, which it keeps.
    fn number(&self, id: &SnapshotId) -> usize {
        let mut state = lock(&self.state);
        let State { snapshots, numbers, .. } = &mut *state;
        *numbers.entry(id.time).or_insert_with(|| {
            snapshots.push(Known { id: id.clone(), slots: None });
            snapshots.len() - 1
        })
    }

    /// The finished snapshots that there are now, oldest first: number, name.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn snapshots(&self) -> anyhow::Result<Vec<(usize, String)>> {
        let all = self.repository.snapshots(&self.namespace, &self.group)?;
        let finished = all.into_iter().filter(|info| info.finished);
        Ok(finished.map(|info| (self.number(&info.id), info.id.time_text())).collect())
    }

    /// The time of a snapshot, in seconds since 1970.
    pub fn time(&self, snapshot: usize) -> i64 {
        lock(&self.state).snapshots.get(snapshot).map_or(0, |known| known.id.time)
    }

    fn id(&self, snapshot: usize) -> anyhow::Result<SnapshotId> {
        let state = lock(&self.state);
        state.snapshots.get(snapshot).map(|known| known.id.clone()).ok_or_else(|| anyhow!("no such snapshot"))
    }

    fn open_snapshot(&self, snapshot: usize) -> anyhow::Result<Snapshot> {
        let stored = self.repository.open(&self.namespace, &self.id(snapshot)?)?;
        self.keyring.open(stored, WithoutKey::Refuse, &Report::new(true))
    }

    /// What is in a snapshot: file archives and images, by number.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn slots(&self, snapshot: usize) -> anyhow::Result<Arc<[usize]>> {
        if let Some(slots) = lock(&self.state).snapshots.get(snapshot).and_then(|known| known.slots.clone()) {
            return Ok(slots);
        }
        let names = ArchiveName::labelled(self.open_snapshot(snapshot)?.manifest());
        let mut state = lock(&self.state);
        let State { snapshots, slots, .. } = &mut *state;
        let known = snapshots.get_mut(snapshot).ok_or_else(|| anyhow!("no such snapshot"))?;
        if known.slots.is_none() {
            let first = slots.len();
            slots.extend(names.into_iter().map(|(label, name)| Slot { snapshot, name, label }));
            known.slots = Some((first..slots.len()).collect());
        }
        known.slots.clone().ok_or_else(|| anyhow!("no such snapshot"))
    }

    /// What has a number.
    ///
    /// # Errors
    /// Nothing has.
    pub fn slot(&self, slot: usize) -> anyhow::Result<Slot> {
        lock(&self.state).slots.get(slot).cloned().ok_or_else(|| anyhow!("no such archive"))
    }

    /// Opens what has a number, if it is not open.
    ///
    /// # Errors
    /// It cannot be opened, for example because the snapshot was removed.
    pub fn item(&self, slot: usize) -> anyhow::Result<Arc<Item>> {
        if let Some(item) = lock(&self.state).open.get(&slot) {
            return Ok(item.clone());
        }
        let Slot { snapshot, name, .. } = self.slot(slot)?;
        let snapshot = self.open_snapshot(snapshot)?;
        let item = Arc::new(match &name {
            ArchiveName::Image(name) => {
                Item::Image(self.caches.open_image(&snapshot, name)?, Readahead::default())
            }
            _ => Item::Archive(self.caches.open(&snapshot, &name)?),
        });
        // What is closed by this ends its threads: not while others wait.
        let closed = lock(&self.state).open.push(slot, item.clone());
        drop(closed);
        Ok(item)
    }

    /// The path of what has a number, for messages.
    pub fn label(&self, slot: usize) -> String {
        let label = |slot: Slot| Ok(format!("{}/{}", self.id(slot.snapshot)?, slot.label));
        self.slot(slot).and_then(label).unwrap_or_default()
    }

    /// How messages name the group.
    pub fn name(&self) -> String {
        self.group.to_string()
    }
}
