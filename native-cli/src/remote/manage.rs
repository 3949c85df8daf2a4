//! What is in a datastore on a server, and what is done with it besides backups and restores (server protocol 11).

use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::blob::{BackupType, CryptMode};
use serde_json::Value;

use super::{Params, Refused, Remote};
use crate::store::prune::{Keep, Mark};
use crate::store::{
    Backup, FileInfo, Group, GroupInfo, Listed, Namespace, NewSnapshot, OpenSnapshot, Repository, SnapshotId,
    SnapshotInfo, Space,
};

/// The manifest in a listing.
const MANIFEST: &str = "index.json.blob";

/// A parameter that names a namespace; nothing for the root.
pub(super) fn ns(namespace: &Namespace) -> (&'static str, Value) {
    ("ns", if namespace.is_root() { Value::Null } else { namespace.to_string().into() })
}

/// Parameters that name a group.
fn in_group(namespace: &Namespace, group: &Group) -> Vec<(&'static str, Value)> {
    let (backup_type, id) = (group.backup_type.word().into(), group.id.as_str().into());
    vec![ns(namespace), ("backup-type", backup_type), ("backup-id", id)]
}

/// Parameters that name a snapshot.
pub(super) fn in_snapshot(namespace: &Namespace, snapshot: &SnapshotId) -> Vec<(&'static str, Value)> {
    let mut params = in_group(namespace, &snapshot.group);
    params.push(("backup-time", snapshot.time.into()));
    params
}

fn with<'a>(mut params: Vec<(&'a str, Value)>, more: (&'a str, Value)) -> Vec<(&'a str, Value)> {
    params.push(more);
    params
}

impl Remote {
    /// The path of a request about the datastore.
    pub(super) fn path(&self, what: &str) -> String {
        format!("admin/datastore/{}/{what}", self.api().address().store)
    }

    /// How messages name a namespace.
    fn place(&self, namespace: &Namespace) -> String {
        let name = self.name();
        if namespace.is_root() { name } else { format!("namespace `{namespace}` of {name}") }
    }

    /// Says what was wanted, and whether it is the namespace that is missing.
    fn explain(&self, error: anyhow::Error, namespace: &Namespace, wanted: &str) -> anyhow::Error {
        let may_be_missing = error.downcast_ref::<Refused>().is_some_and(|refused| refused.status != 401);
        if may_be_missing
            && !namespace.is_root()
            && self.list_namespaces(&Namespace::default()).is_ok_and(|all| !all.contains(namespace))
        {
            return anyhow::anyhow!("there is no namespace `{namespace}` in {}", self.name());
        }
        error.context(format!("{}: cannot {wanted}", self.place(namespace)))
    }

    fn list_namespaces(&self, below: &Namespace) -> anyhow::Result<Vec<Namespace>> {
        let parent = ("parent", ns(below).1);
        let list = self.api().get(&self.path("namespace"), &[parent])?;
        let name = |entry: &Value| entry["ns"].as_str()?.parse().ok();
        let mut all: Vec<Namespace> = entries(&list)?.iter().filter_map(name).collect();
        // The outer ones go first.
        all.sort_unstable();
        Ok(all)
    }

    fn list_snapshots(&self, params: Params<'_>) -> anyhow::Result<Vec<SnapshotInfo>> {
        let list = self.api().get(&self.path("snapshots"), params)?;
        let mut all: Vec<SnapshotInfo> = entries(&list)?.iter().filter_map(snapshot).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Lets the server remove the snapshots of a group that no rule keeps, oldest first.
    ///
    /// # Errors
    /// The server refuses it; snapshots that it had removed before are gone.
    pub fn prune(
        &self,
        namespace: &Namespace,
        group: &Group,
        keep: &Keep,
        dry_run: bool,
    ) -> anyhow::Result<Vec<(SnapshotId, Mark)>> {
        let mut params = in_group(namespace, group);
        for (name, count) in [
            ("keep-last", keep.last),
            ("keep-hourly", keep.hourly),
            ("keep-daily", keep.daily),
            ("keep-weekly", keep.weekly),
            ("keep-monthly", keep.monthly),
            ("keep-yearly", keep.yearly),
        ] {
            params.push((name, count.map_or(Value::Null, Value::from)));
        }
        if dry_run {
            params.push(("dry-run", true.into()));
        }
        let list = self.api().post(&self.path("prune"), &params);
        let list = list.map_err(|error| self.explain(error, namespace, &format!("prune {group}")))?;
        let mark = |entry: &Value| {
            let is = |key: &str| entry[key].as_bool().unwrap_or(false);
            let mark = match (is("protected"), is("keep")) {
                (true, _) => Mark::Protected,
                (false, true) => Mark::Keep,
                (false, false) => Mark::Remove,
            };
            Some((id(entry)?, mark))
        };
        Ok(entries(&list)?.iter().filter_map(mark).collect())
    }

    /// Starts a collection of garbage; returns the name of the task.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn start_collection(&self) -> anyhow::Result<String> {
        let task = self.api().post(&self.path("gc"), &[]);
        upid(task.with_context(|| format!("{}: cannot collect garbage", self.name()))?)
    }

