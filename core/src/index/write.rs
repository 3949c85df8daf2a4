use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::dynamic::{ChunkId, DYNAMIC_MAGIC, ENTRY_SIZE};
use super::fixed::FIXED_MAGIC;
use super::intake::{INDEX_HEADER_SIZE, IndexHeader};
use crate::format::{Digest, Error, MAX_CHUNK_SIZE, Problem};

/// Writes a dynamic index.
///
/// The file is the header from [`WriteDynamic::new`], then the entries from [`WriteDynamic::push`]. At the end the header is written
/// once more, as [`Written::header`] has it, over the first. Until then its checksum is 0.
#[derive(Clone, Debug)]
pub struct WriteDynamic {
    header: IndexHeader,
    size: u64,
    count: u64,
    hasher: Sha256,
}

/// What a finished index says, for its header and for the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The first 80 bytes of the file, with the checksum.
    pub header: [u8; 80],
    /// Bytes of the archive or image.
    pub size: u64,
    /// Number of chunks.
    pub count: u64,
    /// The checksum of the entries.
    pub checksum: Digest,
}

impl WriteDynamic {
    /// Starts an index, with random bytes and the time in seconds since 1970; also the bytes that the file starts with.
    pub fn new(uuid: [u8; 16], ctime: i64) -> (Self, [u8; INDEX_HEADER_SIZE]) {
        let header = IndexHeader { uuid, ctime, checksum: Digest::default() };
        let mut bytes = [0; INDEX_HEADER_SIZE];
        bytes[..64].copy_from_slice(&header.to_bytes(DYNAMIC_MAGIC));
        (Self { header, size: 0, count: 0, hasher: Sha256::new() }, bytes)
    }

    /// Position behind the last chunk so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a chunk of `len` plain bytes: which chunk of this archive that is. The file goes on with [`ChunkId::to_bytes`].
    ///
    /// # Errors
    /// The chunk is empty or larger than [`MAX_CHUNK_SIZE`], or the archive would exceed 2^63 bytes.
    pub fn push(&mut self, digest: Digest, len: u64) -> Result<ChunkId, Error> {
        let at = INDEX_HEADER_SIZE as u64 + self.count * ENTRY_SIZE as u64;
        if len == 0 || len > MAX_CHUNK_SIZE {
            return Err(Error::misuse(at, "a chunk has 1 to 16777216 bytes"));
        }
        let Some(end) = self.size.checked_add(len).filter(|&end| end <= i64::MAX as u64) else {
            let problem = Problem::Limit { what: "bytes of an archive", limit: i64::MAX as u64 };
            return Err(Error::new(at, None, problem));
        };
        let chunk = ChunkId { end, digest };
        self.hasher.update(chunk.to_bytes());
        self.size = end;
        self.count += 1;
        Ok(chunk)
    }

    /// Ends the index.
    ///
    /// # Errors
    /// There is no chunk: nobody can read such an index.
    pub fn finish(mut self) -> Result<Written, Error> {
        if self.count == 0 {
            return Err(Error::misuse(INDEX_HEADER_SIZE as u64, "an index has at least one chunk"));
        }
        self.header.checksum = Digest(self.hasher.finalize().into());
        let mut header = [0; 80];
        header[..64].copy_from_slice(&self.header.to_bytes(DYNAMIC_MAGIC));
        Ok(Written { header, size: self.size, count: self.count, checksum: self.header.checksum })
    }
}

/// Bytes of each chunk of an image but the last: servers take no others.
pub const IMAGE_CHUNK_SIZE: u64 = 4 << 20;

/// Writes a fixed index, as [`WriteDynamic`] does a dynamic one: the header, then the digests of all chunks, then the header once more.
#[derive(Clone, Debug)]
pub struct WriteFixed {
    header: IndexHeader,
    size: u64,
    count: u64,
    hasher: Sha256,
}

