//! Reading through a mount, against `restore`.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::Result;

use crate::{
    compare,
    pairs::{Before, Pairs, Side},
    shell,
};

/// Mounts, has tar read everything in archive order, and takes the mount away: nothing is in the page cache from the run before.
const READ_ALL: &str = "\"$1\" mount host/bench/latest/root.pxar \"$2\" --repository \"$3\" 2>/dev/null && \
    tar cf - -C \"$2\" . | cat >/dev/null; result=$?; \"$1\" umount \"$2\"; exit $result";
/// As [`READ_ALL`], with a reader for each core.
const READ_IN_PARALLEL: &str = "\"$1\" mount host/bench/latest/root.pxar \"$2\" --repository \"$3\" 2>/dev/null && \
    (cd \"$2\" && find . -type f -print0 | xargs -0 -n 64 -P \"$(nproc)\" cat >/dev/null); result=$?; \
    \"$1\" umount \"$2\"; exit $result";
/// Lists everything with all metadata but contents.
const LIST_ALL: &str = "\"$1\" mount host/bench/latest/root.pxar \"$2\" --repository \"$3\" 2>/dev/null && \
    find \"$2\" -newermt 2090-01-01; result=$?; \"$1\" umount \"$2\"; exit $result";
/// Mounts and takes the mount away.
const MOUNT_ONLY: &str = "\"$1\" mount host/bench/latest/root.pxar \"$2\" --repository \"$3\" 2>/dev/null && \
    \"$1\" umount \"$2\"";

/// All jobs on one tree.
pub fn measure(pairs: &mut Pairs, pxkit: &Path, tree: &Path, dir: &Path) -> Result<()> {
    let (store, mountpoint, target) = (dir.join("store"), dir.join("mnt"), dir.join("target"));
    let mut source = OsString::from("root.pxar:");
    source.push(tree);
    let mut backup = Command::new(pxkit);
    backup.arg("backup").arg(source).args(["--backup-id", "bench", "--quiet", "--repository"]).arg(&store);
    shell::quietly(&mut backup)?;
    shell::fresh_dir(&mountpoint)?;
    let script = |text: &str| {
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", text, "bash"]).arg(pxkit).arg(&mountpoint).arg(&store);
        command
    };
    same(pxkit, tree, &mountpoint, &store)?;
    let restore = |arguments: &[&str], target: &Path| {
        let mut command = Command::new(pxkit);
        command.args(["restore", "host/bench/latest", "root.pxar"]).arg(target);
        command.args(["--allow-existing-dirs", "--quiet"]).args(arguments).arg("--repository").arg(&store);
        command
    };
    let to_disk = || Side::new("restore", restore(&[], &target)).before(Before::EmptyDir(target.clone()));
    let to_stream = Side::new("restore --format tar", restore(&["--format", "tar"], Path::new("-")));
    pairs.measure(
        "read all through a mount, tar",
        vec![Side::new("mount", script(READ_ALL)), to_disk(), to_stream],
    )?;
    pairs.measure(
        "read all through a mount, a reader for each core",
        vec![Side::new("mount", script(READ_IN_PARALLEL)), to_disk()],
    )?;
    let mut find = Command::new("find");
    find.arg(tree).args(["-newermt", "2090-01-01"]);
    pairs.measure(
        "stat all through a mount",
        vec![Side::new("mount", script(LIST_ALL)), Side::new("find on disk", find)],
    )?;
    pairs.measure("mount and umount", vec![Side::new("mount", script(MOUNT_ONLY))])
}

/// A mount shows the tree that was backed up: what is measured is right.
fn same(pxkit: &Path, tree: &Path, mountpoint: &Path, store: &Path) -> Result<()> {
    let mut mount = Command::new(pxkit);
    mount.args(["mount", "host/bench/latest/root.pxar"]).arg(mountpoint).arg("--repository").arg(store);
    shell::run(&mut mount)?;
    let result = compare::both_ways(tree, mountpoint);
    shell::run(Command::new(pxkit).arg("umount").arg(mountpoint))?;
    result
}
