//! Mounts that are taken away again.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use pxkit_tests::cli::{self, Run};
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip::skip;

/// Whether this system has FUSE; notes the test as skipped if not.
pub fn needs_fuse(name: &str) -> bool {
    let is_there = Path::new("/dev/fuse").exists();
    if !is_there {
        skip(name, "needs FUSE (/dev/fuse)");
    }
    is_there
}

/// Whether this runs as root, who may read everything and make every node; notes the test as skipped if not.
pub fn needs_root(name: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip(name, "needs root");
    }
    is_root
}

/// Something mounted by the program, in the background.
pub struct Mount {
    scratch: Scratch,
}

impl Mount {
    /// Mounts with these arguments, which end before the mount point.
    #[track_caller]
    pub fn new(source: impl AsRef<OsStr>, options: &[&OsStr]) -> Self {
        let mount = Self { scratch: Scratch::new() };
        fs::create_dir(mount.path()).unwrap();
        let mut command = cli::command();
        command.arg("mount").arg(source).arg(mount.path()).arg("--log").arg(mount.log()).args(options);
        let run = Run::of(command).exits(0);
        assert!(run.err.starts_with("mounted "), "{}", run.err);
        mount
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.scratch.join("mnt")
    }

    fn log(&self) -> PathBuf {
        self.scratch.join("log")
    }

    /// What went wrong so far.
    pub fn messages(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    /// Takes it away; nothing may use it.
    #[track_caller]
    pub fn end(self) {
        umount(&self.path(), &[]).succeeds();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may be gone already.
        umount(&self.path(), &["--lazy"]);
    }
}

/// Runs `pxkit umount`.
pub fn umount(path: &Path, options: &[&str]) -> Run {
    let mut command = cli::command();
    command.arg("umount").arg(path).args(options);
    Run::of(command)
}

/// Whether something is mounted there, dead or alive.
pub fn is_mounted(path: &Path) -> bool {
    let path = path.parent().unwrap().canonicalize().unwrap().join(path.file_name().unwrap());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}
