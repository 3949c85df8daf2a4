//! Big data: digests, and blobs compressed, encrypted and back. Core knows what the bytes of a blob mean, here is what costs time.
//!
//! Contexts and buffers belong to the thread and are used again, so nothing is allocated for a chunk that is stored.

use std::cell::RefCell;
use std::fmt;
use std::io::Read as _;

use anyhow::Context as _;
use pxkit_core::blob::{CryptMode, Fingerprint, Frame, MAX_PLAIN_SIZE, Seal, check_length};
use pxkit_core::format::{Digest, Error, MAX_CHUNK_SIZE};
use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use crate::crypt::EncryptionKey;

/// How hard to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// zstd level 1, as the reference does; faster than a disk, and most of what higher levels gain.
    #[default]
    Fast,
    /// zstd level 3: some 8 % smaller on source code, for a quarter less speed. For what is little, and stays.
    Good,
}

impl Effort {
    const fn level(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Good => 3,
        }
    }
}

/// Why a blob gives no bytes.
#[derive(Debug)]
pub enum DecodeError {
    /// It is no blob, its CRC is wrong, or it holds another number of bytes than it should.
    Blob(Error),
    /// It is encrypted, and there is no key.
    Sealed,
    /// It cannot be decrypted with the key of this fingerprint.
    Unfit(Fingerprint),
    /// It is encrypted and should not be, or the other way round.
    Mode {
        /// What it should be.
        expected: CryptMode,
    },
    /// Its data are not zstd, or more than they may be.
    Zstd(String),
    /// Its bytes are not those that its name promises.
    Digest {
        /// The name.
        expected: Digest,
        /// What they are.
        got: Digest,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(error) => write!(f, "damaged: {error}"),
            Self::Sealed => f.write_str("encrypted, and there is no key; name one with --keyfile"),
            Self::Unfit(key) => write!(
                f,
                "cannot be decrypted with key {}: it was encrypted with another one, or changed since",
                key.short()
            ),
            Self::Mode { expected: CryptMode::Encrypt } => {
                f.write_str("not encrypted, although the manifest says that the file is")
            }
            Self::Mode { .. } => f.write_str("encrypted, although the manifest says that the file is not"),
            Self::Zstd(why) => write!(f, "damaged: cannot be decompressed: {why}"),
            Self::Digest { expected, got } => {
                write!(f, "damaged: expected bytes with digest {expected}, got {got}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        Self::Blob(error)
    }
}

/// The SHA-256 of bytes, with the instructions of the processor where it has them.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Most bytes of a buffer that a thread keeps: what most chunks need. With more, each of many threads would hold the largest.
const KEPT: usize = 1 << 20;

/// What a thread uses again and again.
struct Zstd {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    buffer: Vec<u8>,
}

thread_local! {
    static ZSTD: RefCell<Option<Zstd>> = const { RefCell::new(None) };
}

fn with_zstd<T>(work: impl FnOnce(&mut Zstd) -> T) -> std::io::Result<T> {
    ZSTD.with_borrow_mut(|zstd| {
        if zstd.is_none() {
            let (compressor, decompressor) = (Compressor::new(Effort::Fast.level())?, Decompressor::new()?);
            *zstd = Some(Zstd { compressor, decompressor, buffer: Vec::new() });
        }
        Ok(work(zstd.as_mut().expect("made above")))
    })
}

/// Hands the frame in which `plain` is stored to `then`: compressed if that is not larger (datastore specification 7.3). `then` must
/// not encode or decode.
///
/// # Errors
/// More than 128 MiB, no memory for the compressor, or that of `then`.
pub fn encode<T>(plain: &[u8], then: impl FnOnce(&Frame<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    encode_with(Effort::Fast, None, plain, then)
}

/// As [`encode`], with another effort, and encrypted if there is a key.
///
/// # Errors
/// Those of [`encode`]; the system has no random numbers.
pub fn encode_with<T>(
    effort: Effort,
    key: Option<&EncryptionKey>,
    plain: &[u8],
    then: impl FnOnce(&Frame<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    with_zstd(|zstd| {
        zstd.compressor
            .set_compression_level(effort.level())
            .context("cannot set the level of compression")?;
        // A buffer as large as the input: what does not fit is stored as it is.
        if zstd.buffer.len() < plain.len() {
            zstd.buffer.resize(plain.len(), 0);
        }
        let target = &mut zstd.buffer[..plain.len()];
        let compressed = zstd.compressor.compress_to_buffer(plain, target).ok();
        let frame = Frame::choose(plain, compressed.map(|len| &zstd.buffer[..len]))?;
        let result = match key {
            None => then(&frame),
            Some(key) => {
                let (compressed, len) = (frame.compressed, frame.data.len());
                let data = &mut zstd.buffer[..len];
                if !compressed {
                    data.copy_from_slice(plain);
                }
                let seal = Some(key.encrypt(data)?);
                then(&Frame { compressed, seal, data })
            }
        };
        if zstd.buffer.len() > KEPT {
            zstd.buffer = Vec::new();
        }
        result
    })
    .context("cannot start the compressor")?
}

/// The plain bytes of a chunk, checked in the order of the specification (7.6): CRC, kind, tag, length, digest. An encrypted one is
/// decrypted where it is.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode_chunk(
    blob: &mut [u8],
    digest: &Digest,
    len: u64,
    mode: CryptMode,
    key: Option<&EncryptionKey>,
) -> Result<Vec<u8>, DecodeError> {
    decode_chunk_into(blob, digest, len, mode, key, Vec::new())
}

/// As [`decode_chunk`], in the memory of a buffer that nobody needs any more.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode_chunk_into(
    blob: &mut [u8],
    digest: &Digest,
    len: u64,
    mode: CryptMode,
    key: Option<&EncryptionKey>,
    mut plain: Vec<u8>,
) -> Result<Vec<u8>, DecodeError> {
    let Frame { compressed, seal, data } = check_mode(blob, mode)?;
    let start = blob.len() - data.len();
    let data = open_seal(seal, &mut blob[start..], key)?;
    if len > MAX_CHUNK_SIZE {
        check_length(len, MAX_CHUNK_SIZE)?;
    }
    plain.clear();
    if compressed {
        decompress_known(data, len, &mut plain)?;
    } else {
        plain.extend_from_slice(data);
    }
    check_length(len, plain.len() as u64)?;
    let got = match key {
        Some(key) if mode == CryptMode::Encrypt => key.digest(&plain),
        _ => self::digest(&plain),
    };
    if got != *digest {
        return Err(DecodeError::Digest { expected: *digest, got });
    }
    Ok(plain)
}

/// The frame of a blob that is encrypted exactly if `mode` says so. All that can be said of an encrypted chunk without its key.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn check_mode(blob: &[u8], mode: CryptMode) -> Result<Frame<'_>, DecodeError> {
    let frame = Frame::parse(blob)?;
    if frame.seal.is_some() != (mode == CryptMode::Encrypt) {
        return Err(DecodeError::Mode { expected: mode });
    }
    Ok(frame)
}

/// The plain bytes of a blob of its own, at most 128 MiB. Whether it is encrypted stands in its magic number; then it is decrypted where
/// it is.
///
/// # Errors
/// As [`DecodeError`] says.
pub fn decode_blob(blob: &mut [u8], key: Option<&EncryptionKey>) -> Result<Vec<u8>, DecodeError> {
    let Frame { compressed, seal, data } = Frame::parse(blob)?;
    let start = blob.len() - data.len();
    let data = open_seal(seal, &mut blob[start..], key)?;
    if !compressed {
        return Ok(data.to_vec());
    }
    let wrong = |error: std::io::Error| DecodeError::Zstd(error.to_string());
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(wrong)?;
    // One byte more than allowed tells that there are too many.
    decoder.take(MAX_PLAIN_SIZE + 1).read_to_end(&mut plain).map_err(wrong)?;
    if plain.len() as u64 > MAX_PLAIN_SIZE {
        return Err(DecodeError::Zstd(format!("more than {MAX_PLAIN_SIZE} bytes")));
    }
    Ok(plain)
}

/// The data below the encryption, where they are.
fn open_seal<'a>(
    seal: Option<Seal>,
    data: &'a mut [u8],
    key: Option<&EncryptionKey>,
) -> Result<&'a [u8], DecodeError> {
    if let Some(seal) = seal {
        let key = key.ok_or(DecodeError::Sealed)?;
        key.decrypt(&seal, data).map_err(|_| DecodeError::Unfit(*key.fingerprint()))?;
    }
    Ok(data)
}

/// Decompresses all frames of `data` into an empty buffer. They should give `len` bytes; not more than that or the buffer has room for are taken.
fn decompress_known(data: &[u8], len: u64, plain: &mut Vec<u8>) -> Result<(), DecodeError> {
    let wrong = |error: std::io::Error| DecodeError::Zstd(error.to_string());
    plain.reserve_exact(len as usize);
    with_zstd(|zstd| zstd.decompressor.decompress_to_buffer(data, plain))
        .and_then(|result| result)
        .map_err(wrong)?;
    Ok(())
}

#[cfg(test)]
mod tests;
