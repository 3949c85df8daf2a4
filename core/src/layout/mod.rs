//! What lies where in the streams of an archive: who owns which bytes, what is padding, what chunks hold, how two archives differ
//! (change detection 4; specification 4.5).
//!
//! **Spans.** A stream is a sequence of [`Span`]s without gaps between them, each with one [`Owner`]: a payload (PAYLOAD header and
//! contents of an entry), one of the stream's own two markers, padding, or, in unified archives, metadata. Where payloads overlap, which
//! no writer does, a byte belongs to the payload that begins first; what reaches out of the stream is cut off.
//!
//! **Padding** is every byte of a payload stream that is neither in a payload nor in the stream's own markers. The markers of older streams that
//! were injected with their chunks are padding. With an index, padding is cut where chunks end and each piece has a [`Class`]:
//!
//! ```text
//! chunk   |        1        |     2     |           3           |
//! stream  ▒▒▒▒▒▒██████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒████▒▒▒▒▒██████▒▒▒▒▒
//!          head             tail  whole  head    inner       tail
//! ```
//!
//! *Head* lies before the first byte of its chunk that is no padding, *tail* behind the last, *inner* between two; in a chunk that is *whole*
//! there is no other byte. Without an index, and behind its end, padding is a *gap*. Always
//! `Σ padding = size of the stream − Σ live − own markers`, which is, where the writer injects whole chunks and leaves no other gaps,
//! `Σ injected chunks − Σ (size + 16) of re-used payloads`.
//!
//! [`Map`] is what has to be computed once for a stream: 4 bytes for each file (12 if payloads overlap). [`Layout`] joins it with the tree and the index
//! and answers everything; lookups take O(log n), enumerations in addition what they touch. [`ChunkTable`] holds 32 bytes for each chunk.

mod ages;
mod anomalies;
mod check;
mod chunks;
mod columns;
pub mod compare;
mod findings;
mod former;
mod ghosts;
mod lists;
mod map;
mod needs;
mod report;
mod rows;
mod score;
mod sorted;
mod spans;
mod totals;
mod treemap;

pub use ages::{Generation, Sharing, ages, generations};
pub use check::{Batching, HeaderCheck, MarkerCheck};
pub use chunks::{ChunkTable, ChunkUse};
pub use columns::{CATEGORIES, Column};
pub use findings::{Anomaly, Finding, Findings};
pub use former::{DigestOrder, Former, History, Trace};
pub use ghosts::{Gap, Gaps, GhostWalk, Remains, Remnant, Remnants};
pub use lists::{
    PaddingList, write_changes, write_chunks, write_findings, write_padding, write_ranges, write_remnants,
};
pub use map::Map;
pub use needs::Needs;
pub use report::Report;
pub use rows::Format;
pub use score::{Histogram, Rewrite, curve};
pub use sorted::{sort_ids, sort_things};
pub use spans::{Class, Layout, Owner, Padding, Span, Spans, Totals};
pub use totals::{DirectoryTotal, DirectoryTotals, add_by_category};
pub use treemap::{Block, Canvas, Tile, treemap};

#[cfg(test)]
mod tests;
