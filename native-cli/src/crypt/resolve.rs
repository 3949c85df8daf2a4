//! What a backup does with which key: its options, the default key, the master key.

use std::fs::File;

use anyhow::{Context as _, bail};
use pxkit_core::blob::CryptMode;

use super::{Crypt, Keyring, Origin, key_file, master, place};
use crate::cli::CryptArgs;
use crate::linux::inherited;
use crate::secret;

/// What a backup does with its key, and what is said about it.
#[derive(Debug)]
pub struct Resolved {
    /// What it does.
    pub crypt: Crypt,
    /// Lines for whoever watches.
    pub lines: Vec<String>,
}

/// Resolves the options of a backup; the key is opened.
///
/// # Errors
/// The options contradict each other, or ask for a key that is not there; a key cannot be read or opened.
pub fn resolve(args: &CryptArgs) -> anyhow::Result<Resolved> {
    let mode = args.crypt_mode.map(CryptMode::from);
    let names_key = args.key.keyfile.is_some() || args.key.keyfd.is_some();
    let names_master = args.master_pubkey_file.is_some() || args.master_pubkey_fd.is_some();
    let nothing = || Resolved { crypt: Crypt::NONE, lines: Vec::new() };
    if mode == Some(CryptMode::None) {
        if names_key || names_master {
            bail!("--crypt-mode none uses no key: leave out either it or the key");
        }
        return Ok(nothing());
    }
    let keyring = Keyring::resolve(&args.key)?;
    let Some(key) = keyring.key()? else {
        let default = place::key().map_or_else(|_| String::new(), |path| format!(" ({})", path.display()));
        match mode {
            Some(mode) => bail!(
                "--crypt-mode {} needs a key: name one with --keyfile, or make the default one{default} with \
                `pxkit key create`",
                mode.word()
            ),
            None if names_master => {
                bail!("a master key was given, and no key that could be stored for its owner")
            }
            None => return Ok(nothing()),
        }
    };
    let is_default = keyring.origin() == Some(Origin::Default);
    let kind = if is_default { "default encryption key" } else { "encryption key" };
    let mut lines = vec![
        format!("Using {kind} from '{}'..", keyring.place()),
        format!("Encryption key fingerprint: {}", key.fingerprint()),
    ];
    let created = keyring.created()?.unwrap_or_else(key_file::now);
    let sealed = match master_key(args)? {
        None => None,
        Some((name, public)) => {
            lines.push(format!("Using master key from '{name}'.."));
            let sealed = public.seal(&key, created, key_file::now());
            Some(sealed.with_context(|| format!("cannot use the master key of {name}"))?)
        }
    };
    let crypt = match mode {
        Some(CryptMode::SignOnly) => Crypt::sign_only(key),
        _ => Crypt::encrypt(key),
    };
    Ok(Resolved { crypt: sealed.into_iter().fold(crypt, Crypt::with_recovery), lines })
}

/// The public master key that is meant by options, or the default one if there is one; with the name of its place.
fn master_key(args: &CryptArgs) -> anyhow::Result<Option<(String, master::PublicKey)>> {
    let (name, file) = if let Some(number) = args.master_pubkey_fd {
        (format!("file descriptor {number}"), inherited(number))
    } else {
        // Without a home there is no default key, that is all.
        let default = || place::master_key().ok().filter(|path| path.symlink_metadata().is_ok());
        let Some(path) = args.master_pubkey_file.clone().or_else(default) else { return Ok(None) };
        (path.display().to_string(), File::open(path))
    };
    let read = || master::PublicKey::parse(&secret::read(&mut file?, &name)?);
    let key = read().with_context(|| format!("cannot use the master key of {name}"))?;
    Ok(Some((name, key)))
}
