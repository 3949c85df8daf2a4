//! `pxkit init`: makes a datastore that a server can take over.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::Init;
use crate::report::{Outcome, watch_signals};
use crate::store::{Local, Options, locate};

/// Makes a datastore, or completes one.
///
/// # Errors
/// There is something else in the directory, or it cannot be written.
pub fn run(args: &Init) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    let path = locate::directory(&args.repository)?;
    let is_store = path.join(".chunks").is_dir();
    let open = if is_store { Local::open } else { Local::create };
    open(&path, Options::default())?.complete()?;
    let what = if is_store { "is complete" } else { "was made" };
    writeln!(io::stdout(), "The datastore {} {what}", path.display())
        .context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
