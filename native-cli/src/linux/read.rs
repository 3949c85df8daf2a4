//! What Linux knows about a file or directory beyond `stat` (specification 2.9 to 2.12, 7.3 to 7.5, 8.7, 8.8): from an open
//! descriptor, or, where kernel and file system tell it all, by name without opening the file.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime};

use pxkit_core::format::{
    Attribute, Attributes, CHATTR_FLAGS, FAT_FLAGS, Features, FlagName, Kind, Timestamp, magic,
};
use rustix::fs::{fgetxattr, flistxattr, ioctl_getflags};
use rustix::io::Errno;

use super::acl::Acl;
use super::{ACL_ACCESS, ACL_DEFAULT, CAPABILITY, CallError, doing, is_no_flags, is_stored_xattr, sys};

/// Linux lets neither the list of names nor a value be larger.
const XATTR_MAX: usize = 64 << 10;
/// What is offered to the kernel first, because it allocates as much as it is offered. Nearly all lists and values fit.
const XATTR_FIRST: usize = 512;

/// Flags as `file_getattr` tells them, and as the ioctl does.
pub(super) const XFLAGS: [(u64, u32); 6] =
    [(0x08, 0x10), (0x10, 0x20), (0x20, 0x8), (0x40, 0x80), (0x80, 0x40), (0x200, 0x2000_0000)];
/// What the ioctl tells and `statx` as `STATX_ATTR_COMPRESSED`.
const NATIVE_COMPRESSED: u32 = 0x4;

/// The file system on which a node lies, as far as its metadata depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// `st_dev`.
    pub dev: u64,
    /// `f_type` of `statfs`.
    pub magic: u64,
    /// What is read from it: the set of the file system within what was asked for.
    pub features: Features,
}

impl FileSystem {
    /// A file system of this kind, when `wanted` is asked for.
    pub fn new(dev: u64, magic: u64, wanted: Features) -> Self {
        Self { dev, magic, features: Features::of_file_system(magic).and(wanted) }
    }

    /// Whether all that is stored of a regular file can be read by name, so that [`AttributeReader::read_by_name`] gives what
    /// [`AttributeReader::read`] does.
    ///
    /// Attributes can everywhere; the flags of the ioctl are the question. `file_getattr` answers with what is common to all
    /// file systems: append, immutable, noatime, nodump, sync, projinherit.
    /// * XFS knows no others, in the kernel the ioctl's answer is made from this one.
    /// * tmpfs lets only append, immutable, nodump and noatime be set, and hands down nothing else.
    /// * ext4 (and ext2, ext3) also lets compr be set, which `statx` tells. It shows nocomp, which neither it nor what came
    ///   before it lets anybody set, and never nocow; dirsync and projinherit are masked for regular files when flags are set
    ///   or handed down.
    /// * Btrfs has nocow and nocomp, f2fs likewise, overlays have what lies below, FAT and FUSE have attributes that only an
    ///   ioctl tells. These and all others have their files opened.
    pub fn tells_by_name(&self) -> bool {
        matches!(self.magic, magic::EXT4 | magic::XFS | magic::TMPFS)
    }

    /// Whether inode numbers are the same after it is mounted again, and times of last change are kept; not those that are made up when a
    /// node is first seen, as by FAT, FUSE and many network file systems.
    pub fn has_stable_inodes(&self) -> bool {
        const NFS: u64 = 0x6969;
        is_local(self.magic) || self.magic == NFS
    }

    /// The latest time of last change that is past for certain at the time `now`: what is changed after `now` has a later one. Clocks of files
    /// go in steps, and on a network they are another machine's.
    pub fn settled_before(&self, now: SystemTime) -> Timestamp {
        let slack = Duration::from_millis(if is_local(self.magic) { 100 } else { 2000 });
        let since = now.checked_sub(slack).and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(Timestamp { secs: i64::MIN, nanos: 0 }, |since| Timestamp {
            secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        })
    }

    fn has_projects(&self) -> bool {
        matches!(self.magic, magic::EXT4 | magic::XFS | magic::FUSE | magic::ZFS)
            && self.features.contains(Features::QUOTA_PROJID)
    }
}

/// Whether times on a file system of this kind are by this machine's clock, in steps of milliseconds at most: FAT counts in two seconds.
pub fn is_local(magic: u64) -> bool {
    const F2FS: u64 = 0xf2f5_2010;
    matches!(magic, magic::EXT4 | magic::XFS | magic::BTRFS | magic::TMPFS | magic::ZFS | F2FS)
}

/// How lenient reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Extended attributes that are too many or too large for Linux to hand out are left out instead of being an error.
    pub skip_e2big_xattr: bool,
}

