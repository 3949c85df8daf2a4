//! Which unchanged files keep their chunks, and where they then lie (change detection 3 to 5, 10.5 and 10.13).
//!
//! A file that is re-used takes all its chunks along; what else lies in them becomes padding. [`decide`] chooses over the listing of
//! the whole archive, before the first content is read, by one of two [`Policy`]s. [`Placement`] follows the chosen files and
//! says which chunks are injected where; the totals of a [`Decision`] come from it, too, so both agree.

mod bits;
mod cover;
mod decision;
mod files;
mod fill;
mod join;
mod optimal;
mod place;
pub mod state;
mod steps;
mod table;
mod threshold;
mod usage;
mod verdict;

pub use decision::{Decision, Totals};
pub use files::{File, Files};
pub use join::{Found, Join, OldEntry};
pub use optimal::{Budget, Optimal, Price};
pub use place::{Injection, Placement};
pub use table::Table;
pub use usage::Usage;
pub use verdict::{NewFile, Rules, Verdict, Why, compare};

use crate::index::DynamicIndex;

/// How files are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// What costs least and keeps a budget of padding.
    Optimal(Optimal),
    /// The reference's: runs of files, each with at most a tenth of padding; their sum is not bounded.
    Threshold {
        /// Most files in a run, at least 1; the reference has 512.
        limit: usize,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self::Optimal(Optimal::default())
    }
}

/// Chooses the files that are re-used. `index` is that of the previous payload stream. The same input gives the same decision.
///
/// A file can be re-used if it has an old position and lies with header and contents between the start marker and the end of
/// the old stream, in chunks of legal size. Old positions may have any order.
pub fn decide(files: &Files, index: &DynamicIndex, policy: &Policy) -> Decision {
    let (reuses, price) = match policy {
        Policy::Optimal(optimal) => optimal::choose(files, index, optimal),
        Policy::Threshold { limit } => (threshold::choose(files, index, *limit), None),
    };
    // Chunks that fill more than a stream can hold come from an archive whose files overlap by the thousand: not worth a thought.
    Decision::new(files, index, reuses, price).unwrap_or_else(|_| Decision::encode_all(files))
}

#[cfg(test)]
mod tests;
