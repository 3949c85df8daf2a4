//! Keys: which one a command uses, and the commands about them.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pxkit_core::blob::CryptMode;

/// Which key.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyArgs {
    /// The file of the key [default: encryption-key.json in ~/.config/proxmox-backup, if it is there]
    #[arg(long, value_name = "FILE", conflicts_with = "keyfd")]
    pub keyfile: Option<PathBuf>,
    /// A descriptor, open already, from which the file of the key is read
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    pub keyfd: Option<RawFd>,
}

/// Which key opens a snapshot.
#[derive(Clone, Debug, Default, Args)]
pub struct OpenArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub key: KeyArgs,
    /// Read a snapshot even if it has not the signature that it should have, with a warning
    #[arg(long)]
    pub ignore_signature: bool,
}

/// How a backup is protected.
#[derive(Clone, Debug, Default, Args)]
pub struct CryptArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub key: KeyArgs,
    /// What the key is for [default: encrypt, if there is a key]
    #[arg(long, value_name = "MODE")]
    pub crypt_mode: Option<CryptModeArg>,
    /// The public master key, for whose owner the key goes into the snapshot [default: master-public.pem in ~/.config/proxmox-backup, if
    /// it is there]
    #[arg(long, value_name = "FILE", conflicts_with = "master_pubkey_fd")]
    pub master_pubkey_file: Option<PathBuf>,
    /// A descriptor, open already, from which the public master key is read
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    pub master_pubkey_fd: Option<RawFd>,
}

/// What a key is used for, see [`CryptArgs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CryptModeArg {
    /// Nothing, even if there is one
    None,
    /// Everything is encrypted, and the snapshot is signed
    Encrypt,
    /// The snapshot is signed
    SignOnly,
}

impl From<CryptModeArg> for CryptMode {
    fn from(argument: CryptModeArg) -> Self {
        match argument {
            CryptModeArg::None => Self::None,
            CryptModeArg::Encrypt => Self::Encrypt,
            CryptModeArg::SignOnly => Self::SignOnly,
        }
    }
}

/// `pxkit key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    Create(KeyCreate),
    /// Tell what a key file says of its key, but for the key
    Show(KeyShow),
    /// Protect a key by another passphrase; it stays the same key
    ChangePassphrase(KeyCreate),
    /// Restore a key from a snapshot, by the private master key
    ImportWithMasterKey(KeyImport),
    /// Make a master key, into master-public.pem and master-private.pem of this directory
    CreateMasterKey,
    /// Use a public master key for all backups to come
    ImportMasterPubkey(MasterImport),
    /// Tell of a public master key
    ShowMasterPubkey(KeyShow),
    /// Print a key for keeping on paper, with QR codes
    Paperkey(Paperkey),
}

/// `pxkit key create` and `pxkit key change-passphrase`
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// The file of the key [default: encryption-key.json in ~/.config/proxmox-backup]
    pub path: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub protection: KeyProtection,
}

/// How a key file is protected.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyProtection {
    /// How the passphrase protects the key
    #[arg(long, value_name = "KDF", default_value = "scrypt")]
    pub kdf: KdfArg,
    /// What reminds of the passphrase, in the clear
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
}

/// How a passphrase protects a key, see [`KeyProtection`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KdfArg {
    /// There is none: whoever has the file has the key
    None,
    /// By scrypt, which takes memory as well as time
    #[default]
    Scrypt,
    /// By PBKDF2
    Pbkdf2,
}

/// `pxkit key show` and `pxkit key show-master-pubkey`
#[derive(Debug, Args)]
pub struct KeyShow {
    /// The file [default: the one in ~/.config/proxmox-backup]
    pub path: Option<PathBuf>,
    /// Print it as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pxkit key import-with-master-key`
#[derive(Debug, Args)]
pub struct KeyImport {
    /// The file to make [default: encryption-key.json in ~/.config/proxmox-backup]
    pub path: Option<PathBuf>,
    /// The private master key
    #[arg(long, value_name = "FILE")]
    pub master_keyfile: PathBuf,
    /// What was restored from the snapshot as rsa-encrypted.key
    #[arg(long, value_name = "FILE")]
    pub encrypted_keyfile: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub protection: KeyProtection,
}

/// `pxkit key import-master-pubkey`
#[derive(Debug, Args)]
pub struct MasterImport {
    /// The public master key
    pub path: PathBuf,
}

/// `pxkit key paperkey`
#[derive(Debug, Args)]
pub struct Paperkey {
    /// The file of the key, or of a private master key [default: encryption-key.json in ~/.config/proxmox-backup]
    pub path: Option<PathBuf>,
    /// For a printer (html) or a terminal (text)
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub output_format: PaperFormat,
    /// What stands above it
    #[arg(long, value_name = "TEXT")]
    pub subject: Option<String>,
}

/// What paper keys are printed from, see [`Paperkey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaperFormat {
    /// A page for a browser
    Html,
    /// Text
    Text,
}