impl WriteFixed {
    /// Starts an index, with random bytes and the time in seconds since 1970; also the bytes that the file starts with.
    pub fn new(uuid: [u8; 16], ctime: i64) -> (Self, [u8; INDEX_HEADER_SIZE]) {
        let header = IndexHeader { uuid, ctime, checksum: Digest::default() };
        let this = Self { header, size: 0, count: 0, hasher: Sha256::new() };
        let mut bytes = [0; INDEX_HEADER_SIZE];
        bytes[..80].copy_from_slice(&this.to_bytes());
        (this, bytes)
    }

    /// Bytes of the image so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a chunk of `len` plain bytes. The file goes on with its digest.
    ///
    /// # Errors
    /// The chunk is empty or larger than [`IMAGE_CHUNK_SIZE`], comes after one that is smaller, or the image would exceed 2^63 bytes.
    pub fn push(&mut self, digest: Digest, len: u64) -> Result<(), Error> {
        let at = INDEX_HEADER_SIZE as u64 + self.count * digest.0.len() as u64;
        if len == 0 || len > IMAGE_CHUNK_SIZE || !self.size.is_multiple_of(IMAGE_CHUNK_SIZE) {
            return Err(Error::misuse(
                at,
                "a chunk of an image has 4194304 bytes, and only the last one fewer",
            ));
        }
        let Some(size) = self.size.checked_add(len).filter(|&size| size <= i64::MAX as u64) else {
            let problem = Problem::Limit { what: "bytes of an image", limit: i64::MAX as u64 };
            return Err(Error::new(at, None, problem));
        };
        self.hasher.update(digest.0);
        self.size = size;
        self.count += 1;
        Ok(())
    }

    /// Ends the index.
    ///
    /// # Errors
    /// There is no chunk: nobody can read such an index.
    pub fn finish(mut self) -> Result<Written, Error> {
        if self.count == 0 {
            return Err(Error::misuse(INDEX_HEADER_SIZE as u64, "an index has at least one chunk"));
        }
        self.header.checksum = Digest(core::mem::take(&mut self.hasher).finalize().into());
        let header = self.to_bytes();
        Ok(Written { header, size: self.size, count: self.count, checksum: self.header.checksum })
    }

    fn to_bytes(&self) -> [u8; 80] {
        let mut bytes = [0; 80];
        bytes[..64].copy_from_slice(&self.header.to_bytes(FIXED_MAGIC));
        bytes[64..72].copy_from_slice(&self.size.to_le_bytes());
        bytes[72..].copy_from_slice(&IMAGE_CHUNK_SIZE.to_le_bytes());
        bytes
    }
}

/// Writes an index of either kind.
#[derive(Clone, Debug)]
pub enum WriteIndex {
    /// Of an archive.
    Dynamic(WriteDynamic),
    /// Of an image.
    Fixed(WriteFixed),
}

impl WriteIndex {
    /// Bytes of the archive or image so far.
    pub fn size(&self) -> u64 {
        match self {
            Self::Dynamic(writer) => writer.size(),
            Self::Fixed(writer) => writer.size(),
        }
    }

    /// Adds a chunk of `len` plain bytes; appends to `file` what the file goes on with.
    ///
    /// # Errors
    /// Those of [`WriteDynamic::push`] or [`WriteFixed::push`].
    pub fn push(&mut self, digest: Digest, len: u64, file: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Dynamic(writer) => file.extend_from_slice(&writer.push(digest, len)?.to_bytes()),
            Self::Fixed(writer) => {
                writer.push(digest, len)?;
                file.extend_from_slice(&digest.0);
            }
        }
        Ok(())
    }

    /// Ends the index.
    ///
    /// # Errors
    /// There is no chunk.
    pub fn finish(self) -> Result<Written, Error> {
        match self {
            Self::Dynamic(writer) => writer.finish(),
            Self::Fixed(writer) => writer.finish(),
        }
    }
}
