//! Tickets that logins left, in the file of the stock client (server protocol 2.2): `$XDG_RUNTIME_DIR/proxmox-backup/tickets`, which nobody
//! else may read. It is written by `pxkit login` and `pxkit logout` only.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Address, Ticket};
use crate::cmd::key::files;
use crate::secret::{self, SecretText};

/// How old a ticket is at most that somebody uses, in seconds: the server takes it for two hours.
const LIFE: i64 = 7140;

/// A ticket for whoever asks there, if a login left one that is still good.
pub fn find(address: &Address) -> Option<Ticket> {
    if address.auth.token.is_some() {
        return None;
    }
    let all = read(&path()?).ok()?;
    let entry = all.get(&address.host)?.get(&address.auth.user)?;
    if !is_good(entry, now()) {
        return None;
    }
    let text = |key: &str| Some(SecretText::new(entry[key].as_str()?.to_owned()));
    Some(Ticket { ticket: text("ticket")?, csrf: text("token")? })
}

/// Keeps a ticket; those that have expired are removed.
///
/// # Errors
/// There is no place for it, or it cannot be written.
pub fn keep(address: &Address, ticket: &Ticket) -> anyhow::Result<()> {
    let path = path().context("there is no directory for it: XDG_RUNTIME_DIR is not set")?;
    let now = now();
    change(&path, |all| {
        for users in all.values_mut().filter_map(Value::as_object_mut) {
            users.retain(|_, entry| is_good(entry, now));
        }
        let entry = json!({ "timestamp": now, "ticket": *ticket.ticket, "token": *ticket.csrf });
        let users = all.entry(address.host.clone()).or_insert_with(|| Map::new().into());
        if !users.is_object() {
            *users = Map::new().into();
        }
        users[&address.auth.user] = entry;
    })
}

/// Forgets the ticket of whoever asks there; says whether there was one.
///
/// # Errors
/// The file cannot be written.
pub fn forget(address: &Address) -> anyhow::Result<bool> {
    let Some(path) = path() else { return Ok(false) };
    if !path.exists() {
        return Ok(false);
    }
    let mut was_there = false;
    change(&path, |all| {
        if let Some(users) = all.get_mut(&address.host).and_then(Value::as_object_mut) {
            was_there = users.shift_remove(&address.auth.user).is_some();
        }
    })?;
    Ok(was_there)
}

fn path() -> Option<PathBuf> {
    let directory = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute())?;
    Some(directory.join("proxmox-backup/tickets"))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// One from the future is not good either: the clock was changed, and nobody can tell how old it is.
fn is_good(entry: &Value, now: i64) -> bool {
    entry["timestamp"].as_i64().is_some_and(|then| (0..LIFE).contains(&now.saturating_sub(then)))
}

/// What is in the file; nothing, if that makes no sense.
fn read(path: &Path) -> io::Result<Map<String, Value>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        file => file?,
    };
    let bytes = secret::read(&mut file, "the cache of tickets").map_err(io::Error::other)?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn change(path: &Path, change: impl FnOnce(&mut Map<String, Value>)) -> anyhow::Result<()> {
    let mut all = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    change(&mut all);
    let text = Zeroizing::new(serde_json::to_vec(&all).context("a map of texts is JSON")?);
    files::replace(path, &text, files::SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_have_an_end() {
        let aged = |age: i64| is_good(&json!({ "timestamp": 1_000_000 - age }), 1_000_000);
        assert!(aged(0) && aged(LIFE - 1));
        assert!(
            !aged(LIFE) && !aged(-1) && !is_good(&json!({}), 0) && !is_good(&json!({ "timestamp": "0" }), 0)
        );
    }

    #[test]
    fn what_others_wrote_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("proxmox-backup/tickets");
        change(&path, |all| {
            _ = all.insert("other".into(), json!({ "joe@pbs": { "timestamp": 1, "more": 2 } }))
        })
        .unwrap();
        change(&path, |all| _ = all.insert("host".into(), json!(1))).unwrap();
        assert_eq!(read(&path).unwrap()["other"]["joe@pbs"]["more"], json!(2));
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // Rubbish is no reason to fail: it is replaced.
        std::fs::write(&path, "rubbish").unwrap();
        assert!(read(&path).unwrap().is_empty());
    }
}
