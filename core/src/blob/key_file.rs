use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::fingerprint::Fingerprint;
use super::frame::Seal;
use super::json;
use super::offset_time::OffsetTime;

/// The salt of the id key, which is PBKDF2-HMAC-SHA256 of the key with [`ID_KEY_ROUNDS`].
pub const ID_KEY_SALT: &[u8] = b"_id_key";
/// Rounds of PBKDF2 that make the id key.
pub const ID_KEY_ROUNDS: u32 = 10;
/// Shorter passphrases open no key file, in bytes.
pub const MIN_PASSPHRASE: usize = 5;
/// Longest hint, in characters.
pub const MAX_HINT: usize = 64;
/// Bytes that scrypt may need: 1025 MiB, as the reference allows.
const MAX_SCRYPT_MEMORY: u64 = 1025 << 20;

/// 32 secret bytes: wiped when they are dropped, never printed. They stay where they are when this is moved.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Takes a copy of the bytes; that of the caller is his to wipe.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    /// 32 bytes that `fill` writes.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn fill<E>(
        fill: impl FnOnce(&mut [u8; 32]) -> core::result::Result<(), E>,
    ) -> core::result::Result<Self, E> {
        let mut secret = Self(Box::new([0; 32]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How the wrapping key, 32 bytes, is made from a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// scrypt (RFC 7914).
    Scrypt {
        /// Cost; a power of two, at least 2.
        n: u64,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
        /// At any length.
        salt: Vec<u8>,
    },
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2 {
        /// Rounds.
        rounds: u32,
        /// At any length.
        salt: Vec<u8>,
    },
}

impl Kdf {
    /// scrypt with the parameters of new key files.
    pub fn scrypt(salt: [u8; 32]) -> Self {
        Self::Scrypt { n: 65_536, r: 8, p: 1, salt: salt.to_vec() }
    }

    /// PBKDF2 with the parameters of new key files.
    pub fn pbkdf2(salt: [u8; 32]) -> Self {
        Self::Pbkdf2 { rounds: 65_535, salt: salt.to_vec() }
    }

    /// What key files call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Scrypt { .. } => "Scrypt",
            Self::Pbkdf2 { .. } => "PBKDF2",
        }
    }
}

/// How a key file holds its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// As it is.
    None(Secret),
    /// Encrypted with AES-256-GCM and no associated data under a key that is made from a passphrase.
    Passphrase {
        /// How.
        kdf: Kdf,
        /// IV and tag.
        seal: Seal,
        /// The key.
        ciphertext: [u8; 32],
    },
}

/// A key file (datastore specification 13).
///
/// Whoever has it makes the key of it: without a wrapping it is there; with one derive the wrapping key from the passphrase, decrypt the
/// ciphertext and check the tag. Then [`ID_KEY_SALT`] gives the id key, that the fingerprint, and [`KeyFile::fingerprint`], if it is
/// there, must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The key.
    pub wrapping: Wrapping,
    /// When the key was made.
    pub created: OffsetTime,
    /// When its passphrase was changed.
    pub modified: OffsetTime,
    /// What the key is to have for a fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// What reminds of the passphrase.
    pub hint: Option<String>,
}

/// Why a key file was refused. Nothing here says what stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// Not JSON.
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 for the end of the line before.
        column: usize,
    },
    /// A field is missing or not what it should be.
    Field {
        /// Its key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Json { line, column } => {
                write!(f, "key file: malformed JSON in line {line}, column {column}")
            }
            Self::Field { key, expected } => write!(f, "key file: `{key}`: expected {expected}"),
        }
    }
}

impl core::error::Error for KeyFileError {}

type Result<T> = core::result::Result<T, KeyFileError>;

fn wrong(key: &'static str, expected: &'static str) -> KeyFileError {
    KeyFileError::Field { key, expected }
}

/// An object whose strings are wiped: one of them may be the key.
struct Fields(Map<String, Value>);

impl Drop for Fields {
    fn drop(&mut self) {
        for (_, value) in self.0.iter_mut() {
            wipe(value);
        }
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        // Depth is bounded by the parser.
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| wipe(value)),
        _ => {}
    }
}

impl Fields {
    fn get<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T> {
        self.0.get(key).and_then(read).ok_or(wrong(key, expected))
    }

    /// A field that may be null or missing.
    fn optional<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or(wrong(key, expected)),
        }
    }

    fn time(&self, key: &'static str) -> Result<OffsetTime> {
        let expected = "a time like 2020-09-13T12:26:40+00:00";
        self.get(key, expected, |value| OffsetTime::parse(value.as_str()?))
    }
}

fn base64(value: &Value) -> Option<Vec<u8>> {
    Base64::decode_vec(value.as_str()?).ok()
}

