//! Namespaces and groups (protocol 11.2, 11.3).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::access::owns;
use super::manage::*;
use super::params::{Kind, Refusal, Reply, bad};
use super::rest::Out;
use super::snapshots::{file_names, first_line};
use super::store::{self, Place};

impl Call<'_> {
    pub(super) fn list_namespaces(&self) -> Reply<Out> {
        let schema = [("parent", false, Kind::Namespace), ("max-depth", false, Kind::Int(0, 7))];
        let params = self.params(&[&schema])?;
        let parent = params.text("parent");
        self.caller.may(parent, &[AUDIT, BACKUP, READ, MODIFY], None)?;
        if !self.shared().store.namespace(parent).is_dir() {
            return Err(Refusal::new(404, "namespace not found"));
        }
        let all = self.shared().store.namespaces(parent, params.int("max-depth").unwrap_or(7));
        let list: Vec<Value> = all.into_iter().map(|ns| json!({ "ns": ns })).collect();
        Ok(Out::data(list))
    }

    pub(super) fn create_namespace(&self) -> Reply<Out> {
        let schema = [("name", true, Kind::Id), ("parent", false, Kind::Namespace)];
        let params = self.params(&[&schema])?;
        let (name, parent) = (params.text("name"), params.text("parent"));
        if name.len() > 32 {
            let fault = "value may only be 32 characters long";
            return Err(bad(format!("parameter verification failed - 'name': {fault}")));
        }
        self.caller.may(parent, &[MODIFY], None)?;
        if !self.shared().store.namespace(parent).is_dir() {
            return Err(bad(format!("cannot create new namespace, parent {parent} doesn't already exists")));
        }
        let slash = if parent.is_empty() { "" } else { "/" };
        let new = format!("{parent}{slash}{name}");
        let path = self.shared().store.namespace(&new);
        if path.exists() {
            return Err(bad(format!("namespace \"{new}\" already exists")));
        }
        fs::create_dir_all(path).map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(new))
    }

    pub(super) fn delete_namespace(&self) -> Reply<Out> {
        let schema = [
            ("ns", true, Kind::Namespace),
            ("delete-groups", false, Kind::Bool),
            ("error-on-protected", false, Kind::Bool),
        ];
        let params = self.params(&[&schema])?;
        let namespace = params.text("ns");
        self.caller.may(namespace.rsplit_once('/').map_or("", |(parent, _)| parent), &[MODIFY], None)?;
        let store = &self.shared().store;
        let path = store.namespace(namespace);
        if namespace.is_empty() {
            return Err(bad("cannot delete root namespace!"));
        }
        if !path.is_dir() {
            return Err(Refusal::new(404, "namespace not found"));
        }
        let mut totals = [0, 0, 0];
        for namespace in store.namespaces(namespace, 7).into_iter().rev() {
            for group in store.groups(&namespace) {
                if params.flag("delete-groups") == Some(true) {
                    let stats = self.remove_group(&group.path)?;
                    totals = std::array::from_fn(|at| totals[at] + stats[at]);
                }
            }
        }
        let left = store.namespaces(namespace, 7).iter().any(|namespace| !store.groups(namespace).is_empty());
        if left {
            let protected = totals[2] > 0 && params.flag("error-on-protected") != Some(false);
            let why = if protected { "protected" } else { "existing" };
            return Err(bad(format!("only partially deleted due to {why} groups")));
        }
        fs::remove_dir_all(path).map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(removed(totals)))
    }

    pub(super) fn groups(&self) -> Reply<Out> {
        let params = self.params(&[&[NS]])?;
        let namespace = params.text("ns");
        let is_any = self.caller.may(namespace, &[AUDIT], Some(BACKUP))?;
        self.namespace(namespace)?;
        let list: Vec<Value> = self
            .shared()
            .store
            .groups(namespace)
            .into_iter()
            .filter(|group| is_any || owns(self.caller.auth_id, &group.owner))
            .map(|group| {
                let times = store::times(&group.path);
                let path = |time: i64| group.path.join(store::time_text(time).expect("a time"));
                let mut last = times.iter().rev().find(|time| path(**time).join(MANIFEST).exists());
                if times.len() == 1 {
                    last = times.first();
                }
                let files: Vec<String> = last.map_or_else(Vec::new, |time| file_names(&path(*time)));
                let mut out = json!({
                    "backup-type": group.kind,
                    "backup-id": group.id,
                    "last-backup": last.copied().unwrap_or(0),
                    "backup-count": times.len(),
                    "files": files,
                    "owner": group.owner,
                });
                if let Some(line) = fs::read_to_string(group.path.join("notes")).ok().and_then(first_line) {
                    out["comment"] = line.into();
                }
                out
            })
            .collect();
        Ok(Out::data(list))
    }

    pub(super) fn namespace(&self, namespace: &str) -> Reply<()> {
        match self.shared().store.namespace(namespace).is_dir() {
            true => Ok(()),
            false => Err(Refusal::new(404, "namespace not found")),
        }
    }

    pub(super) fn delete_group(&self) -> Reply<Out> {
        let params = self.params(&[&GROUP, &[("error-on-protected", false, Kind::Bool)]])?;
        let place = Place::of(&params);
        let path = self.caller.group(&place, &[MODIFY], Some(PRUNE))?;
        let stats = self.remove_group(&path)?;
        if stats[2] > 0 && params.flag("error-on-protected") != Some(false) {
            return Err(bad("group only partially deleted due to protected snapshots"));
        }
        Ok(Out::data(removed(stats)))
    }

    /// Groups and snapshots that were removed, and snapshots that are protected.
    pub(super) fn remove_group(&self, path: &Path) -> Reply<[u64; 3]> {
        let store = &self.shared().store;
        let taken = || bad(format!("unable to acquire backup group lock \"{}\"", path.display()));
        let _lock = store.lock(path, false).ok_or_else(taken)?;
        let mut stats = [0, 0, 0];
        for time in store::times(path) {
            let snapshot = path.join(store::time_text(time)?);
            if snapshot.join(PROTECTED).exists() {
                stats[2] += 1;
                continue;
            }
            let taken = || bad(format!("unable to acquire snapshot lock \"{}\"", snapshot.display()));
            let _lock = store.lock(&snapshot, false).ok_or_else(taken)?;
            fs::remove_dir_all(&snapshot).map_err(|error| bad(error.to_string()))?;
            stats[1] += 1;
        }
        if stats[2] == 0 {
            store.remove_if_empty(path);
            stats[0] = 1;
        }
        Ok(stats)
    }

    pub(super) fn group_notes(&self) -> Reply<Out> {
        let place = Place::of(&self.params(&[&GROUP])?);
        let path = self.caller.group(&place, &[AUDIT], Some(BACKUP))?;
        Ok(Out::data(fs::read_to_string(path.join("notes")).unwrap_or_default()))
    }

    pub(super) fn set_group_notes(&self) -> Reply<Out> {
        let params = self.params(&[&GROUP, &[("notes", true, Kind::Text)]])?;
        let path = self.caller.group(&Place::of(&params), &[MODIFY], Some(BACKUP))?;
        store::replace(&path.join("notes"), params.text("notes").as_bytes())
            .map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(Value::Null))
    }

    pub(super) fn change_owner(&self) -> Reply<Out> {
        let params = self.params(&[&GROUP, &[("new-owner", true, Kind::AuthId)]])?;
        let (place, new) = (Place::of(&params), params.text("new-owner"));
        let path = self.caller.group(&place, &[MODIFY], Some(BACKUP))?;
        let user = |id: &str| id.split('!').next().unwrap_or_default().to_owned();
        if !self.caller.has(MODIFY, &place.namespace) && user(new) != user(self.caller.auth_id) {
            return Err(Refusal::new(403, "permission check failed - not allowed to change owner"));
        }
        let known = self.shared().access.users.iter().any(|user| user.auth_id == new);
        if !known {
            return Err(bad(format!("parameter verification failed - 'new-owner': {new} does not exist")));
        }
        fs::write(path.join("owner"), format!("{new}\n")).map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(Value::Null))
    }
}

fn removed([groups, snapshots, protected]: [u64; 3]) -> Value {
    json!({ "removed-groups": groups, "removed-snapshots": snapshots, "protected-snapshots": protected })
}
