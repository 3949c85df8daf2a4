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

#[cfg(test)]
mod tests {
    use pxkit_core::blob::{BackupType, CryptMode, FileEntry, Frame};

    use super::*;
    use crate::testing::hex;

    /// The key of the vectors: bytes 0 to 31.
    fn counting() -> EncryptionKey {
        EncryptionKey::new(Secret::new(&std::array::from_fn(|at| at as u8)))
    }

    /// Datastore specification 19.1; behaviour 20.
    #[test]
    fn b20_vectors_of_keys() {
        let key = counting();
        let id_key = "7c2c013efd07f3b25717a485263343cd4d292a4b65c200bb3b18ea227abe225c";
        assert_eq!(key.id_key.expose()[..], hex(id_key));
        assert_eq!(key.fingerprint().short().to_string(), "0e:ab:d4:46:0b:6e:b9:ca");
        let zeros = vec![0; 4 << 20];
        for (plain, digest) in [
            (&b"Hello, World!"[..], "c3b6b64850178b0ead7fa29693037a5058a77a8152260b83949cb671f2a5b167"),
            (b"", "d213f9b52d680fbe05942a8b5540377dd5f627132c2889e5389f690b683f1d7f"),
            (&zeros, "348571e12bbbedb529def1f1394316e338a01945d871df9ef792617ceb13d636"),
        ] {
            assert_eq!(key.digest(plain).to_string(), digest);
        }
    }

    /// Datastore specification 19.2; behaviour 16: made with a given IV, they are the same bytes.
    #[test]
    fn b16_vectors_of_blobs() {
        let (key, iv) = (counting(), std::array::from_fn(|at| 0x10 + at as u8));
        let hello = "7b6785be222d4cf0 bda8c6e8 101112131415161718191a1b1c1d1e1f \
            56579b9fc1fbde5047f143a4440d7c65 c23f560c885d1bf80479f20d96";
        let mut data = b"Hello, World!".to_vec();
        let sealed = Some(seal(&key.cipher, iv, &mut data).unwrap());
        assert_eq!(Frame { compressed: false, seal: sealed, data: &data }.to_vec(), hex(hello));
        let zeros = "e6591bbf0bbfd80b 49ae667d 101112131415161718191a1b1c1d1e1f \
            f393ecfce17ed45d068b23f50010e122 a2ef159d879939e26b0b8e69b7a111e29b0564";
        let mut data = hex("28b52ffd60e8024d00001000000100e32b8005");
        let sealed = Some(seal(&key.cipher, iv, &mut data).unwrap());
        assert_eq!(Frame { compressed: true, seal: sealed, data: &data }.to_vec(), hex(zeros));
    }

    /// Datastore specification 19.1 and 19.5; behaviour 35.
    #[test]
    fn b35_signatures() {
        let secret = derived(|out| {
            scrypt::scrypt(b"test", b"", &scrypt::Params::new(16, 8, 1).unwrap(), out).unwrap();
        });
        assert_eq!(
            secret.expose()[..],
            hex("28cdb1a3bef39396c3860e00d448fe7a0efd8244486ab6feb30457681d31597e")
        );
        let key = EncryptionKey::new(secret);
        let mut manifest = Manifest::new(BackupType::Host, "elsa", 1_593_179_765);
        let mut add = |name: &str, crypt_mode, byte| {
            let (filename, csum) = (name.to_owned(), Digest([byte; 32]));
            manifest.files.push(FileEntry { filename, crypt_mode, size: 200, csum });
        };
        add("test1.img.fidx", CryptMode::Encrypt, 1);
        add("abc.blob", CryptMode::None, 2);
        assert!(!key.has_signed(&manifest));
        key.sign(&mut manifest);
        let signature = "d7b446fb7db081662081d4b40fedd858a1d6307a5aff4ecff7d5bf4fd35679e9";
        assert_eq!(manifest.signature.as_deref(), Some(signature));
        let fingerprint =
            "12:b9:b7:74:bb:3d:89:95:2b:97:cb:c2:82:f0:0c:14:2b:83:ba:7f:96:62:6a:a1:5a:44:9a:63:e8:91:fe:25";
        assert_eq!(manifest.key_fingerprint(), Some(fingerprint));

        let changed = |change: fn(&mut Manifest)| {
            let mut manifest = manifest.clone();
            change(&mut manifest);
            key.has_signed(&Manifest::parse(manifest.to_json().as_bytes()).unwrap())
        };
        assert!(changed(|_| {}));
        assert!(changed(|manifest| _ = manifest.unprotected.insert("notes".into(), "other".into())));
        assert!(changed(|manifest| manifest.unprotected.clear()));
        assert!(changed(
            |manifest| manifest.signature = Some(manifest.signature.clone().unwrap().to_uppercase())
        ));
        assert!(!changed(|manifest| manifest.files[0].size += 1));
        assert!(!changed(|manifest| manifest.files[0].csum.0[31] ^= 1));
        assert!(!changed(|manifest| manifest.files[0].crypt_mode = CryptMode::None));
        assert!(!changed(|manifest| manifest.files[1].filename.push('x')));
        assert!(!changed(|manifest| manifest.files.swap(0, 1)));
        assert!(!changed(|manifest| _ = manifest.files.pop()));
        assert!(!changed(|manifest| manifest.backup_time += 1));
        assert!(!changed(|manifest| manifest.backup_id.push('x')));
        assert!(!changed(|manifest| manifest.backup_type = BackupType::Vm));
        assert!(!changed(|manifest| manifest.signature = None));
        assert!(!changed(|manifest| manifest.signature = Some(String::new())));
        assert!(!changed(|manifest| manifest.signature.as_mut().unwrap().replace_range(..1, "e")));
        assert!(!changed(|manifest| _ = manifest.signature.as_mut().unwrap().pop()));
    }

    #[test]
    fn every_iv_is_another_and_nothing_is_printed() {
        let key = EncryptionKey::generate().unwrap();
        let seals: std::collections::HashSet<_> =
            (0..1000).map(|_| key.encrypt(&mut [0; 20]).unwrap().iv).collect();
        assert_eq!(seals.len(), 1000);
        assert_eq!(format!("{key:?}"), format!("EncryptionKey({})", key.fingerprint()));
    }
}
