//! A key that is open.

use std::fmt;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U16;
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit as _};
use hmac::{Hmac, Mac as _};
use pxkit_core::blob::{Fingerprint, ID_KEY_ROUNDS, ID_KEY_SALT, Manifest, Seal, Secret};
use pxkit_core::format::Digest;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

/// AES-256-GCM with the 16-byte IV of blobs.
pub(super) type Gcm = AesGcm<Aes256, U16>;

/// A tag that does not fit: another key, or other bytes.
#[derive(Clone, Copy, Debug)]
pub struct WrongKey;

impl fmt::Display for WrongKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was encrypted with another key, or changed since")
    }
}

impl std::error::Error for WrongKey {}

/// A key that is open. Its bytes are wiped when the last reference goes; nothing prints them.
pub struct EncryptionKey {
    key: Secret,
    id_key: Secret,
    cipher: Gcm,
    fingerprint: Fingerprint,
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", self.fingerprint)
    }
}

impl EncryptionKey {
    /// Makes ready what is needed of a key.
    pub fn new(key: Secret) -> Self {
        let id_key = derived(|out| {
            pbkdf2::pbkdf2_hmac::<Sha256>(key.expose(), ID_KEY_SALT, ID_KEY_ROUNDS, out);
        });
        let cipher = Gcm::new(key.expose().into());
        let fingerprint = Fingerprint::of_id_key(id_key.expose());
        Self { key, id_key, cipher, fingerprint }
    }

    /// A new key.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self::new(Secret::fill(|bytes| random(bytes))?))
    }

    /// What tells it from others.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The key itself, for key files.
    pub fn secret(&self) -> &Secret {
        &self.key
    }

    /// The name of a chunk that is encrypted with this key: SHA-256 of its plain bytes and the id key.
    pub fn digest(&self, plain: &[u8]) -> Digest {
        Digest(Sha256::new().chain_update(plain).chain_update(self.id_key.expose()).finalize().into())
    }

    /// Encrypts bytes where they are, with a new IV.
    ///
    /// # Errors
    /// The system has no random numbers, or there are more bytes than GCM can take (64 GiB).
    pub fn encrypt(&self, bytes: &mut [u8]) -> anyhow::Result<Seal> {
        let mut iv = [0; 16];
        random(&mut iv)?;
        seal(&self.cipher, iv, bytes)
    }

    /// Decrypts bytes where they are; what stands there after an error is of no use.
    ///
    /// # Errors
    /// The tag does not fit.
    pub fn decrypt(&self, seal: &Seal, bytes: &mut [u8]) -> Result<(), WrongKey> {
        open(&self.cipher, seal, bytes)
    }

    /// What a manifest's signature should be.
    pub fn signature(&self, manifest: &Manifest) -> String {
        Digest(self.mac(manifest).finalize().into_bytes().into()).to_string()
    }

    /// Whether a manifest has the signature of this key. In the same time wherever it differs.
    pub fn has_signed(&self, manifest: &Manifest) -> bool {
        let signature = manifest.signature.as_deref().and_then(|text| Digest::from_hex(text.as_bytes()));
        signature.is_some_and(|signature| self.mac(manifest).verify_slice(&signature.0).is_ok())
    }

    /// Signs a manifest, and names the key in it. What comes into its unprotected part later changes nothing.
    pub fn sign(&self, manifest: &mut Manifest) {
        manifest.signature = Some(self.signature(manifest));
        manifest.set_key_fingerprint(&self.fingerprint);
    }

    fn mac(&self, manifest: &Manifest) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.id_key.expose()).expect("a key of any length will do");
        mac.chain_update(manifest.canonical())
    }
}

/// 32 bytes that `derive` makes.
pub(super) fn derived(derive: impl FnOnce(&mut [u8; 32])) -> Secret {
    let Ok(secret) = Secret::fill(|out| {
        derive(out);
        Ok::<(), std::convert::Infallible>(())
    });
    secret
}

/// Encrypts bytes where they are, without associated data.
pub(super) fn seal(cipher: &Gcm, iv: [u8; 16], bytes: &mut [u8]) -> anyhow::Result<Seal> {
    let tag = cipher.encrypt_inout_detached(&iv.into(), b"", bytes.into());
    let tag = tag.map_err(|_| anyhow::anyhow!("{} bytes are too many for AES-GCM", bytes.len()))?;
    Ok(Seal { iv, tag: tag.into() })
}

/// Decrypts bytes where they are, without associated data.
pub(super) fn open(cipher: &Gcm, seal: &Seal, bytes: &mut [u8]) -> Result<(), WrongKey> {
    let tag = seal.tag.into();
    cipher.decrypt_inout_detached(&seal.iv.into(), b"", bytes.into(), &tag).map_err(|_| WrongKey)
}

/// Fills a buffer with random bytes of the system.
pub(super) fn random(mut bytes: &mut [u8]) -> anyhow::Result<()> {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(len) => bytes = &mut bytes[len..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                return Err(anyhow::Error::new(errno).context("the system has no random numbers"));
            }
        }
    }
    Ok(())
}
