//! One entry with all that is known of it.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{EntryId, Stream};

/// A part of contents or of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Part {
    /// From where.
    pub offset: u64,
    /// How many bytes; the worker gives at most 16 MiB.
    pub len: u32,
}

/// Everything about an entry.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Which.
    pub entry: EntryId,
    /// Its path as text, escaped where it is not printable; `/` for the root.
    pub path: String,
    /// Its path as bytes, for the URL.
    pub raw_path: Vec<u8>,
    /// The directories above it, the root first: number and name.
    pub above: Vec<(EntryId, String)>,
    /// `pxkit_core::format::Kind` as a number.
    pub kind: u8,
    /// Bytes of contents, or of all below.
    pub size: u64,
    /// Entries below.
    pub entries: u32,
    /// Metadata in words with the raw value: mode, flags by name, owner, times, target, device, project id.
    pub fields: Vec<Field>,
    /// Extended attributes, ACLs, capabilities.
    pub attributes: Vec<Attribute>,
    /// Where its items lie in the metadata stream.
    pub items: (u64, u64),
    /// Where its contents lie.
    pub contents: Option<Contents>,
    /// Findings at it: number in the list of findings, sentence.
    pub findings: Vec<(u32, String)>,
    /// Its attributes could not be read, and why.
    pub problem: Option<String>,
    /// Of a hard link: the entry of the file.
    pub target: Option<EntryId>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Field {
    /// What it is.
    pub name: String,
    /// In words.
    pub value: String,
    /// As stored.
    pub raw: String,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attribute {
    /// Item type (`XATTR`, `ACL_USER`, ...).
    pub item: String,
    /// Name of an extended attribute; whom an ACL entry means.
    pub name: String,
    /// The value in words: text if it is text, permissions, capabilities by name.
    pub value: String,
    /// The value's bytes in hexadecimal digits, at most 256 bytes.
    pub raw: String,
    /// Position of the item.
    pub offset: u64,
}

/// Where contents lie.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Contents {
    /// In which stream.
    pub stream: Stream,
    /// Position of the payload header.
    pub header: u64,
    /// Position of the first byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Padding directly before the header, and behind the contents.
    pub padding: (u64, u64),
    /// The chunks that hold them, the first 1000.
    pub chunks: Vec<ChunkPart>,
    /// How many chunks there are.
    pub chunk_count: u32,
    /// Contents can be read.
    pub readable: bool,
}

/// A part of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChunkPart {
    /// Number in the index.
    pub chunk: u32,
    /// Digest in hexadecimal digits.
    pub digest: String,
    /// Bytes of the chunk.
    pub size: u64,
    /// Bytes of it that are meant, the header of the file counted.
    pub used: u64,
}
