//! The payload stream as a map, and directories as areas. Pictures are drawn in the worker; the page puts them on a canvas.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{EntryId, export::Totals};

/// What a colour means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Colouring {
    /// What kind of file, by the ending of its name.
    #[default]
    FileType,
    /// Which directory of the root.
    Directory,
    /// How much of its chunk is used.
    ChunkUse,
    /// Own chunks of this snapshot, or injected ones, by how many snapshots ago they first appear.
    Age,
}

/// Asks for a picture of a part of the stream.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct MapQuery {
    /// From which byte.
    pub start: u64,
    /// To which.
    pub end: u64,
    /// Pixels (of the device) of the picture.
    pub width: u32,
    /// Pixels of the device for one of the page.
    pub scale: f64,
    /// Pixels of each lane's height; the picture has one lane below the other without gaps. Empty: no picture.
    pub lanes: Vec<(Lane, u32)>,
    /// What colours mean.
    pub colouring: Colouring,
    /// Categories that are faded out, by their number in the legend; from 16 on kinds of padding, in the order of
    /// [`Padding::ALL`].
    pub hidden: Vec<u8>,
    /// An entry (a directory with all below) to be marked.
    pub marked: Option<EntryId>,
    /// Colours for a dark page.
    pub dark: bool,
    /// At most so many single ranges in the answer, for labels and for looking close.
    pub ranges: u32,
}

/// A lane of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Lane {
    /// Everything in one: what most of each column is.
    Overview,
    /// Chunks, one shade beside the other.
    Chunks,
    /// Payloads.
    Payloads,
    /// Padding in its four hatches.
    Padding,
}

/// A picture of a part of the stream.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Map {
    /// The part.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels of all lanes.
    pub height: u32,
    /// Red, green, blue, alpha for each pixel, line by line.
    pub rgba: Vec<u8>,
    /// The single ranges of the part, if there are not more than were asked for.
    pub ranges: Option<Vec<Range>>,
}

/// What lies somewhere.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Range {
    /// Position of its first byte.
    pub start: u64,
    /// Behind its last.
    pub end: u64,
    /// What it is.
    pub what: What,
    /// A short label: name, digest, class of padding.
    pub label: String,
}

/// What a range is.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum What {
    /// A file's header and contents.
    Payload(EntryId),
    /// A chunk, by its number.
    Chunk(u32),
    /// Dead bytes.
    Padding(Padding),
    /// A marker of this stream.
    Marker,
    /// Of a unified archive: metadata.
    Metadata,
}

/// Kinds of padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Padding {
    /// Before the first used byte of a chunk.
    Head,
    /// Between used bytes of a chunk.
    Inner,
    /// Behind the last used byte.
    Tail,
    /// A chunk without used bytes.
    Whole,
    /// A payload whose file is gone.
    Ghost,
    /// Without an index: between references.
    Gap,
}

impl Padding {
    /// All kinds, those with the sparsest hatch first.
    pub const ALL: [Self; 6] = [Self::Inner, Self::Head, Self::Gap, Self::Tail, Self::Whole, Self::Ghost];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Inner => "inner",
            Self::Tail => "tail",
            Self::Whole => "whole chunk",
            Self::Ghost => "ghost",
            Self::Gap => "gap",
        }
    }
}

/// What lies at a position.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Spot {
    /// The position.
    pub offset: u64,
    /// The payload or padding or marker there.
    pub range: Option<Range>,
    /// The path, if it is a payload; the lost path of a ghost, if it is known.
    pub path: Option<String>,
    /// The chunk there.
    pub chunk: Option<Range>,
    /// Dead bytes of that chunk.
    pub chunk_dead: u64,
}

/// Asks for areas.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TreemapQuery {
    /// Of which directory.
    pub root: EntryId,
    /// Pixels (of the device).
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pixels of the device for one of the page.
    pub scale: f64,
    /// What colours mean.
    pub colouring: Colouring,
    /// Categories that are faded out.
    pub hidden: Vec<u8>,
    /// An entry to be marked.
    pub marked: Option<EntryId>,
    /// Colours for a dark page.
    pub dark: bool,
}

/// Areas.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Treemap {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Red, green, blue, alpha for each pixel.
    pub rgba: Vec<u8>,
    /// Which area covers which pixels, from the outer to the inner ones; the smallest areas are one for many.
    pub areas: Vec<Area>,
}

/// An area.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Area {
    /// Pixels from the left, top, and size.
    pub rect: (u32, u32, u32, u32),
    /// The entry; `None` for padding and for what is too small to be shown.
    pub entry: Option<EntryId>,
    /// Directories between it and the root of the picture.
    pub depth: u16,
    /// Name, or what it is.
    pub label: String,
    /// Bytes.
    pub size: u64,
    /// It is padding.
    pub padding: bool,
}

/// The categories of a colouring.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Legend {
    /// In the order of their numbers.
    pub categories: Vec<Category>,
}

/// A category.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// Its colour on a light page, as `#rrggbb`.
    pub light: String,
    /// On a dark page.
    pub dark: String,
    /// Bytes in it.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
}

/// Totals of the layout, the same that `pxkit layout --json` prints.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// The totals.
    pub totals: Totals,
    /// Ranges of the payload stream whose ghosts were looked for: bytes done.
    pub ghosts_searched: u64,
}
