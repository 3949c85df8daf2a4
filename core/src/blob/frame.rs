use alloc::vec::Vec;

use super::crc::Crc32;
use crate::format::{Error, Problem, u32_at, u64_at};

/// Bytes before the data of a blob that is not encrypted.
pub const PLAIN_HEADER_SIZE: usize = 12;
/// Bytes before the data of an encrypted blob.
pub const SEALED_HEADER_SIZE: usize = 44;
/// Most plain bytes of a blob, 128 MiB. Chunks have at most [`crate::format::MAX_CHUNK_SIZE`].
pub const MAX_PLAIN_SIZE: u64 = 128 << 20;
/// Largest encoded blob or chunk that a server takes, 16 MiB and the larger header (7.5).
pub const MAX_ENCODED_SIZE: u64 = (16 << 20) + SEALED_HEADER_SIZE as u64;

/// The magic numbers, read as little-endian numbers (7.1).
const UNCOMPRESSED: u64 = u64::from_be_bytes([0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1]).swap_bytes();
const COMPRESSED: u64 = u64::from_be_bytes([0x31, 0xb9, 0x58, 0x42, 0x6f, 0xb6, 0xa3, 0x7f]).swap_bytes();
const ENCRYPTED: u64 = u64::from_be_bytes([0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0]).swap_bytes();
const BOTH: u64 = u64::from_be_bytes([0xe6, 0x59, 0x1b, 0xbf, 0x0b, 0xbf, 0xd8, 0x0b]).swap_bytes();

/// How a blob is encrypted, beside the key, of which a blob says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The initialisation vector; 16 bytes, not the 12 that are usual for GCM.
    pub iv: [u8; 16],
    /// The tag of GCM.
    pub tag: [u8; 16],
}

/// A blob: what its data are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The data are zstd, below the encryption if there is one.
    pub compressed: bool,
    /// The data are encrypted.
    pub seal: Option<Seal>,
    /// Everything behind the header.
    pub data: &'a [u8],
}

/// The bytes before the data: 12 or 44.
#[derive(Clone, Copy, Debug)]
pub struct FrameHeader {
    bytes: [u8; SEALED_HEADER_SIZE],
    len: usize,
}

impl AsRef<[u8]> for FrameHeader {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<'a> Frame<'a> {
    /// Reads a whole blob and checks its CRC, which does not cover the seal and protects from accidents only.
    ///
    /// # Errors
    /// Too short, an unknown magic number, another CRC.
    pub fn parse(blob: &'a [u8]) -> Result<Self, Error> {
        let needed = |len: usize| {
            let problem = Problem::Truncated { expected: len as u64, got: blob.len() as u64 };
            if blob.len() < len { Err(Error::new(0, None, problem)) } else { Ok(()) }
        };
        needed(PLAIN_HEADER_SIZE)?;
        let Some((compressed, sealed)) = Self::kind(blob) else {
            let (expected, got) = ("the magic number of a blob", u64_at(blob, 0));
            return Err(Error::new(0, None, Problem::Value { expected, got }));
        };
        let mut seal = None;
        let mut data = &blob[PLAIN_HEADER_SIZE..];
        if sealed {
            needed(SEALED_HEADER_SIZE)?;
            let (mut iv, mut tag) = ([0; 16], [0; 16]);
            iv.copy_from_slice(&data[..16]);
            tag.copy_from_slice(&data[16..32]);
            (seal, data) = (Some(Seal { iv, tag }), &blob[SEALED_HEADER_SIZE..]);
        }
        let (stored, got) = (u32_at(blob, 8), Crc32::of(data));
        if stored != got {
            let expected = "the CRC of the data that the header names";
            return Err(Error::new(8, None, Problem::Value { expected, got: got.into() }));
        }
        Ok(Self { compressed, seal, data })
    }

    /// Whether a blob that starts with these bytes is compressed, and whether it is encrypted; `None` if it is no blob.
    pub fn kind(start: &[u8]) -> Option<(bool, bool)> {
        let magic = u64::from_le_bytes(*start.first_chunk()?);
        match magic {
            UNCOMPRESSED => Some((false, false)),
            COMPRESSED => Some((true, false)),
            ENCRYPTED => Some((false, true)),
            BOTH => Some((true, true)),
            _ => None,
        }
    }

    /// The form in which plain bytes are stored (7.3): compressed if that is there and not larger. `compressed` is one zstd frame, or
    /// `None` if nobody tried or it did not fit.
    ///
    /// # Errors
    /// More than [`MAX_PLAIN_SIZE`] plain bytes.
    pub fn choose(plain: &'a [u8], compressed: Option<&'a [u8]>) -> Result<Self, Error> {
        if plain.len() as u64 > MAX_PLAIN_SIZE {
            let problem = Problem::Limit { what: "bytes of a blob", limit: MAX_PLAIN_SIZE };
            return Err(Error::new(0, None, problem));
        }
        Ok(match compressed {
            Some(data) if data.len() <= plain.len() && !plain.is_empty() => {
                Self { compressed: true, seal: None, data }
            }
            _ => Self { compressed: false, seal: None, data: plain },
        })
    }

    /// The data if they are neither compressed nor encrypted.
    pub fn plain(&self) -> Option<&'a [u8]> {
        (!self.compressed && self.seal.is_none()).then_some(self.data)
    }

    /// The bytes that a blob with these data starts with.
    pub fn header(&self) -> FrameHeader {
        let magic = match (self.compressed, self.seal.is_some()) {
            (false, false) => UNCOMPRESSED,
            (true, false) => COMPRESSED,
            (false, true) => ENCRYPTED,
            (true, true) => BOTH,
        };
        let mut header = FrameHeader { bytes: [0; SEALED_HEADER_SIZE], len: PLAIN_HEADER_SIZE };
        header.bytes[..8].copy_from_slice(&magic.to_le_bytes());
        header.bytes[8..12].copy_from_slice(&Crc32::of(self.data).to_le_bytes());
        if let Some(Seal { iv, tag }) = self.seal {
            header.bytes[12..28].copy_from_slice(&iv);
            header.bytes[28..].copy_from_slice(&tag);
            header.len = SEALED_HEADER_SIZE;
        }
        header
    }

    /// The whole blob.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.header().as_ref(), self.data].concat()
    }
}

/// Compares the length of decoded bytes with that in an index; equal digests elsewhere do not make up for it (20, rule 17).
///
/// # Errors
/// They differ.
pub fn check_length(expected: u64, got: u64) -> Result<(), Error> {
    if expected == got {
        return Ok(());
    }
    Err(Error::new(0, None, Problem::ContentSize { least: expected, most: expected, got }))
}
