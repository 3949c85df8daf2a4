//! Taking mounts away, also those whose process is gone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, bail};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

/// Whether somebody may still use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nobody may.
    Now,
    /// It goes when the last one is done.
    Lazily,
}

/// Takes a mount of `pxkit mount` away.
///
/// # Errors
/// There is none, somebody uses it, or this user may not do it.
pub fn unmount_at(mountpoint: &Path, how: How) -> anyhow::Result<()> {
    let path = absolute(mountpoint)
        .with_context(|| format!("cannot find the directory of {}", mountpoint.display()))?;
    let table = fs::read("/proc/self/mountinfo").context("cannot read the table of mounts")?;
    match last_type(&table, path.as_os_str()) {
        Some(kind) if kind == b"fuse.pxkit" => take_away(&path, how),
        Some(kind) => bail!(
            "{} is not mounted by pxkit: a file system of type {} is there",
            mountpoint.display(),
            kind.escape_ascii()
        ),
        None => bail!("nothing is mounted on {}", mountpoint.display()),
    }
}

/// Takes away what is mounted on an absolute path without symlinks.
///
/// # Errors
/// Somebody uses it, or this user may not do it.
pub fn take_away(path: &Path, how: How) -> anyhow::Result<()> {
    let lazily = if how == How::Lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    let what = || format!("cannot take away the mount on {}", path.display());
    match unmount(path, lazily | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(anyhow!("{}: somebody uses it; --lazy takes it away all the same", what())),
        // Only root may; everybody else has a program for it.
        Err(Errno::PERM) => by_helper(path, how).with_context(what),
        Err(errno) => Err(errno).with_context(what),
    }
}

fn by_helper(path: &Path, how: How) -> anyhow::Result<()> {
    let mut command = Command::new("fusermount3");
    command.arg("-u");
    if how == How::Lazily {
        command.arg("-z");
    }
    let output = command.arg("--").arg(path).output();
    let output = output.context("cannot run fusermount3 (package fuse3)")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// The path without symlinks and dots. What is mounted there is not asked: nobody may answer.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    // Without the slash at its end, which would mean the directory that is mounted.
    let clean: PathBuf = path.components().collect();
    let (Some(parent), Some(name)) = (clean.parent(), clean.file_name()) else {
        return Ok(clean.canonicalize()?);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let full = parent.canonicalize()?.join(name);
    // A symlink to the mount point may be named as well as the point itself.
    Ok(match fs::read_link(&full) {
        Ok(target) => absolute(&full.parent().unwrap_or(Path::new("/")).join(target))?,
        Err(_) => full,
    })
}

/// The type of the file system that was mounted last on a path, from `/proc/self/mountinfo`.
fn last_type<'t>(table: &'t [u8], path: &OsStr) -> Option<&'t [u8]> {
    let mut found = None;
    for line in table.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        // The number of fields before the dash differs.
        let Some(dash) = fields.iter().position(|field| *field == b"-") else { continue };
        if fields.get(4).is_some_and(|point| unescape(point).as_bytes() == path.as_bytes()) {
            found = fields.get(dash + 1).copied();
        }
    }
    found
}

/// Spaces and the like stand as a backslash and three octal digits.
fn unescape(text: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digits =
            tail.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        if let Some(digits) = digits {
            out.push(
                digits.iter().fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')),
            );
            rest = &tail[3..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_on_a_path_counts() {
        let table = b"22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
            90 22 0:50 / /a\\040b rw,nosuid - fuse.pxkit x ro\n\
            91 22 0:51 / /mnt ro master:1 shared:4 - fuse.sshfs y ro\n\
            92 91 0:52 / /mnt ro - fuse.pxkit z ro\n";
        let kind = |path: &str| last_type(table, path.as_ref()).map(|kind| kind.escape_ascii().to_string());
        assert_eq!(kind("/").as_deref(), Some("ext4"));
        assert_eq!(kind("/a b").as_deref(), Some("fuse.pxkit"));
        assert_eq!(kind("/mnt").as_deref(), Some("fuse.pxkit"));
        assert_eq!(kind("/a"), None);
    }
}
