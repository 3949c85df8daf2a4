//! What differs between two trees, entry by entry: the vocabulary and the verdicts that everybody shares who compares archives, snapshots
//! and directories.
//!
//! Two trees whose names are sorted are merged by [`path_order`] while both are read once. Of two entries with one path, [`Facts`] tell which
//! [`Fields`] differ. Contents are compared by the chunks that they lie in: [`same_parts`] needs no contents at all, and [`Unshared`] says which ranges of
//! two files nobody can tell apart without reading them.
//!
//! [`crate::layout::compare`] joins two trees in memory with the same vocabulary.

mod change;
mod chunks;
mod facts;
mod order;

pub use change::{Change, Fields};
pub use chunks::{Unshared, same_parts};
pub use facts::{Facts, attributes_differ};
pub use order::path_order;

#[cfg(test)]
mod tests;
