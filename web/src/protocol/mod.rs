//! What passes between the page and the worker.
//!
//! The page asks ([`Ask`]), the worker tells ([`Tell`]): each request gets exactly one reply, and before it any number of progress
//! reports. Requests may be answered out of order; one that is no longer wanted is taken back with [`Request::Cancel`]. Everything here is
//! plain data, so both ends are tested natively; files and directories of the browser travel beside it as *handles*, which
//! [`open::Item`] names by their number, and large bytes ([`Bytes`]) as typed arrays.
//!
//! Numbers: positions and sizes are bytes; ranges are half-open; entries are numbered as in `pxkit_core::access::Tree`; a
//! document is one opened thing and keeps its number until it is closed.

pub mod chunks;
pub mod compare;
pub mod entry;
pub mod export;
pub mod files;
pub mod findings;
pub mod layout;
pub mod open;
pub mod structure;

use borsh::{BorshDeserialize, BorshSerialize};

/// Number of an open document.
pub type DocId = u32;
/// Number of an entry in its document's tree.
pub type EntryId = u32;

/// From the page to the worker.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Ask {
    /// Chosen by the page; the reply carries it.
    pub id: u32,
    /// What is asked.
    pub request: Request,
}

/// What the page asks.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Request {
    /// Opens what was dropped, picked, or named. Reply: [`Reply::Opened`], as soon as it is known what the things are; archives go on
    /// being decoded afterwards, which [`Tell::Document`] reports.
    Open(open::Open),
    /// Opens an archive of a snapshot of a datastore. Reply: [`Reply::Opened`].
    OpenSnapshot(open::OpenSnapshot),
    /// Lists groups or snapshots of an open datastore. Reply: [`Reply::Store`].
    Store(open::StoreQuery),
    /// Gives a key file (its bytes) for encrypted snapshots; it never leaves the worker. Reply: [`Reply::Key`].
    Key(open::Key),
    /// Closes a document and frees its memory. Reply: [`Reply::Done`].
    Close(DocId),
    /// Numbers of documents go on from here: what is opened again in another worker keeps its number. Reply: [`Reply::Done`].
    Number(DocId),
    /// Takes back a request by its number; it is answered with [`ProblemKind::Cancelled`]. Reply: [`Reply::Done`].
    Cancel(u32),

    /// Changes how the files of a document are shown. Reply: [`Reply::View`].
    View(DocId, files::View),
    /// Opens or closes directories of the tree. Reply: [`Reply::View`].
    Toggle(DocId, files::Toggle),
    /// Rows of the current view. Reply: [`Reply::Rows`].
    Rows(DocId, files::Span),
    /// The row of an entry, for which the directories above it are opened. Reply: [`Reply::Row`].
    Reveal(DocId, EntryId),
    /// The entry at a path (bytes, without leading slash). Reply: [`Reply::Found`].
    Find(DocId, Vec<u8>),

    /// Everything about an entry. Reply: [`Reply::Entry`].
    Entry(DocId, EntryId),
    /// A part of a file's contents. Reply: [`Reply::Bytes`].
    Contents(DocId, EntryId, entry::Part),
    /// Bytes of a stream. Reply: [`Reply::Bytes`].
    Bytes(DocId, Stream, entry::Part),

    /// Draws the payload map. Reply: [`Reply::Map`].
    Map(DocId, layout::MapQuery),
    /// What lies at a position of the payload map. Reply: [`Reply::Spot`].
    Spot(DocId, u64),
    /// Draws directories as areas. Reply: [`Reply::Treemap`].
    Treemap(DocId, layout::TreemapQuery),
    /// The categories of a colouring. Reply: [`Reply::Legend`].
    Legend(DocId, layout::Colouring),
    /// Totals of the layout. Reply: [`Reply::Layout`].
    Layout(DocId),

    /// Rows of the table of chunks. Reply: [`Reply::Chunks`].
    Chunks(DocId, chunks::Query),
    /// Everything about one chunk. Reply: [`Reply::Chunk`].
    Chunk(DocId, u32),
    /// Histograms, score, and what re-encoding would cost and free. Reply: [`Reply::ChunkSummary`].
    ChunkSummary(DocId),
    /// The chunks that hold the contents of an entry, of a directory with all that is in it. Reply: [`Reply::ChunksOf`].
    ChunksOf(DocId, EntryId),

    /// Items of a stream from a position. Reply: [`Reply::Items`].
    Items(DocId, structure::Query),
    /// A goodbye table as the tree it is. Reply: [`Reply::Goodbye`].
    Goodbye(DocId, u64),

    /// What is irregular, as far as it is known. Reply: [`Reply::Findings`].
    Findings(DocId, findings::Query),
    /// Looks for what only the payload's bytes tell, with progress. Reply: [`Reply::Checked`].
    Check(DocId, findings::Check),

    /// Compares two documents, with progress. Reply: [`Reply::Comparison`].
    Compare(compare::Pair),
    /// Rows of a comparison. Reply: [`Reply::Differences`].
    Differences(compare::Query),
    /// Padding and chunks of a series of snapshots of a group. Reply: [`Reply::Generations`].
    Generations(compare::Series),

    /// Makes a file to be saved: a file's contents, a folder as tar or zip, a list, the report. Reply: [`Reply::Saved`], with a `Blob` beside it.
    Save(DocId, export::Save),
    /// What the worker holds. Reply: [`Reply::Memory`].
    Memory,
}

