//! State: what nodes were when a snapshot was made, beyond what archives store (change detection 10.2).
//!
//! A [`Trace`] for each entry of a metadata archive, in its order, stands in a file that belongs to that archive alone ([`Header`]). If a
//! node is of the same inode and has the same time of last change, nothing about it changed since, whatever else might be asked; if
//! not, its trace tells what became of it ([`Kinship`]). Where no state is, or none that fits, files are compared without: losing it costs
//! speed and sharpness, never a file.

mod devices;
mod doubt;
mod file;
mod moved;
#[cfg(test)]
mod tests;
mod trace;

pub use devices::{Devices, Kinship};
pub use doubt::Doubt;
pub use file::{Binding, Header, Unfit, WriteState};
pub use moved::Moved;
pub use trace::{Marks, Trace};

/// How much a state may tell against a file of which all that archives store is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharpness {
    /// Nothing: as without state, only faster.
    #[default]
    Compatible,
    /// Its contents are read if it is of another inode.
    Loose,
    /// They are read, too, if its time of last change is another and nothing that archives store, nor its number of names, explains that: an
    /// edit may have restored the time of modification.
    Strict,
}
