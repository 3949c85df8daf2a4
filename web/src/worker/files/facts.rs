//! What rows are made of.

use std::ops::Range;

use pxkit_core::access::{Source, Tree};
use pxkit_core::decode::Content;
use pxkit_core::layout::{Layout, Owner, sort_ids};

/// What is known of a document's entries. Not to be kept over an `await`.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The entries.
    pub tree: &'a Tree,
    /// No more of them will come.
    pub is_complete: bool,
    /// Where contents lie, once all is decoded.
    pub layout: Option<Layout<'a>>,
    /// Entries with something irregular, sorted.
    pub flagged: &'a [u32],
    /// For each chunk whether an earlier snapshot has it, too, if such a one is open.
    pub earlier: Option<&'a [bool]>,
    /// Another number whenever anything but the tree has changed.
    pub stamp: u64,
}

impl Facts<'_> {
    /// Whether any entry of a range has something irregular.
    pub fn is_flagged(&self, ids: Range<u32>) -> bool {
        let first = self.flagged.partition_point(|&id| id < ids.start);
        self.flagged.get(first).is_some_and(|&id| id < ids.end)
    }

    /// Where in its stream an entry's contents lie, header counted.
    pub fn payload(&self, id: u32) -> Option<Range<u64>> {
        self.layout.and_then(|layout| layout.map().payload(self.tree, id))
    }

    /// Position of the payload header in the payload stream; of inline contents, of the contents in the archive.
    pub fn offset(&self, id: u32) -> Option<u64> {
        match self.tree.content(id) {
            Content::Inline { offset, .. } => Some(offset),
            Content::Reference(reference) => Some(reference.offset),
            _ => None,
        }
    }

    /// The chunks that hold an entry's contents and their header.
    pub fn chunks(&self, id: u32) -> Option<Range<u32>> {
        let index = self.layout?.index()?;
        let payload = self.payload(id)?;
        let first = index.find(payload.start)?;
        let last = index.find(payload.end - 1).unwrap_or(index.count() - 1);
        Some(first as u32..last as u32 + 1)
    }

    /// Bytes of padding before and behind an entry's contents. In unified archives metadata are there, which are no padding.
    pub fn padding(&self, id: u32) -> Option<u64> {
        let layout = self.layout.filter(|layout| layout.map().source() == Source::Payload)?;
        layout.position(id)?;
        let (before, behind) = layout.around(id);
        Some(before.saturating_add(behind))
    }

    /// Whether all of an entry's contents lie in chunks of an earlier snapshot.
    pub fn reused(&self, id: u32) -> Option<bool> {
        let earlier = self.earlier?;
        let chunks = self.chunks(id)?;
        Some(earlier.get(chunks.start as usize..chunks.end as usize)?.iter().all(|has| *has))
    }

    /// The entries whose contents touch a chunk, sorted.
    pub fn in_chunk(&self, chunk: u32) -> Vec<u32> {
        let Some(layout) = self.layout else { return Vec::new() };
        let extent = layout.index().and_then(|index| index.extent(chunk as usize));
        let owners = layout.spans(extent.unwrap_or_default()).filter_map(|span| match span.owner {
            Owner::Payload(id) => Some(id),
            _ => None,
        });
        let mut ids: Vec<u32> = owners.collect();
        sort_ids(&mut ids, &mut |a, b| a.cmp(&b));
        ids.dedup();
        ids
    }
}
