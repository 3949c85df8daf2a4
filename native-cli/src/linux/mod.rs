//! Metadata that only Linux keeps: extended attributes, ACLs, capabilities, inode flags, project ids; read for `create`,
//! applied by `extract`.

mod acl;
mod apply;
mod read;
mod sys;
#[cfg(test)]
mod tests;
mod xattr;

use rustix::io::Errno;

pub use apply::{Applier, Known, Report, Step, StepError, Target};
pub use read::{AttributeReader, FileSystem, Found, ReadOptions, can_read_by_name, is_local};
pub use sys::{inherited, raise_open_files, release_large_buffers};
pub use xattr::{acl_texts, extended_attributes, extended_flags, native_flags};

/// A system call that failed, with what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What was tried, to be read after "cannot".
    pub action: &'static str,
    /// The answer of the kernel.
    pub errno: Errno,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.action, self.errno)
    }
}

impl std::error::Error for CallError {}

/// Names the action of a failing call.
pub(crate) fn doing(action: &'static str) -> impl Fn(Errno) -> CallError {
    move |errno| CallError { action, errno }
}

/// Name of the extended attribute that holds file capabilities.
const CAPABILITY: &std::ffi::CStr = c"security.capability";
/// Name of the extended attribute that holds the access ACL.
const ACL_ACCESS: &std::ffi::CStr = c"system.posix_acl_access";
/// Name of the extended attribute that holds the default ACL.
const ACL_DEFAULT: &std::ffi::CStr = c"system.posix_acl_default";

/// Whether an extended attribute of this name is stored as such (specification 2.9).
fn is_stored_xattr(name: &[u8]) -> bool {
    let in_namespace = name.starts_with(b"user.") || name.starts_with(b"trusted.");
    (in_namespace && name.len() <= 255) || name == b"security.NTACL"
}

/// Whether the error of a flag call says that the file system or the kind of node has no such flags (specification 7.4).
fn is_no_flags(errno: Errno) -> bool {
    matches!(errno, Errno::NOTTY | Errno::NOSYS | Errno::BADF | Errno::OPNOTSUPP | Errno::INVAL)
}