/// From the worker to the page.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Tell {
    /// The worker runs and can be asked.
    Ready,
    /// The answer to a request.
    Reply {
        /// Number of the request.
        id: u32,
        /// What was asked for, or why not.
        result: Result<Reply, Problem>,
    },
    /// How far a request is.
    Progress {
        /// Number of the request.
        id: u32,
        /// How far.
        progress: Progress,
    },
    /// More is known of a document: it is being decoded, or complete, or damaged.
    Document(Box<open::Document>),
    /// The worker met something that it was not made for and cannot go on; the last thing it says.
    Died(String),
}

/// Answers, one for each kind of request.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
#[allow(missing_docs, reason = "each is explained at its request and at its type")]
pub enum Reply {
    Done,
    Opened(open::Opened),
    Store(open::StoreListing),
    Key(open::KeyInfo),
    View(files::ViewInfo),
    Rows(files::Rows),
    Row(Option<u32>),
    Found(Option<EntryId>),
    Entry(Box<entry::Entry>),
    Bytes(Bytes),
    Map(Box<layout::Map>),
    Spot(layout::Spot),
    Treemap(Box<layout::Treemap>),
    Legend(layout::Legend),
    Layout(Box<layout::Summary>),
    Chunks(chunks::Rows),
    Chunk(Box<chunks::Chunk>),
    ChunkSummary(Box<chunks::Summary>),
    ChunksOf(chunks::Needed),
    Items(structure::Items),
    Goodbye(structure::Goodbye),
    Findings(findings::Rows),
    Checked(findings::Checked),
    Comparison(Box<compare::Summary>),
    Differences(compare::Rows),
    Generations(compare::Generations),
    Saved(export::Saved),
    Memory(Memory),
}

/// Which of a document's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Stream {
    /// The archive or its metadata; of other documents, the file.
    Meta,
    /// The payload stream.
    Payload,
}

/// Bytes of a stream.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Bytes {
    /// Position of the first.
    pub offset: u64,
    /// The bytes; fewer than asked for at the end of the stream.
    pub bytes: Vec<u8>,
    /// How long the stream is, or the contents.
    pub size: u64,
    /// What is wrong with the place of these bytes (no header before contents).
    pub problem: Option<String>,
}

/// How far something is.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Progress {
    /// What is being done, as a phrase ("checking headers").
    pub what: String,
    /// Bytes or things that are done.
    pub done: u64,
    /// Of how many, if that is known.
    pub total: Option<u64>,
    /// Whether they are bytes.
    pub bytes: bool,
}

/// Why something could not be done, as a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Problem {
    /// What kind of problem.
    pub kind: ProblemKind,
    /// The sentence: what is wrong, and what still works.
    pub message: String,
    /// What it is about: the name of a file, an archive, a chunk.
    pub about: Option<String>,
    /// Where, if it is at a place of a stream.
    pub offset: Option<u64>,
}

/// Kinds of problems, for those who treat them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ProblemKind {
    /// The bytes are not what the format says.
    Format,
    /// The data end too early.
    Truncated,
    /// It is none of the kinds of files that can be shown.
    Foreign,
    /// A key is needed, or another one.
    Key,
    /// Something that is needed was not given (a payload file, a chunk).
    Missing,
    /// It could not be read: permission, network, a file that changed meanwhile.
    Read,
    /// It exceeds a stated limit.
    Limit,
    /// The page asked for something that is not there (any more).
    Request,
    /// Taken back.
    Cancelled,
}

/// Memory of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Memory {
    /// Bytes of WebAssembly memory.
    pub wasm: u64,
    /// Bytes that trees and maps of documents hold.
    pub documents: u64,
    /// Bytes in caches.
    pub caches: u64,
    /// Bytes read from sources since the start.
    pub read: u64,
}
