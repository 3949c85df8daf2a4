//! Which key a command has, and whether a snapshot may be read with it (datastore specification 10.3).
//!
//! Keys are opened when they are needed: nobody is asked for the passphrase of the default key to list what is not encrypted.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use pxkit_core::blob::{CryptMode, Fingerprint, KeyFile, Manifest, OffsetTime};

use super::{EncryptionKey, key_file, place};
use crate::cli::{KeyArgs, OpenArgs};
use crate::linux::inherited;
use crate::report::Report;
use crate::secret::{self, SecretText};
use crate::store::{OpenSnapshot, Snapshot};
use crate::terminal;

/// Where the passphrase of a key is taken from before anybody is asked.
pub const VARIABLE: &str = "PBS_ENCRYPTION_PASSWORD";
/// Its name among the credentials of a service.
pub const CREDENTIAL: &str = "proxmox-backup-client.encryption-password";

/// Why a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody named it: whatever is not signed with it is refused.
    Given,
    /// It lies at the default place.
    Default,
}

/// The key that a command has, if it has one.
#[derive(Debug, Default)]
pub struct Keyring {
    source: Option<Source>,
    /// Whatever is wrong with a signature is told only.
    ignores: bool,
}

#[derive(Debug)]
struct Source {
    origin: Origin,
    /// How messages name its place.
    name: String,
    state: Mutex<State>,
}

/// How far a key is opened.
#[derive(Debug)]
enum State {
    Unread(PathBuf),
    Locked(KeyFile),
    Open(Arc<EncryptionKey>, OffsetTime),
}

/// What is to be done with a snapshot that was made with a key, if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutKey {
    /// It is not opened.
    Refuse,
    /// It is opened unchecked, also if the default key is another one: only names are read, or what needs no key.
    Tell,
}

/// What the signature of a snapshot is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is that of the key at hand.
    Signed,
    /// There is no key, and the snapshot names none.
    NoKey,
    /// There is none, although there is a key at the default place.
    Unsigned,
}

