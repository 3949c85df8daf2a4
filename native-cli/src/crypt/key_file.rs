//! Key files: opened with a passphrase, and made (datastore specification 13).

use std::fs::File;
use std::path::Path;

use aes_gcm::KeyInit as _;
use anyhow::{Context as _, bail, ensure};
use jiff::Zoned;
use pxkit_core::blob::{Kdf, KeyFile, MIN_PASSPHRASE, OffsetTime, Secret, Wrapping};
use sha2::Sha256;

use super::EncryptionKey;
use super::key::{Gcm, derived, open, random, seal};
use crate::secret;

/// Reads a key file that is open.
///
/// # Errors
/// It cannot be read, or is no key file. No message tells what stands in it.
pub fn read(file: &mut File, place: &str) -> anyhow::Result<KeyFile> {
    let text = secret::read(file, place)?;
    KeyFile::parse(&text).with_context(|| format!("{place} is no key file that can be used"))
}

/// Opens the key of a file. `passphrase` is called only if there is one.
///
/// # Errors
/// Those of `passphrase`; it is wrong or too short; the key is not the one that the file names.
pub fn unlock(
    file: &KeyFile,
    passphrase: impl FnOnce() -> anyhow::Result<secret::SecretText>,
) -> anyhow::Result<EncryptionKey> {
    let key = match &file.wrapping {
        Wrapping::None(key) => key.clone(),
        Wrapping::Passphrase { kdf, seal, ciphertext } => {
            let passphrase = passphrase()?;
            let hint = file.hint.as_ref().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
            // Before anything is derived: nobody could have set it.
            ensure!(
                passphrase.len() >= MIN_PASSPHRASE,
                "the passphrase is too short: all have at least {MIN_PASSPHRASE} bytes{hint}"
            );
            let cipher = wrapping_cipher(kdf, &passphrase)?;
            Secret::fill(|key| {
                *key = *ciphertext;
                open(&cipher, seal, key)
            })
            .map_err(|_| anyhow::anyhow!("the passphrase is wrong, or the key file is damaged{hint}"))?
        }
    };
    let key = EncryptionKey::new(key);
    if let Some(expected) = file.fingerprint.filter(|expected| expected != key.fingerprint()) {
        bail!("the key file is damaged: it names the key {expected}, and holds {}", key.fingerprint());
    }
    Ok(key)
}

/// How a new key file is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection<'a> {
    /// Not at all.
    None,
    /// By a passphrase and scrypt.
    Scrypt(&'a str),
    /// By a passphrase and PBKDF2.
    Pbkdf2(&'a str),
}

/// Makes the file of a key.
///
/// # Errors
/// The passphrase is too short; the hint is too long or has control characters; there is a hint and no passphrase; the system has no random
/// numbers or too little memory.
pub fn lock(
    key: &EncryptionKey,
    protection: Protection<'_>,
    hint: Option<String>,
    created: OffsetTime,
    modified: OffsetTime,
) -> anyhow::Result<KeyFile> {
    if let Some(hint) = &hint {
        ensure!(KeyFile::is_hint(hint), "a hint has 1 to 64 characters, and no control characters");
        ensure!(protection != Protection::None, "there is nothing to hint at: the key gets no passphrase");
    }
    let mut salt = [0; 32];
    random(&mut salt)?;
    let (kdf, passphrase) = match protection {
        Protection::None => (None, ""),
        Protection::Scrypt(passphrase) => (Some(Kdf::scrypt(salt)), passphrase),
        Protection::Pbkdf2(passphrase) => (Some(Kdf::pbkdf2(salt)), passphrase),
    };
    let wrapping = match kdf {
        None => Wrapping::None(key.secret().clone()),
        Some(kdf) => {
            ensure!(
                passphrase.len() >= MIN_PASSPHRASE,
                "the passphrase is too short: expected at least {MIN_PASSPHRASE} bytes"
            );
            let cipher = wrapping_cipher(&kdf, passphrase)?;
            let (mut iv, mut ciphertext) = ([0; 16], *key.secret().expose());
            random(&mut iv)?;
            let seal = seal(&cipher, iv, &mut ciphertext)?;
            Wrapping::Passphrase { kdf, seal, ciphertext }
        }
    };
    Ok(KeyFile { wrapping, created, modified, fingerprint: Some(*key.fingerprint()), hint })
}

/// The cipher that protects a key.
fn wrapping_cipher(kdf: &Kdf, passphrase: &str) -> anyhow::Result<Gcm> {
    Ok(Gcm::new(derive(kdf, passphrase)?.expose().into()))
}

/// The key that a passphrase gives.
///
/// # Errors
/// The parameters are beyond what scrypt can do.
pub fn derive(kdf: &Kdf, passphrase: &str) -> anyhow::Result<Secret> {
    match kdf {
        Kdf::Scrypt { n, r, p, salt } => {
            // Core checked that it is a power of two, and how much memory it takes.
            let params = scrypt::Params::new(n.ilog2() as u8, *r, *p).context("the parameters of scrypt")?;
            Secret::fill(|out| scrypt::scrypt(passphrase.as_bytes(), salt, &params, out))
                .context("the parameters of scrypt")
        }
        Kdf::Pbkdf2 { rounds, salt } => {
            Ok(derived(|out| pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), salt, *rounds, out)))
        }
    }
}

/// The time as key files have it, in the zone of this machine.
pub fn now() -> OffsetTime {
    let now = Zoned::now();
    OffsetTime { seconds: now.timestamp().as_second(), offset: (now.offset().seconds() / 60) as i16 }
}

/// Reads the key file at `path`.
///
/// # Errors
/// Those of [`read`]; there is none.
pub fn read_at(path: &Path) -> anyhow::Result<KeyFile> {
    let place = path.display().to_string();
    let mut file = File::open(path).with_context(|| format!("cannot open the key file {place}"))?;
    read(&mut file, &place)
}
