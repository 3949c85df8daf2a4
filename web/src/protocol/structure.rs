//! Items of streams with their fields, for the structure view and its link with bytes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{EntryId, Stream};

/// Items that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Query {
    /// Of which stream.
    pub stream: Stream,
    /// The item that holds this position comes first.
    pub at: u64,
    /// Items before it that are wanted, as far as they can be found.
    pub before: u32,
    /// Items from it on; the worker gives at most 500.
    pub count: u32,
}

/// Items of a stream.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Items {
    /// Of which stream.
    pub stream: Stream,
    /// Bytes of the stream.
    pub size: u64,
    /// The items in their order; they follow each other without gaps.
    pub items: Vec<Item>,
    /// Which of them holds the position that was asked for.
    pub at: u32,
    /// The first of them is the stream's first.
    pub first: bool,
    /// The last of them is the stream's last.
    pub last: bool,
}

/// A piece of a stream: an item, a record, a region without items.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Item {
    /// Position of its first byte.
    pub offset: u64,
    /// Its bytes, content counted.
    pub size: u64,
    /// Name of the type (`ENTRY`, `PADDING`, `INDEX_ENTRY`, ...).
    pub name: String,
    /// One line of what it says.
    pub summary: String,
    /// The entry that it belongs to.
    pub entry: Option<EntryId>,
    /// Directories above it.
    pub depth: u16,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What it is for, in a sentence or two; where versions 1 and 2 differ, how.
    pub about: String,
    /// What is irregular about it.
    pub findings: Vec<String>,
    /// It is what decoding stopped at, and why.
    pub error: Option<String>,
}

/// A field of an item.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Position of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub size: u32,
    /// The value as stored (numbers in decimal).
    pub value: String,
    /// What it means.
    pub meaning: String,
    /// Where it leads.
    pub link: Option<(Stream, u64)>,
}

/// A goodbye table.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Goodbye {
    /// Position of the GOODBYE item.
    pub offset: u64,
    /// The directory.
    pub entry: Option<EntryId>,
    /// Records, the first 4095 (12 levels of the tree), in the order of their slots: the children of slot i are 2i+1 and 2i+2.
    pub records: Vec<Record>,
    /// How many there are.
    pub total: u32,
    /// The tail.
    pub tail: Option<Record>,
}

/// A record of a goodbye table.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// Position of the record.
    pub offset: u64,
    /// The hash that stands there, 16 hexadecimal digits.
    pub hash: String,
    /// Where it leads: position of a FILENAME (of the tail: of the ENTRY).
    pub target: Option<u64>,
    /// Bytes of the child.
    pub size: u64,
    /// The child that lies there, and its name.
    pub child: Option<(EntryId, String)>,
    /// What is wrong with it.
    pub problem: Option<String>,
}