/// Why a snapshot is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It names a key, and there is none.
    Missing {
        /// The key that it names.
        expected: String,
    },
    /// It names another key.
    Other {
        /// The key that it names.
        expected: String,
        /// The key at hand.
        got: Fingerprint,
    },
    /// It names the key at hand and is not signed.
    Stripped(Fingerprint),
    /// Its signature is not that of the key at hand.
    Forged(Fingerprint),
    /// It is not signed, although a key was given, or is needed to go on from it.
    Unsigned,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { expected } => {
                write!(
                    f,
                    "it was made with key {expected}, and there is no key; name its file with --keyfile"
                )
            }
            Self::Other { expected, got } => {
                let short = Fingerprint::parse(expected).map(|key| key.short().to_string());
                let expected = short.unwrap_or_else(|| format!("`{}`", expected.escape_debug()));
                write!(f, "wrong key: it was made with key {expected}, and this is key {}", got.short())
            }
            Self::Stripped(key) => write!(f, "it names key {} and is not signed", key.short()),
            Self::Forged(key) => {
                write!(f, "its signature is not that of key {}: it was changed", key.short())
            }
            Self::Unsigned => f.write_str("it is not signed, although there is a key"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Keyring {
    /// The key that is meant by options, or else the default one if there is one. The file of a given key is read now.
    ///
    /// # Errors
    /// The file of a given key cannot be read.
    pub fn resolve(args: &KeyArgs) -> anyhow::Result<Self> {
        let given = |name: String, file: &mut File| {
            let state = Mutex::new(State::Locked(key_file::read(file, &name)?));
            anyhow::Ok(Source { origin: Origin::Given, name, state })
        };
        let source = if let Some(path) = &args.keyfile {
            let name = path.display().to_string();
            let mut file = File::open(path).with_context(|| format!("cannot open the key file {name}"))?;
            Some(given(name, &mut file)?)
        } else if let Some(number) = args.keyfd {
            let name = format!("file descriptor {number}");
            let mut file = inherited(number).with_context(|| format!("cannot read the key from {name}"))?;
            Some(given(name, &mut file)?)
        } else {
            // Without a home there is no default key, that is all.
            let path = place::key().ok().filter(|path| path.symlink_metadata().is_ok());
            path.map(|path| Source {
                origin: Origin::Default,
                name: path.display().to_string(),
                state: Mutex::new(State::Unread(path)),
            })
        };
        Ok(Self { source, ignores: false })
    }

    /// The key for a command that reads; what is wrong with signatures is told only if the user says so.
    ///
    /// # Errors
    /// Those of [`Keyring::resolve`].
    pub fn for_reading(args: &OpenArgs) -> anyhow::Result<Self> {
        Ok(Self { ignores: args.ignore_signature, ..Self::resolve(&args.key)? })
    }

    /// A key that is open already.
    pub fn with(key: Arc<EncryptionKey>, origin: Origin) -> Self {
        let state = Mutex::new(State::Open(key, key_file::now()));
        let source = Source { origin, name: "memory".to_owned(), state };
        Self { source: Some(source), ignores: false }
    }

    /// Why there is a key; `None` if there is none.
    pub fn origin(&self) -> Option<Origin> {
        self.source.as_ref().map(|source| source.origin)
    }

    /// Whether what is wrong with a signature is told only.
    pub fn ignores(&self) -> bool {
        self.ignores
    }

    /// How messages name the place of the key.
    pub fn place(&self) -> &str {
        self.source.as_ref().map_or("", |source| &source.name)
    }

    /// The key, opened if it is not yet: somebody may be asked for the passphrase.
    ///
    /// # Errors
    /// The key file cannot be read, the passphrase is wrong, or there is nobody who knows it.
    pub fn key(&self) -> anyhow::Result<Option<Arc<EncryptionKey>>> {
        let Some(source) = &self.source else { return Ok(None) };
        source.open().with_context(|| format!("cannot open the key of {}", source.name)).map(Some)
    }

    /// When the key was made.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub fn created(&self) -> anyhow::Result<Option<OffsetTime>> {
        let Some(source) = &self.source else { return Ok(None) };
        let mut state = source.lock();
        Ok(Some(match state.read()? {
            Read::Locked(file) => file.created,
            Read::Open(_, created) => created,
        }))
    }

    /// Looks at the signature of a manifest. The inner error is why the snapshot is not to be read.
    ///
    /// # Errors
    /// Those of [`Keyring::key`].
    pub fn check(&self, manifest: &Manifest) -> anyhow::Result<Result<Standing, Refusal>> {
        let named = manifest.key_fingerprint();
        let Some(source) = &self.source else {
            return Ok(match named {
                Some(named) => Err(Refusal::Missing { expected: named.escape_debug().to_string() }),
                None => Ok(Standing::NoKey),
            });
        };
        if named.is_none() && manifest.signature.is_none() {
            return Ok(match source.origin {
                Origin::Given => Err(Refusal::Unsigned),
                Origin::Default => Ok(Standing::Unsigned),
            });
        }
        let other = |key: &Fingerprint| {
            let expected = named.filter(|named| Fingerprint::parse(named) != Some(*key))?;
            Some(Refusal::Other { expected: expected.to_owned(), got: *key })
        };
        // Nobody needs to remember the passphrase of a key that is the wrong one.
        let claim =
            source.fingerprint().with_context(|| format!("cannot open the key of {}", source.name))?;
        if let Some(refusal) = claim.and_then(|claim| other(&claim)) {
            return Ok(Err(refusal));
        }
        let Some(key) = self.key()? else { return Ok(Ok(Standing::NoKey)) };
        Ok(standing(&key, manifest))
    }

    /// Puts a snapshot and its key together, if its signature is what it should be.
    ///
    /// # Errors
    /// The snapshot is refused ([`Refusal`]), or the key cannot be opened.
    pub fn open(
        &self,
        stored: Arc<dyn OpenSnapshot>,
        without: WithoutKey,
        report: &Report,
    ) -> anyhow::Result<Snapshot> {
        let (manifest, id) = (stored.manifest(), stored.id());
        if without == WithoutKey::Tell && self.origin() != Some(Origin::Given) {
            let why = match self.check(manifest) {
                Ok(Ok(_)) => return Ok(Snapshot::with_key(stored, None)),
                Ok(Err(refusal)) => refusal.to_string(),
                Err(error) => format!("{error:#}"),
            };
            report.line(format_args!("note: the signature of {id} is not checked: {why}"));
            return Ok(Snapshot::with_key(stored, None));
        }
        match self.check(manifest)? {
            Ok(Standing::Signed | Standing::NoKey) => {}
            Ok(Standing::Unsigned) => report.caution(format_args!(
                "{id} is not signed: nobody can tell whether it is what was backed up"
            )),
            Err(refusal) if self.ignores => report.caution(format_args!("{id}: {refusal}")),
            Err(refusal) => {
                // That may be meant; what is wrong with the others is not to be passed over lightly.
                let unless = if refusal == Refusal::Unsigned { " without --ignore-signature" } else { "" };
                return Err(anyhow::Error::new(refusal).context(format!("{id} is refused{unless}")));
            }
        }
        let is_encrypted = manifest.files.iter().any(|file| file.crypt_mode == CryptMode::Encrypt);
        let key = if is_encrypted { self.key()? } else { None };
        Ok(Snapshot::with_key(stored, key))
    }
}