/// Whether the kernel has the calls that [`AttributeReader::read_by_name`] needs, and lets this process make them: Linux 6.17.
/// Asks it with an open directory.
pub fn can_read_by_name(dir: BorrowedFd<'_>) -> bool {
    let is_missing = |errno| matches!(errno, Errno::NOSYS | Errno::PERM);
    let xattrs = sys::listxattrat(dir, c"", &mut []).err();
    // For this one, "not supported" is the answer of a file system.
    let flags = sys::file_getattr(dir, c"").err();
    // An attribute that cannot be: the call exists if it says so.
    let value = sys::getxattrat(dir, c".", c"user.pxkit.none", &mut []).err();
    ![xattrs, flags, value].into_iter().flatten().any(is_missing)
}

/// What was read besides attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The inode flags, as entries store them.
    pub flags: u64,
    /// Attributes were left out because of [`ReadOptions::skip_e2big_xattr`].
    pub is_incomplete: bool,
}

/// Where to read from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Open(BorrowedFd<'a>),
    Named { dir: BorrowedFd<'a>, name: &'a CStr },
}

impl Source<'_> {
    fn list(self, list: &mut [u8]) -> Result<usize, Errno> {
        first_little(list, |list| match self {
            Self::Open(fd) => flistxattr(fd, list),
            Self::Named { dir, name } => sys::listxattrat(dir, name, list),
        })
    }

    fn get(self, attribute: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
        first_little(value, |value| match self {
            Self::Open(fd) => fgetxattr(fd, attribute, value),
            Self::Named { dir, name } => sys::getxattrat(dir, name, attribute, value),
        })
    }
}

fn first_little(buffer: &mut [u8], call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<usize, Errno> {
    match call(&mut buffer[..XATTR_FIRST]) {
        Err(Errno::RANGE) => call(buffer),
        other => other,
    }
}

/// Reads attributes; keeps its buffers from one file to the next.
#[derive(Debug)]
pub struct AttributeReader {
    options: ReadOptions,
    names: Box<[u8]>,
    value: Box<[u8]>,
}

impl AttributeReader {
    /// Allocates the buffers.
    pub fn new(options: ReadOptions) -> Self {
        Self { options, names: vec![0; XATTR_MAX].into(), value: vec![0; XATTR_MAX].into() }
    }

    /// Reads the attributes of an open regular file or directory into `attributes`, and its inode flags. A feature that proves
    /// to be missing is removed from the file system's set.
    ///
    /// # Errors
    /// Whatever the specification does not take as "has none".
    pub fn read(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
        file_system: &mut FileSystem,
        attributes: &mut Attributes,
    ) -> Result<Found, CallError> {
        let is_incomplete =
            self.read_wanted_xattrs(Source::Open(fd), kind, &mut file_system.features, attributes)?;
        let mut flags = read_flags(fd)?;
        if matches!(file_system.magic, magic::MSDOS | magic::FUSE) {
            flags |= read_fat_flags(fd)?;
        }
        if file_system.has_projects() {
            read_project(fd, attributes)?;
        }
        Ok(Found { flags, is_incomplete })
    }

    /// Reads the same of a regular file in an open directory, on a file system that [tells all](FileSystem::tells_by_name),
    /// without opening it; `None` if it does not after all. `is_compressed` is what `statx` says.
    ///
    /// # Errors
    /// Whatever the specification does not take as "has none".
    pub fn read_by_name(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        is_compressed: bool,
        file_system: FileSystem,
        attributes: &mut Attributes,
    ) -> Result<Option<Found>, CallError> {
        let mut features = file_system.features;
        let source = Source::Named { dir, name };
        let is_incomplete = self.read_wanted_xattrs(source, Kind::File, &mut features, attributes)?;
        let attr = match sys::file_getattr(dir, name) {
            Ok(attr) => attr,
            Err(errno) if is_no_flags(errno) => return Ok(None),
            Err(errno) => return Err(doing("read the inode flags")(errno)),
        };
        let compressed = if is_compressed { NATIVE_COMPRESSED } else { 0 };
        let native = XFLAGS.iter().filter(|(xflag, _)| attr.xflags & xflag != 0);
        let native = native.fold(compressed, |all, (_, native)| all | native);
        if file_system.has_projects() {
            push_project(attr.projid, attributes)?;
        }
        Ok(Some(Found { flags: from_native(&CHATTR_FLAGS, native), is_incomplete }))
    }

    /// Reads what is kept as extended attributes, if wanted; says whether some were left out.
    fn read_wanted_xattrs(
        &mut self,
        source: Source<'_>,
        kind: Kind,
        features: &mut Features,
        attributes: &mut Attributes,
    ) -> Result<bool, CallError> {
        attributes.clear();
        if !features.contains(Features::XATTRS) {
            return Ok(false);
        }
        match self.read_xattrs(source, kind, features, attributes) {
            Err(CallError { errno: Errno::TOOBIG, .. }) if self.options.skip_e2big_xattr => Ok(true),
            other => other.map(|()| false),
        }
    }

    fn read_xattrs(
        &mut self,
        source: Source<'_>,
        kind: Kind,
        features: &mut Features,
        attributes: &mut Attributes,
    ) -> Result<(), CallError> {
        let len = match source.list(&mut self.names) {
            Ok(0) | Err(Errno::BADF) => return Ok(()),
            Ok(len) => len,
            Err(Errno::OPNOTSUPP) => {
                *features = features.without(Features::XATTRS);
                return Ok(());
            }
            Err(errno) => return Err(doing("list the extended attributes")(errno)),
        };
        let (mut has_acl, mut has_fcaps) = (false, false);
        for name in self.names[..len].split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            if is_stored_xattr(name.to_bytes()) {
                if let Value::Read(value) =
                    read_value(source, name, &mut self.value, "read an extended attribute")?
                {
                    let attribute = Attribute::Xattr { name: name.to_bytes(), value };
                    // The only refusal that can happen here: name and value together exceed an item.
                    attributes.push(attribute).map_err(|_| too_big("store an extended attribute"))?;
                }
            } else {
                has_acl |= name == ACL_ACCESS || name == ACL_DEFAULT;
                has_fcaps |= name == CAPABILITY;
            }
        }
        // After the xattrs, whatever the listing's order, because that is the order of the items.
        if has_acl && features.contains(Features::ACL) {
            self.read_acls(source, kind, features, attributes)?;
        }
        if has_fcaps && features.contains(Features::FCAPS) {
            match read_value(source, CAPABILITY, &mut self.value, "read the file capabilities")? {
                Value::Read(value) => attributes
                    .push(Attribute::Fcaps(value))
                    .map_err(|_| too_big("store the file capabilities"))?,
                Value::Unsupported => *features = features.without(Features::FCAPS),
                Value::Missing => {}
            }
        }
        Ok(())
    }

    fn read_acls(
        &mut self,
        source: Source<'_>,
        kind: Kind,
        features: &mut Features,
        attributes: &mut Attributes,
    ) -> Result<(), CallError> {
        const ACTION: &str = "read the ACL";
        for (name, is_default) in [(ACL_ACCESS, false), (ACL_DEFAULT, true)] {
            if is_default && kind != Kind::Directory {
                continue;
            }
            let value = match read_value(source, name, &mut self.value, ACTION)? {
                Value::Read(value) => value,
                Value::Missing => continue,
                Value::Unsupported => {
                    *features = features.without(Features::ACL);
                    return Ok(());
                }
            };
            let acl = Acl::parse(value).ok_or(CallError { action: ACTION, errno: Errno::INVAL })?;
            let pushed = if is_default { acl.push_default(attributes) } else { acl.push_access(attributes) };
            pushed.map_err(|_| too_big("store the ACL"))?;
        }
        Ok(())
    }
}

