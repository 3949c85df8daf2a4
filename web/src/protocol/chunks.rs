//! The chunks of the payload stream (of a unified archive, of the archive).

use borsh::{BorshDeserialize, BorshSerialize};

use super::EntryId;

/// Rows that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Query {
    /// The order.
    pub sort: Sort,
    /// Largest first.
    pub descending: bool,
    /// Only chunks with dead bytes.
    pub padded: bool,
    /// Only those that an earlier snapshot has (true) or has not (false).
    pub shared: Option<bool>,
    /// The first row.
    pub start: u32,
    /// How many; the worker gives at most 1000.
    pub count: u32,
}

/// Orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Sort {
    /// As in the index.
    #[default]
    Index,
    /// By bytes.
    Size,
    /// By the part that is used.
    Use,
    /// By dead bytes.
    Dead,
    /// By files that touch it.
    Files,
    /// By digest.
    Digest,
}

/// Rows of the table.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Rows {
    /// Number of the first row.
    pub start: u32,
    /// Rows there are.
    pub total: u32,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A chunk.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// Number in the index.
    pub chunk: u32,
    /// Digest in hexadecimal digits.
    pub digest: String,
    /// Position of its first byte.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
    /// Bytes that references use.
    pub live: u64,
    /// Bytes that nothing uses.
    pub dead: u64,
    /// Files that touch it.
    pub files: u32,
    /// An earlier snapshot that is open has it, too.
    pub shared: Option<bool>,
    /// It was injected from the snapshot before, as far as that is open: how many snapshots ago it first appears.
    pub age: Option<u32>,
}

impl Row {
    /// Whether it is known what lies in it, which an index alone does not tell.
    pub const fn has_use(&self) -> bool {
        self.live > 0 || self.dead > 0
    }
}

/// Everything about a chunk.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Chunk {
    /// As in the table.
    pub row: Row,
    /// The files in it, the first 1000: entry, path, bytes of it in this chunk.
    pub files: Vec<(EntryId, String, u64)>,
    /// Other places of the same digest in this index, the first 100.
    pub elsewhere: Vec<u32>,
    /// Bytes of its file in the datastore, if it was read.
    pub stored: Option<u64>,
    /// Whether digest and length are right, if it was read; the sentence if not.
    pub checked: Option<Result<(), String>>,
}

/// Histograms and score.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// Chunks.
    pub count: u32,
    /// Different digests.
    pub distinct: u32,
    /// Bytes of all.
    pub bytes: u64,
    /// Used bytes.
    pub live: u64,
    /// Dead bytes.
    pub dead: u64,
    /// Chunks with dead bytes.
    pub padded: u32,
    /// By size: least bytes of the class, chunks, bytes.
    pub sizes: Vec<(u64, u32, u64)>,
    /// By use in tenths, 0 to 10: chunks, bytes, dead bytes. The last are those fully used.
    pub uses: Vec<(u32, u64, u64)>,
    /// What re-encoding the worst chunks costs and frees: chunks, bytes of files to be read and stored again, bytes by which the padding shrinks
    /// (may be negative for a while, as files that reach out of a chunk leave padding behind); at most 200 points.
    pub curve: Vec<(u32, u64, i64)>,
    /// Shared with the other open snapshot: chunks, bytes; and not shared.
    pub shared: Option<((u32, u64), (u32, u64))>,
}

/// What reading some entries would need.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Needed {
    /// The entry.
    pub entry: EntryId,
    /// Files that have to be read.
    pub files: u64,
    /// Bytes of its contents, or of all below.
    pub content: u64,
    /// Different chunks.
    pub chunks: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Their numbers, as runs of first and behind last; at most 1000 runs.
    pub runs: Vec<(u32, u32)>,
}
