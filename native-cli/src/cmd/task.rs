//! Work that a server does by itself, and whoever started it watches.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};

use crate::remote::{Ended, Remote};
use crate::report::{Outcome, Report};

/// Prints the log of a task until it is done: to standard error if the result goes to standard output as JSON.
///
/// # Errors
/// The task failed, nothing can be printed, or the server cannot be asked any more.
pub(super) fn follow(remote: &Remote, upid: &str, as_json: bool) -> anyhow::Result<Outcome> {
    let report = Report::new(true);
    let mut printed = Ok(());
    let ended = remote.follow(upid, &mut |line| {
        if as_json {
            report.line(line);
        } else if printed.is_ok() {
            printed = writeln!(io::stdout(), "{line}");
        }
    });
    let ended = match ended {
        Err(error) => {
            report.line(format_args!("the server goes on with the task {upid}"));
            return Err(error);
        }
        Ok(ended) => ended,
    };
    printed.context("cannot write to standard output")?;
    match ended {
        Ended::Ok => Ok(Outcome::Complete),
        Ended::Warnings => Ok(Outcome::Incomplete),
        Ended::Failed(why) => bail!("the server's task failed: {why}"),
    }
}
