//! `pxkit login` and `pxkit logout`: a ticket that other commands use instead of the password.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::Login;
use crate::remote::{Remote, environment, tickets};
use crate::report::Outcome;
use crate::store::locate;

/// Logs in, and keeps the ticket where the stock client keeps its own.
///
/// # Errors
/// The server cannot be reached or does not let us in; the ticket cannot be kept.
pub fn login(args: &Login) -> anyhow::Result<Outcome> {
    let address = locate::server(&args.repository)?;
    let access = environment::access_for_login(address.clone(), &args.repository.server)?;
    let remote = Remote::connect(access)?;
    let ticket = remote.api().ticket().context("the server gave no ticket")?;
    tickets::keep(&address, &ticket).context("the ticket cannot be kept")?;
    say(format_args!("Logged in as {} at {}, for two hours", address.auth, address.host))
}

/// Forgets the ticket. The server is not told: it knows no such thing.
///
/// # Errors
/// The file cannot be written.
pub fn logout(args: &Login) -> anyhow::Result<Outcome> {
    let address = locate::server(&args.repository)?;
    let was_there = tickets::forget(&address).context("the ticket cannot be removed")?;
    let done = if was_there { "Logged out" } else { "There was no login" };
    say(format_args!("{done} as {} at {}", address.auth, address.host))
}

fn say(what: std::fmt::Arguments<'_>) -> anyhow::Result<Outcome> {
    writeln!(io::stdout(), "{what}").context("cannot write to standard output")?;
    Ok(Outcome::Complete)
}
