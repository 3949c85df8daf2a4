use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::trace::Trace;
use crate::blob::Crc32;
use crate::format::{Digest, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"\x93pxkSTA\n";
const VERSION: u32 = 1;
/// Traces in a block, behind which its checksum stands; the last block may have fewer.
const PER_BLOCK: u64 = 1024;
const CRC_SIZE: usize = 4;
const BLOCK_SIZE: u64 = PER_BLOCK * Trace::SIZE as u64 + CRC_SIZE as u64;

/// What a state belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Digest of who made it of what: machine, user, repository, group, archive, directory, kinds of metadata.
    pub scope: Digest,
    /// Checksum of the index of the metadata archive.
    pub metadata: Digest,
    /// Checksum of the index of the payload archive.
    pub payload: Digest,
}

/// Why a file is not the state that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no state file, or not all of one.
    Damaged,
    /// It has a version that is not known.
    Version(u32),
    /// It is that of another machine, repository or directory.
    OtherScope,
    /// It is that of another snapshot.
    OtherSnapshot,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Version(version) => write!(f, "its version {version} is not known"),
            Self::OtherScope => f.write_str("it belongs to another machine, repository or directory"),
            Self::OtherSnapshot => f.write_str("it does not belong to the last snapshot"),
        }
    }
}

/// The start of a state file.
///
/// All numbers are little endian: 8 bytes magic; version and size of a trace, each 4; number of traces and salt, each 8; the three
/// digests of the [`Binding`]; the CRC-32 of all this. Then blocks of up to 1024 traces ([`Trace::to_bytes`]), each with a CRC-32 behind it of
/// the salt, the number of the block, and its traces. So a block tells of itself whether it is what was written there, and the file can be
/// read in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it belongs to.
    pub binding: Binding,
    /// Traces in the file, one for each entry of the metadata archive.
    pub count: u64,
    salt: u64,
}

impl Header {
    /// Bytes of it.
    pub const SIZE: usize = 8 + 4 + 4 + 8 + 8 + 3 * 32 + CRC_SIZE;

    /// As it stands at the start of the file.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let Self { binding: Binding { scope, metadata, payload }, count, salt } = self;
        let mut bytes = [0; Self::SIZE];
        let mut at = 0;
        let parts: [&[u8]; 8] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &(Trace::SIZE as u32).to_le_bytes(),
            &count.to_le_bytes(),
            &salt.to_le_bytes(),
            &scope.0,
            &metadata.0,
            &payload.0,
        ];
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let crc = Crc32::of(&bytes[..at]);
        bytes[at..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file of `file_size` bytes, if that is the state `wanted`.
    ///
    /// # Errors
    /// It is not.
    pub fn parse(bytes: &[u8; Self::SIZE], file_size: u64, wanted: &Binding) -> Result<Self, Unfit> {
        let (content, crc) = bytes.split_at(Self::SIZE - CRC_SIZE);
        if content[..8] != MAGIC || Crc32::of(content) != u32_at(crc, 0) {
            return Err(Unfit::Damaged);
        }
        let version = u32_at(content, 8);
        if version != VERSION {
            return Err(Unfit::Version(version));
        }
        let digest = |at: usize| {
            let mut digest = Digest::default();
            digest.0.copy_from_slice(&content[at..at + 32]);
            digest
        };
        let binding = Binding { scope: digest(32), metadata: digest(64), payload: digest(96) };
        let header = Self { binding, count: u64_at(content, 16), salt: u64_at(content, 24) };
        if u32_at(content, 12) != Trace::SIZE as u32 || header.file_size() != Some(file_size) {
            return Err(Unfit::Damaged);
        }
        if binding.scope != wanted.scope {
            return Err(Unfit::OtherScope);
        }
        if binding != *wanted {
            return Err(Unfit::OtherSnapshot);
        }
        Ok(header)
    }

    /// Bytes of the whole file.
    fn file_size(&self) -> Option<u64> {
        let blocks = self.count.div_ceil(PER_BLOCK).checked_mul(CRC_SIZE as u64)?;
        self.count.checked_mul(Trace::SIZE as u64)?.checked_add(blocks)?.checked_add(Self::SIZE as u64)
    }

    /// The block that holds the trace `number`, and the trace's number in it.
    pub fn place(&self, number: u64) -> Option<(u64, usize)> {
        (number < self.count).then_some((number / PER_BLOCK, (number % PER_BLOCK) as usize))
    }

    /// Where a block lies in the file; at most 36,868 bytes.
    pub fn block(&self, block: u64) -> Range<u64> {
        let left = self.count.saturating_sub(block.saturating_mul(PER_BLOCK)).min(PER_BLOCK);
        let start = (Self::SIZE as u64).saturating_add(block.saturating_mul(BLOCK_SIZE));
        let size = if left == 0 { 0 } else { left * Trace::SIZE as u64 + CRC_SIZE as u64 };
        start..start.saturating_add(size)
    }

    /// The traces of a block, if its bytes are what was written there.
    pub fn traces<'b>(&self, block: u64, bytes: &'b [u8]) -> Option<&'b [[u8; Trace::SIZE]]> {
        let range = self.block(block);
        if range.is_empty() || bytes.len() as u64 != range.end - range.start {
            return None;
        }
        let (traces, crc) = bytes.split_at(bytes.len() - CRC_SIZE);
        let traces = (u32_at(crc, 0) == checksum(self.salt, block, traces)).then_some(traces)?;
        Some(traces.as_chunks().0)
    }
}

fn checksum(salt: u64, block: u64, traces: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&block.to_le_bytes());
    crc.update(traces);
    crc.finish()
}

/// Writes a state file: [`Header::SIZE`] bytes that are filled in at the end, then what [`WriteState::push`] and [`WriteState::finish`] append.
#[derive(Clone, Debug)]
pub struct WriteState {
    salt: u64,
    count: u64,
    /// The traces of the block that is not full.
    block: Vec<u8>,
}

impl WriteState {
    /// Begins a file. The salt, any number that other files do not have, tells their blocks from those of this one.
    pub fn new(salt: u64) -> Self {
        Self { salt, count: 0, block: Vec::with_capacity(BLOCK_SIZE as usize) }
    }

    /// Adds the trace of the next entry of the archive.
    pub fn push(&mut self, trace: &Trace, out: &mut Vec<u8>) {
        self.block.extend_from_slice(&trace.to_bytes());
        self.count += 1;
        if self.count.is_multiple_of(PER_BLOCK) {
            self.end_block(self.count / PER_BLOCK - 1, out);
        }
    }

    /// Ends the file; the header goes to its start.
    pub fn finish(mut self, binding: Binding, out: &mut Vec<u8>) -> Header {
        if !self.block.is_empty() {
            self.end_block(self.count / PER_BLOCK, out);
        }
        Header { binding, count: self.count, salt: self.salt }
    }

    fn end_block(&mut self, block: u64, out: &mut Vec<u8>) {
        let crc = checksum(self.salt, block, &self.block);
        out.extend_from_slice(&self.block);
        out.extend_from_slice(&crc.to_le_bytes());
        self.block.clear();
    }
}
