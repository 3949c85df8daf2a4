//! Digests, decompression and decryption: in the browser by WebCrypto where it is there, which is three times as fast.

use std::io::Read as _;

use pxkit_core::blob::Frame;
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
    id_key: [u8; 32],
}

impl Key {
    /// What goes into digests and signatures.
    pub const fn id_key(&self) -> &[u8; 32] {
        &self.id_key
    }

    /// Whether a text is its fingerprint.
    pub fn has_fingerprint(&self, _text: &str) -> bool {
        false
    }

    async fn open(&self, _seal: &pxkit_core::blob::Seal, _data: &[u8]) -> Result<Vec<u8>, Problem> {
        problem::absent("decryption")
    }
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use js_sys::{Reflect, Uint8Array};
    use pxkit_core::format::Digest;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{Crypto, SubtleCrypto};

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
}
