//! Reading through a mount, against `restore`.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::Result;

use crate::{
    compare,
    pairs::{Before, Pairs, Side},
    shell,
};

/// Mounts and calls the function `look`, and takes the mount away: nothing is in the page cache from the run before. The mount stays in the
/// foreground of the shell, so that its processor time and memory count.
const MOUNTED: &str = "\"$1\" mount --foreground host/bench/latest/root.pxar \"$2\" --repository \"$3\" & \
    until mountpoint -q \"$2\"; do kill -0 $! || exit 1; sleep 0.01; done; \
    look \"$2\"; result=$?; \"$1\" umount \"$2\" && wait $! && exit $result";
/// Has tar read everything in the archive's order.
const READ_ALL: &str = "look() { tar cf - -C \"$1\" . | cat >/dev/null; }; ";
/// A reader for each core.
const READ_IN_PARALLEL: &str =
    "look() ( cd \"$1\" && find . -type f -print0 | xargs -0 -n 64 -P \"$(nproc)\" cat >/dev/null ); ";
/// Lists everything with all metadata but contents.
const LIST_ALL: &str = "look() { find \"$1\" -newermt 2090-01-01; }; ";
/// Mounts in the background, as people do, and takes the mount away.
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
    let look = |function: &str| script(&[function, MOUNTED].concat());
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
        vec![Side::new("mount", look(READ_ALL)), to_disk(), to_stream],
    )?;
    pairs.measure(
        "read all through a mount, a reader for each core",
        vec![Side::new("mount", look(READ_IN_PARALLEL)), to_disk()],
    )?;
    let mut find = Command::new("find");
    find.arg(tree).args(["-newermt", "2090-01-01"]);
    pairs.measure(
        "stat all through a mount",
        vec![Side::new("mount", look(LIST_ALL)), Side::new("find on disk", find)],
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
