//! Linux calls that no crate wraps. The only unsafe code of the program.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::io::Errno;
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

/// A descriptor that whoever started the program left open for it, such as one of a passphrase. Programs that are started here do not
/// inherit it.
pub fn inherited(number: RawFd) -> io::Result<File> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it is borrowed for two calls that answer EBADF if it is not open; nothing is closed, whosever it is.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let own = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    if number > 2 {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(own.into())
}

/// `struct file_attr` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileAttr {
    /// `FS_XFLAG_*`.
    pub xflags: u64,
    extsize: u32,
    nextents: u32,
    /// The quota project id.
    pub projid: u32,
    cowextsize: u32,
}

/// `struct xattr_args` of `linux/xattr.h`.
#[repr(C, align(8))]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

const _: () = assert!(size_of::<FileAttr>() == 24 && size_of::<XattrArgs>() == 16);

// All architectures number calls that came after Linux 5.0 alike, from different beginnings; only those that begin at 0 are
// here, others are treated like an old kernel.
const GETXATTRAT: libc::c_long = 464;
const LISTXATTRAT: libc::c_long = 465;
const FILE_GETATTR: libc::c_long = 468;
const HAS_NUMBERS: bool = cfg!(any(
    all(target_arch = "x86_64", target_pointer_width = "64"),
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "loongarch64",
    target_arch = "powerpc64",
    target_arch = "riscv64",
    target_arch = "s390x",
));

/// `listxattrat` (Linux 6.13) of the node itself, if it is a symlink. An empty name means the directory.
pub(super) fn listxattrat(dir: BorrowedFd<'_>, name: &CStr, list: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel reads a string that ends in NUL and writes at most `list.len()` bytes to `list`.
    answer(|| unsafe {
        libc::syscall(
            LISTXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH,
            list.as_mut_ptr(),
            list.len(),
        )
    })
}

/// `getxattrat` (Linux 6.13) of the node itself, if it is a symlink.
pub(super) fn getxattrat(
    dir: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    value: &mut [u8],
) -> Result<usize> {
    let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let args = XattrArgs { value: value.as_mut_ptr().expose_provenance() as u64, size, flags: 0 };
    // SAFETY: the kernel reads two strings that end in NUL and `args`, whose layout it has, and writes at most `size` bytes to
    // `value`, which is not shorter.
    answer(|| unsafe {
        libc::syscall(
            GETXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            attribute.as_ptr(),
            &raw const args,
            size_of::<XattrArgs>(),
        )
    })
}

/// `file_getattr` (Linux 6.17) of the node itself, if it is a symlink. An empty name means the directory.
pub(super) fn file_getattr(dir: BorrowedFd<'_>, name: &CStr) -> Result<FileAttr> {
    let mut attr = FileAttr::default();
    // SAFETY: the kernel reads a string that ends in NUL and writes at most the given size to `attr`, whose layout it has; any
    // bytes are a valid value of it.
    answer(|| unsafe {
        libc::syscall(
            FILE_GETATTR,
            dir.as_raw_fd(),
            name.as_ptr(),
            &raw mut attr,
            size_of::<FileAttr>(),
            libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH,
        )
    })?;
    Ok(attr)
}

/// What a call answered.
fn answer(call: impl FnOnce() -> libc::c_long) -> Result<usize> {
    if !HAS_NUMBERS {
        return Err(Errno::NOSYS);
    }
    usize::try_from(call()).map_err(|_| {
        let error = io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::NOSYS)
    })
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

/// Gives allocations from 1 MiB on back to the system as soon as they are freed. Buffers of chunks, which come and go in several
/// threads and in all sizes, else leave holes in the heap of each thread that add up to more than what is in use. Of what is smaller, up to
/// 4 MiB a heap stay and 1 MiB is taken at once: each time that a heap grows or shrinks, all threads wait for the one.
pub fn release_large_buffers() {
    #[cfg(target_env = "gnu")]
    {
        use std::ffi::c_int;
        /// `M_TRIM_THRESHOLD`, `M_TOP_PAD` and `M_MMAP_THRESHOLD` of `malloc.h`, in bytes.
        const PARAMETERS: [(c_int, c_int); 3] = [(-1, 4 << 20), (-2, 1 << 20), (-3, 1 << 20)];
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        for (parameter, value) in PARAMETERS {
            // SAFETY: the function is glibc's, takes its own lock, and only changes where later allocations come from.
            unsafe { mallopt(parameter, value) };
        }
    }
}
