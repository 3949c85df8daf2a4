//! The tree that the snapshots of the golden datastore hold, in its generations 0, 1 and 2: what `datastore-tree.py` makes.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::random::Rng;

/// When everything was made that did not change.
const T: u64 = 1_700_000_000;

/// Makes a generation in the directory `root`, which must be empty.
///
/// # Errors
/// Those of the file system.
pub fn make(root: &Path, generation: u32) -> io::Result<()> {
    for directory in 0..6 {
        fs::create_dir(root.join(format!("dir{directory}")))?;
        for file in 0..20 {
            let n = directory * 20 + file;
            put(root, &format!("dir{directory}/small{file:02}"), &bytes(n, 500 + 137 * n % 9000), T)?;
        }
        put(
            root,
            &format!("dir{directory}/medium"),
            &bytes(1000 + directory, 180_000 + directory * 7919),
            T,
        )?;
    }
    put(root, "large", &bytes(7, 1_500_000), T)?;
    put(root, "text", &b"all work and no play makes jack a dull boy\n".repeat(9000), T)?;
    symlink("large", root.join("link"))?;
    fs::hard_link(root.join("dir0/medium"), root.join("dir5/medium-hard"))?;
    if generation >= 1 {
        put(root, "dir1/small07", &bytes(9001, 4321), T + 60)?;
        put(root, "dir2/new-file", &bytes(9002, 66_000), T + 60)?;
        fs::remove_file(root.join("dir3/medium"))?;
        fs::rename(root.join("dir4/small03"), root.join("dir4/small03-renamed"))?;
        touch(&root.join("text"), T + 61)?;
    }
    if generation >= 2 {
        for directory in [0, 2, 4] {
            fs::remove_file(root.join(format!("dir{directory}/small10")))?;
        }
        put(root, "large", &[&bytes(7, 1_400_000)[..], b"tail"].concat(), T + 120)?;
    }
    finish(root)
}

/// Gives the directories their permissions and times, after something was changed in them.
///
/// # Errors
/// Those of the file system.
pub fn finish(root: &Path) -> io::Result<()> {
    for directory in (0..6).map(|directory| root.join(format!("dir{directory}"))).chain([root.to_owned()]) {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        touch(&directory, T)?;
    }
    Ok(())
}

fn bytes(seed: u64, size: u64) -> Vec<u8> {
    Rng::new(seed).bytes(size as usize)
}

fn put(root: &Path, path: &str, bytes: &[u8], time: u64) -> io::Result<()> {
    let path = root.join(path);
    fs::write(&path, bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    touch(&path, time)
}

fn touch(path: &Path, time: u64) -> io::Result<()> {
    fs::File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time))
}