    /// What the last collection of garbage found and did, in the words of the server.
    ///
    /// # Errors
    /// The server refuses to tell.
    pub fn last_collection(&self) -> anyhow::Result<Value> {
        self.api().get(&self.path("gc"), &[])
    }

    /// Starts a verification of a snapshot, a group, or everything in a namespace and below it; returns the name of the task.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn start_verification(
        &self,
        namespace: &Namespace,
        group: Option<&Group>,
        time: Option<i64>,
    ) -> anyhow::Result<String> {
        let mut params = group.map_or_else(|| vec![ns(namespace)], |group| in_group(namespace, group));
        params.push(("backup-time", time.map_or(Value::Null, Value::from)));
        // Whoever asks wants to know it now.
        params.push(("ignore-verified", false.into()));
        let task = self.api().post(&self.path("verify"), &params);
        upid(task.map_err(|error| self.explain(error, namespace, "verify"))?)
    }

    /// Stores the log of a snapshot, encoded as a blob. There can be one only.
    ///
    /// # Errors
    /// There is one, there is no such snapshot, or the server refuses it.
    pub fn upload_log(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        blob: Vec<u8>,
    ) -> anyhow::Result<()> {
        let params = in_snapshot(namespace, snapshot);
        let stored = self.api().upload(&self.path("upload-backup-log"), &params, blob);
        let what = || format!("store the log of {snapshot}");
        stored.map(drop).map_err(|error| self.explain(error, namespace, &what()))
    }

    /// A file of a snapshot as it is stored, of at most `most` bytes.
    ///
    /// # Errors
    /// There is none, it is longer, or the server refuses it.
    pub fn file(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        name: &str,
        most: u64,
    ) -> anyhow::Result<Vec<u8>> {
        let params = with(in_snapshot(namespace, snapshot), ("file-name", name.into()));
        let bytes = self.api().download(&self.path("download"), &params, most);
        bytes.map_err(|error| self.explain(error, namespace, &format!("read {snapshot}/{name}")))
    }

    /// The version of the server: `4.2.2`.
    ///
    /// # Errors
    /// The server refuses to tell.
    pub fn version(&self) -> anyhow::Result<String> {
        let version = self.api().get("version", &[])?;
        let part = |key: &str| version[key].as_str().map(str::to_owned);
        let release = part("release").map_or_else(String::new, |release| format!(".{release}"));
        Ok(part("version").context("the server does not tell its version")? + &release)
    }
}

impl Repository for Remote {
    fn name(&self) -> String {
        self.api().address().to_string()
    }

    /// So many writers has a session (server protocol 8.4).
    fn most_indexes(&self) -> Option<usize> {
        Some(256)
    }

    fn namespaces(&self, below: &Namespace) -> anyhow::Result<Vec<Namespace>> {
        let all = self.list_namespaces(below);
        all.map_err(|error| self.explain(error, below, "list namespaces"))
    }

