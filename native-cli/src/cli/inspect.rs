//! The command that opens the inspector.

use std::path::PathBuf;

use clap::Args;

use super::RepositoryArgs;

/// `pxkit inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// Archives and other files; a datastore's directory; TYPE/ID, TYPE/ID/TIME or TYPE/ID/TIME/ARCHIVE in the repository [default: the
    /// repository, if there is one]
    #[arg(value_name = "WHAT")]
    pub what: Vec<PathBuf>,
    /// The port on 127.0.0.1 [default: any that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Print the address and start no browser
    #[arg(long)]
    pub no_open: bool,
    /// Take the inspector's files from this directory, for those who work on it
    #[arg(long, value_name = "DIR")]
    pub assets: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub repository: RepositoryArgs,
}