enum Value<'v> {
    Read(&'v [u8]),
    Missing,
    Unsupported,
}

/// Reads one attribute into `value`.
fn read_value<'v>(
    source: Source<'_>,
    name: &CStr,
    value: &'v mut [u8],
    action: &'static str,
) -> Result<Value<'v>, CallError> {
    match source.get(name, value) {
        Ok(len) => Ok(Value::Read(&value[..len])),
        Err(Errno::NODATA) => Ok(Value::Missing),
        Err(Errno::OPNOTSUPP) => Ok(Value::Unsupported),
        Err(Errno::RANGE) => Err(too_big(action)),
        Err(errno) => Err(CallError { action, errno }),
    }
}

fn too_big(action: &'static str) -> CallError {
    CallError { action, errno: Errno::TOOBIG }
}

const READ_PROJECT: &str = "read the quota project id";

fn read_flags(fd: BorrowedFd<'_>) -> Result<u64, CallError> {
    match ioctl_getflags(fd) {
        Ok(native) => Ok(from_native(&CHATTR_FLAGS, native.bits())),
        Err(errno) if is_no_flags(errno) => Ok(0),
        Err(errno) => Err(doing("read the inode flags")(errno)),
    }
}

fn read_fat_flags(fd: BorrowedFd<'_>) -> Result<u64, CallError> {
    match sys::fat_attributes(fd) {
        Ok(native) => Ok(from_native(&FAT_FLAGS, native)),
        Err(errno) if is_no_flags(errno) => Ok(0),
        Err(errno) => Err(doing("read the FAT attributes")(errno)),
    }
}

fn from_native(table: &[FlagName], native: u32) -> u64 {
    table.iter().filter(|flag| native & flag.native != 0).fold(0, |all, flag| all | flag.bit)
}

fn read_project(fd: BorrowedFd<'_>, attributes: &mut Attributes) -> Result<(), CallError> {
    match sys::fs_xattr(fd) {
        Ok(xattr) => push_project(xattr.projid, attributes),
        Err(errno) if is_no_flags(errno) => Ok(()),
        Err(errno) => Err(doing(READ_PROJECT)(errno)),
    }
}

fn push_project(id: u32, attributes: &mut Attributes) -> Result<(), CallError> {
    if id == 0 {
        return Ok(());
    }
    attributes.push(Attribute::QuotaProjid(id.into())).map_err(|_| too_big(READ_PROJECT))
}
