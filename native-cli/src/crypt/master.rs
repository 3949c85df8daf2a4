//! The RSA master key: whoever has its private half can read the key of every backup that was made with its public half (datastore
//! specification 11).

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use pkcs8::der::asn1::UintRef;
use pkcs8::der::pem::{self, LineEnding, PemLabel as _};
use pkcs8::der::{Decode as _, Reader as _, SecretDocument, SliceReader};
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::spki::SubjectPublicKeyInfoRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use pxkit_core::blob::{KeyFile, OffsetTime, Wrapping};
use zeroize::Zeroizing;

use super::EncryptionKey;
use super::key::random;
use crate::secret::SecretText;

/// The file of a snapshot with its key.
pub const BLOB: &str = "rsa-encrypted.key.blob";
/// Bytes of a key file without passphrase; years beyond 9999 have none.
const KEY_FILE: usize = 255;
/// Rounds of PBKDF2 that protect a new private key.
const ROUNDS: u32 = 600_000;

/// The public half of a master key.
#[derive(Debug)]
pub struct PublicKey {
    key: PublicEncryptingKey,
    /// In bytes, from the highest.
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// It is none, or not that of a public RSA key of 2048 to 8192 bits.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let (label, der) = pem::decode_vec(text).map_err(|error| anyhow!("it is no PEM file: {error}"))?;
        ensure!(label == "PUBLIC KEY", "expected a PUBLIC KEY, got a {label}");
        let key = PublicEncryptingKey::from_der(&der);
        let key = key.map_err(|error| anyhow!("it is no public RSA key that can be used: {error}"))?;
        let (modulus, exponent) = numbers(&der).map_err(|error| anyhow!("it is no RSA key: {error}"))?;
        Ok(Self { key, modulus, exponent })
    }

    /// Its size.
    pub fn bits(&self) -> usize {
        self.key.key_size_bits()
    }

    /// Its modulus in hexadecimal.
    pub fn modulus(&self) -> String {
        hex(&self.modulus)
    }

    /// Its exponent in hexadecimal.
    pub fn exponent(&self) -> String {
        hex(&self.exponent)
    }

    /// Whether a key file fits into one block.
    ///
    /// # Errors
    /// It does not.
    pub fn check_size(&self) -> anyhow::Result<()> {
        // PKCS #1 v1.5 takes 11 bytes of a block.
        ensure!(
            self.key.key_size_bytes() >= KEY_FILE + 11,
            "the master key has {} bits, too few for the {KEY_FILE} bytes of a key; new ones have 4096",
            self.bits()
        );
        Ok(())
    }

    /// Encrypts a key, as a key file without passphrase, in one block with PKCS #1 v1.5.
    ///
    /// # Errors
    /// The master key is too small: a key file needs some 2200 bits.
    pub fn seal(
        &self,
        key: &EncryptionKey,
        created: OffsetTime,
        modified: OffsetTime,
    ) -> anyhow::Result<Vec<u8>> {
        let (wrapping, fingerprint) = (Wrapping::None(key.secret().clone()), Some(*key.fingerprint()));
        let text = KeyFile { wrapping, created, modified, fingerprint, hint: None }.to_json();
        let public = Pkcs1PublicEncryptingKey::new(self.key.clone())
            .map_err(|_| anyhow!("the master key cannot be used"))?;
        self.check_size()?;
        let mut out = vec![0; public.ciphertext_size()];
        let sealed = public.encrypt(text.as_bytes(), &mut out);
        let len = sealed.map_err(|_| anyhow!("the key cannot be encrypted with the master key"))?.len();
        out.truncate(len);
        Ok(out)
    }
}

