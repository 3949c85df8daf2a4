//! A lock of a job against itself.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held while a job runs; let go when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is that of the open file")] File);

impl Lock {
    /// Takes the lock `NAME.lock` in a directory.
    ///
    /// # Errors
    /// Somebody holds it, or the file cannot be made.
    pub fn take(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = dir.join(format!("{name}.lock"));
        let open =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open().with_context(|| format!("cannot make the lock {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Who it is only helps to find him.
                let _ = file.take(32).read_to_string(&mut holder);
                let holder = holder.trim();
                // Nobody stands there yet if it has begun just now.
                let holder = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                bail!("the job {name} is running already{holder}");
            }
            Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
        let note = || {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        let mut note = note;
        note().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(file))
    }
}
