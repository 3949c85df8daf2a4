//! The commands about master keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use pxkit_core::blob::{Frame, MIN_PASSPHRASE};
use serde_json::json;

use super::{files, locked, new_passphrase, path_or_default, say};
use crate::cli::{KeyImport, KeyShow, MasterImport};
use crate::crypt::{CREDENTIAL, VARIABLE, key_file, master, place};
use crate::secret::{self, SecretText};
use crate::terminal;

/// Where the passphrase of a private master key is taken from before anybody is asked.
const MASTER_VARIABLE: &str = "PXKIT_MASTER_PASSPHRASE";
const MASTER_CREDENTIAL: &str = "pxkit.master-passphrase";

/// Makes a master key, in this directory.
pub(super) fn create() -> anyhow::Result<()> {
    let (public, private) = (Path::new("master-public.pem"), Path::new("master-private.pem"));
    files::check_absent(public)?;
    files::check_absent(private)?;
    let passphrase = master_passphrase(|| {
        terminal::read_new_passphrase("New passphrase of the master key: ", MIN_PASSPHRASE)
    })?;
    ensure!(
        passphrase.len() >= MIN_PASSPHRASE,
        "the passphrase is too short: expected at least {MIN_PASSPHRASE} bytes"
    );
    let pair = master::generate(&passphrase)?;
    files::create(private, pair.private.as_bytes(), files::SECRET)?;
    files::create(public, pair.public.as_bytes(), files::PUBLIC)
        .inspect_err(|_| files::undo(&[private.to_owned()]))?;
    say(format_args!(
        "A master key was made: {} for backups, {} to be kept in a safe place",
        public.display(),
        private.display()
    ))
}

/// Puts a public master key where backups look for one.
pub(super) fn import(args: &MasterImport) -> anyhow::Result<()> {
    let text = files::read(&args.path)?;
    let name = args.path.display();
    let key = master::PublicKey::parse(&text).with_context(|| format!("cannot use {name}"))?;
    // That a key is too small should be said now, not when a backup is made.
    key.check_size().with_context(|| format!("cannot use {name}"))?;
    let target = place::master_key()?;
    files::replace(&target, &text, files::PUBLIC)?;
    say(format_args!("{name} is the master key of all backups to come: {}", target.display()))
}

/// Tells of a public master key.
pub(super) fn show(args: &KeyShow) -> anyhow::Result<()> {
    let path = args.path.as_ref().map_or_else(place::master_key, |path: &PathBuf| Ok(path.clone()))?;
    let key = master::PublicKey::parse(&files::read(&path)?)
        .with_context(|| format!("cannot use the master key of {}", path.display()))?;
    let path = path.display().to_string();
    if args.json {
        return say(json!({
            "path": path,
            "length": key.bits(),
            "modulus": key.modulus(),
            "exponent": key.exponent(),
        }));
    }
    let (bits, modulus, exponent) = (key.bits(), key.modulus(), key.exponent());
    say(format_args!("File:     {path}\nBits:     {bits}\nExponent: {exponent}\nModulus:  {modulus}"))
}

/// Restores a key from what a backup stored for the owner of the master key.
pub(super) fn import_key(args: &KeyImport) -> anyhow::Result<()> {
    let path = path_or_default(args.path.as_deref())?;
    files::check_absent(&path)?;
    let sealed = files::read(&args.encrypted_keyfile)?;
    // As `restore` gives it, or the blob of the datastore itself.
    let sealed = Frame::parse(&sealed).ok().and_then(|frame| frame.plain()).unwrap_or(&sealed);
    let name = args.master_keyfile.display();
    let private = master::PrivateKey::parse(&files::read(&args.master_keyfile)?, || {
        master_passphrase(|| terminal::read_passphrase(&format!("Passphrase of the master key {name}: ")))
    });
    let private = private.with_context(|| format!("cannot use the master key of {name}"))?;
    let found = private.unseal(sealed);
    let found = found.with_context(|| format!("cannot read {}", args.encrypted_keyfile.display()))?;
    // It has none, whoever made it.
    let key = key_file::unlock(&found, || Ok(SecretText::default()))?;
    let passphrase = new_passphrase(&args.protection, VARIABLE, CREDENTIAL)?;
    let file = locked(&key, &args.protection, &passphrase, found.created, key_file::now())?;
    files::create(&path, file.to_json().as_bytes(), files::SECRET)?;
    say(format_args!("The key was restored into {}\nFingerprint: {}", path.display(), key.fingerprint()))
}

/// The passphrase of a private master key.
fn master_passphrase(ask: impl FnOnce() -> anyhow::Result<SecretText>) -> anyhow::Result<SecretText> {
    if let Some(passphrase) = secret::variable(MASTER_VARIABLE, MASTER_CREDENTIAL)? {
        return Ok(passphrase);
    }
    ensure!(
        terminal::is_there(),
        "the master key has a passphrase: set {MASTER_VARIABLE} (or {MASTER_VARIABLE}_FD, _FILE, _CMD); nobody can be \
        asked, since standard input is no terminal"
    );
    ask()
}
