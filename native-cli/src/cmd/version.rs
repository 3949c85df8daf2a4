//! `pxkit version`: of this program, and of a server.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Version;
use crate::report::Outcome;
use crate::store::locate::{self, Located};

/// Prints the version of this program, and that of the server if the repository is on one.
///
/// # Errors
/// The repository that was named cannot be opened, or nothing can be printed.
pub fn run(args: &Version) -> anyhow::Result<Outcome> {
    let client = env!("CARGO_PKG_VERSION");
    let server = match locate::find(&args.repository)? {
        Some(Located::Server(remote)) => Some(remote.version()?),
        Some(Located::Directory(_)) | None => None,
    };
    let mut out = io::stdout().lock();
    let printed = if args.json {
        writeln!(out, "{}", json!({ "client": client, "server": server }))
    } else {
        let server = server.map_or_else(String::new, |server| format!("\nserver version: {server}"));
        writeln!(out, "client version: {client}{server}")
    };
    printed.context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
