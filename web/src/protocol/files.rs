//! The tree and table of entries. The worker keeps which rows there are; the page holds those that are on screen.

use borsh::{BorshDeserialize, BorshSerialize};

use super::EntryId;

/// How files are shown.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct View {
    /// All entries that match in one list, instead of a tree of open directories.
    pub flat: bool,
    /// The order of siblings, or of the list.
    pub sort: Sort,
    /// Largest, newest, last first.
    pub descending: bool,
    /// Which entries; directories above a match are shown in the tree, too.
    pub filter: Filter,
}

/// Orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Sort {
    /// As in the archive.
    #[default]
    Archive,
    /// By name.
    Name,
    /// By bytes; directories with all that is in them.
    Size,
    /// By entries below.
    Entries,
    /// By time of modification.
    Mtime,
    /// By mode.
    Mode,
    /// By owner, then group.
    Owner,
    /// By place in the payload stream.
    Offset,
    /// By chunks that hold the contents.
    Chunks,
    /// By padding around the contents.
    Padding,
}

/// What an entry must be to be shown; everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Filter {
    /// What the name or, with a slash in it, the path must contain or match.
    pub text: String,
    /// How `text` is meant.
    pub syntax: Syntax,
    /// Kinds, by `pxkit_core::format::Kind` as numbers; empty: all.
    pub kinds: Vec<u8>,
    /// Fewest bytes.
    pub least: Option<u64>,
    /// Most bytes.
    pub most: Option<u64>,
    /// Something irregular was found at it.
    pub with_finding: bool,
    /// Its contents lie in chunks of an earlier snapshot; needs one to compare with.
    pub reused: Option<bool>,
    /// Its contents touch this chunk.
    pub chunk: Option<u32>,
    /// Only below this directory.
    pub below: Option<EntryId>,
}

/// How a filter's text is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Syntax {
    /// Contained; case does not matter unless there are capitals in it.
    #[default]
    Text,
    /// A glob as in exclude lists.
    Glob,
    /// A regular expression on bytes.
    Regex,
}

/// What a view shows.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ViewInfo {
    /// Rows there are.
    pub rows: u32,
    /// Entries that match the filter; all without one.
    pub matches: u32,
    /// Bytes of the files among them.
    pub bytes: u64,
    /// An earlier snapshot is open, so that it is known which contents were used again.
    pub has_earlier: bool,
    /// Why the filter's text is malformed; the view before is kept then.
    pub malformed: Option<String>,
}

/// Opens or closes directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Toggle {
    /// Which; the root means all.
    pub entry: EntryId,
    /// Open or close.
    pub open: bool,
    /// All directories below, too.
    pub deep: bool,
}

/// Rows that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Span {
    /// The first.
    pub start: u32,
    /// How many; the worker gives at most 1000.
    pub count: u32,
}

/// Rows of a view.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Rows {
    /// Number of the first.
    pub start: u32,
    /// Rows there are in all.
    pub total: u32,
    /// The rows.
    pub rows: Vec<Row>,
}

/// An entry on screen.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// Which entry.
    pub entry: EntryId,
    /// Its name, in the flat list its path with a slash before it; what is not UTF-8 or not printable is escaped.
    pub name: String,
    /// Directories above it; 0 for the root, in the flat list for all.
    pub depth: u16,
    /// `pxkit_core::format::Kind` as a number.
    pub kind: u8,
    /// Mode bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds.
    pub nanos: u32,
    /// Bytes of contents; of a directory, of all that is in it.
    pub size: u64,
    /// Entries below, of a directory.
    pub entries: u32,
    /// A directory that is open.
    pub open: bool,
    /// A directory with something in it.
    pub has_children: bool,
    /// Target of a link.
    pub target: Option<String>,
    /// Place of the payload header in the payload stream; of inline contents, of the contents in the archive.
    pub offset: Option<u64>,
    /// Chunks that hold the contents.
    pub chunks: Option<u32>,
    /// Bytes of padding directly before and behind.
    pub padding: Option<u64>,
    /// Something irregular was found here or, if it is a closed directory, below.
    pub finding: bool,
    /// It lies in chunks of an earlier snapshot, where one is known.
    pub reused: Option<bool>,
    /// Where the name matches the filter: pairs of start and end in bytes of `name`.
    pub marks: Vec<(u32, u32)>,
}
