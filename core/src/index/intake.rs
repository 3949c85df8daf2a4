use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::format::{Digest, Error, Problem, u64_at};

/// Bytes before the first entry of an index.
pub const INDEX_HEADER_SIZE: usize = 4096;

/// What the headers of both kinds have in common. Readers need none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexHeader {
    /// Random bytes from whoever wrote the index.
    pub uuid: [u8; 16],
    /// When it was begun, in seconds since 1970.
    pub ctime: i64,
    /// What it says its checksum is; need not be true.
    pub checksum: Digest,
}

impl IndexHeader {
    /// The 64 bytes at the start of an index.
    pub(super) fn to_bytes(self, magic: [u8; 8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&magic);
        bytes[8..24].copy_from_slice(&self.uuid);
        bytes[24..32].copy_from_slice(&self.ctime.to_le_bytes());
        bytes[32..].copy_from_slice(&self.checksum.0);
        bytes
    }
}

/// Cuts an index file, which comes in pieces, into a header and records, and hashes the records.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    magic: [u8; 8],
    record: usize,
    file_size: u64,
    /// Bytes taken, including those in `held`.
    seen: u64,
    /// The header, then an incomplete record.
    held: Vec<u8>,
    hasher: Sha256,
}

impl Intake {
    pub(super) fn new(magic: [u8; 8], record: usize, file_size: u64) -> Result<Self, Error> {
        let entries = file_size.checked_sub(INDEX_HEADER_SIZE as u64);
        let Some(entries) = entries.filter(|&bytes| bytes >= record as u64) else {
            let least = (INDEX_HEADER_SIZE + record) as u64;
            return Err(Error::new(0, None, Problem::Truncated { expected: least, got: file_size }));
        };
        if !entries.is_multiple_of(record as u64) {
            let expected = "a file size of 4096 and whole entries";
            return Err(Error::new(0, None, Problem::Value { expected, got: file_size }));
        }
        Ok(Self { magic, record, file_size, seen: 0, held: Vec::new(), hasher: Sha256::new() })
    }

    /// Number of records that the file has.
    pub(super) fn records(&self) -> u64 {
        (self.file_size - INDEX_HEADER_SIZE as u64) / self.record as u64
    }

    /// Takes the next bytes of the file; gives each part, header or record, with its offset to `part`.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut part: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if bytes.len() as u64 > self.file_size - self.seen {
            return Err(Error::misuse(self.file_size, "an index is read up to its announced size"));
        }
        while !bytes.is_empty() {
            let start = self.seen - self.held.len() as u64;
            let wanted = if start == 0 { INDEX_HEADER_SIZE } else { self.record };
            let missing = wanted - self.held.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            bytes = later;
            self.seen += now.len() as u64;
            if now.len() < missing {
                self.held.extend_from_slice(now);
                break;
            }
            let whole = if self.held.is_empty() {
                now
            } else {
                self.held.extend_from_slice(now);
                &self.held
            };
            if start > 0 {
                self.hasher.update(whole);
            } else if whole[..8] != self.magic {
                let expected = "the magic number of an index of this kind";
                return Err(Error::new(0, None, Problem::Value { expected, got: u64_at(whole, 0) }));
            }
            part(start, whole)?;
            self.held.clear();
        }
        Ok(())
    }

    /// The hash of all records, once everything is there.
    pub(super) fn finish(self) -> Result<Digest, Error> {
        if self.seen < self.file_size {
            let problem = Problem::Truncated { expected: self.file_size - self.seen, got: 0 };
            return Err(Error::new(self.seen, None, problem));
        }
        Ok(Digest(self.hasher.finalize().into()))
    }
}

pub(super) fn header(bytes: &[u8]) -> IndexHeader {
    let mut header = IndexHeader { ctime: u64_at(bytes, 24) as i64, ..IndexHeader::default() };
    header.uuid.copy_from_slice(&bytes[8..24]);
    header.checksum.0.copy_from_slice(&bytes[32..64]);
    header
}
