//! `pxkit completions` and `pxkit man-pages`: made from the one list of options.

use std::fs;
use std::io;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{Cli, Completions, ManPages};
use crate::report::Outcome;

/// Prints the completions for a shell.
///
/// # Errors
/// None; writing to a closed standard output ends the program.
pub fn completions(args: &Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pxkit", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(Outcome::Complete)
}

/// Writes `pxkit.1` and a page for each command.
///
/// # Errors
/// The directory cannot be made or written to.
pub fn man_pages(args: &ManPages) -> anyhow::Result<Outcome> {
    let directory = &args.directory;
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .with_context(|| format!("cannot write man pages to {}", directory.display()))?;
    Ok(Outcome::Complete)
}
