//! What a run of a job does: backup, prune, report.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};

use super::child::{self, Step};
use super::{Job, Lock};
use crate::report::{Interrupted, check_signals};

/// How a run talks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk {
    /// The steps say all that they do, on standard error.
    pub is_shown: bool,
}

/// What a run of a job did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The report: for programs.
    pub report: Value,
    /// One line that says why it failed, or which signal ended it.
    pub failure: Option<String>,
    /// One line that says what was left out.
    pub left_out: Option<String>,
}

/// Runs a job once and leaves its report as `NAME.json` in `state`. Whatever goes wrong is in what is returned, also that a signal ended it.
pub fn run(job: &Job, host: &str, state: &Path, talk: Talk) -> Done {
    // Until the report is there; if somebody else has the lock, it is his.
    let _lock = match Lock::take(state, &job.name) {
        Ok(lock) => lock,
        Err(error) => return failed_to_start(job, &error),
    };
    let mut done = match job.check_places() {
        Ok(()) => steps(job, host, talk),
        Err(error) => failed_to_start(job, &error),
    };
    if let Err(error) = write_report(&done.report, state, &job.name) {
        let line = format!("the report cannot be written: {error:#}");
        done.left_out = Some(done.left_out.map_or_else(|| line.clone(), |other| format!("{other}; {line}")));
    }
    done
}

fn failed_to_start(job: &Job, error: &anyhow::Error) -> Done {
    let reason = format!("{error:#}");
    let report = json!({ "job": job.name, "time": now(), "result": "failed", "error": reason });
    Done { report, failure: Some(reason), left_out: None }
}

fn steps(job: &Job, host: &str, talk: Talk) -> Done {
    let mut report = Map::new();
    report.insert("job".into(), job.name.as_str().into());
    report.insert("time".into(), now().into());
    report.insert("result".into(), Value::Null);
    let mut left_out = Vec::new();
    let (result, failure) = match run_steps(job, host, talk, &mut report, &mut left_out) {
        Ok(()) if left_out.is_empty() => ("ok", None),
        Ok(()) => ("incomplete", None),
        Err(error) if error.is::<Interrupted>() => ("interrupted", Some(format!("{error:#}"))),
        Err(error) => ("failed", Some(format!("{error:#}"))),
    };
    if let Some(line) = &failure {
        report.insert("error".into(), line.as_str().into());
    }
    report.insert("result".into(), result.into());
    let left_out = (!left_out.is_empty()).then(|| left_out.join("; "));
    Done { report: Value::Object(report), failure, left_out }
}

/// What is reported of each step is there even if it failed.
fn run_steps(
    job: &Job,
    host: &str,
    talk: Talk,
    report: &mut Map<String, Value>,
    left_out: &mut Vec<String>,
) -> anyhow::Result<()> {
    let mut backup = job.backup();
    backup.insert(1, "--json".into());
    if talk.is_shown {
        backup.insert(1, "--verbose".into());
    }
    let step = step(job, &backup, talk)?;
    let result = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    report.insert("backup".into(), step_report(&step, result));
    left_out.extend(noted("backup", &step));
    succeeded("backup", &step)?;
    let Some(mut prune) = job.prune(host) else { return Ok(()) };
    prune.insert(1, "--json".into());
    let step = self::step(job, &prune, talk)?;
    let lines: Vec<Value> = step.output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if talk.is_shown {
        for [mark, snapshot] in lines.iter().map(|line| ["mark", "snapshot"].map(|key| line[key].as_str())) {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "{:<12} {}", mark.unwrap_or("?"), snapshot.unwrap_or("?"));
        }
    }
    report.insert("prune".into(), step_report(&step, |_| lines.into()));
    left_out.extend(noted("prune", &step));
    succeeded("prune", &step)
}

fn step(job: &Job, arguments: &[std::ffi::OsString], talk: Talk) -> anyhow::Result<Step> {
    check_signals()?;
    let mut environment: BTreeMap<&str, String> = job.repository.environment.clone();
    environment.extend(job.environment.clone());
    child::run(arguments, &environment, job.nice, talk.is_shown)
}

/// A step for programs: how it ended, how long it took, what it warned of, and its own result.
fn step_report(step: &Step, result: impl FnOnce(&str) -> Value) -> Value {
    json!({
        "status": step.status,
        "seconds": step.duration.as_secs_f64(),
        "warnings": step.warnings().collect::<Vec<_>>(),
        "result": result(&step.output),
    })
}

/// Says in one line why a step failed, if it did; a signal that came meanwhile goes before whatever the step says of it.
fn succeeded(word: &str, step: &Step) -> anyhow::Result<()> {
    check_signals()?;
    ensure!(matches!(step.status, 0 | 1), "{word} failed: {}", step.reason());
    Ok(())
}

/// What a step left out, in one line.
fn noted(word: &str, step: &Step) -> Vec<String> {
    if step.status != 1 {
        return Vec::new();
    }
    let first = step.warnings().next().map_or_else(|| step.reason(), str::to_owned);
    let more = match step.warnings().count() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    vec![format!("{word}: {first}{more}")]
}

fn write_report(report: &Value, state: &Path, name: &str) -> anyhow::Result<()> {
    let (path, new) = (state.join(format!("{name}.json")), state.join(format!(".{name}.json.new")));
    fs::write(&new, format!("{report}\n")).with_context(|| new.display().to_string())?;
    fs::rename(&new, &path).with_context(|| path.display().to_string())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
