//! `pxkit run`: the jobs of the configuration, one after the other; quiet when all is well.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;

use anyhow::{Context as _, bail, ensure};

use crate::cli::Run;
use crate::job::{self, Config, Job, Talk};
use crate::report::{Outcome, Report, Usage, check_signals, watch_signals};

/// Runs jobs. One that fails does not keep the others from running.
///
/// # Errors
/// The configuration cannot be used, or a job failed.
pub fn run(args: &Run) -> anyhow::Result<Outcome> {
    let path = args.config.clone().map_or_else(job::config_file, Ok)?;
    let mut config = Config::read(&path)?;
    if let Some(limit) = args.limit_cpu {
        config.limit_cpu(limit);
    }
    let jobs =
        select(&config, &args.jobs).with_context(|| format!("in the configuration {}", path.display()))?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if args.dry_run {
        return rehearse(&jobs, &host);
    }
    watch_signals().context("cannot watch for signals")?;
    let state = args.state_dir.clone().map_or_else(job::state_dir, Ok)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&state);
    made.with_context(|| format!("cannot make the directory {}", state.display()))?;
    let report = Report::new(true);
    let mut failed = 0;
    for job in jobs {
        check_signals()?;
        let done = job::run(job, &host, &state, Talk { is_shown: args.verbose });
        if args.json {
            writeln!(io::stdout().lock(), "{}", done.report).context("cannot write to standard output")?;
        }
        check_signals()?;
        if let Some(line) = &done.left_out {
            report.warn(format_args!("{}: {line}", job.name));
        }
        if let Some(line) = &done.failure {
            report.error(format_args!("{}: {line}", job.name));
            failed += 1;
        }
    }
    // The line of the job has said why; another would not be clearer.
    Ok(if failed == 0 { report.finish() } else { Outcome::Failed })
}

fn select<'a>(config: &'a Config, names: &[String]) -> anyhow::Result<Vec<&'a Job>> {
    ensure!(!config.jobs.is_empty(), "there is no [job.NAME]");
    if names.is_empty() {
        return Ok(config.jobs.iter().collect());
    }
    let find = |name: &String| {
        let known = || config.jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ");
        config.job(name).with_context(|| format!("there is no [job.{name}], but: {}", known()))
    };
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            bail!(Usage(format!("the job {name} is named twice")));
        }
    }
    names.iter().map(find).collect()
}

/// Shows the commands, and says which jobs would fail at once.
fn rehearse(jobs: &[&Job], host: &str) -> anyhow::Result<Outcome> {
    show(jobs, host).context("cannot write to standard output")?;
    let report = Report::new(true);
    for job in jobs {
        if let Err(error) = job.check_places() {
            report.error(format_args!("{}: {error:#}", job.name));
        }
    }
    Ok(if report.warnings() == 0 { Outcome::Complete } else { Outcome::Failed })
}

/// The commands as a person would type them.
fn show(jobs: &[&Job], host: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for job in jobs {
        writeln!(out, "# {}", job.name)?;
        for (name, value) in job.repository.environment.iter().chain(&job.environment) {
            writeln!(out, "export {name}={}", quote(value))?;
        }
        for arguments in [Some(job.backup()), job.prune(host)].into_iter().flatten() {
            let words = arguments.iter().map(|word: &OsString| quote(&word.to_string_lossy()));
            writeln!(out, "pxkit {}", words.collect::<Vec<_>>().join(" "))?;
        }
    }
    Ok(())
}

/// A word for a shell; of an option only the value needs it.
fn quote(word: &str) -> String {
    if let Some((option, value)) = word.split_once('=').filter(|(option, _)| option.starts_with("--")) {
        return format!("{option}={}", quote(value));
    }
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}
