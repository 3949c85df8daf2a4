//! Keys of encrypted snapshots.

use crate::protocol::Problem;
use crate::protocol::open::KeyInfo;
use crate::worker::Task;
use crate::worker::crypto::Key;

/// Takes a key file; it stays in the worker.
///
/// # Errors
/// It is none, or the passphrase is missing or another one.
pub async fn take(task: &Task, name: &str, file: &[u8], passphrase: &str) -> Result<KeyInfo, Problem> {
    let key = Key::of_file(name, file, passphrase).await?;
    let fingerprint = key.fingerprint().to_string();
    task.worker().add_key(key);
    Ok(KeyInfo { fingerprint })
}
