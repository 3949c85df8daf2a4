use alloc::vec::Vec;
use core::fmt;

use crate::format::{ItemType, Kind};

/// Something irregular that was tolerated, with the place where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Byte offset in the metadata stream of the item (or record) at fault.
    pub offset: u64,
    /// What is irregular.
    pub what: Irregularity,
}

/// What archives contain although no writer should have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Irregularity {
    /// FORMAT_VERSION says 1; archives of version 1 have no such item.
    ExplicitVersion1,
    /// The first ENTRY_V1 of an archive: it was written before 2020.
    OldEntry,
    /// File contents within the metadata stream of a version 2 archive.
    InlinePayload,
    /// A payload reference in an archive that does not say it is version 2.
    ReferenceWithoutVersion,
    /// A payload reference that does not lie behind the one before.
    ReferenceOrder {
        /// Least offset that would have been in order.
        least: u64,
        /// The offset found.
        got: u64,
    },
    /// An attribute item that belongs before the one that precedes it.
    AttributeOrder {
        /// The item out of order.
        item: ItemType,
    },
    /// An extended attribute whose name is empty or longer than 255 bytes.
    AttributeName,
    /// The historical padding of an ENTRY is not zero.
    EntryPadding {
        /// The value found.
        got: u32,
    },
    /// Nanoseconds of 10^9 or more.
    Nanoseconds {
        /// The value found.
        got: u32,
    },
    /// The file type in the mode is not what the items make of the entry.
    Mode {
        /// The mode found.
        mode: u64,
        /// The kind that the items say.
        kind: Kind,
    },
    /// A name that sorts before its predecessor in the directory.
    NameOrder,
    /// The same name as its predecessor's in the directory.
    DuplicateName,
    /// A hard link that leads before the archive or nowhere.
    LinkOffset {
        /// The distance found.
        got: u64,
    },
    /// A goodbye table whose size is not that of a whole number of records.
    TableSize {
        /// Content bytes of the table.
        got: u64,
    },
    /// A goodbye table with more or fewer records than the directory has children.
    TableCount {
        /// Children seen.
        expected: u64,
        /// Records of children in the table.
        got: u64,
    },
    /// A record of a goodbye table that matches no child by hash and offset, or one that has its record already.
    TableRecord {
        /// Which record.
        slot: u64,
    },
    /// A record of a goodbye table with another size than its child has.
    TableChildSize {
        /// Which record.
        slot: u64,
        /// Bytes of the child in the metadata stream.
        expected: u64,
        /// The size found.
        got: u64,
    },
    /// A table that is no search tree: lookups would miss the child.
    TableOrder {
        /// Which record.
        slot: u64,
    },
    /// The last record of a goodbye table is not the tail, or says something else about the directory.
    TableTail,
    /// Bytes after the end of the archive.
    TrailingBytes,
}

impl Irregularity {
    /// A word for programs that stays as it is.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExplicitVersion1 => "explicit-version-1",
            Self::OldEntry => "old-entry",
            Self::InlinePayload => "inline-payload",
            Self::ReferenceWithoutVersion => "reference-without-version",
            Self::ReferenceOrder { .. } => "reference-order",
            Self::AttributeOrder { .. } => "attribute-order",
            Self::AttributeName => "attribute-name",
            Self::EntryPadding { .. } => "entry-padding",
            Self::Nanoseconds { .. } => "nanoseconds",
            Self::Mode { .. } => "mode",
            Self::NameOrder => "name-order",
            Self::DuplicateName => "duplicate-name",
            Self::LinkOffset { .. } => "link-offset",
            Self::TableSize { .. } => "table-size",
            Self::TableCount { .. } => "table-count",
            Self::TableRecord { .. } => "table-record",
            Self::TableChildSize { .. } => "table-child-size",
            Self::TableOrder { .. } => "table-order",
            Self::TableTail => "table-tail",
            Self::TrailingBytes => "trailing-bytes",
        }
    }
}

impl fmt::Display for Irregularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExplicitVersion1 => f.write_str("a FORMAT_VERSION item that says 1"),
            Self::OldEntry => f.write_str("entries in the old form ENTRY_V1"),
            Self::InlinePayload => f.write_str("inline contents in a version 2 archive"),
            Self::ReferenceWithoutVersion => {
                f.write_str("a payload reference in an archive without FORMAT_VERSION 2")
            }
            Self::ReferenceOrder { least, got } => {
                write!(f, "payload reference goes backwards: expected {least} or more, got {got}")
            }
            Self::AttributeOrder { item } => write!(f, "{item} after an item that belongs behind it"),
            Self::AttributeName => f.write_str("attribute name outside of 1 to 255 bytes"),
            Self::EntryPadding { got } => write!(f, "padding of ENTRY: expected 0, got {got}"),
            Self::Nanoseconds { got } => write!(f, "nanoseconds: expected less than 10^9, got {got}"),
            Self::Mode { mode, kind } => {
                write!(f, "mode {mode:#o} on what the items make a {}", kind.name())
            }
            Self::NameOrder => f.write_str("name sorts before its predecessor"),
            Self::DuplicateName => f.write_str("the same name as its predecessor's"),
            Self::LinkOffset { got } => write!(f, "hard link leads {got} bytes back, to no entry"),
            Self::TableSize { got } => {
                write!(f, "goodbye table of {got} bytes: expected 24 for each child and the tail")
            }
            Self::TableCount { expected, got } => {
                write!(f, "goodbye table: expected {expected} records, got {got}")
            }
            Self::TableRecord { slot } => write!(f, "goodbye record {slot} matches no child, or one twice"),
            Self::TableChildSize { slot, expected, got } => {
                write!(f, "goodbye record {slot}: expected size {expected}, got {got}")
            }
            Self::TableOrder { slot } => write!(f, "goodbye record {slot} is not where a lookup finds it"),
            Self::TableTail => f.write_str("goodbye tail does not match the directory"),
            Self::TrailingBytes => f.write_str("bytes after the end of the archive"),
        }
    }
}

/// What a decoder found on its way; the first [`Findings::KEPT`] are kept, all are counted.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// How many are kept until they are drained, whatever an archive does.
    pub const KEPT: usize = 1000;

    /// Notes one.
    pub fn add(&mut self, offset: u64, what: Irregularity) {
        self.total += 1;
        if self.kept.len() < Self::KEPT {
            self.kept.push(Finding { offset, what });
        }
    }

    /// Those kept, in the order in which they were met.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there were, kept or not.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Takes those kept out, which makes room for further ones.
    pub fn drain(&mut self) -> impl Iterator<Item = Finding> {
        self.kept.drain(..)
    }

    /// Whether some are waiting to be drained.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
