//! Where keys are if nobody names one: the files of the stock client.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

/// The key that backups are encrypted with.
///
/// # Errors
/// The user has no home.
pub fn key() -> anyhow::Result<PathBuf> {
    Ok(directory()?.join("encryption-key.json"))
}

/// The public half of the master key.
///
/// # Errors
/// The user has no home.
pub fn master_key() -> anyhow::Result<PathBuf> {
    Ok(directory()?.join("master-public.pem"))
}

fn directory() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    Ok(config.context("there is no home directory: name the file of the key")?.join("proxmox-backup"))
}
