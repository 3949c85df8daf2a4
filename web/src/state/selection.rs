//! The one selection of the whole screen, and what is known of what is selected.

use std::rc::Rc;

use crate::protocol::{DocId, EntryId, Problem, Stream, chunks, entry, layout::Spot};

/// What is selected in the active document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Nothing.
    #[default]
    None,
    /// An entry by its path (bytes, without leading slash), which is still to be looked up.
    Path(Vec<u8>),
    /// An entry.
    Entry(EntryId),
    /// The item of a stream that holds a position.
    Item(Stream, u64),
    /// Bytes of a stream, half-open.
    Bytes(Stream, u64, u64),
    /// A chunk of the payload stream, by its number.
    Chunk(u32),
}

impl Selection {
    /// The stream and position that it names by itself.
    pub fn position(&self) -> Option<(Stream, u64)> {
        match *self {
            Self::Item(stream, offset) | Self::Bytes(stream, offset, _) => Some((stream, offset)),
            _ => None,
        }
    }
}

/// What is known of the selection: views mark these places, whichever of them was selected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Focus {
    /// What this is about; views that need it exactly compare it with the state's.
    pub of: Option<(DocId, Selection)>,
    /// The entry that is selected, or to which the selected item or bytes belong.
    pub entry: Option<EntryId>,
    /// The path that led to the entry, until its details are there.
    pub sought: Option<Vec<u8>>,
    /// All that is known of it.
    pub details: Option<Rc<entry::Entry>>,
    /// What lies at the selected bytes of the payload stream that belong to no entry.
    pub spot: Option<Rc<Spot>>,
    /// The chunk that is selected.
    pub chunk: Option<Rc<chunks::Chunk>>,
    /// Where it lies in the archive or its metadata, half-open.
    pub meta: Option<(u64, u64)>,
    /// Where it lies in the payload stream (header counted), half-open.
    pub payload: Option<(u64, u64)>,
    /// Why nothing is known of it.
    pub problem: Option<Problem>,
}

impl Focus {
    /// The place in a stream.
    pub fn range(&self, stream: Stream) -> Option<(u64, u64)> {
        match stream {
            Stream::Meta => self.meta,
            Stream::Payload => self.payload,
        }
    }
}
