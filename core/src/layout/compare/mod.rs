//! What differs between two archives of the same tree, and what that cost.
//!
//! [`compare`] joins two trees by path and says of every entry how it changed, from metadata alone. Contents count as the same if size and time of
//! modification are; indexes of both say more: a payload that lies in the same chunks at the same places is certainly the same, one
//! in which whole chunks at the same place differ is certainly not. (Digests of two archives with different keys say nothing: leave
//! the indexes away.) Extended attributes, ACLs and the like are not in a tree; [`Comparison::pending`] lists the pairs whose attributes
//! a driver has to read, and [`Comparison::attributes`] takes the result.
//!
//! Hard links are compared as the files that they are names of. Memory: 11 bytes for an entry of the new archive, 4 for one of the old.

mod comparison;
mod contents;
mod join;
mod metadata;
mod moved;
mod stored;

pub use crate::compare::{Change, Fields};
pub use comparison::{Comparison, Evidence, Sums};
pub use contents::same_contents;
pub use join::{Comparing, compare};
pub use stored::{StoredAgain, StoringAgain, stored_again};
