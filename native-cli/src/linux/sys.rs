//! Linux calls that no crate wraps. The only unsafe code of the program.

use std::os::fd::AsFd;

use rustix::ioctl::{self, Getter, Opcode, Setter, opcode};
use rustix::process::{Resource, getrlimit, setrlimit};

type Result<T> = rustix::io::Result<T>;

/// `struct fsxattr` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FsXattr {
    xflags: u32,
    extsize: u32,
    nextents: u32,
    /// The quota project id.
    pub projid: u32,
    cowextsize: u32,
    pad: [u8; 8],
}

const _: () = assert!(size_of::<FsXattr>() == 28);

const FS_GET: Opcode = opcode::read::<FsXattr>(b'X', 31);
const FS_SET: Opcode = opcode::write::<FsXattr>(b'X', 32);
const FAT_GET: Opcode = opcode::read::<u32>(b'r', 0x10);
const FAT_SET: Opcode = opcode::write::<u32>(b'r', 0x11);

/// `FS_IOC_FSGETXATTR`.
pub(super) fn fs_xattr(fd: impl AsFd) -> Result<FsXattr> {
    // SAFETY: the kernel writes one `struct fsxattr`, whose layout `FsXattr` has; any bytes are a valid value of it.
    unsafe { ioctl::ioctl(fd, Getter::<FS_GET, FsXattr>::new()) }
}

/// `FS_IOC_FSSETXATTR`.
pub(super) fn set_fs_xattr(fd: impl AsFd, value: FsXattr) -> Result<()> {
    // SAFETY: the kernel only reads one `struct fsxattr`, whose layout `FsXattr` has.
    unsafe { ioctl::ioctl(fd, Setter::<FS_SET, FsXattr>::new(value)) }
}

/// `FAT_IOCTL_GET_ATTRIBUTES`.
pub(super) fn fat_attributes(fd: impl AsFd) -> Result<u32> {
    // SAFETY: the kernel writes one u32.
    unsafe { ioctl::ioctl(fd, Getter::<FAT_GET, u32>::new()) }
}

/// `FAT_IOCTL_SET_ATTRIBUTES`.
pub(super) fn set_fat_attributes(fd: impl AsFd, attributes: u32) -> Result<()> {
    // SAFETY: the kernel only reads one u32.
    unsafe { ioctl::ioctl(fd, Setter::<FAT_SET, u32>::new(attributes)) }
}

/// Lets the process open as many files as it may without asking anybody; returns how many that are.
pub fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}
