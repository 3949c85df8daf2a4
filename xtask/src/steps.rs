//! A run of named steps, with the time of each and a summary.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub enum Outcome {
    Passed,
    /// Not done on this machine, and why.
    Skipped(String),
}

enum Status {
    Passed,
    Failed,
    Skipped,
}

struct Step {
    name: String,
    status: Status,
    note: String,
    time: Duration,
}

pub struct Steps {
    /// If given, only steps with this in their name are run.
    only: Option<String>,
    done: Vec<Step>,
}

impl Steps {
    pub fn new(only: Option<String>) -> Self {
        Steps { only, done: Vec::new() }
    }

    /// Runs one step under a heading. A failure is kept, and the next steps still run.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) {
        if self.only.as_deref().is_some_and(|only| !name.contains(only)) {
            return;
        }
        println!("\n=== {name}");
        let start = Instant::now();
        let (status, note) = match work() {
            Ok(Outcome::Passed) => (Status::Passed, String::new()),
            Ok(Outcome::Skipped(reason)) => (Status::Skipped, reason),
            Err(error) => (Status::Failed, format!("{error:#}")),
        };
        let step = Step { name: name.to_owned(), status, note, time: start.elapsed() };
        println!("--- {}", step.line());
        self.done.push(step);
    }

    /// Prints the summary; `skipped_tests` are single tests that did not run inside of a step.
    pub fn finish(self, skipped_tests: &[String]) -> Result<()> {
        println!("\n=== summary");
        for step in &self.done {
            println!("{}", step.line());
        }
        if !skipped_tests.is_empty() {
            println!("\ntests that could not run here:");
            for test in skipped_tests {
                println!("  {test}");
            }
        }
        let count =
            |wanted: fn(&Status) -> bool| self.done.iter().filter(|step| wanted(&step.status)).count();
        let passed = count(|status| matches!(status, Status::Passed));
        let failed = count(|status| matches!(status, Status::Failed));
        let skipped = count(|status| matches!(status, Status::Skipped)) + skipped_tests.len();
        let time: Duration = self.done.iter().map(|step| step.time).sum();
        println!("\nsteps, and tests that were skipped, in {:.0} s:", time.as_secs_f64());
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        // Last, where whoever sees only the end looks.
        for step in self.done.iter().filter(|step| !step.details().is_empty()) {
            println!("\n=== what failed: {}\n{}", step.name, step.details());
        }
        if failed > 0 {
            bail!("{failed} steps failed");
        }
        Ok(())
    }
}

impl Step {
    fn line(&self) -> String {
        let status = match self.status {
            Status::Passed => "ok",
            Status::Failed => "FAILED",
            Status::Skipped => "skipped",
        };
        let mut line = format!("{status:<8} {:>7.1} s  {}", self.time.as_secs_f64(), self.name);
        if let Some(note) = self.note.lines().next() {
            line.push_str(": ");
            line.push_str(note);
        }
        line
    }

    /// What there is to say beyond a line.
    fn details(&self) -> &str {
        self.note.split_once('\n').map_or("", |(_, details)| details.trim())
    }
}
