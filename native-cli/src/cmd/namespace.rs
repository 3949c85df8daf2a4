//! `pxkit namespace`: lists and makes namespaces.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::{NamespaceArgs, NamespaceCommand};
use crate::report::Outcome;
use crate::store::{Repository as _, locate};

/// Lists or makes namespaces.
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
    }
    Ok(Outcome::Complete)
}
