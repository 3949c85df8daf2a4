//! What a datastore is managed with (protocol 11).

use std::sync::Arc;

use pxkit::store::{Local, Options as StoreOptions, SyncLevel};
use serde_json::{Value, json};

use super::access::owns;
use super::params::{Given, Kind, Param, Params, Refusal, Reply, bad};
use super::rest::Out;
use super::session::{Shared, not_found};
use super::store::{self, Place};
use super::tasks::Task;

pub(super) const NS: Param = ("ns", false, Kind::Namespace);
pub(super) const TYPE: Param = ("backup-type", true, Kind::Type);
pub(super) const ID: Param = ("backup-id", true, Kind::Id);
pub(super) const TIME: Param = ("backup-time", true, Kind::Int(1, i64::MAX as u64));
pub(super) const OPTIONAL: [Param; 3] =
    [("backup-type", false, Kind::Type), ("backup-id", false, Kind::Id), NS];
pub(super) const GROUP: [Param; 3] = [NS, TYPE, ID];
pub(super) const SNAPSHOT: [Param; 4] = [NS, TYPE, ID, TIME];
pub(super) const KEEP: [Param; 6] = [
    ("keep-last", false, Kind::Int(1, u64::MAX)),
    ("keep-hourly", false, Kind::Int(1, u64::MAX)),
    ("keep-daily", false, Kind::Int(1, u64::MAX)),
    ("keep-weekly", false, Kind::Int(1, u64::MAX)),
    ("keep-monthly", false, Kind::Int(1, u64::MAX)),
    ("keep-yearly", false, Kind::Int(1, u64::MAX)),
];
pub(super) const MANIFEST: &str = "index.json.blob";
pub(super) const PROTECTED: &str = ".protected";
pub(super) const AUDIT: &str = "Datastore.Audit";
pub(super) const BACKUP: &str = "Datastore.Backup";
pub(super) const MODIFY: &str = "Datastore.Modify";
pub(super) const PRUNE: &str = "Datastore.Prune";
pub(super) const READ: &str = "Datastore.Read";
pub(super) const VERIFY: &str = "Datastore.Verify";

/// Who asks.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    pub shared: &'a Arc<Shared>,
    pub auth_id: &'a str,
}

/// What is asked, with whatever it needs.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller<'a>,
    pub(super) given: Given<'a>,
    pub(super) body: &'a [u8],
}

/// Answers a call about a datastore; `None` if there is no such call.
pub fn call(
    caller: &Caller<'_>,
    method: &str,
    store: &str,
    what: &str,
    given: Given<'_>,
    body: &[u8],
) -> Option<Reply<Out>> {
    if store != caller.shared.options.store {
        // Nobody has privileges on what is not there, but those who have them on everything.
        let name = format!("/datastore/{store}");
        let text = match caller.shared.access.has(caller.auth_id, AUDIT, &name) {
            true => bad(format!("no such datastore '{store}'")),
            false => {
                Refusal::new(403, format!("permission check failed - missing {AUDIT}|{BACKUP} on {name}"))
            }
        };
        return Some(Err(text));
    }
    let call = Call { caller, given, body };
    Some(match (method, what) {
        ("GET", "status") => call.status(),
        ("GET", "namespace") => call.list_namespaces(),
        ("POST", "namespace") => call.create_namespace(),
        ("DELETE", "namespace") => call.delete_namespace(),
        ("GET", "groups") => call.groups(),
        ("DELETE", "groups") => call.delete_group(),
        ("GET", "group-notes") => call.group_notes(),
        ("PUT", "group-notes") => call.set_group_notes(),
        ("POST", "change-owner") => call.change_owner(),
        ("GET", "snapshots") => call.snapshots(),
        ("DELETE", "snapshots") => call.forget(),
        ("GET", "files") => call.files(),
        ("GET", "notes") => call.notes(),
        ("PUT", "notes") => call.set_notes(),
        ("GET", "protected") => call.protected(),
        ("PUT", "protected") => call.set_protected(),
        ("GET", "download") => call.download(),
        ("GET", "download-decoded") => call.download_decoded(),
        ("POST", "upload-backup-log") => call.upload_log(),
        ("POST", "prune") => call.prune(),
        ("POST", "prune-datastore") => call.prune_all(),
        ("POST", "verify") => call.verify(),
        ("POST", "gc") => call.collect(),
        ("GET", "gc") => call.last_collection(),
        _ => return None,
    })
}

