//! Keys of encrypted snapshots.

use crate::protocol::open::KeyInfo;
use crate::protocol::{Problem, Tell};
use crate::worker::Task;
use crate::worker::crypto::Key;

/// Takes a key file; it stays in the worker.
///
/// # Errors
/// It is none, or the passphrase is missing or another one.
pub async fn take(task: &Task, name: &str, file: &[u8], passphrase: &str) -> Result<KeyInfo, Problem> {
    let key = Key::of_file(name, file, passphrase).await?;
    let fingerprint = key.fingerprint().to_string();
    let worker = task.worker();
    worker.add_key(key);
    for document in worker.documents() {
        if let Some((store, reference)) = &document.origin
            && let Ok(store) = worker.store(*store)
            && let Ok(snapshot) = store.open(reference).await
        {
            let before = document.facts.borrow().clone();
            snapshot.recheck(task, &document);
            if *document.facts.borrow() != before {
                document.touch();
                worker.host().tell(Tell::Document(Box::new(document.describe())), Vec::new());
            }
        }
    }
    Ok(KeyInfo { fingerprint })
}
