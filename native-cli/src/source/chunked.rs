//! Archives in the chunks of a snapshot.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use anyhow::bail;
use pxkit_core::blob::{CryptMode, Fingerprint};
use pxkit_core::format::Digest;
use pxkit_core::index::{Chunks as _, DynamicIndex, FixedIndex};

use super::ByteSource;
use super::cache::{Cause, Key, Plain};
use super::reader::ChunkReader;

/// Bytes of one range that are read ahead while those before are worked on.
const AHEAD: u64 = 12 << 20;
/// Chunks that one call asks for at most, however small they are.
const CHUNKS_AHEAD: usize = 16;

/// Which chunks make up an archive.
#[derive(Debug)]
pub enum Index {
    /// Of a stream.
    Dynamic(DynamicIndex),
    /// Of an image.
    Fixed(FixedIndex),
}

impl Index {
    fn size(&self) -> u64 {
        match self {
            Self::Dynamic(index) => index.size(),
            Self::Fixed(index) => index.size(),
        }
    }

    /// The chunk that holds the byte at `offset`, and which bytes it holds.
    fn find(&self, offset: u64) -> Option<(Digest, Range<u64>)> {
        match self {
            Self::Dynamic(index) => index.chunk(index.find(offset)?),
            Self::Fixed(index) => index.chunk(index.find(offset)?),
        }
    }
}

/// A chunk of an archive that cannot be read.
#[derive(Clone, Debug)]
pub struct ChunkError {
    digest: Digest,
    archive: Arc<str>,
    range: Range<u64>,
    cause: Cause,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, archive, range, cause } = self;
        write!(f, "chunk {digest} (bytes {} to {} of {archive}): {cause}", range.start, range.end)
    }
}

impl std::error::Error for ChunkError {}

/// An archive, or an image, in the chunks of a snapshot.
#[derive(Debug)]
pub struct ChunkedArchive {
    reader: Arc<ChunkReader>,
    index: Index,
    mode: CryptMode,
    name: Arc<str>,
}

impl ChunkedArchive {
    /// The archive that the manifest of `reader`'s snapshot names.
    ///
    /// # Errors
    /// There is none of that name, its index cannot be read, or it is encrypted and there is no key.
    pub fn open(reader: Arc<ChunkReader>, name: &str) -> anyhow::Result<Self> {
        let snapshot = reader.snapshot();
        let mode = snapshot.manifest().file(name).map(|file| file.crypt_mode);
        let Some(mode) = mode else { bail!("{name} is not in the snapshot {}", snapshot.id()) };
        if mode == CryptMode::Encrypt && snapshot.key().is_none() {
            bail!("{name} is encrypted, and there is no key; name one with --keyfile");
        }
        let index = if name.ends_with(".fidx") {
            Index::Fixed(snapshot.image(name)?)
        } else {
            Index::Dynamic(snapshot.index(name)?)
        };
        Ok(Self { reader, index, mode, name: name.into() })
    }

    /// The chunk that holds the byte at `offset`, and which bytes it holds; `None` at the end and after.
    fn chunk_at(&self, offset: u64) -> Result<Option<(Plain, Range<u64>)>, ChunkError> {
        let Some((digest, range)) = self.index.find(offset) else { return Ok(None) };
        match self.reader.get(self.key(digest, &range)) {
            Ok(plain) => Ok(Some((plain, range))),
            Err(cause) => Err(ChunkError { digest, archive: self.name.clone(), range, cause }),
        }
    }

    fn key(&self, digest: Digest, range: &Range<u64>) -> Key {
        Key { digest, len: range.end - range.start, mode: self.mode }
    }
}

impl ByteSource for ChunkedArchive {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.index.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some((plain, range)) = self.chunk_at(offset).map_err(io::Error::other)? else { return Ok(0) };
        // The reader checked that the chunk is as long as the range.
        let rest = &plain[(offset - range.start) as usize..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn pass(
        &self,
        range: Range<u64>,
        _block: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let Some((plain, chunk)) = self.chunk_at(at)? else {
                return Err(anyhow::Error::from(io::Error::from(io::ErrorKind::UnexpectedEof))
                    .context(format!("{} ends at {}", self.name, self.size())));
            };
            if chunk.end < range.end {
                self.will_read(chunk.end..range.end.min(chunk.end.saturating_add(AHEAD)));
            }
            let end = chunk.end.min(range.end);
            take(&plain[(at - chunk.start) as usize..(end - chunk.start) as usize])?;
            at = end;
        }
        Ok(())
    }

    fn will_read(&self, range: Range<u64>) {
        let mut at = range.start;
        for _ in 0..CHUNKS_AHEAD {
            let Some((digest, chunk)) = self.index.find(at).filter(|_| at < range.end) else { return };
            self.reader.prefetch(self.key(digest, &chunk));
            at = chunk.end;
        }
    }

    fn unit(&self, offset: u64) -> Option<Range<u64>> {
        Some(self.index.find(offset)?.1)
    }

    fn index(&self) -> Option<(&DynamicIndex, Option<Fingerprint>)> {
        let Index::Dynamic(index) = &self.index else { return None };
        let key = self.reader.snapshot().key().filter(|_| self.mode == CryptMode::Encrypt);
        Some((index, key.map(|key| *key.fingerprint())))
    }
}
