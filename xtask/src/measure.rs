//! Time, processor time and peak memory of one command.
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
    /// Of all its threads, in user and system mode.
    pub cpu_seconds: f64,
    pub peak_kib: u64,
}

/// Runs the command with its output dropped, and measures it.
pub fn measure(command: &Command, report: &Path) -> Result<Sample> {
    let mut wrapper = Command::new(env::current_exe()?);
    wrapper.arg("measure").arg(report).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
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
    let fields: Vec<&str> = text.split(' ').collect();
    let [seconds, cpu_seconds, peak] = fields[..] else { bail!("the report of a measurement is not whole") };
    Ok(Sample { seconds: seconds.parse()?, cpu_seconds: cpu_seconds.parse()?, peak_kib: peak.parse()? })
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
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = [usage.user_time(), usage.system_time()];
    let cpu: f64 = cpu.iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum();
    // Linux counts in KiB.
    fs::write(report, format!("{seconds} {cpu} {}", usage.max_rss()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
