//! `pxkit change-owner`: gives a group to another user or token.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::ChangeOwner;
use crate::report::Outcome;
use crate::store::locate;

/// Changes the owner of a group.
///
/// # Errors
/// The group does not exist or is in use, that is no user, or nothing can be written.
pub fn run(args: &ChangeOwner) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    store.change_owner(&args.repository.ns, &args.group, &args.owner)?;
    let printed = writeln!(io::stdout(), "{} belongs to {}", args.group, args.owner);
    printed.context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
