//! Time and peak memory of one command.
//!
//! The system tells the peak memory of a child only as the largest of all children so far, so each command is
//! run by a small process of its own: this program again, as `xtask measure REPORT COMMAND...`.

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use crate::{args::Args, shell};

#[derive(Clone, Copy)]
pub struct Sample {
    pub seconds: f64,
    pub peak_kib: u64,
}

/// Runs the command with its output dropped, and measures it.
pub fn measure(command: &Command, report: &Path) -> Result<Sample> {
    let mut wrapper = Command::new(env::current_exe()?);
    wrapper.arg("measure").arg(report).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        wrapper.current_dir(dir);
    }
    let result = shell::output(&mut wrapper)?;
    if !result.status.success() {
        bail!(
            "{} failed ({})\n{}",
            shell::shown(command),
            result.status,
            String::from_utf8_lossy(&result.stderr).trim_end()
        );
    }
    let text = fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let (seconds, peak) = text.split_once(' ').context("the report of a measurement is not whole")?;
    Ok(Sample { seconds: seconds.parse()?, peak_kib: peak.parse()? })
}

/// The inner process.
pub fn child(args: Args) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask measure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode> {
    let words = args.remainder();
    let [report, program, rest @ ..] = words.as_slice() else { bail!("needs REPORT and COMMAND") };
    let start = Instant::now();
    let status = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    // Linux counts in KiB.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    fs::write(report, format!("{seconds} {peak}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
