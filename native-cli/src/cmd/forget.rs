//! `pxkit forget`: removes a snapshot.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::Forget;
use crate::report::{Outcome, watch_signals};
use crate::store::locate;

/// Removes a snapshot.
///
/// # Errors
/// It does not exist, is protected or in use, or cannot be removed.
pub fn run(args: &Forget) -> anyhow::Result<Outcome> {
    watch_signals().context("cannot watch for signals")?;
    let store = locate::open(&args.repository)?;
    store.forget(&args.repository.ns, &args.snapshot)?;
    writeln!(io::stdout(), "Removed {}", args.snapshot).context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
