//! `pxkit key`: keys for encrypted backups.

pub(crate) mod files;
mod master;
mod paper;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use pxkit_core::blob::{KeyFile, MIN_PASSPHRASE, OffsetTime, Wrapping};
use serde_json::json;

use crate::cli::{KdfArg, KeyCommand, KeyCreate, KeyProtection, KeyShow};
use crate::crypt::key_file::{self, Protection};
use crate::crypt::{CREDENTIAL, EncryptionKey, VARIABLE, passphrase, place};
use crate::report::Outcome;
use crate::secret::{self, SecretText};
use crate::terminal;

/// Where the new passphrase is taken from, where that of [`VARIABLE`] is the old one.
const NEW_VARIABLE: &str = "PXKIT_NEW_PASSPHRASE";
const NEW_CREDENTIAL: &str = "pxkit.new-passphrase";

/// Runs one of the commands about keys.
///
/// # Errors
/// A key cannot be read, opened or written; there is one already where a new one should be.
pub fn run(command: &KeyCommand) -> anyhow::Result<Outcome> {
    match command {
        KeyCommand::Create(args) => create(args),
        KeyCommand::Show(args) => show(args),
        KeyCommand::ChangePassphrase(args) => change_passphrase(args),
        KeyCommand::ImportWithMasterKey(args) => master::import_key(args),
        KeyCommand::CreateMasterKey => master::create(),
        KeyCommand::ImportMasterPubkey(args) => master::import(args),
        KeyCommand::ShowMasterPubkey(args) => master::show(args),
        KeyCommand::Paperkey(args) => paper::run(args),
    }?;
    Ok(Outcome::Complete)
}

fn create(args: &KeyCreate) -> anyhow::Result<()> {
    let path = path_or_default(args.path.as_deref())?;
    // Before anybody is asked for anything.
    files::check_absent(&path)?;
    let passphrase = new_passphrase(&args.protection, VARIABLE, CREDENTIAL)?;
    let (key, now) = (EncryptionKey::generate()?, key_file::now());
    let file = locked(&key, &args.protection, &passphrase, now, now)?;
    files::create(&path, file.to_json().as_bytes(), files::SECRET)?;
    say(format_args!("A key was made in {}\nFingerprint: {}", path.display(), key.fingerprint()))
}

fn change_passphrase(args: &KeyCreate) -> anyhow::Result<()> {
    let path = path_or_default(args.path.as_deref())?;
    let name = path.display().to_string();
    let old = key_file::read_at(&path)?;
    let key = key_file::unlock(&old, || passphrase(&name, &old))
        .with_context(|| format!("cannot open the key of {name}"))?;
    let new = new_passphrase(&args.protection, NEW_VARIABLE, NEW_CREDENTIAL)?;
    let file = locked(&key, &args.protection, &new, old.created, key_file::now())?;
    files::replace(&path, file.to_json().as_bytes(), files::SECRET)?;
    say(format_args!("The passphrase of {name} was changed\nFingerprint: {}", key.fingerprint()))
}

fn show(args: &KeyShow) -> anyhow::Result<()> {
    let path = path_or_default(args.path.as_deref())?;
    let file = key_file::read_at(&path)?;
    let kdf = match &file.wrapping {
        Wrapping::None(_) => "none".to_owned(),
        Wrapping::Passphrase { kdf, .. } => kdf.name().to_lowercase(),
    };
    // Of a key in the clear it can be told even if the file does not; it is compared, too.
    let fingerprint = match &file.wrapping {
        Wrapping::None(_) => Some(*key_file::unlock(&file, || Ok(SecretText::default()))?.fingerprint()),
        Wrapping::Passphrase { .. } => file.fingerprint,
    };
    let fingerprint = fingerprint.map(|fingerprint| fingerprint.to_string());
    if args.json {
        return say(json!({
            "path": path.display().to_string(),
            "kdf": kdf,
            "created": file.created.seconds,
            "modified": file.modified.seconds,
            "fingerprint": fingerprint,
            "hint": file.hint,
        }));
    }
    say(format_args!(
        "File:        {}\nKDF:         {kdf}\nCreated:     {}\nModified:    {}\nFingerprint: {}",
        path.display(),
        file.created,
        file.modified,
        fingerprint.as_deref().unwrap_or("unknown: the file does not tell"),
    ))?;
    match &file.hint {
        Some(hint) => say(format_args!("Hint:        {}", hint.escape_debug())),
        None => Ok(()),
    }
}

/// The file that is meant, or the default one.
fn path_or_default(path: Option<&Path>) -> anyhow::Result<PathBuf> {
    path.map_or_else(place::key, |path| Ok(path.to_owned()))
}

/// Asks for the passphrase of a new file, if it is to have one: the environment, or whoever sits at the terminal.
fn new_passphrase(
    protection: &KeyProtection,
    variable: &str,
    credential: &str,
) -> anyhow::Result<SecretText> {
    if protection.kdf == KdfArg::None {
        ensure!(
            protection.hint.is_none(),
            "there is nothing to hint at: --kdf none makes a key without passphrase"
        );
        return Ok(SecretText::default());
    }
    let hint = protection.hint.as_deref();
    ensure!(hint.is_none_or(KeyFile::is_hint), "a hint has 1 to 64 characters, and no control characters");
    if let Some(passphrase) = secret::variable(variable, credential)? {
        return Ok(passphrase);
    }
    ensure!(
        terminal::is_there(),
        "a key gets a passphrase: set {variable} (or {variable}_FD, _FILE, _CMD), or --kdf none for a key without; nobody \
        can be asked, since standard input is no terminal"
    );
    terminal::read_new_passphrase("New passphrase of the key: ", MIN_PASSPHRASE)
}

/// The file of a key, protected as the options say.
fn locked(
    key: &EncryptionKey,
    protection: &KeyProtection,
    passphrase: &str,
    created: OffsetTime,
    modified: OffsetTime,
) -> anyhow::Result<KeyFile> {
    let how = match protection.kdf {
        KdfArg::None => Protection::None,
        KdfArg::Scrypt => Protection::Scrypt(passphrase),
        KdfArg::Pbkdf2 => Protection::Pbkdf2(passphrase),
    };
    key_file::lock(key, how, protection.hint.clone(), created, modified)
}

fn say(what: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{what}").context("cannot write to standard output")
}
