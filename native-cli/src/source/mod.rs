//! What the bytes of an archive come from: a file, or the chunks of a snapshot.

mod cache;
mod chunked;
mod file;
mod memory;
mod readahead;
mod reader;

use std::fmt::Debug;
use std::io;
use std::ops::Range;

use pxkit_core::blob::Fingerprint;
use pxkit_core::index::DynamicIndex;

pub use chunked::{ChunkError, ChunkedArchive, Index};
pub use file::FileSource;
pub use memory::Memory;
pub use readahead::Readahead;
pub use reader::{ChunkCache, ChunkReader};

/// Bytes that can be read anywhere, from several threads at once.
pub trait ByteSource: Debug + Send + Sync {
    /// How messages name it.
    fn name(&self) -> &str;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Reads bytes at `offset` to the start of `buffer`; returns how many, 0 only at the end or for an empty buffer.
    ///
    /// # Errors
    /// They cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// They cannot be read, or there are not so many.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands the bytes of `range` to `take` in order, in pieces of any size. `block` is room for those that have to be read
    /// somewhere; callers keep it from one call to the next.
    ///
    /// # Errors
    /// They cannot be read, or there are not so many; those of `take`. Pieces before were handed over.
    fn pass(
        &self,
        range: Range<u64>,
        block: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>;

    /// Says that these bytes will be read soon; only worth it where [`ByteSource::unit`] says something.
    fn will_read(&self, _range: Range<u64>) {}

    /// The bytes around `offset` that are read together at the price of one: a chunk. `None` if there are no such units, or at the
    /// end.
    fn unit(&self, _offset: u64) -> Option<Range<u64>> {
        None
    }

    /// Which chunks the bytes come from, and the key on which the digests of those depend.
    fn index(&self) -> Option<(&DynamicIndex, Option<Fingerprint>)> {
        None
    }
}
