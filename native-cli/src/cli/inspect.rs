//! The command that opens the inspector.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{RepositoryArgs, SERVER, ServerArgs};
use crate::store::Namespace;

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
    pub repository: InspectedArgs,
}

/// Where snapshots are, as [`RepositoryArgs`] without its other name for the server's port: `--port` is the inspector's own.
#[derive(Debug, Args)]
pub struct InspectedArgs {
    /// The directory of a datastore, as PATH or file:PATH, or a datastore on a server as [[USER@REALM[!TOKEN]@]HOST[:PORT]:]DATASTORE
    /// [default: $PBS_REPOSITORY, or pxkit/store in the user's data directory]
    #[arg(long, value_name = "REPOSITORY", conflicts_with_all = ["server", "datastore", "auth_id"])]
    pub repository: Option<OsString>,
    /// The namespace in it, such as a/b [default: $PBS_NAMESPACE, or the root]
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "",
        hide_default_value = true,
        env = "PBS_NAMESPACE",
        hide_env = true
    )]
    pub ns: Namespace,
    /// The server's port [default: $PBS_PORT, or 8007]
    #[arg(long, value_name = "PORT", conflicts_with = "repository", help_heading = SERVER)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub server_port: Option<u16>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerArgs,
}

impl InspectedArgs {
    /// The same as other commands have it.
    pub fn located(&self) -> RepositoryArgs {
        let Self { repository, ns, server_port, server } = self;
        let (repository, ns, server) = (repository.clone(), ns.clone(), server.clone());
        RepositoryArgs { repository, ns, port: *server_port, server }
    }
}
