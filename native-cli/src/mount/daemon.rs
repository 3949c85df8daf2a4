//! A process in the background. It is this program once more: it opens and mounts while the first process waits, so that errors are told where
//! they are read, and leaves its terminal when the mount stands.

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// What the process says when the mount stands.
const READY: u8 = b'r';

/// Runs this program again with `--daemon` and waits until its mount stands. `None` then, else how it ended; it has said why.
///
/// # Errors
/// It cannot be run.
pub fn start() -> anyhow::Result<Option<ExitStatus>> {
    let program = env::current_exe().context("cannot find this program")?;
    let mut arguments = env::args_os().skip(1);
    let mut command = Command::new(program);
    // Behind the name of the command: what follows may end with operands.
    command.args(arguments.next()).arg("--daemon").args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start the process of the mount")?;
    let Some(mut stdout) = child.stdout.take() else { bail!("the process of the mount has no output") };
    let mut said = [0];
    match stdout.read(&mut said) {
        Ok(1) if said[0] == READY => Ok(None),
        _ => Ok(Some(child.wait().context("cannot wait for the process of the mount")?)),
    }
}

/// Says that the mount stands, and leaves terminal and standard streams; standard error goes on into the log.
///
/// # Errors
/// Whoever waits is gone, or the streams cannot be replaced.
pub fn detach(log: &File, may_move: bool) -> anyhow::Result<()> {
    let nothing =
        File::options().read(true).write(true).open("/dev/null").context("cannot open /dev/null")?;
    // It fails only for leaders of groups, which have nothing to leave.
    let _ = setsid();
    if may_move {
        // Nobody should be kept from unmounting what this happened to be started in.
        env::set_current_dir(Path::new("/")).context("cannot go to /")?;
    }
    dup2_stdin(&nothing)?;
    dup2_stderr(log)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&[READY]).and_then(|()| stdout.flush()).context("nobody waits for the mount")?;
    dup2_stdout(&nothing)?;
    Ok(())
}
