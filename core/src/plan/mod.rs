//! A backup's plan in three steps: detect, decide, emit.
//!
//! **Detect.** The walk is joined with the previous archive ([`crate::reuse::Join`]). Every node becomes a [`Record`] in a spool that the
//! driver owns, every file with contents also an entry of the [`Listing`], which stays in memory: 28 bytes.
//!
//! In append order ([`Order`]) the spool is read in another order than it was written, and the listing is sorted likewise.
//!
//! **Decide.** [`crate::reuse::decide`] looks at the whole listing, so a budget holds exactly.
//!
//! **Emit.** The driver reads the spool again, opens the files that are to be read, and tells [`Emit`] what it found. `Emit` encodes and
//! calls a [`Sink`] in the one order in which things stand in the new archive: metadata, raw segments of the payload stream with the
//! files that start in them, payload bytes, chunks to be injected. Nothing there depends on threads or on the sizes of reads.

mod emit;
mod listing;
mod order;
mod packed;
mod record;

pub use emit::{Emit, Fate, MAX_BLOCK, Sink};
pub use listing::Listing;
pub use order::{Order, Turn};
pub use record::{Identity, Record, RecordContent};

#[cfg(test)]
mod tests;
