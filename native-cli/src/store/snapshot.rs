//! A snapshot that is read, with the key that opens it.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::Context as _;
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, FixedIndex};

use super::{OpenSnapshot, SnapshotId};
use crate::codec;
use crate::crypt::EncryptionKey;

thread_local! {
    /// Encoded bytes of the chunk that a thread reads.
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A finished snapshot, and the key to what is encrypted in it. Whether it is the right key was looked at by whoever put them together:
/// [`crate::crypt::Keyring::open`].
#[derive(Clone, Debug)]
pub struct Snapshot {
    stored: Arc<dyn OpenSnapshot>,
    key: Option<Arc<EncryptionKey>>,
}

impl Snapshot {
    /// Puts them together, without any look at the signature.
    pub fn with_key(stored: Arc<dyn OpenSnapshot>, key: Option<Arc<EncryptionKey>>) -> Self {
        Self { stored, key }
    }

    /// Group and time.
    pub fn id(&self) -> &SnapshotId {
        self.stored.id()
    }

    /// What it is made of.
    pub fn manifest(&self) -> &Manifest {
        self.stored.manifest()
    }

    /// What is stored, as it is.
    pub fn stored(&self) -> &Arc<dyn OpenSnapshot> {
        &self.stored
    }

    /// The key to it.
    pub fn key(&self) -> Option<&Arc<EncryptionKey>> {
        self.key.as_ref()
    }

    /// See [`OpenSnapshot::index`].
    ///
    /// # Errors
    /// Those of [`OpenSnapshot::index`].
    pub fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        self.stored.index(name)
    }

    /// See [`OpenSnapshot::image`].
    ///
    /// # Errors
    /// Those of [`OpenSnapshot::image`].
    pub fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        self.stored.image(name)
    }

    /// The plain bytes of a blob by its name in the manifest. Whether it is encrypted, it says itself.
    ///
    /// # Errors
    /// Those of [`OpenSnapshot::encoded_blob`]; it is damaged, or encrypted without a key or with another.
    pub fn blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let mut blob = self.stored.encoded_blob(name)?;
        codec::decode_blob(&mut blob, self.key.as_deref()).with_context(|| format!("{}/{name}", self.id()))
    }

    /// The plain bytes of a chunk of an archive that is kept as `mode` says, checked against digest and length.
    ///
    /// # Errors
    /// Those of [`OpenSnapshot::encoded_chunk`]; it is damaged, encrypted without a key or with another, encrypted where it should not be,
    /// or the other way round.
    pub fn chunk(&self, digest: &Digest, len: u64, mode: CryptMode) -> anyhow::Result<Vec<u8>> {
        self.chunk_into(digest, len, mode, Vec::new())
    }

    /// As [`Snapshot::chunk`], in the memory of a buffer that nobody needs any more.
    ///
    /// # Errors
    /// Those of [`Snapshot::chunk`].
    pub fn chunk_into(
        &self,
        digest: &Digest,
        len: u64,
        mode: CryptMode,
        buffer: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        ENCODED.with_borrow_mut(|blob| {
            blob.clear();
            self.stored.encoded_chunk(digest, blob)?;
            codec::decode_chunk_into(blob, digest, len, mode, self.key.as_deref(), buffer)
                .with_context(|| format!("chunk {digest}"))
        })
    }
}

/// Without a key.
impl From<Arc<dyn OpenSnapshot>> for Snapshot {
    fn from(stored: Arc<dyn OpenSnapshot>) -> Self {
        Self { stored, key: None }
    }
}

/// Without a key.
impl<S: OpenSnapshot + 'static> From<Arc<S>> for Snapshot {
    fn from(stored: Arc<S>) -> Self {
        Self { stored, key: None }
    }
}
