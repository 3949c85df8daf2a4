//! Digests, decompression and decryption: in the browser by WebCrypto where it is there, which is three times as fast.

use std::io::Read as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pxkit_core::blob::{
    Fingerprint, Frame, ID_KEY_ROUNDS, ID_KEY_SALT, Kdf, KeyFile, Seal, Secret, Wrapping,
};
use pxkit_core::format::Digest;
use sha2::{Digest as _, Sha256};

use super::problem;
use crate::protocol::{Problem, ProblemKind};

/// Fewer bytes are hashed at once: asking the browser takes longer.
#[cfg(target_arch = "wasm32")]
const SMALL: usize = 16 << 10;

/// SHA-256 of some bytes.
pub async fn sha256(bytes: &[u8]) -> Digest {
    #[cfg(target_arch = "wasm32")]
    if bytes.len() >= SMALL
        && let Some(digest) = browser::sha256(bytes).await
    {
        return digest;
    }
    Digest(Sha256::digest(bytes).into())
}

/// The digest of a chunk's plain bytes, which for encrypted ones depends on the key. The bytes stay as they are.
pub async fn chunk_digest(plain: &mut Vec<u8>, key: Option<&Key>) -> Digest {
    let Some(key) = key else { return sha256(plain).await };
    let len = plain.len();
    plain.extend_from_slice(key.id_key());
    let digest = sha256(plain).await;
    plain.truncate(len);
    digest
}

/// The plain bytes of a blob, of which there may be at most `limit`.
///
/// # Errors
/// It is encrypted and there is no key, or not the right one; it does not decompress; there are more bytes.
pub async fn decode(frame: Frame<'_>, limit: u64, key: Option<&Key>) -> Result<Vec<u8>, Problem> {
    let decrypted;
    let data = match (frame.seal, key) {
        (None, _) => frame.data,
        (Some(_), None) => return Err(problem::new(ProblemKind::Key, "it is encrypted")),
        (Some(seal), Some(key)) => {
            decrypted = key.open(&seal, frame.data).await?;
            &decrypted
        }
    };
    if frame.compressed { decompress(data, limit) } else { Ok(data.to_vec()) }
}

/// Decompresses all zstd frames that follow each other.
fn decompress(data: &[u8], limit: u64) -> Result<Vec<u8>, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        problem::new(ProblemKind::Format, format!("it does not decompress: {error}"))
    };
    let decoder = zstd::stream::Decoder::with_buffer(data).map_err(|error| failed(&error))?;
    let mut plain = Vec::new();
    // What a frame announces is trusted up to what its bytes can hold; more grows as it comes.
    let announced = zstd::zstd_safe::get_frame_content_size(data).ok().flatten().unwrap_or_default();
    plain.reserve_exact(announced.min(limit).min(data.len() as u64 * 64) as usize);
    decoder.take(limit + 1).read_to_end(&mut plain).map_err(|error| failed(&error))?;
    if plain.len() as u64 > limit {
        let message = format!("it decompresses to more than {limit} bytes");
        return Err(problem::new(ProblemKind::Format, message));
    }
    Ok(plain)
}

/// A key of encrypted snapshots.
pub struct Key {
    key: Secret,
    id_key: Secret,
    fingerprint: Fingerprint,
}

impl Key {
    /// Opens a key file.
    ///
    /// # Errors
    /// It is none, its passphrase is missing or another one, or its fingerprint is another key's.
    pub async fn of_file(name: &str, file: &[u8], passphrase: &str) -> Result<Self, Problem> {
        let fail = |kind, message: String| Err(problem::about(kind, name, message));
        let file = match KeyFile::parse(file) {
            Ok(file) => file,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.strip_prefix("key file: ").unwrap_or(&reason);
                return fail(ProblemKind::Format, format!("{name} is none that can be read: {reason}."));
            }
        };
        let key = match file.wrapping {
            Wrapping::None(key) => key,
            Wrapping::Passphrase { .. } if passphrase.is_empty() => {
                let hint = file.hint.map_or_else(String::new, |hint| format!(" (hint: {hint})"));
                return fail(
                    ProblemKind::Key,
                    format!("{name} is locked with a passphrase{hint}: Key…, below Open, takes both."),
                );
            }
            Wrapping::Passphrase { kdf, seal, ciphertext } => {
                let wrapping = derive(&kdf, passphrase.as_bytes())?;
                let plain = open(&wrapping, &seal, &ciphertext).await;
                match plain.ok().as_deref().and_then(|plain| plain.try_into().ok()) {
                    Some(key) => Secret::new(key),
                    None => return fail(ProblemKind::Key, format!("{name} has another passphrase.")),
                }
            }
        };
        let key = Self::new(key);
        if file.fingerprint.is_some_and(|fingerprint| fingerprint != key.fingerprint) {
            return fail(
                ProblemKind::Format,
                format!("{name} is damaged: its fingerprint is that of another key."),
            );
        }
        Ok(key)
    }

    fn new(key: Secret) -> Self {
        let id_key =
            derived(|out| pbkdf2::pbkdf2_hmac::<Sha256>(key.expose(), ID_KEY_SALT, ID_KEY_ROUNDS, out));
        let fingerprint = Fingerprint::of_id_key(id_key.expose());
        Self { key, id_key, fingerprint }
    }

    /// What tells it from others.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What goes into digests.
    pub fn id_key(&self) -> &[u8; 32] {
        self.id_key.expose()
    }

    /// Whether a text is its fingerprint.
    pub fn has_fingerprint(&self, text: &str) -> bool {
        Fingerprint::parse(text) == Some(self.fingerprint)
    }

    /// Whether a signature, 64 hexadecimal digits, is its own of that text.
    pub fn signed(&self, text: &str, signature: &str) -> bool {
        let digit = |at: usize| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok();
        let bytes = (0..signature.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>();
        let mac = Hmac::<Sha256>::new_from_slice(self.id_key()).map(|mac| mac.chain_update(text));
        bytes.zip(mac.ok()).is_some_and(|(bytes, mac)| mac.verify_slice(&bytes).is_ok())
    }

    async fn open(&self, seal: &Seal, data: &[u8]) -> Result<Vec<u8>, Problem> {
        open(&self.key, seal, data).await
    }
}

