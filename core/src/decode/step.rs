use crate::format::{Attribute, Device, Kind, PayloadRef, Stat};

/// Bounds on what an archive may ask of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most directories open at once.
    pub max_depth: usize,
    /// Longest path of an entry, in bytes.
    pub max_path: usize,
    /// Most bytes of attribute items of one entry.
    pub max_attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 16_384, max_path: 1 << 20, max_attributes: 4 << 20 }
    }
}

/// Where a decoder begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first byte of an archive.
    Archive,
    /// At the ENTRY of the archive's root, behind FORMAT_VERSION and PRELUDE.
    Root,
    /// At the FILENAME of one child; the decoder ends with that child, directories with all that is in them.
    Child,
}

/// What [`Decoder::step`](super::Decoder::step) met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'w> {
    /// An item, which begins at `offset`. The next window begins `used` bytes later.
    Item {
        /// Position of the header.
        offset: u64,
        /// Bytes to advance: the whole item, or its header alone if its content is skipped next.
        used: usize,
        /// The item.
        item: Item<'w>,
    },
    /// The items of the current entry are complete, and this is what it is. Only directories, FIFOs and sockets end in
    /// this way, which is seen from the item that follows; nothing is used.
    Known(Kind),
    /// The window must hold at least this many bytes; if the stream ends before, ask [`Decoder::truncated`](super::Decoder::truncated).
    Need(usize),
    /// The next so many bytes are content of the item before. The decoder already stands behind them: skip or take them.
    Skip(u64),
    /// The archive (or the child that was asked for) is complete.
    End,
}

/// The content of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'w> {
    /// The version, 1 or 2.
    FormatVersion(u64),
    /// A prelude of this many bytes, which are skipped next.
    Prelude {
        /// Bytes.
        size: u64,
    },
    /// Metadata of a node.
    Entry(Stat),
    /// Metadata of a node in the old form.
    EntryV1(Stat),
    /// Name of the next child.
    Filename(&'w [u8]),
    /// An attribute of the current entry.
    Attribute(Attribute<'w>),
    /// Makes the entry a symlink with this target.
    Symlink(&'w [u8]),
    /// Makes the entry a device node.
    Device(Device),
    /// The child is a further name of an earlier file.
    Hardlink {
        /// Bytes from the FILENAME of the file to the FILENAME of this link.
        distance: u64,
        /// Path of the file from the archive's root.
        target: &'w [u8],
    },
    /// Makes the entry a file; its contents are skipped next.
    Payload {
        /// Bytes of contents.
        size: u64,
    },
    /// Makes the entry a file whose contents lie in the payload stream.
    PayloadRef(PayloadRef),
    /// Ends a directory; its table is skipped next.
    Goodbye {
        /// Content bytes: the records and the tail.
        size: u64,
    },
}
