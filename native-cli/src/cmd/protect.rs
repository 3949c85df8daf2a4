//! `pxkit protect` and `pxkit unprotect`: whether a snapshot may be removed.

use crate::cli::Protect;
use crate::report::Outcome;
use crate::store::locate;

/// Lets nobody remove a snapshot (`protected`), or lets them again.
///
/// # Errors
/// It does not exist or is in use, or nothing can be written.
pub fn run(args: &Protect, protected: bool) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    store.set_protected(&args.repository.ns, &args.snapshot, protected)?;
    Ok(Outcome::Complete)
}
