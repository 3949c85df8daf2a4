//! Where a mount tells what went wrong.

use std::collections::VecDeque;
use std::env;
use std::fmt::Display;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::archive::lock;

/// A message is not repeated within this time.
const QUIET: Duration = Duration::from_secs(60);
/// Messages that are remembered for this.
const REMEMBERED: usize = 256;

/// Lines in a file or on standard error, from any thread.
#[derive(Debug)]
pub struct Log {
    file: Option<File>,
    /// What is mounted, in front of each line of a file that several mounts may share.
    about: String,
    recent: Mutex<VecDeque<(Instant, String)>>,
}

impl Log {
    /// To standard error.
    pub fn to_stderr() -> Self {
        Self { file: None, about: String::new(), recent: Mutex::default() }
    }

    /// Appends to a file.
    pub fn to_file(file: File, about: String) -> Self {
        Self { file: Some(file), about, recent: Mutex::default() }
    }

    /// Writes a line, unless it is one of the last ones.
    pub fn line(&self, what: impl Display) {
        let text = what.to_string();
        let mut recent = lock(&self.recent);
        recent.retain(|(time, _)| time.elapsed() < QUIET);
        if recent.iter().any(|(_, other)| *other == text) {
            return;
        }
        if recent.len() >= REMEMBERED {
            recent.pop_front();
        }
        // Nobody is left to be told if this fails.
        let _ = match &self.file {
            Some(file) => {
                let time = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
                // In one piece, for others may write to this file.
                (&*file).write_all(format!("{time} {}: {text}\n", self.about).as_bytes())
            }
            None => writeln!(io::stderr().lock(), "{text}"),
        };
        recent.push_back((Instant::now(), text));
    }
}

/// The log of this user.
///
/// # Errors
/// There is no home.
pub fn default_path() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        anyhow!("there is no home directory for messages of the mount: name a file with --log")
    })?;
    Ok(state.join("pxkit/mount.log"))
}

/// Opens a log to append to it; directories are made.
///
/// # Errors
/// It cannot be opened.
pub fn open(path: &Path) -> anyhow::Result<File> {
    let open = || {
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    };
    open().with_context(|| format!("cannot open the log {}; --log names another", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.log");
        let log = Log::to_file(open(&path).unwrap(), "/mnt".into());
        for what in ["one", "two", "one", "one"] {
            log.line(what);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.contains(" /mnt: ")), "{text}");
    }
}
