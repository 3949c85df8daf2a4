//! What is to be stored, encoded: the same for every repository.

use anyhow::bail;
use pxkit_core::blob::{FileEntry, Frame, MAX_ENCODED_SIZE};
use pxkit_core::format::Digest;

use crate::codec::{self, Effort};
use crate::crypt::Crypt;

/// A chunk that may have to be stored. It is encoded only if somebody wants it.
#[derive(Clone, Copy, Debug)]
pub struct NewChunk<'a> {
    digest: Digest,
    plain: &'a [u8],
    crypt: &'a Crypt,
    effort: Effort,
}

impl<'a> NewChunk<'a> {
    /// Names a chunk by its digest, keyed if chunks are encrypted.
    pub fn new(plain: &'a [u8], crypt: &'a Crypt, effort: Effort) -> Self {
        Self { digest: crypt.digest(plain), plain, crypt, effort }
    }

    /// A chunk that is not encrypted.
    pub fn plain(plain: &'a [u8]) -> Self {
        Self::new(plain, &Crypt::NONE, Effort::Fast)
    }

    /// Its name.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its plain bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.plain
    }

    /// Hands the chunk to `then`, compressed and encrypted as it is to be. `then` must not encode or decode.
    ///
    /// # Errors
    /// Those of [`codec::encode_with`], and of `then`.
    pub fn encode<T>(&self, then: impl FnOnce(&Frame<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        codec::encode_with(self.effort, self.crypt.sealing(), self.plain, then)
    }
}

/// Encodes a small file: compressed, and encrypted if `crypt` says so. Returns what the manifest says of it, too.
///
/// # Errors
/// It is too large, or cannot be encoded.
pub fn encode_blob(name: &str, plain: &[u8], crypt: &Crypt) -> anyhow::Result<(Vec<u8>, FileEntry)> {
    let blob = codec::encode_with(Effort::Fast, crypt.sealing(), plain, |frame| Ok(frame.to_vec()))?;
    let size = blob.len() as u64;
    if size > MAX_ENCODED_SIZE {
        bail!("`{name}` has {size} bytes compressed, more than the {MAX_ENCODED_SIZE} that a blob may have");
    }
    let csum = codec::digest(&blob);
    let entry = FileEntry { filename: name.to_owned(), crypt_mode: crypt.mode(), size, csum };
    Ok((blob, entry))
}
