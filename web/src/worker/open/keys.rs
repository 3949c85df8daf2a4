//! Keys of encrypted snapshots.

use crate::protocol::Problem;
use crate::protocol::open::KeyInfo;
use crate::worker::{Task, problem};

/// Takes a key file.
///
/// # Errors
/// It is none, or the passphrase is another one.
pub async fn take(_task: &Task, _name: &str, _file: &[u8], _passphrase: &str) -> Result<KeyInfo, Problem> {
    problem::absent("key")
}
