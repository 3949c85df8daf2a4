//! Nodes that take the place of others: made under a name of their own first, so that what exists is only lost when the new node
//! is complete.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, renameat, unlinkat};
use rustix::io::Errno;

/// Makes something under a name that is free in its directory; returns the name, too.
pub fn under_free_name<T>(make: impl Fn(&CStr) -> Result<T, Errno>) -> Result<(CString, T), Errno> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".pxkit-{}-{number}", std::process::id());
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        match make(&name) {
            Ok(made) => return Ok((name, made)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Gives a node its name, in place of whatever has it; a directory is never replaced. If that fails the node is removed.
pub fn take_place(dir: &OwnedFd, temporary: &CStr, name: &CStr) -> Result<(), Errno> {
    renameat(dir, temporary, dir, name).inspect_err(|_| {
        // The first error says why.
        let _ = unlinkat(dir, temporary, AtFlags::empty());
    })
}
