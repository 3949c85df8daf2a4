use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value, json};

use super::fingerprint::Fingerprint;
use super::json;
use crate::format::Digest;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// The word in the manifest.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What was backed up.
    BackupType {
        /// Files of a machine.
        Host = "host",
        /// A virtual machine.
        Vm = "vm",
        /// A container.
        Ct = "ct",
    }
}

words! {
    /// What a key was used for. Blobs of their own are decoded by their magic number whatever stands here.
    CryptMode {
        /// Nothing.
        None = "none",
        /// Chunks are encrypted and have keyed digests.
        Encrypt = "encrypt",
        /// Chunks are plain, the manifest is signed.
        SignOnly = "sign-only",
    }
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name on the server, with `.didx`, `.fidx` or `.blob`.
    pub filename: String,
    /// What a key was used for; none where very old backups say nothing.
    pub crypt_mode: CryptMode,
    /// Of an index the bytes of the archive, of a blob those of its file.
    pub size: u64,
    /// Of an index the checksum of its entries, of a blob the SHA-256 of its file.
    pub csum: Digest,
}

/// The manifest of a snapshot, `index.json.blob` (datastore specification 10).
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// With [`Manifest::backup_id`] the group.
    pub backup_type: BackupType,
    /// Not compared with the directory's name.
    pub backup_id: String,
    /// In seconds since 1970.
    pub backup_time: i64,
    /// Every file of the snapshot but manifest and log, in the order of the manifest.
    pub files: Vec<FileEntry>,
    /// HMAC-SHA256 of [`Manifest::canonical`] under the id key, 64 hexadecimal digits; whether it is right is the driver's to check.
    pub signature: Option<String>,
    /// What the signature does not cover. Keys that nobody knows survive, unlike elsewhere; integers of more than 64 bits and
    /// fractions may change in the last digit.
    pub unprotected: Map<String, Value>,
}

/// Why a manifest was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Not JSON.
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 for the end of the line before.
        column: usize,
    },
    /// A field is missing or not what it should be.
    Field {
        /// Number of the file, from 0, if it is a field of one.
        file: Option<usize>,
        /// Its key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Json { line, column } => {
                write!(f, "manifest: malformed JSON in line {line}, column {column}")
            }
            Self::Field { file: None, key, expected } => write!(f, "manifest: `{key}`: expected {expected}"),
            Self::Field { file: Some(file), key, expected } => {
                write!(f, "manifest, file {file}: `{key}`: expected {expected}")
            }
        }
    }
}

impl core::error::Error for ManifestError {}

/// An object of the manifest; `file` is its number if it is one of the files.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    file: Option<usize>,
}

impl<'a> Fields<'a> {
    fn get<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, ManifestError> {
        let error = ManifestError::Field { file: self.file, key, expected };
        self.map.get(key).and_then(read).ok_or(error)
    }

    fn text(&self, key: &'static str) -> Result<&'a str, ManifestError> {
        self.get(key, "a string", Value::as_str)
    }
}

impl Manifest {
    /// A manifest of a snapshot without files yet.
    pub fn new(backup_type: BackupType, backup_id: &str, backup_time: i64) -> Self {
        let (files, signature, unprotected) = (Vec::new(), None, Map::new());
        Self { backup_type, backup_id: backup_id.to_string(), backup_time, files, signature, unprotected }
    }

