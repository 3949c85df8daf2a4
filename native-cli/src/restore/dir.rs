//! Directories that are being filled.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use pxkit_core::format::{Attributes, Stat};
use rustix::fs::{Mode, OFlags, fgetxattr, fstat, mkdirat, openat};
use rustix::io::Errno;

use super::pool::Shared;
use crate::linux::{Applier, Known, Target};

/// A directory of the target that is open. It gets its metadata when the last one that works in it lets go of it.
#[derive(Debug)]
pub struct Dir {
    pub fd: OwnedFd,
    /// Its name in `parent`; empty for the root. No whole path: an archive may nest deeply, and all levels are kept.
    name: Box<[u8]>,
    /// What is created here belongs to the effective user and group and has just the permissions that it is created with: no
    /// inherited group, no default ACL.
    pub plain: bool,
    parent: Option<Arc<Dir>>,
    /// `None` if the directory was there and keeps what it has.
    metadata: Option<(Stat, Attributes)>,
}

/// Opens directories only, and never through a symlink.
const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Dir {
    /// The target directory, which is open.
    pub fn root(
        fd: OwnedFd,
        metadata: Option<(Stat, Attributes)>,
        shared: &Shared<'_>,
    ) -> Result<Arc<Self>, Errno> {
        let plain = is_plain(&fd, shared.owner)?;
        let dir = Self { fd, name: Box::default(), plain, parent: None, metadata };
        shared.opened(dir.weight());
        Ok(Arc::new(dir))
    }

    /// Makes the directory `name` in `parent`, or takes the one that exists.
    pub fn create(
        parent: &Arc<Self>,
        name: &CStr,
        metadata: (Stat, Attributes),
        shared: &Shared<'_>,
    ) -> Result<Arc<Self>, Errno> {
        // Nobody else gets in before it has its permissions.
        let existed = match mkdirat(&parent.fd, name, Mode::RWXU) {
            Ok(()) => false,
            Err(Errno::EXIST) if shared.options.allow_existing_dirs => true,
            Err(errno) => return Err(errno),
        };
        let fd = openat(&parent.fd, name, OPEN, Mode::empty())?;
        let plain = (parent.plain || existed) && is_plain(&fd, shared.owner)?;
        let (name, parent) = (name.to_bytes().into(), Some(parent.clone()));
        let dir = Self { fd, name, plain, parent, metadata: Some(metadata) };
        shared.opened(dir.weight());
        Ok(Arc::new(dir))
    }

    /// Path in the archive.
    pub fn path(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut next = Some(self);
        while let Some(dir) = next {
            names.push(&*dir.name);
            next = dir.parent.as_deref();
        }
        // The root has no name.
        names.pop();
        names.reverse();
        names.join(&b'/')
    }

    /// Path in the archive of `name` in this directory.
    pub fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = self.path();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        path
    }

    /// Bytes of metadata that are kept for it.
    fn weight(&self) -> usize {
        self.metadata.as_ref().map_or(0, |(_, attributes)| attributes.as_bytes().len())
    }

    /// Lets go of a directory: the last to do so finishes it, and then perhaps the one above.
    pub fn release(dir: Arc<Self>, applier: &mut Applier, shared: &Shared<'_>) {
        let mut next = Some(dir);
        while let Some(dir) = next.and_then(Arc::into_inner) {
            dir.finish(applier, shared);
            let weight = dir.weight();
            next = dir.parent;
            drop(dir.fd);
            shared.closed(weight);
        }
    }

    fn finish(&self, applier: &mut Applier, shared: &Shared<'_>) {
        let Some((stat, attributes)) = &self.metadata else { return };
        let target = Target::Open(self.fd.as_fd());
        let _ = applier.apply(target, stat, attributes, Known::default(), &mut |error| {
            shared.step_failed(&self.path(), error)
        });
    }
}

impl Shared<'_> {
    /// Reports a step of applying metadata that failed; says whether to go on.
    pub fn step_failed(&self, path: &[u8], error: crate::linux::StepError) -> ControlFlow<()> {
        if !error.is_error() {
            self.report.line(format_args!("note: {}: {error}", crate::text::quoted(path)));
            return ControlFlow::Continue(());
        }
        self.failed(path, error.into());
        if self.options.strict { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether nodes created in a directory get nothing from it: see [`Dir::plain`].
fn is_plain(fd: &OwnedFd, owner: (u32, u32)) -> Result<bool, Errno> {
    let stat = fstat(fd)?;
    let inherits_group = stat.st_mode & 0o2000 != 0 || (stat.st_uid, stat.st_gid) != owner;
    // Any answer but "there is none" counts as one.
    let mut nothing = [0u8; 0];
    let default_acl = fgetxattr(fd, c"system.posix_acl_default", &mut nothing);
    Ok(!inherits_group && matches!(default_acl, Err(Errno::NODATA | Errno::OPNOTSUPP)))
}
