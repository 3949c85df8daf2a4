//! Machines that give a process no more threads: the work is done all the same.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::describe;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::skip;

/// A user of whom there is no other process: the limit counts all of a user's threads, and root has none.
const LONELY: u32 = 54_321;

/// Runs the program as [`LONELY`] with this thread alone.
fn alone(scratch: &Scratch, args: &[&dyn AsRef<OsStr>]) -> Run {
    let mut command = Command::new("setpriv");
    let id = LONELY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--", "prlimit", "--nproc=1:1", "--"]);
    command.arg(cli::binary()).args(args);
    command
        .env("PBS_REPOSITORY", scratch.join("store"))
        .env("HOME", scratch.path())
        .env("RUST_BACKTRACE", "0");
    for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.current_dir(scratch.path());
    Run::of(command)
}

#[test]
fn without_another_thread_everything_is_done_in_one() {
    const NAME: &str = "cli: without_another_thread_everything_is_done_in_one";
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let can = is_root
        && chown(scratch.path(), Some(LONELY), Some(LONELY)).is_ok()
        && alone(&scratch, &[&"--version"]).code == Some(0);
    if !can {
        return skip(NAME, "needs root, setpriv, prlimit, and a program that other users can run");
    }
    let tree = scratch.join("tree");
    for (at, name) in ["a", "b/c", "b/d", "e"].into_iter().enumerate() {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, Rng::new(at as u64).bytes(900_000 * at + 10)).unwrap();
    }
    own(&tree);
    let run = |args: &[&dyn AsRef<OsStr>]| alone(&scratch, args).exits(0);
    run(&[&"create", &"a.mpxar", &"tree", &"--payload-output", &"a.ppxar"]);
    run(&[&"extract", &"a.mpxar", &"extracted", &"--payload-input", &"a.ppxar"]);
    describe::assert_same(&tree, &scratch.join("extracted"));
    for time in ["1600000000", "1600000060"] {
        run(&[&"backup", &"root.pxar:tree", &"--backup-id=a", &"--backup-time", &time]);
    }
    run(&[&"verify"]);
    run(&[&"restore", &"host/a/latest", &"root.pxar", &"restored"]);
    describe::assert_same(&tree, &scratch.join("restored"));
    let tar = run(&[&"restore", &"host/a/latest", &"root.pxar", &"-", &"--format=tar"]);
    assert!(tar.out.len() > 5_400_000);
    run(&[&"compare", &"host/a/latest/root.pxar", &"tree"]);
    run(&[&"find", &"host/a/latest/root.pxar", &"**/c"]);
    run(&[&"gc"]);
    // What needs another process or thread says so.
    fs::write(scratch.join("config.toml"), CONFIG).unwrap();
    let ended = alone(&scratch, &[&"run", &"--config", &"config.toml"]);
    assert!(ended.code == Some(2) && !ended.err.contains("panicked"), "{}", ended.err);
    ended.fails(2, &["cannot start"]);
}

const CONFIG: &str = "[repository.local]\nlocation = \"store\"\n[job.all]\nrepository = \"local\"\nsources = [\"root.pxar:tree\"]\n";

/// Gives a tree to [`LONELY`].
fn own(path: &Path) {
    chown(path, Some(LONELY), Some(LONELY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| own(&entry.unwrap().path()));
    }
}
