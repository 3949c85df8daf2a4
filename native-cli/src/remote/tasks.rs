//! Work that a server does by itself: followed by its log, until it is done (server protocol 11.7).

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::{Remote, path_part};
use crate::report::check_signals;

/// Lines of a log that are asked for at a time.
const LINES: u64 = 500;
/// Between two looks at a task: first, and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was done.
    Ok,
    /// With warnings, of which the log tells.
    Warnings,
    /// It failed; why, in the server's words.
    Failed(String),
}

impl Ended {
    fn of(status: &str) -> Self {
        match status {
            "OK" => Self::Ok,
            text if text.starts_with("WARNINGS") => Self::Warnings,
            text => Self::Failed(text.to_owned()),
        }
    }
}

impl Remote {
    /// Hands over the lines of a task's log until it is done. A signal ends this, not the task.
    ///
    /// # Errors
    /// The server cannot be asked any more; [`crate::report::Interrupted`].
    pub fn follow(&self, upid: &str, line: &mut dyn FnMut(&str)) -> anyhow::Result<Ended> {
        let task = format!("nodes/localhost/tasks/{}", path_part(upid));
        let (mut next, mut pause) = (1, PAUSE);
        loop {
            check_signals()?;
            let params =
                [("start", next.into()), ("limit", LINES.into()), ("test-status", Value::Bool(true))];
            let answer = self.api().get_whole(&format!("{task}/log"), &params);
            let answer = answer.with_context(|| format!("cannot follow the task {upid}"))?;
            let lines = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
            let mut count = 0;
            for entry in lines {
                // An empty log has one line that says so.
                let number = entry["n"].as_u64().unwrap_or(0);
                if number >= next + count
                    && let Some(text) = entry["t"].as_str()
                {
                    line(&text.replace(|c: char| c.is_control(), " "));
                    count += 1;
                }
            }
            next += count;
            let is_active = answer["active"].as_bool().unwrap_or(false);
            if !is_active {
                if count == 0 {
                    break;
                }
                // Its last lines may have come since.
                continue;
            }
            thread::sleep(pause);
            pause = if count > 0 { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
        let status = self.api().get(&format!("{task}/status"), &[])?;
        Ok(Ended::of(status["exitstatus"].as_str().unwrap_or("the server does not tell how it ended")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_tasks() {
        assert_eq!(Ended::of("OK"), Ended::Ok);
        assert_eq!(Ended::of("WARNINGS: 3"), Ended::Warnings);
        assert_eq!(Ended::of("no space"), Ended::Failed("no space".to_owned()));
    }
}
