use alloc::vec::Vec;
use core::ops::Range;

use crate::decode::{Content, Entry};
use crate::format::{Device, Error, ItemType, Kind, PayloadRef, Problem, Timestamp};

/// All entries of an archive at once, one array for each field: 61 bytes for an entry and its name's.
///
/// Entries are numbered in archive order: the root is 0, a directory comes before all that is in it, and what is in it has
/// the numbers up to [`Tree::end`] of the directory.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    parent: Vec<u32>,
    end: Vec<u32>,
    /// Where in `names` the entry's name ends; it begins where the one before ends.
    name_end: Vec<u32>,
    names: Vec<u8>,
    kind: Vec<Kind>,
    mode: Vec<u32>,
    uid: Vec<u32>,
    gid: Vec<u32>,
    mtime_secs: Vec<i64>,
    mtime_nanos: Vec<u32>,
    size: Vec<u64>,
    position: Vec<u64>,
    filename: Vec<u64>,
    inline: Vec<u32>,
    /// Targets of symlinks and hard links, sorted by entry: entry, end in `targets`.
    target_end: Vec<(u32, u32)>,
    targets: Vec<u8>,
    /// Inode flags of the few entries that have any, sorted by entry.
    flags: Vec<(u32, u64)>,
    /// Entries with attributes, sorted.
    attributes: Vec<u32>,
}

impl Tree {
    /// Entries, the root included.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Whether there is not even a root.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// The directory that holds an entry; the root's is the root.
    pub fn parent(&self, id: u32) -> u32 {
        self.parent[id as usize]
    }

    /// The first number after an entry and all that is in it.
    pub fn end(&self, id: u32) -> u32 {
        self.end[id as usize]
    }

    /// The name of an entry; empty for the root.
    pub fn name(&self, id: u32) -> &[u8] {
        &self.names[self.name_range(id)]
    }

    /// The names of all entries one after the other, for searches in all of them at once.
    pub fn names(&self) -> &[u8] {
        &self.names
    }

