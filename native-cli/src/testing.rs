//! What the tests of this crate share.

use std::io::Write;

/// Notes by name that a test could not run here, for whoever counts; always `true`.
pub(crate) fn skip(name: &str, reason: &str) -> bool {
    let line = format!("{name}: {reason}\n");
    if let Some(path) = std::env::var_os("PXKIT_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("PXKIT_SKIPPED names a file");
    }
    eprint!("skipped {line}");
    true
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
