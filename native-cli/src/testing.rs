//! What the tests of this crate share.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A file system, mounted as long as it lives.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A new ext4 with project ids in an image, where that can be had.
    pub(crate) fn ext4(image: &Path, at: &Path) -> Option<Self> {
        Self::image("mkfs.ext4", &["-q", "-F", "-O", "project,quota", "-I", "256"], image, at)
    }

    /// The same without project ids, which not every kernel lets be mounted.
    pub(crate) fn plain_ext4(image: &Path, at: &Path) -> Option<Self> {
        Self::image("mkfs.ext4", &["-q", "-F", "-I", "256"], image, at)
    }

    /// A new XFS in an image, where that can be had.
    pub(crate) fn xfs(image: &Path, at: &Path) -> Option<Self> {
        Self::image("mkfs.xfs", &["-q", "-f"], image, at)
    }

    /// A file system without a device.
    pub(crate) fn kind(kind: &str, at: &Path) -> Option<Self> {
        Self::run(Command::new("mount").args(["-t", kind, kind]), at)
    }

    /// A file over another.
    pub(crate) fn file(from: &Path, at: &Path) -> Option<Self> {
        Self::run(Command::new("mount").arg("--bind").arg(from), at)
    }

    fn image(program: &str, arguments: &[&str], image: &Path, at: &Path) -> Option<Self> {
        // Mostly a hole; XFS takes no less.
        File::create(image).ok()?.set_len(300 << 20).ok()?;
        let made = Command::new(program).args(arguments).arg(image).output();
        made.is_ok_and(|output| output.status.success()).then_some(())?;
        Self::run(Command::new("mount").args(["-o", "loop"]).arg(image), at)
    }

    fn run(command: &mut Command, at: &Path) -> Option<Self> {
        if !at.exists() {
            std::fs::create_dir(at).ok()?;
        }
        let mounted = command.arg(at).output();
        (is_root() && mounted.is_ok_and(|output| output.status.success())).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Bytes written in hexadecimal, with blanks.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}
