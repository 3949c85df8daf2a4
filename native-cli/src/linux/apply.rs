//! Gives a node the metadata that an archive has for it (specification 9.5).

use std::ffi::{CStr, CString};
use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, FAT_FLAGS, Features, Kind, Stat, mode};
use rustix::fs::{
    AtFlags, IFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, chmod, chownat, fchmod,
    fchown, fsetxattr, futimens, ioctl_getflags, ioctl_setflags, openat, setxattr, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::acl::Acl;
use super::{ACL_ACCESS, ACL_DEFAULT, CAPABILITY, is_no_flags, is_stored_xattr, sys};

/// All flags of `chattr`.
const CHATTR: Features = Features(0x3ff_0000);
/// The flags of `chattr` that decide how data is stored, so they must be there before it: NOATIME, COMPR, NOCOW, NOCOMP,
/// PROJINHERIT.
const BEFORE_DATA: u64 = 0x2_0000 | 0x4_0000 | 0x8_0000 | 0x100_0000 | 0x200_0000;
/// Not in the default set, but a flag that was stored is worth having back (decision 17).
const NODUMP: Features = Features(0x10_0000);

/// The node that gets metadata.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A regular file or directory that is open.
    Open(BorrowedFd<'a>),
    /// A node of any kind, by its name in an open directory; symbolic links are not followed.
    Named {
        /// The directory.
        dir: BorrowedFd<'a>,
        /// A single component.
        name: &'a CStr,
    },
}

/// What the caller knows of a node that it has just created. What is known to be right is not set again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// Permission bits, as in `mode & 0o7777`.
    pub permissions: Option<u32>,
}

/// A part of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// User and group.
    Owner,
    /// Extended attributes.
    Xattr,
    /// File capabilities.
    Fcaps,
    /// The access ACL.
    AccessAcl,
    /// The default ACL.
    DefaultAcl,
    /// The quota project id.
    Project,
    /// Permission bits.
    Permissions,
    /// Time of last modification.
    Times,
    /// Inode flags.
    Flags,
    /// FAT attributes.
    FatAttributes,
}

/// A step that did not succeed, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// The kernel refused.
    Call {
        /// Which step.
        step: Step,
        /// The extended attribute, if it is about one.
        name: Option<Vec<u8>>,
        /// The answer.
        errno: Errno,
    },
    /// Not an error: an extended attribute with a name that is never restored.
    ForeignXattr(Vec<u8>),
    /// Not an error: an ACL has named entries but no mask, so the group bits became both mask and permissions of the group.
    MadeUpMask,
    /// The mode has bits that are neither type nor permissions.
    Mode(u64),
}

impl StepError {
    /// Whether something is missing; otherwise it is only worth a note.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::Mode(_))
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { step, name, errno } => {
                let what = match step {
                    Step::Owner => "owner and group",
                    Step::Xattr => "an extended attribute",
                    Step::Fcaps => "the file capabilities",
                    Step::AccessAcl => "the access ACL",
                    Step::DefaultAcl => "the default ACL",
                    Step::Project => "the quota project id",
                    Step::Permissions => "the permissions",
                    Step::Times => "the modification time",
                    Step::Flags => "the inode flags",
                    Step::FatAttributes => "the FAT attributes",
                };
                match name {
                    Some(name) => write!(f, "cannot set {what} ({}): {errno}", name.escape_ascii()),
                    None => write!(f, "cannot set {what}: {errno}"),
                }
            }
            Self::ForeignXattr(name) => {
                write!(f, "the extended attribute {} is not one that is restored", name.escape_ascii())
            }
            Self::MadeUpMask => f.write_str("the ACL has no mask, the group's permissions serve as one"),
            Self::Mode(mode) => write!(f, "the mode {mode:#o} has unknown bits"),
        }
    }
}

impl std::error::Error for StepError {}

/// Is told of each failing step; `Break` leaves out the steps that are left.
pub type Report<'a> = dyn FnMut(StepError) -> ControlFlow<()> + 'a;

