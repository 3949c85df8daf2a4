//! Where streams are cut into chunks (change detection 6, 10.6 and 10.13).
//!
//! [`Chunker`] cuts by the hash of the last 64 bytes alone: unified and metadata archives, catalogs. [`Cutter`] cuts the payload
//! stream and knows where its files start; which rule it follows is [`Cuts`]. Both take their input in blocks of any size, and the
//! cuts depend on the bytes and the files alone, never on the blocks.

mod cutter;
mod scan;
mod table;

pub use cutter::{Cuts, Cutter, FileStart};
pub use scan::{Chunker, Sizes, WINDOW};

#[cfg(test)]
mod tests;
