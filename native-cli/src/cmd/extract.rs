//! `pxkit extract`: entries of an archive back to disk.

use super::argument::{self, Needs};
use super::extraction::Extraction;
use crate::cli::Extract;
use crate::report::Outcome;

/// Extracts an archive.
///
/// # Errors
/// Those of [`Extraction::run`]; the archive cannot be opened.
pub fn run(args: &Extract) -> anyhow::Result<Outcome> {
    let opened = argument::open(
        &args.archive,
        args.payload_input.as_deref(),
        &args.repository,
        &args.open,
        Needs::Contents,
    )?;
    Extraction { opened, target: &args.target, patterns: &args.patterns, how: &args.how }.run()
}
