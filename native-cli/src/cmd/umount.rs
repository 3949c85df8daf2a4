//! `pxkit umount`: takes away what `pxkit mount` has made.

use crate::cli::Umount;
use crate::mount::{How, unmount_at};
use crate::report::Outcome;

/// Takes a mount away.
///
/// # Errors
/// There is none, somebody uses it, or this user may not do it.
pub fn run(args: &Umount) -> anyhow::Result<Outcome> {
    unmount_at(&args.mountpoint, if args.lazy { How::Lazily } else { How::Now })?;
    Ok(Outcome::Complete)
}
