//! A shell inside of archives: look around, select, restore.
//!
//! [`Shell`] knows the commands and where one is; it gets lines, and writes to whatever it is given. [`Archive`] answers what is in a directory, from the
//! catalog if there is one for this archive, else from its metadata. [`Archives`] has those of a snapshot side by side. [`run`] reads lines, from a terminal with editing, history and completion
//! (`terminal`), else as they come.

mod archive;
mod archives;
mod commands;
mod path;
mod stat;
mod terminal;

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::Context as _;

pub use archive::{Archive, Name, open_catalog};
pub use archives::Archives;
pub use commands::{COMMANDS, Shell};

use crate::report::{Interrupted, Outcome, check_signals, forget_interrupt, is_broken_pipe};

/// What a command means for the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Line,
    /// It was asked to end.
    Exit,
}

/// Reads commands from standard input until they end or one says so. Errors of commands are told and do not end it; what did not come from a terminal then has another exit
/// status.
///
/// # Errors
/// Standard input cannot be read, or the end by SIGTERM.
pub fn run(archives: Archives) -> anyhow::Result<Outcome> {
    let mut shell = Shell::new(archives);
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return terminal::run(shell).map(|()| Outcome::Complete);
    }
    let (mut is_complete, mut line) = (true, Vec::new());
    let mut input = io::stdin().lock();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).context("cannot read standard input")? == 0 {
            break;
        }
        match execute(&mut shell, &String::from_utf8_lossy(&line)) {
            Ok(Next::Line) => {}
            Ok(Next::Exit) => break,
            Err(error) => {
                check_signals()?;
                let is_unread = |cause: &(dyn std::error::Error + 'static)| {
                    cause.downcast_ref().is_some_and(is_broken_pipe)
                };
                if error.chain().any(is_unread) {
                    return Err(error);
                }
                tell(&error)?;
                is_complete = false;
            }
        }
    }
    Ok(if is_complete { Outcome::Complete } else { Outcome::Incomplete })
}

/// Runs one line.
fn execute(shell: &mut Shell, line: &str) -> anyhow::Result<Next> {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = shell.execute(line, &mut out);
    // Who closed the other end has seen enough.
    let flushed = out.flush().context("cannot write to standard output");
    result.and_then(|next| flushed.map(|()| next))
}

/// Tells of an error that does not end the shell; that a command was interrupted is none.
///
/// # Errors
/// The end by SIGTERM.
fn tell(error: &anyhow::Error) -> Result<(), Interrupted> {
    match check_signals() {
        Err(Interrupted(signal_hook::consts::SIGINT)) => {
            forget_interrupt();
            let _ = writeln!(io::stderr(), "interrupted");
        }
        Err(ended) => return Err(ended),
        Ok(()) => {
            let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into())).bold();
            let _ = writeln!(anstream::stderr(), "{style}error{style:#}: {error:#}");
        }
    }
    Ok(())
}
