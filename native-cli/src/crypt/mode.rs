//! What a backup does with its key.

use std::sync::Arc;

use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::format::Digest;

use super::EncryptionKey;
use super::keyring::{Refusal, standing};
use crate::codec;

/// What a backup does with its key, if it has one.
#[derive(Clone, Debug, Default)]
pub struct Crypt {
    key: Option<Arc<EncryptionKey>>,
    encrypts: bool,
    recovery: Option<Arc<[u8]>>,
}

impl Crypt {
    /// Without a key.
    pub const NONE: Self = Self { key: None, encrypts: false, recovery: None };

    /// Chunks and blobs are encrypted, the manifest is signed.
    pub fn encrypt(key: Arc<EncryptionKey>) -> Self {
        Self { key: Some(key), encrypts: true, recovery: None }
    }

    /// The manifest is signed.
    pub fn sign_only(key: Arc<EncryptionKey>) -> Self {
        Self { key: Some(key), encrypts: false, recovery: None }
    }

    /// Puts into each snapshot what sealing with the master key made of the key.
    pub fn with_recovery(self, sealed: Vec<u8>) -> Self {
        Self { recovery: Some(sealed.into()), ..self }
    }

    /// What manifests call it.
    pub fn mode(&self) -> CryptMode {
        match (&self.key, self.encrypts) {
            (None, _) => CryptMode::None,
            (Some(_), false) => CryptMode::SignOnly,
            (Some(_), true) => CryptMode::Encrypt,
        }
    }

    /// The key, whatever it is used for.
    pub fn key(&self) -> Option<&Arc<EncryptionKey>> {
        self.key.as_ref()
    }

    /// The key, if chunks and blobs are encrypted with it.
    pub fn sealing(&self) -> Option<&EncryptionKey> {
        self.key.as_deref().filter(|_| self.encrypts)
    }

    /// The key for whoever has the master key.
    pub fn recovery(&self) -> Option<&[u8]> {
        self.recovery.as_deref()
    }

    /// The name of a chunk.
    pub fn digest(&self, plain: &[u8]) -> Digest {
        self.sealing().map_or_else(|| codec::digest(plain), |key| key.digest(plain))
    }

    /// Signs a manifest that is complete, if there is a key.
    pub fn sign(&self, manifest: &mut Manifest) {
        if let Some(key) = self.key() {
            key.sign(manifest);
        }
    }

    /// Whether a backup may go on from the snapshot with this manifest: it has the same key, and signed what is there.
    ///
    /// # Errors
    /// It has not.
    pub fn check_previous(&self, manifest: &Manifest) -> Result<(), Refusal> {
        match (self.key(), manifest.key_fingerprint()) {
            (Some(key), _) => standing(key, manifest).map(drop),
            (None, Some(expected)) => Err(Refusal::Missing { expected: expected.escape_debug().to_string() }),
            (None, None) => Ok(()),
        }
    }
}