impl KeyFile {
    /// Reads a key file. Unknown keys are passed over.
    ///
    /// # Errors
    /// Not JSON; a required field is missing or has another form; a way to derive keys that nobody knows, or one that needs more than
    /// 1025 MiB of memory.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| KeyFileError::Json { line: error.line(), column: error.column() })?;
        let Value::Object(map) = value else { return Err(wrong("", "an object around everything")) };
        let fields = Fields(map);
        let kdf = match fields.0.get("kdf") {
            None | Some(Value::Null) => None,
            Some(value) => Some(Kdf::parse(value)?),
        };
        let data = Zeroizing::new(fields.get("data", "base64 with padding", base64)?);
        Ok(Self {
            wrapping: Wrapping::parse(kdf, &data)?,
            created: fields.time("created")?,
            modified: fields.time("modified")?,
            fingerprint: fields.optional("fingerprint", "64 hexadecimal digits", |value| {
                Fingerprint::parse(value.as_str()?)
            })?,
            hint: fields.optional("hint", "a string", |value| value.as_str().map(String::from))?,
        })
    }

    /// The text of the file, without blanks and in the order of the reference. It holds the key if there is no wrapping.
    pub fn to_json(&self) -> Zeroizing<String> {
        // With room for everything: what grows leaves copies behind.
        let hint = self.hint.as_deref().unwrap_or_default();
        let salt = match &self.wrapping {
            Wrapping::Passphrase { kdf: Kdf::Scrypt { salt, .. } | Kdf::Pbkdf2 { salt, .. }, .. } => {
                &salt[..]
            }
            Wrapping::None(_) => &[],
        };
        let salt = Base64::encode_string(salt);
        let mut out = Zeroizing::new(String::with_capacity(1024 + salt.len() + 6 * hint.len()));
        let data = match &self.wrapping {
            Wrapping::None(key) => {
                out.push_str("{\"kdf\":null");
                Zeroizing::new(key.expose().to_vec())
            }
            Wrapping::Passphrase { kdf, seal, ciphertext } => {
                let parameters = match kdf {
                    Kdf::Scrypt { n, r, p, .. } => alloc::format!("\"n\":{n},\"r\":{r},\"p\":{p}"),
                    Kdf::Pbkdf2 { rounds, .. } => alloc::format!("\"iter\":{rounds}"),
                };
                let name = kdf.name();
                write!(out, "{{\"kdf\":{{\"{name}\":{{{parameters},\"salt\":\"{salt}\"}}}}")
                    .expect("strings take everything");
                Zeroizing::new([&seal.iv[..], &seal.tag, ciphertext].concat())
            }
        };
        let data = Zeroizing::new(Base64::encode_string(&data));
        let (created, modified) = (self.created, self.modified);
        write!(out, ",\"created\":\"{created}\",\"modified\":\"{modified}\",\"data\":\"{}\"", *data)
            .expect("strings take everything");
        if let Some(fingerprint) = self.fingerprint {
            write!(out, ",\"fingerprint\":\"{fingerprint}\"").expect("strings take everything");
        }
        if let Some(hint) = &self.hint {
            out.push_str(",\"hint\":");
            json::string(hint, &mut out);
        }
        out.push('}');
        out
    }

    /// Whether a text can be a hint: 1 to 64 characters, none of them a control character.
    pub fn is_hint(text: &str) -> bool {
        (1..=MAX_HINT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    }
}

impl Kdf {
    fn parse(value: &Value) -> Result<Self> {
        let known = wrong("kdf", "null, Scrypt or PBKDF2");
        let object = value.as_object().filter(|object| object.len() == 1).ok_or(known)?;
        let (name, parameters) = object.iter().next().ok_or(known)?;
        let salt = || parameters.get("salt").and_then(base64).ok_or(wrong("salt", "base64 with padding"));
        let number = |key: &'static str| {
            let number = parameters.get(key).and_then(Value::as_u64).filter(|&number| number > 0);
            number.ok_or(wrong(key, "a number above 0"))
        };
        let small =
            |key: &'static str| u32::try_from(number(key)?).map_err(|_| wrong(key, "a number below 2^32"));
        match name.as_str() {
            "Scrypt" => {
                let (n, r, p) = (number("n")?, small("r")?, small("p")?);
                if !n.is_power_of_two() || n < 2 {
                    return Err(wrong("n", "a power of two"));
                }
                let blocks = n.checked_add(u64::from(p) + 2);
                let memory = blocks.and_then(|blocks| blocks.checked_mul(128 * u64::from(r)));
                if memory.is_none_or(|memory| memory > MAX_SCRYPT_MEMORY) {
                    return Err(wrong("kdf", "parameters of scrypt that need at most 1025 MiB"));
                }
                Ok(Self::Scrypt { n, r, p, salt: salt()? })
            }
            "PBKDF2" => Ok(Self::Pbkdf2 { rounds: small("iter")?, salt: salt()? }),
            _ => Err(known),
        }
    }
}

impl Wrapping {
    fn parse(kdf: Option<Kdf>, data: &[u8]) -> Result<Self> {
        let Some(kdf) = kdf else {
            let key = data.try_into().map_err(|_| wrong("data", "32 bytes, as there is no kdf"))?;
            return Ok(Self::None(Secret::new(key)));
        };
        let data: &[u8; 64] = data.try_into().map_err(|_| wrong("data", "64 bytes, as there is a kdf"))?;
        let (mut iv, mut tag, mut ciphertext) = ([0; 16], [0; 16], [0; 32]);
        iv.copy_from_slice(&data[..16]);
        tag.copy_from_slice(&data[16..32]);
        ciphertext.copy_from_slice(&data[32..]);
        Ok(Self::Passphrase { kdf, seal: Seal { iv, tag }, ciphertext })
    }
}