/// Applies metadata; keeps its buffers from one node to the next.
#[derive(Debug)]
pub struct Applier {
    features: Features,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Applier {
    /// Restores what is in `features` ([`Features::DEFAULT`] without what the user does not want).
    pub fn new(features: Features) -> Self {
        Self { features, name: Vec::new(), value: Vec::new() }
    }

    /// Sets the flags that must stand before data is written to a new regular file. Free if there are none.
    pub fn before_data(
        &mut self,
        fd: BorrowedFd<'_>,
        stat: &Stat,
        report: &mut Report<'_>,
    ) -> ControlFlow<()> {
        self.set_flags(Node::Open(fd), stat.flags & BEFORE_DATA, report)
    }

    /// Applies everything. Call it when contents and children are complete.
    ///
    /// `Break` is what `report` answered: the caller does not want to go on.
    pub fn apply(
        &mut self,
        target: Target<'_>,
        stat: &Stat,
        attributes: &Attributes,
        known: Known,
        report: &mut Report<'_>,
    ) -> ControlFlow<()> {
        let is_link = stat.kind() == Some(Kind::Symlink);
        let owner_set = self.set_owner(target, stat, known, report)?;

        let mut permissions = (stat.mode & mode::PERMISSIONS) as u32;
        // A program that would run as another user than the stored one must not run as whoever it belongs to now.
        let has_owner = owner_set || known.owner == Some((stat.uid, stat.gid));
        if self.features.contains(Features::OWNER) && !has_owner && stat.kind() != Some(Kind::Directory) {
            permissions &= !0o6000;
        }
        let has_acl = attributes.has_acl();
        // A change of owner takes away set-id bits, an ACL may change the group's.
        let still_known = !has_acl && (!owner_set || permissions & 0o6000 == 0);
        let chmod = !is_link
            && self.features.contains(Features::PERMISSIONS)
            && !(still_known && known.permissions == Some(permissions));

        // What cannot be done by name without following links needs a descriptor that stands for the node itself.
        let needs_node = !attributes.is_empty() || chmod;
        let opened;
        let node = match target {
            Target::Open(fd) => Some(Node::Open(fd)),
            Target::Named { dir, name } if needs_node => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match openat(dir, name, flags, Mode::empty()) {
                    Ok(fd) => {
                        opened = PathNode::new(fd);
                        Some(Node::Path(&opened))
                    }
                    Err(errno) => {
                        report(call(Step::Permissions, errno))?;
                        None
                    }
                }
            }
            Target::Named { .. } => None,
        };
        if let Some(node) = node {
            if !attributes.is_empty() {
                self.set_attributes(node, stat, attributes, report)?;
            }
            if chmod {
                tolerate(node.chmod(permissions), Step::Permissions, report)?;
            }
        }
        if stat.mode & !(mode::TYPE | mode::PERMISSIONS) != 0 {
            report(StepError::Mode(stat.mode))?;
        }
        tolerate(set_times(target, stat), Step::Times, report)?;
        match node {
            Some(node) => self.set_flags(node, stat.flags, report),
            None => ControlFlow::Continue(()),
        }
    }

    /// Whether a call was made and succeeded.
    fn set_owner(
        &self,
        target: Target<'_>,
        stat: &Stat,
        known: Known,
        report: &mut Report<'_>,
    ) -> ControlFlow<(), bool> {
        if !self.features.contains(Features::OWNER) || known.owner == Some((stat.uid, stat.gid)) {
            return ControlFlow::Continue(false);
        }
        // All ones means "leave it" to the kernel; such an id cannot be given.
        if stat.uid == u32::MAX || stat.gid == u32::MAX {
            report(call(Step::Owner, Errno::INVAL))?;
            return ControlFlow::Continue(false);
        }
        let (uid, gid) = (Some(Uid::from_raw(stat.uid)), Some(Gid::from_raw(stat.gid)));
        let result = match target {
            Target::Open(fd) => fchown(fd, uid, gid),
            Target::Named { dir, name } => chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        };
        let done = result.is_ok();
        tolerate(result, Step::Owner, report)?;
        ControlFlow::Continue(done)
    }

