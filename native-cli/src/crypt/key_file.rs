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
    let unusable = || format!("{place} is no key file that can be used");
    let text = secret::read(file, place).with_context(unusable)?;
    KeyFile::parse(&text).with_context(unusable)
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

#[cfg(test)]
mod tests {
    use pxkit_core::blob::Fingerprint;

    use super::*;
    use crate::secret::SecretText;
    use crate::testing::hex;

    const PLAIN: &str = r#"{"kdf":null,"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#;
    const SCRYPT: &str = r#"{"kdf":{"Scrypt":{"n":65536,"r":8,"p":1,"salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"oKGio6SlpqeoqaqrrK2ur5TbYq36BPTdPHESK3spo1K3uQSU9o2/FD7dkFpcJhLvHutMq4GyvKauwIXIWWhMHA==","fingerprint":"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b","hint":"one to five"}"#;
    const PBKDF2: &str = r#"{"kdf":{"PBKDF2":{"iter":65535,"salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"created":"2020-09-13T12:26:40+00:00","modified":"2020-09-13T12:26:40+00:00","data":"oKGio6SlpqeoqaqrrK2ur+3cyOBNwnGwZLkFwZT63fuEIqu0pgbBG1E6JKzep9ZjkH1PZ5PddQOj6HjEAu3MFg==","fingerprint":"0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b"}"#;

    fn with(file: &KeyFile, passphrase: &str) -> Result<EncryptionKey, String> {
        unlock(file, || Ok(SecretText::new(passphrase.into()))).map_err(|error| format!("{error:#}"))
    }

    fn parse(text: &str) -> KeyFile {
        KeyFile::parse(text.as_bytes()).unwrap()
    }

    /// Datastore specification 19.9: the wrapping keys, and what they open. Behaviour 23: without a kdf nobody is asked.
    #[test]
    fn b23_vectors() {
        let counting: [u8; 32] = std::array::from_fn(|at| at as u8);
        for (text, derived) in [
            (SCRYPT, "023e81b1ba22fde902ceef09b08f3d34d7964ade135dbb6af13f8509766a5c37"),
            (PBKDF2, "243b3388a29d3c05c2162048613ae02aea9cdfe31564ba1b98bfe66279a4545f"),
        ] {
            let file = parse(text);
            let Wrapping::Passphrase { kdf, .. } = &file.wrapping else { panic!("there is a kdf") };
            assert_eq!(derive(kdf, "12345").unwrap().expose()[..], hex(derived));
            assert_eq!(*with(&file, "12345").unwrap().secret().expose(), counting);
        }
        let key = unlock(&parse(PLAIN), || panic!("it has no passphrase")).unwrap();
        assert_eq!(*key.secret().expose(), counting);
    }

    /// Behaviour 24: before anything is derived, and with the hint.
    #[test]
    fn b24_wrong_and_short_passphrases() {
        let file = parse(SCRYPT);
        let error = with(&file, "1234").unwrap_err();
        assert!(error.contains("too short") && error.contains("hint: one to five"), "{error}");
        let error = with(&file, "12346").unwrap_err();
        assert!(error.contains("passphrase is wrong") && error.contains("hint: one to five"), "{error}");
        let error = with(&parse(PBKDF2), "123456").unwrap_err();
        assert_eq!(error, "the passphrase is wrong, or the key file is damaged");
        // Parameters that no memory would do for are not needed to know that it is too short.
        let slow = parse(&SCRYPT.replace("65536", "1048576"));
        assert!(with(&slow, "").unwrap_err().contains("too short"));
    }

    /// Behaviour 22.
    #[test]
    fn b22_another_key_than_the_file_names() {
        let fingerprint = Some(Fingerprint([7; 32]));
        let error = with(&KeyFile { fingerprint, ..parse(PLAIN) }, "").unwrap_err();
        assert!(error.contains("it names the key 07:07") && error.contains("holds 0e:ab:d4"), "{error}");
        assert!(with(&KeyFile { fingerprint, ..parse(SCRYPT) }, "12345").is_err());
        assert!(with(&KeyFile { fingerprint: None, ..parse(SCRYPT) }, "12345").is_ok());
    }

    /// Every flipped bit of what is wrapped, and of its salt, is refused.
    #[test]
    fn every_flipped_bit_is_refused() {
        let key = EncryptionKey::generate().unwrap();
        let now = now();
        let mut file = lock(&key, Protection::Pbkdf2("12345"), None, now, now).unwrap();
        file.fingerprint = None;
        let Wrapping::Passphrase { kdf, seal, ciphertext } = file.wrapping.clone() else { panic!("wrapped") };
        // With few rounds: there are many bits.
        let Kdf::Pbkdf2 { salt, .. } = kdf else { panic!("as asked") };
        let kdf = Kdf::Pbkdf2 { rounds: 1, salt };
        let (iv, mut sealed) = (seal.iv, *key.secret().expose());
        let seal = super::seal(&wrapping_cipher(&kdf, "12345").unwrap(), iv, &mut sealed).unwrap();
        assert_ne!(sealed, ciphertext);
        let mut whole = [&seal.iv[..], &seal.tag, &sealed].concat();
        let open = |bytes: &[u8], kdf: Kdf| {
            let seal = pxkit_core::blob::Seal {
                iv: bytes[..16].try_into().unwrap(),
                tag: bytes[16..32].try_into().unwrap(),
            };
            let ciphertext = bytes[32..].try_into().unwrap();
            let file = KeyFile { wrapping: Wrapping::Passphrase { kdf, seal, ciphertext }, ..file.clone() };
            with(&file, "12345")
        };
        assert!(open(&whole, kdf.clone()).is_ok());
        for bit in 0..whole.len() * 8 {
            whole[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&whole, kdf.clone()).unwrap_err().contains("wrong"), "{bit}");
            whole[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(open(&whole, Kdf::Pbkdf2 { rounds: 2, salt: vec![1] }).is_err());
    }

    #[test]
    fn what_is_locked_opens() {
        let key = EncryptionKey::generate().unwrap();
        let (created, modified) = (OffsetTime { seconds: 1, offset: 60 }, now());
        for protection in [Protection::None, Protection::Scrypt("grüße"), Protection::Pbkdf2("12345")] {
            let hint = (protection != Protection::None).then(|| "a hint".to_owned());
            let file = lock(&key, protection, hint, created, modified).unwrap();
            let again = KeyFile::parse(file.to_json().as_bytes()).unwrap();
            assert_eq!(again, file);
            let passphrase = if matches!(protection, Protection::Scrypt(_)) { "grüße" } else { "12345" };
            assert_eq!(with(&again, passphrase).unwrap().fingerprint(), key.fingerprint());
        }
        let refused = |protection, hint: Option<&str>| {
            let hint = hint.map(str::to_owned);
            lock(&key, protection, hint, created, modified).unwrap_err().to_string()
        };
        assert!(refused(Protection::Scrypt("1234"), None).contains("too short"));
        assert!(refused(Protection::None, Some("x")).contains("nothing to hint at"));
        assert!(refused(Protection::Pbkdf2("12345"), Some("")).contains("1 to 64 characters"));
    }

    #[test]
    fn the_time_is_that_of_now() {
        let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(now().seconds.abs_diff(elapsed.as_secs() as i64) < 10);
    }
}
