//! Indexes: which chunks, in which order, make up an archive (datastore specification 8 and 9).
//!
//! A dynamic index (`.didx`) names the end of each chunk, a fixed one (`.fidx`, images) has chunks of one size. Readers take the
//! file in pieces of any size ([`ReadDynamic`], [`ReadFixed`]) and keep 40 or 32 bytes for each chunk, never for chunks that were only
//! announced. The writers ([`WriteDynamic`], [`WriteFixed`]; [`WriteIndex`] for either) say which bytes to append and how the header reads
//! in the end.
//!
//! **A chunk of an archive is identified by its digest and its end**, never by the digest alone ([`ChunkId`]): equal contents may stand
//! at many places.
//!
//! Offsets in errors are positions in the index file. The checksum in a header proves nothing: compare
//! [`DynamicIndex::checksum`] and [`DynamicIndex::size`] with the manifest.

mod dynamic;
mod fixed;
mod intake;
mod parts;
mod write;

pub use dynamic::{ChunkId, DYNAMIC_MAGIC, DynamicIndex, ReadDynamic};
pub use fixed::{FIXED_MAGIC, FixedIndex, ReadFixed};
pub use intake::{INDEX_HEADER_SIZE, IndexHeader};
pub use parts::{Chunks, Part, Parts};
pub use write::{IMAGE_CHUNK_SIZE, WriteDynamic, WriteFixed, WriteIndex, Written};

#[cfg(test)]
mod tests;