    /// Reads the data of a manifest's blob. Any layout and order of keys will do; unknown keys outside of `unprotected` are dropped, as
    /// the server does. Of a key that stands twice the last counts.
    ///
    /// # Errors
    /// Not JSON; a required field is missing; a field has another type.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| ManifestError::Json { line: error.line(), column: error.column() })?;
        let Value::Object(map) = &value else {
            let expected = "an object around everything";
            return Err(ManifestError::Field { file: None, key: "", expected });
        };
        let top = Fields { map, file: None };
        let listed = top.get("files", "a list", Value::as_array)?;
        let files = listed.iter().enumerate().map(|(at, file)| FileEntry::parse(at, file));
        let optional = |key: &str| map.get(key).filter(|value| !value.is_null());
        let signature = optional("signature").map(|_| top.text("signature").map(str::to_string));
        let unprotected = optional("unprotected");
        let unprotected = unprotected.map(|_| top.get("unprotected", "an object", Value::as_object).cloned());
        Ok(Self {
            backup_type: top
                .get("backup-type", "host, vm or ct", |value| BackupType::from_word(value.as_str()?))?,
            backup_id: top.text("backup-id")?.to_string(),
            backup_time: top.get("backup-time", "seconds since 1970", Value::as_i64)?,
            files: files.collect::<Result<_, _>>()?,
            signature: signature.transpose()?,
            unprotected: unprotected.transpose()?.unwrap_or_default(),
        })
    }

    /// The file of that name on the server.
    pub fn file(&self, filename: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.filename == filename)
    }

    /// The data of the manifest's blob, laid out as the reference does (10.2).
    pub fn to_json(&self) -> String {
        let mut value = self.signed();
        value["signature"] = self.signature.as_deref().into();
        value["unprotected"] = Value::Object(self.unprotected.clone());
        let mut out = String::new();
        json::pretty(&value, &mut out);
        out
    }

    /// What the signature is made of (10.3).
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        json::compact(&self.signed(), &mut out);
        out
    }

    /// The text of the fingerprint of the key that signed.
    pub fn key_fingerprint(&self) -> Option<&str> {
        self.unprotected.get("key-fingerprint")?.as_str()
    }

    /// Sets [`Manifest::key_fingerprint`].
    pub fn set_key_fingerprint(&mut self, fingerprint: &Fingerprint) {
        self.unprotected.insert("key-fingerprint".to_string(), fingerprint.to_string().into());
    }

    /// When the walk began that found the files, in nanoseconds since 1970, if pxkit wrote the snapshot: a file that changed
    /// later than that must not be taken for unchanged.
    pub fn walk_start(&self) -> Option<i64> {
        self.unprotected.get("pxkit")?.get("walk-start")?.as_i64()
    }

    /// Sets [`Manifest::walk_start`], beside whatever else stands under `pxkit`.
    pub fn set_walk_start(&mut self, nanoseconds: i64) {
        let pxkit = self.unprotected.entry("pxkit").or_insert_with(|| json!({}));
        match pxkit {
            Value::Object(map) => {
                map.insert("walk-start".to_string(), nanoseconds.into());
            }
            other => *other = json!({ "walk-start": nanoseconds }),
        }
    }

    fn signed(&self) -> Value {
        let files: Vec<Value> = self.files.iter().map(FileEntry::to_value).collect();
        json!({
            "backup-type": self.backup_type.word(),
            "backup-id": self.backup_id,
            "backup-time": self.backup_time,
            "files": files,
        })
    }
}

impl FileEntry {
    fn parse(at: usize, value: &Value) -> Result<Self, ManifestError> {
        let Value::Object(map) = value else {
            return Err(ManifestError::Field { file: Some(at), key: "", expected: "an object" });
        };
        let fields = Fields { map, file: Some(at) };
        let mode = |value: &Value| CryptMode::from_word(value.as_str()?);
        let crypt_mode = match map.get("crypt-mode") {
            None => CryptMode::None,
            Some(_) => fields.get("crypt-mode", "none, encrypt or sign-only", mode)?,
        };
        let csum = |value: &Value| Digest::from_hex(value.as_str()?.as_bytes());
        Ok(Self {
            filename: fields.text("filename")?.to_string(),
            crypt_mode,
            size: fields.get("size", "a number of bytes", Value::as_u64)?,
            csum: fields.get("csum", "64 hexadecimal digits", csum)?,
        })
    }

    fn to_value(&self) -> Value {
        json!({
            "filename": self.filename,
            "crypt-mode": self.crypt_mode.word(),
            "size": self.size,
            "csum": self.csum.to_string(),
        })
    }
}
