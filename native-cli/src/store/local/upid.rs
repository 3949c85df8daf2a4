//! The result of a verification in a manifest, and the name of the task that found it (datastore specification 10.1).

use std::fs;

use pxkit_core::blob::Manifest;
use serde_json::json;

use super::lock::escape;

/// Key of the result.
const KEY: &str = "verify_state";

/// Whether the last verification of a snapshot went well; `None` if there was none, or its result makes no sense to the server.
pub(super) fn verify_state(manifest: &Manifest) -> Option<bool> {
    let state = manifest.unprotected.get(KEY)?;
    if !is_upid(state.get("upid")?.as_str()?) {
        return None;
    }
    match state.get("state")?.as_str()? {
        "ok" => Some(true),
        "failed" => Some(false),
        _ => None,
    }
}

/// Notes the result of a verification by the task `upid`.
pub(super) fn set_verify_state(manifest: &mut Manifest, ok: bool, upid: &str) {
    let state = json!({ "state": if ok { "ok" } else { "failed" }, "upid": upid });
    manifest.unprotected.insert(KEY.to_owned(), state);
}

/// A name for work of this process that began at `now`, in seconds since 1970.
pub(super) fn upid(kind: &str, worker: &str, auth_id: &str, now: i64) -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host = host.split('.').next().unwrap_or_default();
    let is_plain = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let node = if is_plain(host) { host } else { "localhost" };
    let (pid, start) = (std::process::id(), process_start().unwrap_or(0));
    let worker = escape(worker);
    format!("UPID:{node}:{pid:08X}:{start:08X}:00000001:{now:08X}:{kind}:{worker}:{auth_id}:")
}

/// When this process was started, in ticks since the machine was.
fn process_start() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything; the start is the 20th field behind it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn is_upid(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [head, node, pid, start, task, time, kind, _worker, auth_id, tail] = parts[..] else { return false };
    let is_hex =
        |text: &&str| (8..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = [node, kind, auth_id].iter().all(|text| !text.is_empty());
    head == "UPID" && tail.is_empty() && named && [pid, start, task, time].iter().all(is_hex)
}

#[cfg(test)]
mod tests {
    use pxkit_core::blob::BackupType;

    use super::*;

    #[test]
    fn names_of_tasks() {
        assert!(is_upid("UPID:pbs:00004F37:0039E469:00000001:5EF5FFFF:verify:store\\x3ahost-elsa:root@pam:"));
        for bad in ["", "UPID:x", "UPID:pbs:4F37:0039E469:00000001:5EF5FFFF:verify::root@pam:"] {
            assert!(!is_upid(bad), "{bad}");
        }
        let upid = upid("verify", "store:host/elsa", "root@pam", 0x5ef5_ffff);
        assert!(is_upid(&upid), "{upid}");
        assert!(upid.ends_with(":5EF5FFFF:verify:store\\x3ahost-elsa:root@pam:"), "{upid}");
    }

    #[test]
    fn results_survive_and_rubbish_does_not_count() {
        let mut manifest = Manifest::new(BackupType::Host, "x", 1);
        assert_eq!(verify_state(&manifest), None);
        for ok in [true, false] {
            set_verify_state(&mut manifest, ok, &upid("verify", "x", "root@pam", 1));
            let read = Manifest::parse(manifest.to_json().as_bytes()).unwrap();
            assert_eq!(verify_state(&read), Some(ok));
        }
        set_verify_state(&mut manifest, false, "UPID:rubbish");
        assert_eq!(verify_state(&manifest), None);
    }
}
