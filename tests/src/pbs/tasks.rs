//! Tasks: their names, how they ended, what they said (protocol 11.7).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::params::{Reply, bad};

/// Most bytes of a task's name, so that its log has a file name.
const MAX_UPID: usize = 244;

/// A task that ended.
#[derive(Clone, Debug)]
pub struct Task {
    pub lines: Vec<String>,
    /// `OK`, `WARNINGS: 1`, or what went wrong.
    pub status: String,
    /// How often it still says that it is running.
    pub pending: u64,
}

/// All tasks.
#[derive(Debug, Default)]
pub struct Tasks {
    last: AtomicU64,
    done: Mutex<HashMap<String, Task>>,
}

impl Tasks {
    /// A name for a new task.
    ///
    /// # Errors
    /// It is too long.
    pub fn upid(&self, kind: &str, worker: &str, auth_id: &str, now: i64) -> Reply<String> {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let worker = escape(worker);
        let upid =
            format!("UPID:pbs:{:08X}:0000ABCD:{number:08X}:{now:08X}:{kind}:{worker}:{auth_id}:", 4711);
        if upid.len() > MAX_UPID {
            return Err(bad("unable to create task log - ENAMETOOLONG: File name too long"));
        }
        Ok(upid)
    }

    pub fn end(&self, upid: String, task: Task) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(upid, task);
    }

    /// Looks at a task; a look brings it nearer to its end.
    pub fn look(&self, upid: &str) -> Option<Task> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let task = done.get_mut(upid)?;
        let seen = task.clone();
        task.pending = task.pending.saturating_sub(1);
        Some(seen)
    }
}

/// Escapes as a unit's name.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if at == 0 => escaped.push_str("\\x2e"),
            b'_' | b'.' => escaped.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => escaped.push(byte.into()),
            _ => write!(escaped, "\\x{byte:02x}").expect("a string"),
        }
    }
    escaped
}
