//! Files that leave the inspector: contents, folders, lists, the report.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{EntryId, compare::Pair};

/// What to save.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Save {
    /// The contents of a file.
    File(EntryId),
    /// What a blob or manifest holds.
    Plain,
    /// A directory with all below.
    Folder(EntryId, Archive),
    /// The report that `pxkit layout --json` prints.
    Layout,
    /// A list.
    List(List, Format),
    /// The differences of a comparison.
    Differences(Pair, Format),
}

/// Kinds of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Archive {
    /// A tar (pax) archive with all metadata that it can hold.
    Tar,
    /// A zip archive.
    Zip,
}

/// Lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum List {
    /// The entries of the current view.
    Files,
    /// Ranges of the payload stream.
    Ranges,
    /// Chunks.
    Chunks,
    /// Findings.
    Findings,
}

/// Forms of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Format {
    /// A JSON array.
    Json,
    /// Lines with commas.
    Csv,
}

/// A file that was made; its `Blob` is handle 0 beside the reply.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Saved {
    /// A name for it.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What had to be left out, with reasons; the first 100.
    pub left_out: Vec<String>,
    /// How many things more.
    pub more: u64,
}

/// Totals of a layout.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Totals {
    /// Entries, the root counted.
    pub entries: u64,
    /// Files with contents of their own.
    pub files: u64,
    /// Bytes of the stream that is shown.
    pub stream: u64,
    /// Used bytes: contents and their headers.
    pub live: u64,
    /// Bytes of contents alone.
    pub content: u64,
    /// Padding of all classes.
    pub padding: u64,
    /// By class: head, inner, tail, whole chunk, gap (without an index). Ghosts lie within these.
    pub classes: [u64; 5],
    /// Ghosts that were found, and their bytes.
    pub ghosts: (u64, u64),
    /// Padding in thousandths of the used bytes.
    pub padding_permille: u64,
    /// Chunks.
    pub chunks: u64,
    /// Own markers of the stream, bytes.
    pub markers: u64,
    /// Of a unified archive: bytes of metadata.
    pub metadata: u64,
}