    /// Where in [`Tree::names`] the name of an entry is.
    pub fn name_range(&self, id: u32) -> Range<usize> {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.name_end[id - 1] };
        start as usize..self.name_end[id] as usize
    }

    /// The first entry from `from` on whose name ends behind byte `at` of [`Tree::names`]; that is cheap if it is near `from`.
    /// [`Tree::len`] if there is none.
    pub fn name_at(&self, at: usize, from: u32) -> u32 {
        let is_before = |end: &u32| *end as usize <= at;
        let (mut low, mut step) = (from as usize, 1);
        while self.name_end.get(low + step).is_some_and(is_before) {
            low += step;
            step *= 2;
        }
        let high = self.name_end.len().min(low + step);
        (low + self.name_end[low.min(high)..high].partition_point(is_before)) as u32
    }

    /// Bytes of all names.
    pub fn names_len(&self) -> usize {
        self.names.len()
    }

    /// Appends the path of an entry from the root, without leading slash.
    pub fn path(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        let mut at = id;
        // Backwards, names reversed, then turned around as a whole.
        while at != 0 {
            out.extend(self.name(at).iter().rev());
            at = self.parent(at);
            if at != 0 {
                out.push(b'/');
            }
        }
        out[start..].reverse();
    }

    /// The children of a directory in archive order.
    pub fn children(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        let end = if self.kind(id) == Kind::Directory { self.end(id) } else { id };
        let mut next = id + 1;
        core::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.end(child);
            Some(child)
        })
    }

    /// What an entry is.
    pub fn kind(&self, id: u32) -> Kind {
        self.kind[id as usize]
    }

    /// The lower 32 bits of the mode.
    pub fn mode(&self, id: u32) -> u32 {
        self.mode[id as usize]
    }

    /// Owner and group.
    pub fn owner(&self, id: u32) -> (u32, u32) {
        (self.uid[id as usize], self.gid[id as usize])
    }

    /// Time of last modification.
    pub fn mtime(&self, id: u32) -> Timestamp {
        Timestamp { secs: self.mtime_secs[id as usize], nanos: self.mtime_nanos[id as usize] }
    }

    /// Inode flags.
    pub fn flags(&self, id: u32) -> u64 {
        self.flags.binary_search_by_key(&id, |f| f.0).map_or(0, |at| self.flags[at].1)
    }

    /// Whether attributes are stored, which [`super::ReadNode`] reads at [`Tree::filename`].
    pub fn has_attributes(&self, id: u32) -> bool {
        self.attributes.binary_search(&id).is_ok()
    }

    /// Position of the FILENAME; of the root's ENTRY.
    pub fn filename(&self, id: u32) -> u64 {
        self.filename[id as usize]
    }

    /// The entry whose FILENAME is at a position (the root's: ENTRY), which hard links lead to.
    pub fn find(&self, filename: u64) -> Option<u32> {
        self.filename.binary_search(&filename).ok().map(|id| id as u32)
    }

    /// Bytes of contents; 0 for everything but files.
    pub fn size(&self, id: u32) -> u64 {
        if self.kind(id) == Kind::File { self.size[id as usize] } else { 0 }
    }

    /// Position and size of the contents of an entry that is known to be a file: of a reference, or of inline contents.
    #[inline]
    pub(crate) fn place(&self, id: u32) -> (u64, u64) {
        (self.position[id as usize], self.size[id as usize])
    }

    /// What an entry holds or points to.
    pub fn content(&self, id: u32) -> Content<'_> {
        let (position, size) = (self.position[id as usize], self.size[id as usize]);
        match self.kind(id) {
            Kind::File if self.is_inline(id) => Content::Inline { offset: position, size },
            Kind::File => Content::Reference(PayloadRef { offset: position, size }),
            Kind::Symlink => Content::Target(self.target(id)),
            Kind::Hardlink => Content::Hardlink { distance: position, target: self.target(id) },
            Kind::Device => Content::Device(Device { major: position, minor: size }),
            Kind::Directory | Kind::Fifo | Kind::Socket => Content::None,
        }
    }

    fn is_inline(&self, id: u32) -> bool {
        self.inline.get(id as usize / 32).is_some_and(|word| word & (1 << (id % 32)) != 0)
    }

    /// Where a symlink leads, or of which path a hard link is another name; empty for everything else.
    pub fn target(&self, id: u32) -> &[u8] {
        let Ok(at) = self.target_end.binary_search_by_key(&id, |t| t.0) else { return &[] };
        let start = if at == 0 { 0 } else { self.target_end[at - 1].1 };
        &self.targets[start as usize..self.target_end[at].1 as usize]
    }

    /// Bytes of memory that the tree holds.
    pub fn memory(&self) -> usize {
        fn of<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        of(&self.parent)
            + of(&self.end)
            + of(&self.name_end)
            + of(&self.names)
            + of(&self.kind)
            + of(&self.mode)
            + of(&self.uid)
            + of(&self.gid)
            + of(&self.mtime_secs)
            + of(&self.mtime_nanos)
            + of(&self.size)
            + of(&self.position)
            + of(&self.filename)
            + of(&self.inline)
            + of(&self.target_end)
            + of(&self.targets)
            + of(&self.flags)
            + of(&self.attributes)
    }
}

/// Builds a [`Tree`] from the entries of a decoder.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    tree: Tree,
    /// Directories that are not left yet.
    open: Vec<u32>,
}

impl TreeBuilder {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries and bytes of names for which there is room; more make arrays move to places of twice the size.
    pub fn room(&self) -> (usize, usize) {
        let Tree { parent, names, .. } = &self.tree;
        (parent.capacity() - parent.len(), names.capacity() - names.len())
    }

    /// Makes room for so many more entries and bytes of their names, and for no more.
    pub fn reserve(&mut self, entries: usize, names: usize) {
        let tree = &mut self.tree;
        tree.parent.reserve_exact(entries);
        tree.end.reserve_exact(entries);
        tree.name_end.reserve_exact(entries);
        tree.names.reserve_exact(names);
        tree.kind.reserve_exact(entries);
        tree.mode.reserve_exact(entries);
        tree.uid.reserve_exact(entries);
        tree.gid.reserve_exact(entries);
        tree.mtime_secs.reserve_exact(entries);
        tree.mtime_nanos.reserve_exact(entries);
        tree.size.reserve_exact(entries);
        tree.position.reserve_exact(entries);
        tree.filename.reserve_exact(entries);
        tree.inline.reserve_exact(entries / 32 + 1);
    }

