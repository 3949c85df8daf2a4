//! What is irregular, and looking for more of it.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{EntryId, Stream};

/// Rows that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Query {
    /// The first.
    pub start: u32,
    /// How many; the worker gives at most 1000.
    pub count: u32,
}

/// Findings.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Rows {
    /// Number of the first.
    pub start: u32,
    /// How many can be listed.
    pub total: u32,
    /// How many there are; more than can be listed where an archive is full of them.
    pub counted: u64,
    /// The rows, in the order of stream and offset.
    pub rows: Vec<Row>,
    /// What was looked for, and how far.
    pub checks: Vec<CheckState>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// In which stream.
    pub stream: Stream,
    /// Where.
    pub offset: u64,
    /// Its code, which stays the same (`name-order`).
    pub code: String,
    /// Whether it ends decoding, endangers a restore, or is only odd.
    pub severity: Severity,
    /// The sentence.
    pub message: String,
    /// The entry it is about.
    pub entry: Option<EntryId>,
    /// Its path.
    pub path: Option<String>,
    /// The chunk it is about.
    pub chunk: Option<u32>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Severity {
    /// Odd, and without consequence for a restore.
    Note,
    /// Some reader or way of access will trip over it.
    Warning,
    /// Something cannot be restored.
    Error,
}

impl Severity {
    /// The word for it in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What to look for, and where.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Check {
    /// What.
    pub what: CheckKind,
    /// In this part of the payload stream; `None`: everywhere.
    pub range: Option<(u64, u64)>,
}

/// What only the payload's bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum CheckKind {
    /// Whether a payload header stands behind each reference.
    Headers,
    /// Payloads in padding whose files are gone.
    Ghosts,
    /// Chunks against their digests.
    Digests,
    /// Goodbye tables against the entries.
    Tables,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CheckState {
    /// Which.
    pub what: CheckKind,
    /// Whether it can be done at all here.
    pub possible: bool,
    /// If not: there is nothing that it would look at.
    pub needless: bool,
    /// Bytes or things done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
    /// What it found there: findings, of padding ghosts.
    pub found: u64,
    /// Things that the last run could not look at.
    pub unreadable: u64,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Checked {
    /// Which.
    pub what: CheckKind,
    /// Things looked at: references, gaps, chunks, tables.
    pub looked_at: u64,
    /// Findings that it added.
    pub found: u64,
    /// Things that could not be looked at, and the first reason.
    pub unreadable: u64,
    /// The first reason.
    pub problem: Option<String>,
}
