//! Pruning, verification, garbage collection (protocol 11.5), and what there is altogether.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use pxkit::store::prune::{Candidate, Keep, Mark, prune};
use pxkit::store::{Collect, Group as GroupName, Namespace, SnapshotId, Verdict};
use serde_json::{Value, json};

use super::access::{ALL, owns};
use super::manage::*;
use super::params::{Kind, Params, Refusal, Reply, bad};
use super::rest::Out;
use super::store::{self, Place};

impl Call<'_> {
    pub(super) fn status(&self) -> Reply<Out> {
        let params = self.params(&[&[("verbose", false, Kind::Bool)]])?;
        let knows = [AUDIT, BACKUP].iter().any(|privilege| self.caller.has(privilege, ""));
        let any = ALL.iter().any(|privilege| self.caller.has(privilege, ""));
        if !any {
            return Err(Refusal::new(403, "permission check failed"));
        }
        let mut data = json!({ "total": 0, "used": 0, "avail": 0, "backend-type": "filesystem" });
        if knows {
            let file_system =
                rustix::fs::statvfs(&self.shared().store.root).map_err(|error| bad(error.to_string()))?;
            let bytes = |blocks: u64| blocks * file_system.f_frsize;
            data["total"] = bytes(file_system.f_blocks).into();
            data["avail"] = bytes(file_system.f_bavail).into();
            data["used"] = bytes(file_system.f_blocks - file_system.f_bfree).into();
            if params.flag("verbose") == Some(true) {
                let mut counts = json!({ "ct": null, "host": null, "vm": null, "other": null });
                for namespace in self.shared().store.namespaces("", 7) {
                    for group in self.shared().store.groups(&namespace) {
                        let all = &mut counts[&*group.kind];
                        let count = |key: &str| all[key].as_u64().unwrap_or(0);
                        let (groups, snapshots) = (count("groups"), count("snapshots"));
                        let own = store::times(&group.path).len() as u64;
                        *all = json!({ "groups": groups + 1, "snapshots": snapshots + own });
                    }
                }
                data["counts"] = counts;
                data["gc-status"] = self.gc_status();
            }
        }
        Ok(Out::data(data))
    }

    pub(super) fn prune(&self) -> Reply<Out> {
        let more = [("dry-run", false, Kind::Bool), ("use-task", false, Kind::Bool)];
        let params = self.params(&[&GROUP, &KEEP, &more])?;
        let place = Place::of(&params);
        let path = self.caller.group(&place, &[MODIFY], Some(PRUNE))?;
        let is_dry = params.flag("dry-run") == Some(true);
        if params.flag("use-task") == Some(true) {
            let worker = self.shared().worker(&place);
            return self.caller.task("prune", &worker, |lines| {
                let list =
                    self.prune_group(&place, &path, &params, is_dry).map_err(|refusal| refusal.text)?;
                lines.extend(list.iter().map(Value::to_string));
                Ok(())
            });
        }
        self.prune_group(&place, &path, &params, is_dry).map(Out::data)
    }

    pub(super) fn prune_all(&self) -> Reply<Out> {
        let more = [("max-depth", false, Kind::Int(0, 7)), ("dry-run", false, Kind::Bool), NS];
        let params = self.params(&[&KEEP, &more])?;
        let namespace = params.text("ns");
        let is_any = self.caller.may(namespace, &[MODIFY], Some(PRUNE))?;
        self.namespace(namespace)?;
        let is_dry = params.flag("dry-run") == Some(true);
        self.caller.task("prune", &self.shared().options.store, |lines| {
            let all = self.shared().store.namespaces(namespace, params.int("max-depth").unwrap_or(7));
            for namespace in all {
                for group in self.shared().store.groups(&namespace) {
                    if !is_any && !owns(self.caller.auth_id, &group.owner) {
                        continue;
                    }
                    let place =
                        Place { namespace: namespace.clone(), kind: group.kind, id: group.id, time: 0 };
                    let list = self
                        .prune_group(&place, &group.path, &params, is_dry)
                        .map_err(|refusal| refusal.text)?;
                    lines.extend(list.iter().map(Value::to_string));
                }
            }
            Ok(())
        })
    }

    pub(super) fn prune_group(
        &self,
        place: &Place,
        path: &Path,
        params: &Params,
        is_dry: bool,
    ) -> Reply<Vec<Value>> {
        let keep = Keep {
            last: params.int("keep-last"),
            hourly: params.int("keep-hourly"),
            daily: params.int("keep-daily"),
            weekly: params.int("keep-weekly"),
            monthly: params.int("keep-monthly"),
            yearly: params.int("keep-yearly"),
        };
        let candidate = |time: i64| {
            let snapshot = path.join(store::time_text(time).expect("a time"));
            let finished = snapshot.join(MANIFEST).exists();
            Candidate { time, finished, protected: snapshot.join(PROTECTED).exists() }
        };
        let candidates: Vec<Candidate> = store::times(path).into_iter().map(candidate).collect();
        let marks = prune(&candidates, &keep, &TimeZone::UTC);
        let mut list = Vec::new();
        for (candidate, mark) in candidates.iter().zip(marks) {
            let kept = mark != Mark::Remove;
            let mut out = json!({
                "backup-type": place.kind,
                "backup-id": place.id,
                "backup-time": candidate.time,
                "keep": kept,
                "protected": candidate.protected,
            });
            if is_dry && !place.namespace.is_empty() {
                out["ns"] = place.namespace.clone().into();
            }
            if !is_dry && !kept {
                self.remove(&path.join(store::time_text(candidate.time)?))?;
            }
            list.push(out);
        }
        Ok(list)
    }

    pub(super) fn verify(&self) -> Reply<Out> {
        let more = [
            ("backup-time", false, Kind::Int(1, i64::MAX as u64)),
            ("ignore-verified", false, Kind::Bool),
            ("outdated-after", false, Kind::Int(0, u64::MAX)),
            ("max-depth", false, Kind::Int(0, 7)),
            ("read-threads", false, Kind::Int(1, 32)),
            ("verify-threads", false, Kind::Int(1, 32)),
        ];
        let params = self.params(&[&OPTIONAL, &more])?;
        let place = Place::of(&params);
        let is_any = self.caller.may(&place.namespace, &[VERIFY], Some(BACKUP))?;
        self.namespace(&place.namespace)?;
        let is_single = params.has("backup-id") || params.has("backup-type");
        if is_single && !(params.has("backup-id") && params.has("backup-type")) {
            return Err(bad("parameter combination not allowed"));
        }
        if is_single {
            self.caller.group(&place, &[VERIFY], Some(BACKUP))?;
        }
        let (worker, auth_id) = (self.shared().worker(&place), self.caller.auth_id);
        self.caller.task("verify", &worker, |lines| {
            let local = self.caller.local()?;
            let verification = local.verification(2, self.shared().now());
            let mut failed = Vec::new();
            let depth = if is_single { 0 } else { params.int("max-depth").unwrap_or(7) };
            for namespace in self.shared().store.namespaces(&place.namespace, depth) {
                let name: Namespace = namespace.parse().map_err(|_| "a namespace".to_owned())?;
                for group in self.shared().store.groups(&namespace) {
                    let is_other = is_single && (group.kind != place.kind || group.id != place.id);
                    if is_other || (!is_any && !owns(auth_id, &group.owner)) {
                        continue;
                    }
                    for time in store::times(&group.path) {
                        if params.has("backup-time") && time != place.time {
                            continue;
                        }
                        let group: GroupName = format!("{}/{}", group.kind, group.id)
                            .parse()
                            .map_err(|_| "a group".to_owned())?;
                        let id = SnapshotId { group, time };
                        let found =
                            verification.snapshot(&name, &id).map_err(|error| format!("{error:#}"))?;
                        lines.push(format!(
                            "verify {}:{id}: {:?}",
                            self.shared().options.store,
                            found.verdict
                        ));
                        lines.extend(found.errors);
                        if found.verdict == Verdict::Failed {
                            failed.push(id.to_string());
                        }
                    }
                }
            }
            match failed.is_empty() {
                true => Ok(()),
                false => {
                    lines.push("Failed to verify the following snapshots/groups:".to_owned());
                    lines.extend(failed);
                    Err("verification failed - please check the log for details".to_owned())
                }
            }
        })
    }

    pub(super) fn collect(&self) -> Reply<Out> {
        self.params(&[&[("dry-run", false, Kind::Bool)]])?;
        self.caller.may("", &[MODIFY], None)?;
        self.caller.task("garbage_collection", &self.shared().options.store, |lines| {
            let local = self.caller.local()?;
            let warned = std::sync::Mutex::new(Vec::new());
            let warn = |text: &str| warned.lock().expect("no panic").push(text.to_owned());
            let collected = local
                .collect_garbage(&Collect::new(self.shared().now(), &warn))
                .map_err(|error| format!("{error:#}"))?;
            lines.extend(warned.into_inner().expect("no panic"));
            lines.push(format!("Removed garbage: {} bytes", collected.removed_bytes));
            lines.push(format!("Removed chunks: {}", collected.removed_chunks));
            lines.push(format!("On-Disk chunks: {}", collected.disk_chunks));
            Ok(())
        })
    }

    pub(super) fn last_collection(&self) -> Reply<Out> {
        self.params(&[])?;
        self.caller.may("", &[AUDIT], None)?;
        let mut status = self.gc_status();
        status["store"] = self.shared().options.store.clone().into();
        Ok(Out::data(status))
    }

    pub(super) fn gc_status(&self) -> Value {
        let text = fs::read(self.shared().store.root.join(".gc-status")).unwrap_or_default();
        serde_json::from_slice(&text)
            .unwrap_or_else(|_| json!({ "upid": null, "disk-bytes": 0, "disk-chunks": 0 }))
    }
}
