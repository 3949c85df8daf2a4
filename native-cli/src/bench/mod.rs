//! The benchmark of change detection: sets of real and made generations of a tree, and runs of all modes over them.
//!
//! A set is a directory that [`prepare`] makes. It holds one working tree, a manifest for each generation, and the contents that
//! not all generations have, so the tree can be moved from any generation to any other. [`run`] backs up generation after
//! generation with this program's own command line.

mod advance;
mod change;
mod linux;
mod manifest;
mod pool;
mod prepare;
mod random;
mod result;
mod run;
mod set;
mod summary;
mod synthetic;
#[cfg(test)]
mod tests;

pub use prepare::{Prepare, Source, prepare};
pub use run::{Run, run};