    /// Extended attributes, capabilities, ACLs and the project id.
    fn set_attributes(
        &mut self,
        node: Node<'_>,
        stat: &Stat,
        attributes: &Attributes,
        report: &mut Report<'_>,
    ) -> ControlFlow<()> {
        self.set_xattrs(node, attributes, report)?;
        for attribute in attributes {
            if let Attribute::Fcaps(value) = attribute
                && self.features.contains(Features::FCAPS)
            {
                tolerate(node.set_xattr(CAPABILITY, value), Step::Fcaps, report)?;
            }
        }
        if self.features.contains(Features::ACL) && attributes.has_acl() {
            self.set_acls(node, stat, attributes, report)?;
        }
        for attribute in attributes {
            if let Attribute::QuotaProjid(id) = attribute
                && self.features.contains(Features::QUOTA_PROJID)
                && let Err(errno) = set_project(node, id)
            {
                report(call(Step::Project, errno))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn set_xattrs(
        &mut self,
        node: Node<'_>,
        attributes: &Attributes,
        report: &mut Report<'_>,
    ) -> ControlFlow<()> {
        if !self.features.contains(Features::XATTRS) {
            return ControlFlow::Continue(());
        }
        for attribute in attributes {
            let Attribute::Xattr { name, value } = attribute else { continue };
            if !is_stored_xattr(name) {
                report(StepError::ForeignXattr(name.to_vec()))?;
                continue;
            }
            self.name.clear();
            self.name.extend_from_slice(name);
            self.name.push(0);
            let result = match CStr::from_bytes_with_nul(&self.name) {
                Ok(c_name) => node.set_xattr(c_name, value),
                Err(_) => Err(Errno::INVAL),
            };
            match result {
                Ok(()) => {}
                // The file system has none of them, so the rest need not be tried.
                Err(Errno::OPNOTSUPP) => break,
                Err(errno) => {
                    report(StepError::Call { step: Step::Xattr, name: Some(name.to_vec()), errno })?
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn set_acls(
        &mut self,
        node: Node<'_>,
        stat: &Stat,
        attributes: &Attributes,
        report: &mut Report<'_>,
    ) -> ControlFlow<()> {
        if let Some((mut acl, made_up)) = Acl::access_of(stat, attributes) {
            if made_up {
                report(StepError::MadeUpMask)?;
            }
            acl.write(&mut self.value);
            if let Err(errno) = node.set_xattr(ACL_ACCESS, &self.value) {
                report(call(Step::AccessAcl, errno))?;
            }
        }
        if let Some(mut acl) = Acl::default_of(attributes) {
            acl.write(&mut self.value);
            if let Err(errno) = node.set_xattr(ACL_DEFAULT, &self.value) {
                report(call(Step::DefaultAcl, errno))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Sets the flags of `chattr` and of FAT that `flags`, of an entry, holds.
    fn set_flags(&self, node: Node<'_>, flags: u64, report: &mut Report<'_>) -> ControlFlow<()> {
        // Special files and links have no flags; archives that claim so get no error for it.
        let Node::Open(fd) = node else { return ControlFlow::Continue(()) };
        if flags & CHATTR.0 != 0 {
            tolerate_flags(self.set_chattr(fd, flags), Step::Flags, report)?;
        }
        let fat = flags & self.features.0 & FAT_FLAGS.iter().fold(0, |all, flag| all | flag.bit);
        if fat != 0 {
            tolerate_flags(set_fat(fd, fat), Step::FatAttributes, report)?;
        }
        ControlFlow::Continue(())
    }

    fn set_chattr(&self, fd: BorrowedFd<'_>, flags: u64) -> rustix::io::Result<()> {
        let native = |bits: u64| {
            CHATTR_FLAGS.iter().filter(|flag| bits & flag.bit != 0).fold(0, |all, flag| all | flag.native)
        };
        let allowed = match self.features.and(CHATTR).0 {
            0 => 0,
            some => some | NODUMP.0,
        };
        let wanted = native(flags & allowed);
        if wanted == 0 {
            return Ok(());
        }
        // What cannot be restored keeps the value that the directory gave it.
        let current = ioctl_getflags(fd)?.bits();
        let new = wanted | (current & !native(allowed));
        if new == current { Ok(()) } else { ioctl_setflags(fd, IFlags::from_bits_retain(new)) }
    }
}

/// A node whose attributes are to be set.
#[derive(Clone, Copy)]
enum Node<'a> {
    Open(BorrowedFd<'a>),
    Path(&'a PathNode),
}

impl Node<'_> {
    fn set_xattr(self, name: &CStr, value: &[u8]) -> rustix::io::Result<()> {
        match self {
            Self::Open(fd) => fsetxattr(fd, name, value, XattrFlags::empty()),
            Self::Path(node) => setxattr(node.path.as_c_str(), name, value, XattrFlags::empty()),
        }
    }

    fn chmod(self, permissions: u32) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(permissions);
        match self {
            Self::Open(fd) => fchmod(fd, mode),
            Self::Path(node) => chmod(node.path.as_c_str(), mode),
        }
    }
}

/// A node open with `O_PATH`, and the path that leads to it whatever happens to its name.
struct PathNode {
    fd: OwnedFd,
    path: CString,
}

impl PathNode {
    fn new(fd: OwnedFd) -> Self {
        let path = CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
        Self { fd, path }
    }
}

fn set_project(node: Node<'_>, id: u64) -> rustix::io::Result<()> {
    let fd = match node {
        Node::Open(fd) => fd,
        Node::Path(node) => node.fd.as_fd(),
    };
    let mut xattr = sys::fs_xattr(fd)?;
    if xattr.projid != id as u32 {
        xattr.projid = id as u32;
        sys::set_fs_xattr(fd, xattr)?;
    }
    Ok(())
}

fn set_times(target: Target<'_>, stat: &Stat) -> rustix::io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: stat.mtime.secs, tv_nsec: stat.mtime.nanos.into() },
    };
    // Nanoseconds of a hostile archive could be one of the special values.
    if stat.mtime.nanos > 999_999_999 {
        return Err(Errno::INVAL);
    }
    match target {
        Target::Open(fd) => futimens(fd, &times),
        Target::Named { dir, name } => utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW),
    }
}

fn set_fat(fd: BorrowedFd<'_>, flags: u64) -> rustix::io::Result<()> {
    let all = FAT_FLAGS.iter().fold(0, |all, flag| all | flag.native);
    let wanted = FAT_FLAGS.iter().filter(|flag| flags & flag.bit != 0).fold(0, |all, flag| all | flag.native);
    let current = sys::fat_attributes(fd)?;
    let new = (current & !all) | wanted;
    if new == current { Ok(()) } else { sys::set_fat_attributes(fd, new) }
}

fn call(step: Step, errno: Errno) -> StepError {
    StepError::Call { step, name: None, errno }
}

/// Reports an error, unless it says that the file system has no such thing.
fn tolerate(result: rustix::io::Result<()>, step: Step, report: &mut Report<'_>) -> ControlFlow<()> {
    match result {
        Ok(()) | Err(Errno::OPNOTSUPP) => ControlFlow::Continue(()),
        Err(errno) => report(call(step, errno)),
    }
}

fn tolerate_flags(result: rustix::io::Result<()>, step: Step, report: &mut Report<'_>) -> ControlFlow<()> {
    match result {
        Err(errno) if !is_no_flags(errno) => report(call(step, errno)),
        _ => ControlFlow::Continue(()),
    }
}
