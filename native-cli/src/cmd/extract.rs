//! `pxkit extract`.

use crate::cli::Extract;
use crate::report::Outcome;

/// Not yet.
pub fn run(_args: &Extract) -> anyhow::Result<Outcome> {
    anyhow::bail!("not yet")
}