    fn groups(&self, namespace: &Namespace) -> anyhow::Result<Vec<GroupInfo>> {
        let list = self.api().get(&self.path("groups"), &[ns(namespace)]);
        let list = list.map_err(|error| self.explain(error, namespace, "list groups"))?;
        let describe = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().map(str::to_owned);
            let owner = text("owner").unwrap_or_default();
            Some(GroupInfo { group: group(entry)?, owner, comment: text("comment") })
        };
        let mut all: Vec<GroupInfo> = entries(&list)?.iter().filter_map(describe).collect();
        all.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(all)
    }

    fn snapshots(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<Vec<SnapshotInfo>> {
        let all = self.list_snapshots(&in_group(namespace, group));
        let what = || format!("list the snapshots of {group}");
        let all = all.map_err(|error| self.explain(error, namespace, &what()))?;
        if all.is_empty() {
            bail!("there is no group {group} in {}, or nothing of it can be seen", self.place(namespace));
        }
        Ok(all)
    }

    fn all_snapshots(&self, namespace: &Namespace) -> anyhow::Result<Vec<SnapshotInfo>> {
        let all = self.list_snapshots(&[ns(namespace)]);
        all.map_err(|error| self.explain(error, namespace, "list snapshots"))
    }

    fn open(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<Arc<dyn OpenSnapshot>> {
        self.open_snapshot(namespace, snapshot)
    }

    fn begin(&self, new: &NewSnapshot) -> anyhow::Result<Box<dyn Backup>> {
        self.begin_backup(new)
    }

    fn forget(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<()> {
        let gone = self.api().delete(&self.path("snapshots"), &in_snapshot(namespace, snapshot));
        match gone {
            Err(error) if says(&error, "cannot remove protected snapshot") => {
                bail!("{snapshot} is protected: `pxkit unprotect {snapshot}` allows to remove it")
            }
            Err(error) if says(&error, "unable to acquire snapshot lock") => {
                bail!(
                    "{snapshot} is in use: a backup, a restore, a verification or a mount holds it; try again later"
                )
            }
            result => result
                .map(drop)
                .map_err(|error| self.explain(error, namespace, &format!("remove {snapshot}"))),
        }
    }

    fn set_protected(
        &self,
        namespace: &Namespace,
        snapshot: &SnapshotId,
        protected: bool,
    ) -> anyhow::Result<()> {
        let params = with(in_snapshot(namespace, snapshot), ("protected", protected.into()));
        let done = self.api().put(&self.path("protected"), &params);
        let what = || format!("{} {snapshot}", if protected { "protect" } else { "unprotect" });
        done.map(drop).map_err(|error| self.explain(error, namespace, &what()))
    }

    fn notes(&self, namespace: &Namespace, snapshot: &SnapshotId) -> anyhow::Result<String> {
        let notes = self.api().get(&self.path("notes"), &in_snapshot(namespace, snapshot));
        let what = || format!("read the notes of {snapshot}");
        Ok(text(&notes.map_err(|error| self.explain(error, namespace, &what()))?))
    }

    fn set_notes(&self, namespace: &Namespace, snapshot: &SnapshotId, notes: &str) -> anyhow::Result<()> {
        let params = with(in_snapshot(namespace, snapshot), ("notes", notes.into()));
        let done = self.api().put(&self.path("notes"), &params);
        let what = || format!("write the notes of {snapshot}");
        done.map(drop).map_err(|error| self.explain(error, namespace, &what()))
    }

    fn group_notes(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<String> {
        let notes = self.api().get(&self.path("group-notes"), &in_group(namespace, group));
        let what = || format!("read the notes of {group}");
        Ok(text(&notes.map_err(|error| self.explain(error, namespace, &what()))?))
    }

    fn set_group_notes(&self, namespace: &Namespace, group: &Group, notes: &str) -> anyhow::Result<()> {
        let params = with(in_group(namespace, group), ("notes", notes.into()));
        let done = self.api().put(&self.path("group-notes"), &params);
        let what = || format!("write the notes of {group}");
        done.map(drop).map_err(|error| self.explain(error, namespace, &what()))
    }

    fn change_owner(&self, namespace: &Namespace, group: &Group, owner: &str) -> anyhow::Result<()> {
        let params = with(in_group(namespace, group), ("new-owner", owner.into()));
        let done = self.api().post(&self.path("change-owner"), &params);
        let what = || format!("give {group} to {owner}");
        done.map(drop).map_err(|error| self.explain(error, namespace, &what()))
    }

    fn create_namespace(&self, namespace: &Namespace) -> anyhow::Result<()> {
        let Some((name, around)) = namespace.components().split_last() else {
            bail!("the root is a namespace already");
        };
        let around: Namespace = around.join("/").parse()?;
        let params = [("name", name.as_str().into()), ("parent", ns(&around).1)];
        match self.api().post(&self.path("namespace"), &params) {
            // It may have been there.
            Err(error)
                if error.is::<Refused>()
                    && !self.list_namespaces(&around).is_ok_and(|all| all.contains(namespace)) =>
            {
                Err(self.explain(error, &around, &format!("make the namespace `{name}`")))
            }
            Err(error) if !error.is::<Refused>() => Err(error),
            _ => Ok(()),
        }
    }

    fn delete_namespace(&self, namespace: &Namespace, groups: bool) -> anyhow::Result<()> {
        if namespace.is_root() {
            bail!("the root is the datastore itself: name a namespace in it");
        }
        let params = [ns(namespace), ("delete-groups", groups.into())];
        let done = self.api().delete(&self.path("namespace"), &params);
        done.map(drop).map_err(|error| self.explain(error, namespace, "remove it"))
    }

    fn space(&self) -> anyhow::Result<Space> {
        let status = self.api().get(&self.path("status"), &[]);
        let status = status.with_context(|| format!("{}: cannot ask for its state", self.name()))?;
        let bytes =
            |key: &str| status[key].as_u64().with_context(|| format!("the server does not tell `{key}`"));
        Ok(Space { total: bytes("total")?, free: bytes("avail")? })
    }
}

/// Whether the server says no with these words.
fn says(error: &anyhow::Error, words: &str) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.text.contains(words))
}

fn entries(list: &Value) -> anyhow::Result<&Vec<Value>> {
    list.as_array().context("the server's answer is no list")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn upid(task: Value) -> anyhow::Result<String> {
    task.as_str().map(str::to_owned).context("the server's answer names no task")
}

fn group(entry: &Value) -> Option<Group> {
    Group::new(BackupType::from_word(entry["backup-type"].as_str()?)?, entry["backup-id"].as_str()?).ok()
}

fn id(entry: &Value) -> Option<SnapshotId> {
    Some(SnapshotId { group: group(entry)?, time: entry["backup-time"].as_i64()? })
}

/// Reads an entry of a listing. Whatever is absent is not known; what nobody knows is passed over.
fn snapshot(entry: &Value) -> Option<SnapshotInfo> {
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    let (mut finished, mut size) = (false, None);
    let mut files = Vec::new();
    for file in entry["files"].as_array().into_iter().flatten() {
        let Some(name) = file["filename"].as_str() else { continue };
        let mode = file["crypt-mode"].as_str().and_then(CryptMode::from_word);
        let bytes = file["size"].as_u64();
        let is_manifest = name == MANIFEST;
        // Of a manifest that cannot be read the server tells no size.
        if is_manifest {
            finished = true;
            size = bytes.map(|_| 0);
        }
        let listed = bytes.zip(mode).filter(|_| !is_manifest);
        let listed = listed.map(|(size, crypt_mode)| Listed { size, crypt_mode });
        let stored = bytes.filter(|_| is_manifest);
        files.push(FileInfo { name: name.to_owned(), listed, stored, is_missing: false });
    }
    files.sort_by_key(|file| file.listed.is_none());
    let sum = |sum: u64, file: &FileInfo| sum.saturating_add(file.listed.map_or(0, |listed| listed.size));
    Some(SnapshotInfo {
        id: id(entry)?,
        finished,
        protected: entry["protected"].as_bool().unwrap_or(false),
        size: size.map(|none| files.iter().fold(none, sum)),
        files,
        notes: text("comment"),
        verified: match entry["verification"]["state"].as_str() {
            Some("ok") => Some(true),
            Some("failed") => Some(false),
            _ => None,
        },
        owner: text("owner"),
        key: text("fingerprint"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Rule 70, with the example of the specification.
    #[test]
    fn r70_listings_are_read() {
        let entry = json!({
            "backup-type": "host", "backup-id": "elsa", "backup-time": 1_593_179_765,
            "files": [
                { "filename": "root.ppxar.didx", "crypt-mode": "none", "size": 2500 },
                { "filename": "root.mpxar.didx", "crypt-mode": "none", "size": 1000 },
                { "filename": "index.json.blob", "crypt-mode": "none", "size": 421 },
                { "filename": "client.log.blob" },
            ],
            "size": 3921, "owner": "user@pbs!tok", "protected": true, "comment": "first line",
            "verification": { "state": "ok", "upid": "UPID:x" }, "new": { "unknown": [] },
        });
        let info = snapshot(&entry).unwrap();
        assert_eq!(info.id.to_string(), "host/elsa/2020-06-26T13:56:05Z");
        assert_eq!(
            (info.finished, info.protected, info.size, info.verified),
            (true, true, Some(3500), Some(true))
        );
        let listed: Vec<_> = info.listed().map(|(name, file)| (name, file.size)).collect();
        assert_eq!(listed, [("root.ppxar.didx", 2500), ("root.mpxar.didx", 1000)]);
        let others: Vec<_> = info.files[2..].iter().map(|file| (&*file.name, file.stored)).collect();
        assert_eq!(others, [("index.json.blob", Some(421)), ("client.log.blob", None)]);
        assert_eq!(
            (info.owner.as_deref(), info.notes.as_deref()),
            (Some("user@pbs!tok"), Some("first line"))
        );
    }

    #[test]
    fn r70_what_is_absent_is_not_known() {
        let with_files = |files: Value| {
            snapshot(&json!({ "backup-type": "vm", "backup-id": "1", "backup-time": 1, "files": files }))
                .unwrap()
        };
        let unfinished = with_files(json!([{ "filename": "root.didx" }]));
        assert_eq!((unfinished.finished, unfinished.size, unfinished.owner), (false, None, None));
        // A manifest that cannot be read.
        let damaged = with_files(json!([{ "filename": "index.json.blob" }, { "filename": "root.didx" }]));
        assert_eq!((damaged.finished, damaged.size, damaged.listed().count()), (true, None, 0));
        let empty = with_files(json!([{ "filename": "index.json.blob", "size": 300, "crypt-mode": "none" }]));
        assert_eq!(empty.size, Some(0));
        for bad in
            [json!({}), json!({ "backup-type": "disk", "backup-id": "1", "backup-time": 1 }), json!(null)]
        {
            assert!(snapshot(&bad).is_none());
        }
    }
}