impl Caller<'_> {
    /// The datastores of which somebody may know.
    pub fn datastores(&self) -> Value {
        let name = &self.shared.options.store;
        let knows = [AUDIT, BACKUP].iter().any(|privilege| self.has(privilege, ""));
        if knows {
            json!([{ "store": name, "mount-status": "nonremovable", "backend-type": "filesystem" }])
        } else {
            json!([])
        }
    }

    pub(super) fn path(&self, namespace: &str) -> String {
        let slash = if namespace.is_empty() { "" } else { "/" };
        format!("/datastore/{}{slash}{namespace}", self.shared.options.store)
    }

    pub(super) fn has(&self, privilege: &str, namespace: &str) -> bool {
        self.shared.access.has(self.auth_id, privilege, &self.path(namespace))
    }

    /// Whether somebody may do something with all groups, or (`false`) with own ones only.
    pub(super) fn may(&self, namespace: &str, all: &[&str], own: Option<&str>) -> Reply<bool> {
        if all.iter().any(|privilege| self.has(privilege, namespace)) {
            return Ok(true);
        }
        if own.is_some_and(|privilege| self.has(privilege, namespace)) {
            return Ok(false);
        }
        let wanted: Vec<&str> = all.iter().copied().chain(own).collect();
        let (wanted, path) = (wanted.join("|"), self.path(namespace));
        Err(Refusal::new(403, format!("permission check failed - missing {wanted} on {path}")))
    }

    /// The directory of a group with which somebody may do something.
    pub(super) fn group(&self, place: &Place, all: &[&str], own: Option<&str>) -> Reply<std::path::PathBuf> {
        let is_any = self.may(&place.namespace, all, own)?;
        let path = self.shared.store.group(place);
        let owner = store::owner(&path)?;
        if !is_any && !owns(self.auth_id, &owner) {
            return Err(bad(format!("backup owner check failed ({} != {owner})", self.auth_id)));
        }
        Ok(path)
    }

    /// The directory of a snapshot with which somebody may do something.
    pub(super) fn snapshot(
        &self,
        place: &Place,
        all: &[&str],
        own: Option<&str>,
    ) -> Reply<std::path::PathBuf> {
        self.group(place, all, own)?;
        let path = self.shared.store.snapshot(place)?;
        if !path.is_dir() {
            return Err(bad(format!("snapshot {} does not exist.", place.name()?)));
        }
        Ok(path)
    }

    /// Does something and makes a task of it, which still runs when it is looked at first.
    pub(super) fn task(
        &self,
        kind: &str,
        worker: &str,
        work: impl FnOnce(&mut Vec<String>) -> Result<(), String>,
    ) -> Reply<Out> {
        let shared = self.shared;
        let upid = shared.tasks.upid(kind, worker, self.auth_id, shared.now())?;
        let mut lines = vec![format!("starting {kind} of {worker}")];
        let status = match work(&mut lines) {
            Ok(()) => "OK".to_owned(),
            Err(why) => why,
        };
        lines.push(if status == "OK" { "TASK OK".to_owned() } else { format!("TASK ERROR: {status}") });
        shared.tasks.end(upid.clone(), Task { lines, status, pending: 1 });
        Ok(Out::data(upid))
    }

    /// The same directory as pxkit's own datastore, for what is not the server's to prove.
    pub(super) fn local(&self) -> Result<Local, String> {
        let options = StoreOptions {
            sync: SyncLevel::None,
            auth_id: self.auth_id.to_owned(),
            ..StoreOptions::default()
        };
        Local::open(&self.shared.store.root, options).map_err(|error| format!("{error:#}"))
    }
}

/// `/nodes/NODE/tasks/UPID/…`
pub fn task(
    caller: &Caller<'_>,
    method: &str,
    upid: &str,
    what: &str,
    given: Given<'_>,
    path: &str,
) -> Reply<Out> {
    let find = || caller.shared.tasks.look(upid).ok_or_else(|| bad(format!("no such task '{upid}'")));
    match (method, what) {
        ("GET", "status") => {
            Params::check(&[], given)?;
            let task = find()?;
            let mut data = json!({ "upid": upid, "node": "localhost", "user": caller.auth_id });
            if task.pending > 0 {
                data["status"] = "running".into();
            } else {
                data["status"] = "stopped".into();
                data["exitstatus"] = task.status.into();
            }
            Ok(Out::data(data))
        }
        ("GET", "log") => {
            let schema = [
                ("start", false, Kind::Int(0, u64::MAX)),
                ("limit", false, Kind::Int(0, u64::MAX)),
                ("test-status", false, Kind::Bool),
                ("download", false, Kind::Bool),
            ];
            let params = Params::check(&schema, given)?;
            let task = find()?;
            let start = params.int("start").unwrap_or(0).max(1);
            let limit = params.int("limit").unwrap_or(50);
            let lines = (1..).zip(&task.lines).skip_while(|(n, _)| *n < start);
            let lines: Vec<Value> = lines
                .take(usize::try_from(limit).unwrap_or(usize::MAX))
                .map(|(n, line)| json!({ "n": n, "t": line }))
                .collect();
            let mut json = json!({ "data": lines, "total": task.lines.len(), "success": 1 });
            if params.flag("test-status") == Some(true) {
                json["active"] = (task.pending > 0).into();
            }
            Ok(Out { json, ..Out::default() })
        }
        _ => Err(not_found(path)),
    }
}

impl Call<'_> {
    pub(super) fn params(&self, parts: &[&[Param]]) -> Reply<Params> {
        Params::check(&parts.concat(), self.given)
    }

    pub(super) fn shared(&self) -> &Shared {
        self.caller.shared
    }
}
