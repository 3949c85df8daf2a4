use alloc::vec::Vec;
use core::ops::Range;

use super::intake::{IndexHeader, Intake, header};
use super::parts::{Chunks, Parts, check_range};
use crate::format::{Digest, Error, Problem, u64_at};

/// Start of SHA-256 of "Proxmox Backup fixed sized chunk index v1.0".
pub const FIXED_MAGIC: [u8; 8] = [0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd];
/// Bytes of an entry: a digest.
const ENTRY_SIZE: usize = 32;

/// A fixed index: at least one chunk, all of one size but the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedIndex {
    header: IndexHeader,
    size: u64,
    chunk_size: u64,
    digests: Vec<Digest>,
    checksum: Digest,
}

impl FixedIndex {
    /// Reads a whole index file.
    ///
    /// # Errors
    /// Those of [`ReadFixed`].
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let mut reader = ReadFixed::new(file.len() as u64)?;
        reader.push(file)?;
        reader.finish()
    }

    /// What the header says.
    pub fn header(&self) -> IndexHeader {
        self.header
    }

    /// The checksum of the digests, computed: compare it with the manifest.
    pub fn checksum(&self) -> Digest {
        self.checksum
    }

    /// Bytes of the image, at least 1.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of each chunk but the last; a power of two.
    pub fn chunk_size(&self) -> u64 {
        self.chunk_size
    }

    /// Digests of all chunks in order; holes are chunks of zeros, so one digest may stand often.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The part of the image that chunk `at` holds, or `None` if there are not that many.
    pub fn extent(&self, at: usize) -> Option<Range<u64>> {
        // The reader checked that the image needs all of its chunks, so the product is below the size.
        let start = (at < self.digests.len()).then(|| at as u64 * self.chunk_size)?;
        Some(start..start + self.chunk_size.min(self.size - start))
    }

    /// The chunk that holds the byte at `offset`; `None` at the image's end and after.
    pub fn find(&self, offset: u64) -> Option<usize> {
        (offset < self.size).then(|| (offset / self.chunk_size) as usize)
    }

    /// The chunks that hold `range`, each with the bytes of it that are meant.
    ///
    /// # Errors
    /// The range is reversed or leads out of the image.
    pub fn parts(&self, range: Range<u64>) -> Result<Parts<'_, Self>, Error> {
        check_range(&range, self.size)?;
        let first = self.find(range.start).unwrap_or(self.digests.len());
        Ok(Parts::new(self, first, range))
    }
}

impl Chunks for FixedIndex {
    fn chunk(&self, at: usize) -> Option<(Digest, Range<u64>)> {
        Some((*self.digests.get(at)?, self.extent(at)?))
    }
}

/// Reads a fixed index from pieces of its file.
#[derive(Clone, Debug)]
pub struct ReadFixed {
    intake: Intake,
    header: IndexHeader,
    size: u64,
    chunk_size: u64,
    digests: Vec<Digest>,
}

impl ReadFixed {
    /// Starts on a file of `file_size` bytes.
    ///
    /// # Errors
    /// The size is not 4096 and a multiple of 32, or there is no entry.
    pub fn new(file_size: u64) -> Result<Self, Error> {
        let intake = Intake::new(FIXED_MAGIC, ENTRY_SIZE, file_size)?;
        Ok(Self { intake, header: IndexHeader::default(), size: 0, chunk_size: 0, digests: Vec::new() })
    }

    /// Takes the next bytes of the file, however many.
    ///
    /// # Errors
    /// Another magic number, a chunk size that is no power of two, a number of entries that does not fit the image's size, more bytes
    /// than announced. The reader is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Self { intake, header: head, size, chunk_size, digests } = self;
        let entries = intake.records();
        intake.push(bytes, |offset, part| {
            if offset > 0 {
                let mut digest = Digest::default();
                digest.0.copy_from_slice(part);
                digests.push(digest);
                return Ok(());
            }
            (*head, *size, *chunk_size) = (header(part), u64_at(part, 64), u64_at(part, 72));
            let wrong = |at, expected, got| Err(Error::new(at, None, Problem::Value { expected, got }));
            if !chunk_size.is_power_of_two() {
                return wrong(72, "a power of two as size of chunks", *chunk_size);
            }
            if size.div_ceil(*chunk_size) != entries {
                return wrong(64, "an image that needs as many chunks as the index has", *size);
            }
            Ok(())
        })
    }

    /// The index, once the whole file was pushed.
    ///
    /// # Errors
    /// Bytes are missing.
    pub fn finish(self) -> Result<FixedIndex, Error> {
        let checksum = self.intake.finish()?;
        let Self { header, size, chunk_size, digests, .. } = self;
        Ok(FixedIndex { header, size, chunk_size, digests, checksum })
    }
}
