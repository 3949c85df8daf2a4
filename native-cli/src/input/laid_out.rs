//! Archives as `core::layout` sees them: the tree, the map of the stream that holds the contents, its index.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::access::{Machine, ReadNode, Source, Tree, TreeBuilder, drive};
use pxkit_core::blob::Fingerprint;
use pxkit_core::decode::Event;
use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::compare::{Comparison, compare};
use pxkit_core::layout::{DigestOrder, Layout, Map};

use super::{EntryReader, Opened, RandomAccess};
use crate::report::check_signals;
use crate::source::ByteSource;

/// An archive whose layout is looked at. Of its streams only the metadata was read.
#[derive(Debug)]
pub struct LaidOut {
    /// How messages name it.
    pub name: String,
    /// Its entries.
    pub tree: Tree,
    /// The stream with the contents.
    pub map: Map,
    /// Whether somebody said how long that stream is.
    pub is_size_known: bool,
    index: Option<DynamicIndex>,
    order: DigestOrder,
    /// The key on which the digests of the index depend.
    key: Option<Fingerprint>,
    /// The metadata archive, if it can be read anywhere.
    meta: Option<Arc<dyn ByteSource>>,
    payload: Option<Arc<dyn ByteSource>>,
}

impl LaidOut {
    /// Reads the metadata of an archive. `index` is a file with the index of its payload stream, or of the archive if it is unified; archives of
    /// snapshots have theirs.
    ///
    /// # Errors
    /// The archive or the index is damaged or cannot be read; an index was named for an archive of a snapshot.
    pub fn read(opened: Opened, index: Option<&Path>) -> anyhow::Result<Self> {
        let Opened { name, stream, payload, .. } = opened.archive()?;
        let meta = stream.source().cloned();
        let payload = payload.map(|payload| payload.source().clone());
        let (tree, read, version) =
            tree(EntryReader::new(stream)).with_context(|| format!("cannot read {name}"))?;
        let is_split = payload.is_some() || version == 2;
        let contents = if is_split { &payload } else { &meta };
        let stored = contents.as_ref().and_then(|contents| contents.index());
        let (index, key) = match (stored, index) {
            (Some(_), Some(_)) => {
                bail!("{name} is an archive of a snapshot: its index is found without --index")
            }
            (Some((index, key)), None) => (Some(index.clone()), key),
            (None, file) => (file.map(read_index).transpose()?, None),
        };
        let known = contents.as_ref().map(|contents| contents.size());
        let size = if is_split {
            known.or(index.as_ref().map(DynamicIndex::size)).unwrap_or_else(|| Map::least_size(&tree))
        } else {
            known.unwrap_or(read)
        };
        let is_size_known = !is_split || known.is_some() || index.is_some();
        let map = Map::new(&tree, if is_split { Source::Payload } else { Source::Meta }, size);
        let order = index.as_ref().map_or_else(DigestOrder::default, DigestOrder::new);
        Ok(Self { name, tree, map, is_size_known, index, order, key, meta, payload })
    }

    /// Its layout.
    pub fn layout(&self) -> Layout<'_> {
        Layout::new(&self.tree, &self.map, self.index.as_ref())
    }

    /// The digests of its index.
    pub const fn order(&self) -> &DigestOrder {
        &self.order
    }

    /// Runs a machine over its streams.
    ///
    /// # Errors
    /// Those of reading and of the machine; the stream is not there, or can be read only once.
    pub fn run<M: Machine>(&self, machine: M) -> anyhow::Result<M::Output> {
        drive(machine, |want, buffer| {
            let name = &self.name;
            let source = match (want.source, &self.meta, &self.payload) {
                (Source::Meta, Some(meta), _) => meta,
                (Source::Payload, _, Some(payload)) => payload,
                (Source::Meta, ..) => bail!("{name} is a pipe; its contents can only be looked at in a file"),
                (Source::Payload, ..) => {
                    bail!(
                        "the contents of {name} are in its payload file (.ppxar); name that with --payload-input"
                    )
                }
            };
            source
                .read_exact_at(buffer, want.offset)
                .with_context(|| format!("cannot read {}", source.name()))
        })
    }

    /// Whether digests of both archives mean the same.
    pub fn shares_digests(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Compares two archives, their attributes, too. Without indexes where digests depend on different keys.
    ///
    /// # Errors
    /// Attributes of an archive cannot be read.
    pub fn compare(old: &Self, new: &Self) -> anyhow::Result<Comparison> {
        let mut comparison = if old.key == new.key {
            compare(&old.layout(), &new.layout())
        } else {
            compare(&Layout::new(&old.tree, &old.map, None), &Layout::new(&new.tree, &new.map, None))
        };
        let pending: Vec<u32> = comparison.pending().collect();
        if pending.is_empty() {
            return Ok(comparison);
        }
        let (Some(old_meta), Some(new_meta)) = (&old.meta, &new.meta) else {
            bail!("attributes can only be compared in files, not in a pipe");
        };
        let (first, second) =
            (RandomAccess::open(&**old_meta, None)?, RandomAccess::open(&**new_meta, None)?);
        for id in pending {
            check_signals()?;
            let Some(before) = comparison.before(id) else { continue };
            let [before, after] = [(old, &first, before), (new, &second, id)].map(|(archive, access, id)| {
                let id = archive.layout().file_of(id);
                let read = if id == 0 {
                    ReadNode::root(&access.archive)
                } else {
                    ReadNode::new(&access.archive, archive.tree.filename(id))
                };
                access.run(read).map(|node| node.attributes)
            });
            comparison.attributes(id, before? == after?);
        }
        Ok(comparison)
    }
}

/// All entries, the bytes of the archive, and its version.
fn tree(mut reader: EntryReader) -> anyhow::Result<(Tree, u64, u64)> {
    let (mut builder, mut version) = (TreeBuilder::new(), 1);
    loop {
        match reader.step()? {
            Event::Entry(entry) => builder.add(&entry)?,
            Event::Leave { .. } => builder.leave(),
            Event::Skip(bytes) => {
                check_signals()?;
                reader.skip(bytes)?;
            }
            Event::Version(found) => version = found,
            Event::Need(_) | Event::Prelude { .. } => {}
            Event::End => return Ok((builder.finish(), reader.offset(), version)),
        }
    }
}

fn read_index(path: &Path) -> anyhow::Result<DynamicIndex> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    DynamicIndex::parse(&bytes).with_context(|| format!("{} is no index", path.display()))
}