/// Modulus and exponent of a public key.
fn numbers(der: &[u8]) -> pkcs8::der::Result<(Vec<u8>, Vec<u8>)> {
    let info = SubjectPublicKeyInfoRef::from_der(der)?;
    SliceReader::new(info.subject_public_key.raw_bytes())?.sequence(|reader| {
        let mut number = || Ok::<_, pkcs8::der::Error>(reader.decode::<UintRef<'_>>()?.as_bytes().to_vec());
        Ok::<_, pkcs8::der::Error>((number()?, number()?))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The private half of a master key.
#[derive(Debug)]
pub struct PrivateKey(PrivateDecryptingKey);

impl PrivateKey {
    /// Reads a PEM file: PKCS #8, with a passphrase or without. `passphrase` is called only if there is one.
    ///
    /// # Errors
    /// It is none, or not that of a private RSA key; the passphrase is wrong, or those of `passphrase`.
    pub fn parse(
        text: &[u8],
        passphrase: impl FnOnce() -> anyhow::Result<SecretText>,
    ) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(text).context("it is no PEM file")?;
        let document = SecretDocument::from_pem(text).map_err(|error| anyhow!("it is no PEM file: {error}"));
        let (label, document) = document?;
        let document = match label {
            "PRIVATE KEY" => document,
            "ENCRYPTED PRIVATE KEY" => {
                let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
                let info =
                    info.map_err(|error| anyhow!("it is protected in a way that is not known: {error}"))?;
                let opened = info.decrypt(passphrase()?.as_bytes());
                opened.map_err(|_| {
                    anyhow!("the passphrase of the master key is wrong, or the file is damaged")
                })?
            }
            _ => bail!(
                "expected a PRIVATE KEY or an ENCRYPTED PRIVATE KEY, got a {label}; `openssl pkcs8 -topk8` makes one of it"
            ),
        };
        let key = PrivateDecryptingKey::from_pkcs8(document.as_bytes());
        Ok(Self(key.map_err(|error| anyhow!("it is no private RSA key that can be used: {error}"))?))
    }

    /// The key file in what [`PublicKey::seal`] made.
    ///
    /// # Errors
    /// It was made with another master key, or is no key file.
    pub fn unseal(&self, sealed: &[u8]) -> anyhow::Result<KeyFile> {
        let private = Pkcs1PrivateDecryptingKey::new(self.0.clone())
            .map_err(|_| anyhow!("the master key cannot be used"))?;
        let mut out = Zeroizing::new(vec![0; private.min_output_size()]);
        let text = private.decrypt(sealed, &mut out);
        let text = text.map_err(|_| anyhow!("it was not encrypted with this master key, or is damaged"))?;
        Ok(KeyFile::parse(text)?)
    }
}

/// A new master key.
#[derive(Debug)]
pub struct Pair {
    /// The public half, PEM.
    pub public: String,
    /// The private half, PEM, under a passphrase.
    pub private: Zeroizing<String>,
}

/// Makes a master key of 4096 bits.
///
/// # Errors
/// The system has no random numbers.
pub fn generate(passphrase: &str) -> anyhow::Result<Pair> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa4096).context("cannot make a master key")?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().context("cannot make a master key")?;
    let public = pem::encode_string("PUBLIC KEY", LineEnding::LF, public.as_ref());
    let public = public.map_err(|error| anyhow!("cannot write the master key: {error}"))?;
    let der: Pkcs8V1Der<'_> = key.as_der().context("cannot make a master key")?;
    Ok(Pair { public, private: protect(der.as_ref(), passphrase)? })
}

/// A private key under a passphrase, PEM.
fn protect(der: &[u8], passphrase: &str) -> anyhow::Result<Zeroizing<String>> {
    let wrong = |error: pkcs8::Error| anyhow!("cannot protect the master key: {error}");
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    random(&mut salt)?;
    random(&mut iv)?;
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv);
    let parameters = parameters.map_err(|error| anyhow!("cannot protect the master key: {error}"))?;
    let info = PrivateKeyInfoRef::try_from(der).map_err(wrong)?;
    let document = info.encrypt_with_params(parameters, passphrase).map_err(wrong)?;
    let text = document.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF);
    text.map_err(|error| anyhow!("cannot write the master key: {error}"))
}

#[cfg(test)]
mod tests;