    /// Adds an entry; those of an archive in their order.
    ///
    /// # Errors
    /// More than 2^32 - 1 entries, or bytes of names or targets.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let tree = &mut self.tree;
        let over = |what| {
            let problem = Problem::Limit { what, limit: u32::MAX.into() };
            Error::new(entry.filename, Some(ItemType::Filename), problem)
        };
        let id = u32::try_from(tree.len()).map_err(|_| over("entries"))?;
        tree.names.extend_from_slice(entry.name());
        tree.name_end.push(u32::try_from(tree.names.len()).map_err(|_| over("bytes of names"))?);
        tree.parent.push(self.open.last().copied().unwrap_or_default());
        tree.end.push(id.saturating_add(1));
        tree.kind.push(entry.kind);
        tree.mode.push(entry.stat.mode as u32);
        tree.uid.push(entry.stat.uid);
        tree.gid.push(entry.stat.gid);
        tree.mtime_secs.push(entry.stat.mtime.secs);
        tree.mtime_nanos.push(entry.stat.mtime.nanos);
        tree.filename.push(entry.filename);
        if entry.stat.flags != 0 {
            tree.flags.push((id, entry.stat.flags));
        }
        if !entry.attributes.is_empty() {
            tree.attributes.push(id);
        }
        let (position, size, target) = match entry.content {
            Content::None => (0, 0, None),
            Content::Inline { offset, size } => {
                let word = id as usize / 32;
                tree.inline.resize(tree.inline.len().max(word + 1), 0);
                tree.inline[word] |= 1 << (id % 32);
                (offset, size, None)
            }
            Content::Reference(reference) => (reference.offset, reference.size, None),
            Content::Target(target) => (0, 0, Some(target)),
            Content::Device(device) => (device.major, device.minor, None),
            Content::Hardlink { distance, target } => (distance, 0, Some(target)),
        };
        tree.position.push(position);
        tree.size.push(size);
        if let Some(target) = target {
            tree.targets.extend_from_slice(target);
            let end = u32::try_from(tree.targets.len()).map_err(|_| over("bytes of targets"))?;
            tree.target_end.push((id, end));
        }
        if entry.kind == Kind::Directory {
            self.open.push(id);
        }
        Ok(())
    }

    /// The innermost directory ends.
    pub fn leave(&mut self) {
        if let Some(id) = self.open.pop() {
            self.tree.end[id as usize] = self.tree.len() as u32;
        }
    }

    /// Makes directories that are not left yet end with what is there, so that [`TreeBuilder::tree`] shows all of it.
    pub fn settle(&mut self) {
        for &id in &self.open {
            self.tree.end[id as usize] = self.tree.len() as u32;
        }
    }

    /// What was added so far, for views of an archive that is still being read.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The whole tree, with no memory to spare.
    pub fn finish(mut self) -> Tree {
        while !self.open.is_empty() {
            self.leave();
        }
        let tree = &mut self.tree;
        tree.parent.shrink_to_fit();
        tree.end.shrink_to_fit();
        tree.name_end.shrink_to_fit();
        tree.names.shrink_to_fit();
        tree.kind.shrink_to_fit();
        tree.mode.shrink_to_fit();
        tree.uid.shrink_to_fit();
        tree.gid.shrink_to_fit();
        tree.mtime_secs.shrink_to_fit();
        tree.mtime_nanos.shrink_to_fit();
        tree.size.shrink_to_fit();
        tree.position.shrink_to_fit();
        tree.filename.shrink_to_fit();
        tree.inline.shrink_to_fit();
        tree.target_end.shrink_to_fit();
        tree.targets.shrink_to_fit();
        tree.flags.shrink_to_fit();
        tree.attributes.shrink_to_fit();
        self.tree
    }
}
