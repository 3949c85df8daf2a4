use alloc::vec::Vec;
use core::ops::Range;

use super::intake::{INDEX_HEADER_SIZE, IndexHeader, Intake, header};
use super::parts::{Chunks, Parts, check_range};
use crate::format::{Digest, Error, Problem, u64_at};

/// Start of SHA-256 of "Proxmox Backup dynamic sized chunk index v1.0".
pub const DYNAMIC_MAGIC: [u8; 8] = [0x1c, 0x91, 0x4e, 0xa5, 0x19, 0xba, 0xb3, 0xcd];
/// Bytes of an entry: the end as u64 and the digest.
pub(super) const ENTRY_SIZE: usize = 40;

/// One chunk of one archive: what it holds and where it ends. Equal digests at two ends are two chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkId {
    /// Position in the archive behind the chunk's last byte.
    pub end: u64,
    /// Digest of its bytes.
    pub digest: Digest,
}

impl ChunkId {
    /// The entry in an index, which is also what the checksum covers.
    pub fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&self.end.to_le_bytes());
        bytes[8..].copy_from_slice(&self.digest.0);
        bytes
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&bytes[8..ENTRY_SIZE]);
        Self { end: u64_at(bytes, 0), digest }
    }
}

/// A dynamic index: at least one chunk, ends strictly increasing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicIndex {
    header: IndexHeader,
    chunks: Vec<ChunkId>,
    checksum: Digest,
}

impl DynamicIndex {
    /// Reads a whole index file.
    ///
    /// # Errors
    /// Those of [`ReadDynamic`].
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let mut reader = ReadDynamic::new(file.len() as u64)?;
        reader.push(file)?;
        reader.finish()
    }

    /// What the header says.
    pub fn header(&self) -> IndexHeader {
        self.header
    }

    /// The checksum of the entries, computed: compare it with the manifest. The one in the header may differ.
    pub fn checksum(&self) -> Digest {
        self.checksum
    }

    /// Bytes of the archive, at least 1.
    pub fn size(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.end)
    }

    /// Number of chunks, at least 1.
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// All chunks in order.
    pub fn chunks(&self) -> &[ChunkId] {
        &self.chunks
    }

    /// The part of the archive that chunk `at` holds, or `None` if there are not that many.
    pub fn extent(&self, at: usize) -> Option<Range<u64>> {
        let end = self.chunks.get(at)?.end;
        Some(at.checked_sub(1).map_or(0, |before| self.chunks[before].end)..end)
    }

    /// The chunk that holds the byte at `offset`: the first that ends behind it; `None` at the archive's end and after.
    pub fn find(&self, offset: u64) -> Option<usize> {
        let at = self.chunks.partition_point(|chunk| chunk.end <= offset);
        (at < self.chunks.len()).then_some(at)
    }

    /// The chunks that hold `range`, each with the bytes of it that are meant; none for an empty range. The first is found by binary
    /// search. A range that ends where a chunk ends does not touch the next.
    ///
    /// # Errors
    /// The range is reversed or leads out of the archive.
    pub fn parts(&self, range: Range<u64>) -> Result<Parts<'_, Self>, Error> {
        check_range(&range, self.size())?;
        let first = self.find(range.start).unwrap_or(self.chunks.len());
        Ok(Parts::new(self, first, range))
    }
}

impl Chunks for DynamicIndex {
    fn chunk(&self, at: usize) -> Option<(Digest, Range<u64>)> {
        Some((self.chunks.get(at)?.digest, self.extent(at)?))
    }
}

/// Reads a dynamic index from pieces of its file.
#[derive(Clone, Debug)]
pub struct ReadDynamic {
    intake: Intake,
    header: IndexHeader,
    chunks: Vec<ChunkId>,
}

impl ReadDynamic {
    /// Starts on a file of `file_size` bytes.
    ///
    /// # Errors
    /// The size is not 4096 and a multiple of 40, or there is no entry.
    pub fn new(file_size: u64) -> Result<Self, Error> {
        let intake = Intake::new(DYNAMIC_MAGIC, ENTRY_SIZE, file_size)?;
        Ok(Self { intake, header: IndexHeader::default(), chunks: Vec::new() })
    }

    /// Takes the next bytes of the file, however many.
    ///
    /// # Errors
    /// Another magic number, ends that do not increase, more bytes than announced. The reader is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Self { intake, header: head, chunks } = self;
        intake.push(bytes, |offset, part| {
            if offset == 0 {
                *head = header(part);
                return Ok(());
            }
            let chunk = ChunkId::parse(part);
            if offset == INDEX_HEADER_SIZE as u64 && part.iter().all(|&byte| byte == 0) {
                let expected =
                    "an entry, not zeros (a header of 16384 bytes comes from a port that is not compatible)";
                return Err(Error::new(offset, None, Problem::Content { expected }));
            }
            if chunk.end <= chunks.last().map_or(0, |last| last.end) {
                let expected = "an end behind that of the entry before";
                return Err(Error::new(offset, None, Problem::Value { expected, got: chunk.end }));
            }
            chunks.push(chunk);
            Ok(())
        })
    }

    /// The index, once the whole file was pushed.
    ///
    /// # Errors
    /// Bytes are missing.
    pub fn finish(self) -> Result<DynamicIndex, Error> {
        let checksum = self.intake.finish()?;
        Ok(DynamicIndex { header: self.header, chunks: self.chunks, checksum })
    }
}