fn derived(derive: impl FnOnce(&mut [u8; 32])) -> Secret {
    let Ok(secret) = Secret::fill(|out| {
        derive(out);
        Ok::<(), std::convert::Infallible>(())
    });
    secret
}

/// The key that locks a key file.
fn derive(kdf: &Kdf, passphrase: &[u8]) -> Result<Secret, Problem> {
    match kdf {
        Kdf::Scrypt { n, r, p, salt } => {
            let failed = |error: String| {
                problem::new(ProblemKind::Format, format!("The parameters of scrypt: {error}."))
            };
            let params =
                scrypt::Params::new(n.ilog2() as u8, *r, *p).map_err(|error| failed(error.to_string()))?;
            Secret::fill(|out| scrypt::scrypt(passphrase, salt, &params, out))
                .map_err(|error| failed(error.to_string()))
        }
        Kdf::Pbkdf2 { rounds, salt } => {
            Ok(derived(|out| pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, *rounds, out)))
        }
    }
}

/// Decrypts with AES-256-GCM under an IV of 16 bytes, and checks the tag.
async fn open(key: &Secret, seal: &Seal, data: &[u8]) -> Result<Vec<u8>, Problem> {
    let wrong = || problem::new(ProblemKind::Key, "it was encrypted with another key, or changed since");
    #[cfg(target_arch = "wasm32")]
    {
        let subtle = browser::subtle().ok_or_else(|| {
            let message =
                "this page cannot decrypt: browsers offer that to pages from HTTPS or this machine only";
            problem::new(ProblemKind::Key, message)
        })?;
        browser::decrypt(&subtle, key.expose(), seal, data).await.map_err(|_| wrong())
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        use aes_gcm::KeyInit as _;
        use aes_gcm::aead::AeadInOut as _;

        type Gcm = aes_gcm::AesGcm<aes_gcm::aes::Aes256, aes_gcm::aead::consts::U16>;
        let mut plain = data.to_vec();
        let cipher = Gcm::new(key.expose().into());
        let opened = cipher.decrypt_inout_detached(
            &seal.iv.into(),
            b"",
            plain.as_mut_slice().into(),
            &seal.tag.into(),
        );
        opened.map_err(|_| wrong())?;
        Ok(plain)
    }
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use js_sys::{ArrayBuffer, Object, Reflect, Uint8Array};
    use pxkit_core::blob::Seal;
    use pxkit_core::format::Digest;
    use wasm_bindgen::{JsCast as _, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{Crypto, CryptoKey, SubtleCrypto};

    /// There is none in pages that came neither by HTTPS nor from this machine.
    pub fn subtle() -> Option<SubtleCrypto> {
        let crypto: Crypto = Reflect::get(&js_sys::global(), &"crypto".into()).ok()?.dyn_into().ok()?;
        let subtle = Reflect::get(&crypto, &"subtle".into()).ok()?;
        subtle.dyn_into().ok()
    }

    pub async fn sha256(bytes: &[u8]) -> Option<Digest> {
        let digest = subtle()?.digest_with_str_and_u8_array("SHA-256", bytes).ok()?;
        let digest = JsFuture::from(digest).await.ok()?;
        let mut bytes = [0; 32];
        Uint8Array::new(&digest).copy_to(&mut bytes);
        Some(Digest(bytes))
    }

    pub async fn decrypt(
        subtle: &SubtleCrypto,
        key: &[u8; 32],
        seal: &Seal,
        data: &[u8],
    ) -> Result<Vec<u8>, JsValue> {
        let usages = js_sys::Array::of1(&"decrypt".into());
        let raw = Uint8Array::from(&key[..]);
        let imported = subtle.import_key_with_str("raw", &raw, "AES-GCM", false, &usages)?;
        let imported: CryptoKey = JsFuture::from(imported).await?.unchecked_into();
        let algorithm = Object::new();
        Reflect::set(&algorithm, &"name".into(), &"AES-GCM".into())?;
        Reflect::set(&algorithm, &"iv".into(), &Uint8Array::from(&seal.iv[..]))?;
        Reflect::set(&algorithm, &"tagLength".into(), &128.into())?;
        let mut sealed = Vec::with_capacity(data.len() + seal.tag.len());
        sealed.extend_from_slice(data);
        sealed.extend_from_slice(&seal.tag);
        let plain = subtle.decrypt_with_object_and_u8_array(&algorithm, &imported, &sealed)?;
        let plain: ArrayBuffer = JsFuture::from(plain).await?.unchecked_into();
        let bytes = Uint8Array::new(&plain).to_vec();
        crate::worker::port::release(&plain);
        Ok(bytes)
    }
}
