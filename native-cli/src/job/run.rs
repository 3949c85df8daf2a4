//! What a run of a job does: backup, prune, report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::child::{self, Step};
use super::{Job, Lock};
use crate::report::check_signals;

/// How a run talks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk {
    /// What the steps say goes to standard error, too.
    pub is_shown: bool,
}

/// What a run of a job did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The report: for programs.
    pub report: Value,
    /// One line that says why it failed.
    pub failure: Option<String>,
    /// One line that says what was left out.
    pub left_out: Option<String>,
}

/// Runs a job once and leaves its report as `NAME.json` in `state`.
///
/// # Errors
/// A signal ended it. Everything else that goes wrong is in what is returned.
pub fn run(job: &Job, host: &str, state: &Path, talk: Talk) -> anyhow::Result<Done> {
    // Until the report is there; if somebody else has the lock, it is his.
    let _lock = match Lock::take(state, &job.name) {
        Ok(lock) => lock,
        Err(error) => return Ok(failed_to_start(job, &format!("{error:#}"))),
    };
    let mut done = steps(job, host, talk)?;
    if let Err(error) = write_report(&done.report, state, &job.name) {
        let line = format!("the report cannot be written: {error:#}");
        done.left_out = Some(done.left_out.map_or_else(|| line.clone(), |other| format!("{other}; {line}")));
    }
    Ok(done)
}

fn failed_to_start(job: &Job, reason: &str) -> Done {
    let report = json!({ "job": job.name, "time": now(), "result": "failed", "error": reason });
    Done { report, failure: Some(reason.to_owned()), left_out: None }
}

fn steps(job: &Job, host: &str, talk: Talk) -> anyhow::Result<Done> {
    let mut report = Map::new();
    report.insert("job".into(), job.name.as_str().into());
    report.insert("time".into(), now().into());
    report.insert("result".into(), Value::Null);
    let mut backup = job.backup();
    backup.insert(1, "--json".into());
    let step = step(job, &backup, talk)?;
    report.insert(
        "backup".into(),
        step_report(&step, |text| serde_json::from_str(text).unwrap_or(Value::Null)),
    );
    let mut left_out = noted("backup", &step);
    let mut failure = failed("backup", &step);
    if let Some(mut prune) = job.prune(host).filter(|_| failure.is_none()) {
        prune.insert(1, "--json".into());
        let step = self::step(job, &prune, talk)?;
        let lines =
            |text: &str| text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        report.insert("prune".into(), step_report(&step, lines));
        left_out.extend(noted("prune", &step));
        failure = failed("prune", &step);
    }
    let result = match &failure {
        Some(line) => {
            report.insert("error".into(), line.as_str().into());
            "failed"
        }
        None if left_out.is_empty() => "ok",
        None => "incomplete",
    };
    report.insert("result".into(), result.into());
    let left_out = (!left_out.is_empty()).then(|| left_out.join("; "));
    Ok(Done { report: Value::Object(report), failure, left_out })
}

fn step(job: &Job, arguments: &[std::ffi::OsString], talk: Talk) -> anyhow::Result<Step> {
    let mut environment: BTreeMap<&str, String> = job.repository.environment.clone();
    environment.extend(job.environment.clone());
    let step = child::run(arguments, &environment, job.nice, talk.is_shown)?;
    check_signals()?;
    Ok(step)
}

/// A step for programs: how it ended, how long it took, what it warned of, and its own result.
fn step_report(step: &Step, result: impl Fn(&str) -> Value) -> Value {
    json!({
        "status": step.status,
        "seconds": step.duration.as_secs_f64(),
        "warnings": step.warnings().collect::<Vec<_>>(),
        "result": result(&step.output),
    })
}

/// Why a step failed, in one line.
fn failed(word: &str, step: &Step) -> Option<String> {
    (!matches!(step.status, 0 | 1)).then(|| format!("{word} failed: {}", step.reason()))
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
