//! Encryption. Numbers in names are those of the list of behaviours in the datastore specification (20).

mod backup;
mod golden;
mod keys;
mod manifests;
mod secrets;
mod terminal;
mod verify;

use std::path::{Path, PathBuf};
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;

/// A directory with a configuration of its own, and a datastore.
struct Place(Scratch);

impl Place {
    fn new() -> Self {
        Self(Scratch::new())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the default key lies.
    fn default_key(&self) -> PathBuf {
        self.join("config/proxmox-backup/encryption-key.json")
    }

    /// The program in this directory.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = cli::command();
        command.current_dir(self.0.path()).env("XDG_CONFIG_HOME", self.join("config")).args(args);
        command.env("PBS_REPOSITORY", self.join("store"));
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args))
    }

    /// With variables of the environment.
    fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        Run::of(command)
    }

    /// Makes a key without a passphrase.
    fn key(&self, name: &str) -> String {
        self.run(&["key", "create", "--kdf", "none", name]).succeeds();
        name.to_owned()
    }

    /// A tree of three files, and a small file beside.
    fn tree(&self) -> PathBuf {
        let tree = self.join("tree");
        std::fs::create_dir_all(tree.join("sub")).expect("a directory");
        write(&tree.join("a"), &[b'a'; 5000]);
        write(&tree.join("sub/b"), b"CANARY of the contents");
        write(&tree.join("CANARYNAME"), b"");
        write(&self.join("x.conf"), b"CANARY of the settings");
        tree
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("written");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("a time");
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out
}
