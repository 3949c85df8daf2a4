//! Nodes without contents: symlinks, devices, FIFOs, sockets, hard links.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, bail};
use pxkit_core::format::{Attributes, Device, Kind, Stat, mode};
use rustix::fs::{
    AtFlags, FileType, IFlags, Mode, OFlags, fstat, ioctl_getflags, ioctl_setflags, linkat, mknodat, openat,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::dir::Dir;
use super::pool::Shared;
use super::replace::{take_place, under_free_name};
use crate::linux::{Applier, Known, Target};

/// A node to be made.
#[derive(Clone, Copy, Debug)]
pub struct NodeJob<'a> {
    pub dir: &'a Dir,
    pub name: &'a CStr,
    pub stat: &'a Stat,
    pub attributes: &'a Attributes,
}

impl NodeJob<'_> {
    /// Makes a symlink.
    pub fn symlink(&self, target: &[u8], applier: &mut Applier, shared: &Shared<'_>) -> anyhow::Result<()> {
        let target = CString::new(target).context("the target has a NUL in it")?;
        let make = |name: &CStr| symlinkat(&target, &self.dir.fd, name);
        self.replacing(shared.options.overwrite_symlinks, make).context("cannot make the symlink")?;
        self.finish(applier, shared, Known { owner: self.owner(shared), permissions: None });
        Ok(())
    }

    /// Makes a device node, FIFO or socket.
    pub fn special(
        &self,
        kind: Kind,
        device: Device,
        applier: &mut Applier,
        shared: &Shared<'_>,
    ) -> anyhow::Result<()> {
        let file_type = match kind {
            Kind::Fifo => FileType::Fifo,
            Kind::Socket => FileType::Socket,
            _ if self.stat.mode & mode::TYPE == mode::BLOCK => FileType::BlockDevice,
            _ if self.stat.mode & mode::TYPE == mode::CHAR => FileType::CharacterDevice,
            _ => bail!("its mode {:#o} is not that of a device", self.stat.mode),
        };
        let permissions = Mode::from_raw_mode(0o600);
        let make = |name: &CStr| mknodat(&self.dir.fd, name, file_type, permissions, device.to_dev_t());
        let what = format!("cannot make the {}", kind.name());
        self.replacing(shared.options.overwrite_files, make).context(what)?;
        let permissions = self.dir.plain.then_some(0o600);
        self.finish(applier, shared, Known { owner: self.owner(shared), permissions });
        Ok(())
    }

    /// Makes a hard link to the regular file `target`, a path from the root of what is restored.
    pub fn hardlink(
        &self,
        root: &Dir,
        target: &[u8],
        targets: &mut TargetCache,
        shared: &Shared<'_>,
    ) -> anyhow::Result<()> {
        let (parent, name) = targets.open(root, target)?;
        let stat = statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW)
            .with_context(|| format!("cannot find the target {}", crate::text::quoted(target)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            bail!("the target {} is not a regular file", crate::text::quoted(target));
        }
        let link = || linkat(parent, &name, &self.dir.fd, self.name, AtFlags::empty());
        let make = || match link() {
            Err(Errno::PERM) => unprotected(parent, &name, &stat, link),
            result => result,
        };
        let is_target = || {
            let there = statat(&self.dir.fd, self.name, AtFlags::SYMLINK_NOFOLLOW);
            there.is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino))
        };
        let overwrite = shared.options.overwrite_hardlinks;
        // A name of the target already: to replace it could remove the last one.
        if overwrite && is_target() {
            return Ok(());
        }
        let made = match make() {
            // Not by renaming: an immutable file's name could not be changed.
            Err(Errno::EXIST) if overwrite => {
                unlinkat(&self.dir.fd, self.name, AtFlags::empty()).and_then(|()| make())
            }
            result => result,
        };
        made.with_context(|| format!("cannot link to {}", crate::text::quoted(target)))
    }

    fn owner(&self, shared: &Shared<'_>) -> Option<(u32, u32)> {
        self.dir.plain.then_some(shared.owner)
    }

    /// Makes a node, in place of what exists if that was asked for.
    fn replacing(&self, overwrite: bool, make: impl Fn(&CStr) -> Result<(), Errno>) -> Result<(), Errno> {
        match make(self.name) {
            Err(Errno::EXIST) if overwrite => {
                let (temporary, ()) = under_free_name(make)?;
                take_place(&self.dir.fd, &temporary, self.name)
            }
            result => result,
        }
    }

    fn finish(&self, applier: &mut Applier, shared: &Shared<'_>, known: Known) {
        let target = Target::Named { dir: self.dir.fd.as_fd(), name: self.name };
        let path = || self.dir.path_of(self.name);
        let _ = applier.apply(target, self.stat, self.attributes, known, &mut |error| {
            shared.step_failed(&path(), error)
        });
    }
}

/// Makes a further name of a file that may be immutable already, or take nothing but more contents: without these flags for
/// that moment.
fn unprotected(
    parent: &OwnedFd,
    name: &CStr,
    stat: &rustix::fs::Stat,
    link: impl Fn() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(parent, name, flags, Mode::empty()).map_err(|_| Errno::PERM)?;
    let protection = IFlags::IMMUTABLE | IFlags::APPEND;
    let is_same = fstat(&file).is_ok_and(|file| (file.st_dev, file.st_ino) == (stat.st_dev, stat.st_ino));
    match ioctl_getflags(&file) {
        Ok(flags) if is_same && flags.intersects(protection) => {
            ioctl_setflags(&file, flags - protection)?;
            let linked = link();
            ioctl_setflags(&file, flags)?;
            linked
        }
        // Something else forbids it.
        _ => Err(Errno::PERM),
    }
}

/// Opens the directories of hard links' targets; keeps the last one, since links often come in rows.
#[derive(Debug, Default)]
pub struct TargetCache {
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl TargetCache {
    /// The directory of `target` and the name in it. No component may be a symlink, or lead upwards.
    fn open(&mut self, root: &Dir, target: &[u8]) -> anyhow::Result<(&OwnedFd, CString)> {
        let refuse = || format!("the target {} is not a path below the root", crate::text::quoted(target));
        if target.split(|&b| b == b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
            bail!(refuse());
        }
        let (parent, name) = match target.iter().rposition(|&b| b == b'/') {
            Some(slash) => (&target[..slash], &target[slash + 1..]),
            None => (&b""[..], target),
        };
        let name = CString::new(name).with_context(refuse)?;
        if self.last.as_ref().is_none_or(|(path, _)| path != parent) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut fd = openat(&root.fd, c".", flags, Mode::empty())?;
            for part in parent.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
                let part = CString::new(part).with_context(refuse)?;
                fd = openat(&fd, &part, flags, Mode::empty()).with_context(|| {
                    format!("cannot enter the directory of the target {}", crate::text::quoted(target))
                })?;
            }
            self.last = Some((parent.to_vec(), fd));
        }
        match &self.last {
            Some((_, fd)) => Ok((fd, name)),
            None => bail!(refuse()),
        }
    }
}
