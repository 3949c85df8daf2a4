//! Commands about servers.

use std::path::PathBuf;

use clap::Args;

use super::{CryptArgs, RepositoryArgs};
use crate::store::SnapshotId;

/// `pxkit login` and `pxkit logout`
#[derive(Debug, Args)]
pub struct Login {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}

/// `pxkit version`
#[derive(Debug, Args)]
pub struct Version {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// Print it as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pxkit benchmark`
#[derive(Debug, Args)]
pub struct Benchmark {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    /// Print it as a JSON object, in bytes a second
    #[arg(long)]
    pub json: bool,
}

/// `pxkit upload-log`
#[derive(Debug, Args)]
pub struct UploadLog {
    /// The snapshot, such as host/elsa/2026-11-22T21:15:52Z
    pub snapshot: SnapshotId,
    /// The log; `-` is standard input
    pub log: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub crypt: CryptArgs,
}
