//! One step of a job: this program with other arguments.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::report::check_signals;

/// Most of what is kept of each output, in bytes.
const MOST: u64 = 16 << 20;

/// Most warnings and errors that are kept of what is said.
const WARNINGS: usize = 1_000;

/// What a step did.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its exit status; 128 and the signal's number if one killed it.
    pub status: i32,
    /// What it printed.
    pub output: String,
    /// What it said on standard error without colour: warnings and errors, the first thousand, and the last line.
    pub said: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

impl Step {
    /// What it said last: why it failed.
    pub fn reason(&self) -> String {
        let last = self.said.iter().rev().find(|line| line.starts_with("error: ")).or(self.said.last());
        let text = last.map(|line| line.strip_prefix("error: ").unwrap_or(line));
        text.map_or_else(|| format!("ended with status {} and without a word", self.status), str::to_owned)
    }

    /// What was left out.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter_map(|line| line.strip_prefix("warning: "))
    }
}

/// Runs this program. A signal that ends this process is handed on, and waited for.
///
/// # Errors
/// It cannot be started, or its output not be read.
pub fn run(
    arguments: &[OsString],
    environment: &BTreeMap<&str, String>,
    nice: u8,
    is_shown: bool,
) -> anyhow::Result<Step> {
    let start = Instant::now();
    let mut command = Command::new("/proc/self/exe");
    for name in environment.keys() {
        // Of the forms of a variable others come first, and the configuration is what counts.
        let base = name.trim_end_matches("_FILE").trim_end_matches("_CMD");
        ["", "_FD", "_FILE", "_CMD"].iter().for_each(|form| _ = command.env_remove(format!("{base}{form}")));
    }
    command.args(arguments).envs(environment).env("NO_COLOR", "1");
    // A terminal's Ctrl-C is for this process, which hands it on once: a second signal would end the child at once.
    command.process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start pxkit")?;
    lower(&child, nice);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = thread::Builder::new()
        .spawn(move || {
            let mut text = String::new();
            stdout.map_or(Ok(0), |pipe| pipe.take(MOST).read_to_string(&mut text)).map(|_| text)
        })
        .and_then(|output| Ok((output, thread::Builder::new().spawn(move || listen(stderr, is_shown))?)));
    let (output, said) = match reading {
        Ok(threads) => threads,
        Err(error) => {
            // It has done nothing yet that its end would leave behind.
            let _ = child.kill().and_then(|()| child.wait());
            return Err(error).context("cannot start the threads that read what pxkit says");
        }
    };
    let status = wait(&mut child)?;
    let output = output.join().expect("reading does not panic").context("cannot read what pxkit prints")?;
    let said = said.join().expect("reading does not panic").context("cannot read what pxkit says")?;
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(Step { status, output, said, duration: start.elapsed() })
}

/// Makes a child give way to others. Only a wish: the work is done all the same.
fn lower(child: &Child, nice: u8) {
    if nice > 0 {
        let _ = rustix::process::setpriority_process(Pid::from_child(child).into(), i32::from(nice));
    }
}

fn listen(pipe: Option<impl io::Read>, is_shown: bool) -> io::Result<Vec<String>> {
    let mut said = Vec::new();
    let Some(pipe) = pipe else { return Ok(said) };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while {
        line.clear();
        reader.read_until(b'\n', &mut line)?
    } > 0
    {
        let text = String::from_utf8_lossy(&line);
        if is_shown {
            // Nobody is left to be told if this fails.
            let _ = write!(io::stderr(), "{text}");
        }
        // Of what is only told the last line is enough, if nothing else says why it failed; so is the last of too many.
        let is_only_told = |line: &mut String| !line.starts_with("warning: ") && !line.starts_with("error: ");
        if said.len() == WARNINGS || said.last_mut().is_some_and(is_only_told) {
            said.pop();
        }
        said.push(text.trim_end().to_owned());
    }
    Ok(said)
}

fn wait(child: &mut Child) -> anyhow::Result<std::process::ExitStatus> {
    let mut is_told = false;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for pxkit")? {
            return Ok(status);
        }
        if !is_told && check_signals().is_err() {
            // It ends by itself, and leaves nothing half behind.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            is_told = true;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
