//! What Linux knows about an open file or directory beyond `stat` (specification 2.9 to 2.12, 7.3 to 7.5, 8.7, 8.8).

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use pxkit_core::format::{Attribute, Attributes, CHATTR_FLAGS, FAT_FLAGS, Features, FlagName, Kind, magic};
use rustix::buffer::spare_capacity;
use rustix::fs::{fgetxattr, flistxattr, ioctl_getflags};
use rustix::io::Errno;

use super::acl::Acl;
use super::{ACL_ACCESS, ACL_DEFAULT, CAPABILITY, CallError, doing, is_no_flags, is_stored_xattr, sys};

/// Linux lets neither the list of names nor a value be larger.
const XATTR_MAX: usize = 64 << 10;

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
}

/// How lenient reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Extended attributes that are too many or too large for Linux to hand out are left out instead of being an error.
    pub skip_e2big_xattr: bool,
}

/// Reads attributes; keeps its buffers from one file to the next.
#[derive(Debug)]
pub struct AttributeReader {
    options: ReadOptions,
    names: Vec<u8>,
    value: Vec<u8>,
}

impl AttributeReader {
    /// Allocates the buffers.
    pub fn new(options: ReadOptions) -> Self {
        Self { options, names: Vec::with_capacity(XATTR_MAX), value: Vec::with_capacity(XATTR_MAX) }
    }

    /// Reads the attributes of an open regular file or directory into `attributes` and returns its inode flags. A feature that
    /// proves to be missing is removed from the file system's set.
    ///
    /// # Errors
    /// Whatever the specification does not take as "has none".
    pub fn read(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
        file_system: &mut FileSystem,
        attributes: &mut Attributes,
    ) -> Result<u64, CallError> {
        attributes.clear();
        if file_system.features.contains(Features::XATTRS) {
            match self.read_xattrs(fd, kind, &mut file_system.features, attributes) {
                Err(CallError { errno: Errno::TOOBIG, .. }) if self.options.skip_e2big_xattr => {}
                other => other?,
            }
        }
        let mut flags = read_flags(fd)?;
        if matches!(file_system.magic, magic::MSDOS | magic::FUSE) {
            flags |= read_fat_flags(fd)?;
        }
        let has_projects = matches!(file_system.magic, magic::EXT4 | magic::XFS | magic::FUSE | magic::ZFS);
        if has_projects && file_system.features.contains(Features::QUOTA_PROJID) {
            read_project(fd, attributes)?;
        }
        Ok(flags)
    }

    fn read_xattrs(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
        features: &mut Features,
        attributes: &mut Attributes,
    ) -> Result<(), CallError> {
        self.names.clear();
        match flistxattr(fd, spare_capacity(&mut self.names)) {
            Ok(0) | Err(Errno::BADF) => return Ok(()),
            Ok(_) => {}
            Err(Errno::OPNOTSUPP) => {
                *features = features.without(Features::XATTRS);
                return Ok(());
            }
            Err(errno) => return Err(doing("list the extended attributes")(errno)),
        }
        let (mut has_acl, mut has_fcaps) = (false, false);
        for name in self.names.split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            if is_stored_xattr(name.to_bytes()) {
                if read_value(fd, name, &mut self.value, "read an extended attribute")? == Value::Read {
                    let attribute = Attribute::Xattr { name: name.to_bytes(), value: &self.value };
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
            self.read_acls(fd, kind, features, attributes)?;
        }
        if has_fcaps && features.contains(Features::FCAPS) {
            match read_value(fd, CAPABILITY, &mut self.value, "read the file capabilities")? {
                Value::Read => attributes
                    .push(Attribute::Fcaps(&self.value))
                    .map_err(|_| too_big("store the file capabilities"))?,
                Value::Unsupported => *features = features.without(Features::FCAPS),
                Value::Missing => {}
            }
        }
        Ok(())
    }

    fn read_acls(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
        features: &mut Features,
        attributes: &mut Attributes,
    ) -> Result<(), CallError> {
        const ACTION: &str = "read the ACL";
        for (name, is_default) in [(ACL_ACCESS, false), (ACL_DEFAULT, true)] {
            if is_default && kind != Kind::Directory {
                continue;
            }
            match read_value(fd, name, &mut self.value, ACTION)? {
                Value::Read => {}
                Value::Missing => continue,
                Value::Unsupported => {
                    *features = features.without(Features::ACL);
                    return Ok(());
                }
            }
            let acl = Acl::parse(&self.value).ok_or(CallError { action: ACTION, errno: Errno::INVAL })?;
            let pushed = if is_default { acl.push_default(attributes) } else { acl.push_access(attributes) };
            pushed.map_err(|_| too_big("store the ACL"))?;
        }
        Ok(())
    }
}

#[derive(PartialEq, Eq)]
enum Value {
    Read,
    Missing,
    Unsupported,
}

/// Reads one attribute into `value`.
fn read_value(
    fd: BorrowedFd<'_>,
    name: &CStr,
    value: &mut Vec<u8>,
    action: &'static str,
) -> Result<Value, CallError> {
    value.clear();
    match fgetxattr(fd, name, spare_capacity(value)) {
        Ok(_) => Ok(Value::Read),
        Err(Errno::NODATA) => Ok(Value::Missing),
        Err(Errno::OPNOTSUPP) => Ok(Value::Unsupported),
        Err(Errno::RANGE) => Err(too_big(action)),
        Err(errno) => Err(CallError { action, errno }),
    }
}

fn too_big(action: &'static str) -> CallError {
    CallError { action, errno: Errno::TOOBIG }
}

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
    const ACTION: &str = "read the quota project id";
    match sys::fs_xattr(fd) {
        Ok(xattr) if xattr.projid != 0 => {
            attributes.push(Attribute::QuotaProjid(xattr.projid.into())).map_err(|_| too_big(ACTION))
        }
        Ok(_) => Ok(()),
        Err(errno) if is_no_flags(errno) => Ok(()),
        Err(errno) => Err(doing(ACTION)(errno)),
    }
}
