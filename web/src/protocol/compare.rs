//! Two archives side by side, and series of snapshots.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{DocId, EntryId};

/// What is compared: `a` is the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Pair {
    /// The older.
    pub a: DocId,
    /// The newer.
    pub b: DocId,
}

/// A comparison in numbers.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// What was compared.
    pub pair: Pair,
    /// For each kind of difference (in the order of [`Kind::ALL`]): entries, bytes.
    pub kinds: Vec<(Kind, u64, u64)>,
    /// Chunks that both have: number and bytes.
    pub shared: (u32, u64),
    /// Chunks that only the newer has.
    pub new: (u32, u64),
    /// Chunks that only the older has.
    pub gone: (u32, u64),
    /// Chunks of the older that the newer injected: number, bytes, dead bytes among them.
    pub injected: (u32, u64, u64),
    /// Unchanged files that were read again for nothing: files and bytes.
    pub needless: (u64, u64),
    /// Both have chunks, so the numbers of chunks mean something.
    pub has_chunks: bool,
    /// Their chunks are encrypted with different keys, or only those of one are: nothing can be said of what they share.
    pub keys_differ: bool,
}

/// Kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Kind {
    /// Only in the newer.
    Added,
    /// Only in the older.
    Removed,
    /// Other contents.
    Content,
    /// The same contents with other metadata.
    Metadata,
    /// Another kind of node.
    Type,
    /// Under another path.
    Moved,
    /// The same.
    Unchanged,
}

impl Kind {
    /// All, in the order of summaries.
    pub const ALL: [Self; 7] =
        [Self::Added, Self::Removed, Self::Content, Self::Metadata, Self::Type, Self::Moved, Self::Unchanged];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Content => "changed",
            Self::Metadata => "metadata only",
            Self::Type => "type changed",
            Self::Moved => "moved",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Rows that are wanted.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Query {
    /// Of which comparison.
    pub pair: Pair,
    /// Kinds of differences; empty: all but unchanged.
    pub kinds: Vec<Kind>,
    /// Only unchanged files that were read again.
    pub needless: bool,
    /// What the path must contain.
    pub text: String,
    /// Largest first instead of by path.
    pub by_size: bool,
    /// The first row.
    pub start: u32,
    /// How many; the worker gives at most 1000.
    pub count: u32,
}

/// Rows of a comparison.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Rows {
    /// Number of the first.
    pub start: u32,
    /// Rows there are.
    pub total: u32,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// What kind.
    pub kind: Kind,
    /// The path (in the newer, if it is there).
    pub path: String,
    /// The path before, if it was moved.
    pub before: Option<String>,
    /// Entry in the older.
    pub a: Option<EntryId>,
    /// Entry in the newer.
    pub b: Option<EntryId>,
    /// `pxkit_core::format::Kind` as a number, in the newer if it is there.
    pub entry_kind: u8,
    /// Bytes before.
    pub size_a: Option<u64>,
    /// Bytes now.
    pub size_b: Option<u64>,
    /// Fields that differ: name, before, now.
    pub fields: Vec<(String, String, String)>,
    /// It is unchanged, and was read again.
    pub needless: bool,
}

/// Asks for a series.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Series {
    /// Which store.
    pub store: u32,
    /// Namespace.
    pub namespace: String,
    /// `TYPE/ID`.
    pub group: String,
    /// Name of the archive.
    pub archive: String,
    /// At most so many of the newest snapshots.
    pub most: u32,
}

/// A series of snapshots, oldest first.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Generations {
    /// One for each snapshot.
    pub snapshots: Vec<Generation>,
}

/// A snapshot in a series.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Generation {
    /// `TYPE/ID/TIME`.
    pub snapshot: String,
    /// Bytes of files with their headers.
    pub live: u64,
    /// Padding.
    pub padding: u64,
    /// Chunks.
    pub chunks: u32,
    /// Bytes of chunks by how many snapshots ago they first appear: 0 are new ones.
    pub ages: Vec<u64>,
    /// Padding in chunks of each age.
    pub padding_ages: Vec<u64>,
    /// It could not be read.
    pub problem: Option<String>,
}
