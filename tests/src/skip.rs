//! Tests that cannot run everywhere.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Notes that the test `name` could not run, for whoever counts: appends a line to the file that `PXKIT_SKIPPED` names.
pub fn skip(name: &str, reason: &str) {
    let line = format!("{name}: {reason}\n");
    if let Some(path) = std::env::var_os("PXKIT_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("PXKIT_SKIPPED names a file");
    }
    eprint!("skipped {line}");
}

/// Whether the test runs as root on a file system (that of temporary files) that is ext4; notes it as skipped if not.
pub fn needs_root_and_ext4(name: &str) -> bool {
    const EXT4: u64 = 0xef53;
    if !rustix::process::geteuid().is_root() {
        skip(name, "needs root");
        return false;
    }
    let magic = rustix::fs::statfs(std::env::temp_dir()).map(|fs| fs.f_type as u64);
    if magic != Ok(EXT4) {
        skip(name, "needs ext4 for temporary files (TMPDIR)");
        return false;
    }
    true
}
