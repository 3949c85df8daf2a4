//! `pxkit namespace`: lists, makes and removes namespaces.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::{NamespaceArgs, NamespaceCommand};
use crate::report::{Outcome, watch_signals};
use crate::store::locate;

/// Lists, makes or removes namespaces.
///
/// # Errors
/// The repository cannot be read or written, or nothing can be printed.
pub fn run(args: &NamespaceArgs) -> anyhow::Result<Outcome> {
    match &args.command {
        NamespaceCommand::List { repository } => {
            let store = locate::open(repository)?;
            let mut out = io::stdout().lock();
            for namespace in
                store.namespaces(&repository.ns)?.iter().filter(|namespace| **namespace != repository.ns)
            {
                writeln!(out, "{namespace}").context("cannot write to standard output")?;
            }
        }
        NamespaceCommand::Create { name, repository } => locate::open(repository)?.create_namespace(name)?,
        NamespaceCommand::Delete { name, delete_groups, repository } => {
            watch_signals().context("cannot watch for signals")?;
            locate::open(repository)?.delete_namespace(name, *delete_groups)?;
        }
    }
    Ok(Outcome::Complete)
}