/// What the signature of a manifest is worth that names this key, or none.
pub(super) fn standing(key: &EncryptionKey, manifest: &Manifest) -> Result<Standing, Refusal> {
    let fingerprint = *key.fingerprint();
    let named = manifest.key_fingerprint();
    match named.filter(|named| Fingerprint::parse(named) != Some(fingerprint)) {
        Some(named) => Err(Refusal::Other { expected: named.to_owned(), got: fingerprint }),
        None if key.has_signed(manifest) => Ok(Standing::Signed),
        None if manifest.signature.is_some() => Err(Refusal::Forged(fingerprint)),
        None if named.is_some() => Err(Refusal::Stripped(fingerprint)),
        None => Err(Refusal::Unsigned),
    }
}

impl Source {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fingerprint, as far as it is known without the passphrase.
    fn fingerprint(&self) -> anyhow::Result<Option<Fingerprint>> {
        let mut state = self.lock();
        Ok(match state.read()? {
            Read::Locked(file) => file.fingerprint,
            Read::Open(key, _) => Some(*key.fingerprint()),
        })
    }

    fn open(&self) -> anyhow::Result<Arc<EncryptionKey>> {
        let mut state = self.lock();
        let (key, created) = match state.read()? {
            Read::Open(key, _) => return Ok(key.clone()),
            Read::Locked(file) => (key_file::unlock(file, || passphrase(&self.name, file))?, file.created),
        };
        let key = Arc::new(key);
        *state = State::Open(key.clone(), created);
        Ok(key)
    }
}

/// What is there once the file was read.
enum Read<'s> {
    Locked(&'s KeyFile),
    Open(&'s Arc<EncryptionKey>, OffsetTime),
}

impl State {
    fn read(&mut self) -> anyhow::Result<Read<'_>> {
        if let Self::Unread(path) = self {
            *self = Self::Locked(key_file::read_at(path)?);
        }
        match self {
            Self::Unread(path) => anyhow::bail!("{} was not read", path.display()),
            Self::Locked(file) => Ok(Read::Locked(file)),
            Self::Open(key, created) => Ok(Read::Open(key, *created)),
        }
    }
}

/// The passphrase of a key file: from the environment, or whoever sits at the terminal.
///
/// # Errors
/// There is neither, or it cannot be read.
pub fn passphrase(name: &str, file: &KeyFile) -> anyhow::Result<SecretText> {
    if let Some(passphrase) = secret::variable(VARIABLE, CREDENTIAL)? {
        return Ok(passphrase);
    }
    let hint =
        file.hint.as_ref().map_or_else(String::new, |hint| format!(" (hint: {})", hint.escape_debug()));
    if !terminal::is_there() {
        anyhow::bail!(
            "it has a passphrase{hint}: set {VARIABLE} (or {VARIABLE}_FD, _FILE, _CMD); nobody can be asked, since \
            standard input is no terminal"
        );
    }
    terminal::read_passphrase(&format!("Passphrase of the key {name}{hint}: "))
}
