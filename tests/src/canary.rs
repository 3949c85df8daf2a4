//! A directory that an extraction beside it must not touch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that holds `canary`, with everything that traps aim at, and room for a `target`.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    before: State,
}

/// What lies in a directory, with all that a change would change: of each path inode, links, mode, owner, size, times of
/// modification and change, and contents.
type State = BTreeMap<PathBuf, ([u64; 10], Vec<u8>)>;

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let canary = dir.path().join("canary");
        fs::create_dir_all(canary.join("inner")).expect("a directory");
        fs::write(canary.join("secret"), "a secret").expect("a file");
        fs::write(canary.join("inner/x"), "another").expect("a file");
        symlink("secret", canary.join("link")).expect("a symlink");
        let before = state(&canary);
        Self { dir, before }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Path of something in this place.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether the canary is as it was, and nothing is beside it but what is named.
    pub fn check(&self, others: &[&str]) -> Result<(), String> {
        let after = state(&self.join("canary"));
        if after != self.before {
            return Err(format!("the canary changed: {after:?}, before: {:?}", self.before));
        }
        for entry in fs::read_dir(self.path()).expect("a directory") {
            let name = entry.expect("an entry").file_name();
            if name != "canary" && !others.iter().any(|other| name == **other) {
                return Err(format!("{} was made beside the target", name.display()));
            }
        }
        Ok(())
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

fn state(dir: &Path) -> State {
    let mut state = State::new();
    let mut paths = vec![dir.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = path.symlink_metadata().expect("it is there");
        let mut contents = Vec::new();
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if metadata.is_file() {
            contents = fs::read(&path).expect("a file");
        }
        let numbers = [
            metadata.ino(),
            metadata.nlink(),
            metadata.mode().into(),
            metadata.uid().into(),
            metadata.gid().into(),
            metadata.size(),
            metadata.mtime() as u64,
            metadata.mtime_nsec() as u64,
            metadata.ctime() as u64,
            metadata.ctime_nsec() as u64,
        ];
        state.insert(path, (numbers, contents));
    }
    state
}
