//! Archives as `core::layout` sees them, with their streams in memory.

use std::sync::Arc;

use pxkit::store::{Local, Namespace, OpenSnapshot, Options, Snapshot, SnapshotName};
use pxkit_core::access::{Machine, Source, Tree, TreeBuilder, drive};
use pxkit_core::blob::CryptMode;
use pxkit_core::decode::{Entries, Event};
use pxkit_core::format::Error;
use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::{ChunkTable, DigestOrder, Layout, Map};

use crate::golden;

/// An archive with all that is made of it.
#[derive(Debug)]
pub struct LaidOut {
    /// Its metadata stream; a unified archive.
    pub meta: Vec<u8>,
    /// Its payload stream.
    pub payload: Option<Vec<u8>>,
    /// Its entries.
    pub tree: Tree,
    /// The map of the stream in which the contents lie.
    pub map: Map,
    /// The index of that stream.
    pub index: Option<DynamicIndex>,
    /// Its digests.
    pub order: DigestOrder,
}

impl LaidOut {
    /// An archive in memory.
    pub fn new(meta: Vec<u8>, payload: Option<Vec<u8>>, index: Option<DynamicIndex>) -> Self {
        let tree = tree(&meta);
        let map = match &payload {
            Some(payload) => Map::new(&tree, Source::Payload, payload.len() as u64),
            None => Map::new(&tree, Source::Meta, meta.len() as u64),
        };
        let order = index.as_ref().map_or_else(DigestOrder::default, DigestOrder::new);
        Self { meta, payload, tree, map, index, order }
    }

    /// `tree.pxar` of a snapshot of the golden datastore.
    pub fn golden(snapshot: &str) -> Self {
        let store = Local::open(&golden::path("datastore"), Options::default()).expect("a datastore");
        let name: SnapshotName = snapshot.parse().expect("a name");
        let snapshot = name.open(&store, &Namespace::default()).expect("a snapshot");
        let is_there = |name: &str| snapshot.manifest().file(name).is_some();
        if is_there("tree.pxar.didx") {
            let (meta, index) = stream(&snapshot, "tree.pxar.didx");
            return Self::new(meta, None, Some(index));
        }
        let (payload, index) = stream(&snapshot, "tree.ppxar.didx");
        Self::new(stream(&snapshot, "tree.mpxar.didx").0, Some(payload), Some(index))
    }

    /// Its layout.
    pub fn layout(&self) -> Layout<'_> {
        Layout::new(&self.tree, &self.map, self.index.as_ref())
    }

    /// Its chunks.
    pub fn chunks(&self) -> ChunkTable {
        ChunkTable::new(&self.layout())
    }

    /// Runs a machine over its streams.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn run<M: Machine>(&self, machine: M) -> Result<M::Output, Error> {
        drive(machine, |want, buffer| {
            let stream = match want.source {
                Source::Meta => &self.meta,
                Source::Payload => self.payload.as_ref().expect("a payload stream"),
            };
            let start = usize::try_from(want.offset).expect("an offset in memory");
            buffer.copy_from_slice(&stream[start..start + want.len]);
            Ok(())
        })
    }

    /// The path of an entry as text.
    pub fn path(&self, id: u32) -> String {
        let mut path = Vec::new();
        self.tree.path(id, &mut path);
        String::from_utf8_lossy(&path).into_owned()
    }

    /// The entry with this path.
    pub fn find(&self, path: &str) -> u32 {
        (0..self.tree.len() as u32).find(|&id| self.path(id) == path).unwrap_or_else(|| panic!("no {path}"))
    }
}

/// The tree of a metadata stream in memory.
///
/// # Panics
/// It is damaged.
pub fn tree(meta: &[u8]) -> Tree {
    let (mut entries, mut builder, mut at) = (Entries::new(), TreeBuilder::new(), 0);
    loop {
        let progress = entries.step(&meta[at.min(meta.len())..]).expect("a sound archive");
        at += progress.used;
        match progress.event {
            Event::Entry(entry) => builder.add(&entry).expect("few entries"),
            Event::Leave { .. } => builder.leave(),
            Event::Skip(bytes) => at += usize::try_from(bytes).expect("in memory"),
            Event::Need(bytes) => panic!("{bytes} bytes needed at {at}: the archive is cut off"),
            Event::End => return builder.finish(),
            Event::Version(_) | Event::Prelude { .. } => {}
        }
    }
}

fn stream(snapshot: &Arc<dyn OpenSnapshot>, name: &str) -> (Vec<u8>, DynamicIndex) {
    let snapshot = Snapshot::with_key(snapshot.clone(), Some(golden::key()));
    let index = snapshot.index(name).expect("an index");
    let (mut bytes, mut start) = (Vec::new(), 0);
    for chunk in index.chunks() {
        let plain = snapshot.chunk(&chunk.digest, chunk.end - start, CryptMode::None).expect("a chunk");
        bytes.extend_from_slice(&plain);
        start = chunk.end;
    }
    (bytes, index)
}
