//! Archives byte by byte, also such as no writer makes. Nothing here uses the encoder: tables are laid out by the recursive
//! definition of the specification (3.3), so that the two check each other.

use pxkit_core::format::{ItemType, NameHash, hash_name};

/// The hash in the last record of a table (specification 1.3).
const TAIL: u64 = 0xef5e_ed5b_753e_1555;

/// An item: header and content.
pub fn item(item: ItemType, content: &[u8]) -> Vec<u8> {
    raw(item.htype(), 16 + content.len() as u64, content)
}

/// An item whose header says whatever it says.
pub fn raw(htype: u64, full_size: u64, content: &[u8]) -> Vec<u8> {
    words(&[htype, full_size]).into_iter().chain(content.iter().copied()).collect()
}

/// Numbers as they stand in items.
pub fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The content of an ENTRY with this mode.
pub fn stat(mode: u64) -> Vec<u8> {
    let mut bytes = words(&[mode, 0]);
    bytes.extend(1000u32.to_le_bytes());
    bytes.extend(1001u32.to_le_bytes());
    bytes.extend(words(&[1_700_000_000]));
    bytes.extend(123_456_789u32.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes
}

/// `text` with the NUL that ends names and targets.
pub fn terminated(text: &[u8]) -> Vec<u8> {
    [text, &[0]].concat()
}

struct Child {
    hash: u64,
    filename: u64,
    end: u64,
    /// What is added to its size in the table.
    extra: u64,
}

struct Level {
    entry: u64,
    children: Vec<Child>,
}

/// An archive in the making. Every method returns where its (first) item begins.
pub struct Maker {
    pub bytes: Vec<u8>,
    hash: NameHash,
    levels: Vec<Level>,
    entry: u64,
}

impl Default for Maker {
    fn default() -> Self {
        Self::new()
    }
}

impl Maker {
    /// An empty archive.
    pub fn new() -> Self {
        Self::with_hash(hash_name)
    }

    /// One whose tables hold other hashes.
    pub fn with_hash(hash: NameHash) -> Self {
        Self { bytes: Vec::new(), hash, levels: Vec::new(), entry: 0 }
    }

    /// A unified archive with its root open.
    pub fn rooted() -> Self {
        let mut maker = Self::new();
        maker.root();
        maker
    }

    /// A version 2 archive with its root open.
    pub fn split() -> Self {
        let mut maker = Self::new();
        maker.item(ItemType::FormatVersion, &words(&[2]));
        maker.root();
        maker
    }

    pub fn position(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn append(&mut self, bytes: &[u8]) -> u64 {
        let position = self.position();
        self.bytes.extend_from_slice(bytes);
        position
    }

    pub fn item(&mut self, kind: ItemType, content: &[u8]) -> u64 {
        self.append(&item(kind, content))
    }

    /// The root's ENTRY; what follows is in the root.
    pub fn root(&mut self) -> u64 {
        let entry = self.entry(0o40755);
        self.enter();
        entry
    }

    pub fn entry(&mut self, mode: u64) -> u64 {
        self.entry = self.position();
        self.item(ItemType::Entry, &stat(mode))
    }

    /// An ENTRY_V1 with its time in nanoseconds.
    pub fn entry_v1(&mut self, mode: u64, nanos: u64) -> u64 {
        self.entry = self.position();
        let mut content = words(&[mode, 0]);
        content.extend(words(&[7 | 8 << 32, nanos]));
        self.item(ItemType::EntryV1, &content)
    }

    /// A child's FILENAME.
    pub fn name(&mut self, name: &[u8]) -> u64 {
        let filename = self.position();
        self.end_child();
        let hash = (self.hash)(name);
        if let Some(level) = self.levels.last_mut() {
            level.children.push(Child { hash, filename, end: 0, extra: 0 });
        }
        self.item(ItemType::Filename, &terminated(name))
    }

    /// The entry met last is a directory, and what follows is in it. Attributes come before.
    pub fn enter(&mut self) {
        self.levels.push(Level { entry: self.entry, children: Vec::new() });
    }

    /// A whole file with inline contents.
    pub fn file(&mut self, name: &[u8], contents: &[u8]) -> u64 {
        let filename = self.name(name);
        self.entry(0o100_644);
        self.item(ItemType::Payload, contents);
        filename
    }

    /// A whole file whose contents are elsewhere. Its size in the table counts them, as after a fresh write.
    pub fn reference(&mut self, name: &[u8], offset: u64, size: u64) -> u64 {
        let filename = self.name(name);
        self.entry(0o100_644);
        self.item(ItemType::PayloadRef, &words(&[offset, size]));
        if let Some(child) = self.levels.last_mut().and_then(|level| level.children.last_mut()) {
            child.extra = size;
        }
        filename
    }

    pub fn symlink(&mut self, name: &[u8], target: &[u8]) -> u64 {
        let filename = self.name(name);
        self.entry(0o120_777);
        self.item(ItemType::Symlink, &terminated(target));
        filename
    }

    /// A further name of the file whose FILENAME is at `filename`.
    pub fn hardlink(&mut self, name: &[u8], filename: u64, target: &[u8]) -> u64 {
        let link = self.name(name);
        let content = [words(&[link.wrapping_sub(filename)]), terminated(target)].concat();
        self.item(ItemType::Hardlink, &content);
        link
    }

    pub fn directory(&mut self, name: &[u8]) -> u64 {
        let filename = self.name(name);
        self.entry(0o40755);
        self.enter();
        filename
    }

    /// The end of the innermost directory with the table that belongs there.
    pub fn leave(&mut self) -> u64 {
        self.end_child();
        let goodbye = self.position();
        let level = self.levels.pop().expect("a directory is open");
        let mut sorted: Vec<_> = level.children.iter().collect();
        sorted.sort_by_key(|child| (child.hash, std::cmp::Reverse(child.filename)));
        let mut table = vec![[0; 3]; sorted.len()];
        let records = sorted.iter().map(|child| {
            [child.hash, goodbye - child.filename, (child.end - child.filename).wrapping_add(child.extra)]
        });
        fill(&mut table, 0, &mut records.into_iter());
        let entry = if self.levels.is_empty() { 0 } else { level.entry };
        table.push([TAIL, goodbye - entry, 16 + 24 * (sorted.len() as u64 + 1)]);
        let content: Vec<u8> = table.iter().flat_map(|record| words(record)).collect();
        self.item(ItemType::Goodbye, &content)
    }

    /// Ends the innermost directory with this table instead.
    pub fn leave_with(&mut self, table: &[u8]) -> u64 {
        self.end_child();
        self.levels.pop();
        self.item(ItemType::Goodbye, table)
    }

    /// Closes what is open.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.levels.is_empty() {
            self.leave();
        }
        self.bytes
    }

    fn end_child(&mut self) {
        let end = self.position();
        if let Some(child) = self.levels.last_mut().and_then(|level| level.children.last_mut())
            && child.end == 0
        {
            child.end = end;
        }
    }
}

/// The slots of a complete tree in order get the sorted records.
fn fill(table: &mut [[u64; 3]], slot: usize, records: &mut impl Iterator<Item = [u64; 3]>) {
    if slot < table.len() {
        fill(table, 2 * slot + 1, records);
        table[slot] = records.next().expect("as many records as slots");
        fill(table, 2 * slot + 2, records);
    }
}
