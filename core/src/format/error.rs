use core::fmt;

use super::item::ItemType;

/// Why an archive (or a call) was refused: where, in which item, what was expected and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Byte offset, in the stream that was being read or written, of the item's header or of the field at fault.
    pub offset: u64,
    /// The item, as far as it is known.
    pub item: Option<ItemType>,
    /// What is wrong.
    pub problem: Problem,
}

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The bytes are not what the format says.
    Format,
    /// The archive is legal or may be, but asks for more than a stated bound.
    Limit,
    /// The calling code asked for something that the format cannot express.
    Caller,
}

/// What is wrong, with the value expected and the value found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No version of the format has this item type.
    UnknownType {
        /// The constant found.
        htype: u64,
    },
    /// The header claims to be smaller than itself.
    ShortHeader {
        /// The size found; at least 16 was expected.
        full_size: u64,
    },
    /// Content smaller or larger than the item type allows.
    ContentSize {
        /// Fewest bytes allowed.
        least: u64,
        /// Most bytes allowed.
        most: u64,
        /// Bytes announced.
        got: u64,
    },
    /// The item may not stand here.
    Order {
        /// What may.
        expected: &'static str,
    },
    /// The item may stand only once in an entry.
    Repeated,
    /// A value is not one of those that the format allows.
    Value {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        got: u64,
    },
    /// The content is malformed.
    Content {
        /// What was expected.
        expected: &'static str,
    },
    /// The stream ends inside an archive.
    Truncated {
        /// Bytes needed from [`Error::offset`] on.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// A reference leads outside of what it may refer to.
    Range {
        /// What it may refer to.
        expected: &'static str,
        /// Where it leads.
        got: u64,
    },
    /// A payload reference lies before payload that was already passed.
    Backwards {
        /// Least offset that would have been in order.
        least: u64,
        /// Offset found.
        got: u64,
    },
    /// The archive exceeds a bound of this library.
    Limit {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A call that does not fit the state of the encoder or the rules of the format.
    Misuse {
        /// Which rule.
        rule: &'static str,
    },
}

impl Error {
    /// An error at `offset` in `item`.
    pub const fn new(offset: u64, item: Option<ItemType>, problem: Problem) -> Self {
        Self { offset, item, problem }
    }

    /// An error of the calling code.
    pub const fn misuse(offset: u64, rule: &'static str) -> Self {
        Self::new(offset, None, Problem::Misuse { rule })
    }

    /// Whose fault it is.
    pub const fn class(&self) -> Class {
        match self.problem {
            Problem::Limit { .. } => Class::Limit,
            Problem::Misuse { .. } => Class::Caller,
            _ => Class::Format,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Problem::Misuse { rule } = self.problem {
            return write!(f, "{rule} (at offset {})", self.offset);
        }
        write!(f, "offset {}", self.offset)?;
        if let Some(item) = self.item {
            write!(f, ", {item}")?;
        }
        f.write_str(": ")?;
        match self.problem {
            Problem::UnknownType { htype } => {
                write!(f, "expected a known item type, got {htype:#018x}")
            }
            Problem::ShortHeader { full_size } => {
                write!(f, "expected a size of at least 16, got {full_size}")
            }
            Problem::ContentSize { least, most, got } if least == most => {
                write!(f, "expected {least} bytes of content, got {got}")
            }
            Problem::ContentSize { least, most, got } => {
                write!(f, "expected {least} to {most} bytes of content, got {got}")
            }
            Problem::Order { expected } => write!(f, "out of place, expected {expected}"),
            Problem::Repeated => f.write_str("expected once in an entry, got a second one"),
            Problem::Value { expected, got } => write!(f, "expected {expected}, got {got}"),
            Problem::Content { expected } => write!(f, "malformed, expected {expected}"),
            Problem::Truncated { expected, got } => {
                write!(f, "the data ends here: expected {expected} more bytes, got {got}")
            }
            Problem::Range { expected, got } => {
                write!(f, "leads to {got}, expected {expected}")
            }
            Problem::Backwards { least, got } => {
                write!(f, "goes backwards: expected payload at {least} or later, got {got}")
            }
            Problem::Limit { what, limit } => {
                write!(f, "{what} over the limit of {limit}")
            }
            Problem::Misuse { .. } => Ok(()),
        }
    }
}

impl core::error::Error for Error {}
