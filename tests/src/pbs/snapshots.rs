//! Snapshots and their files (protocol 11.4, 11.6).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::access::owns;
use super::files::{check_blob, dynamic, fixed, read_file};
use super::manage::*;
use super::manifest;
use super::params::{Kind, Refusal, Reply, bad, is_id};
use super::rest::Out;
use super::store::{self, Group, Place};

impl Call<'_> {
    pub(super) fn snapshots(&self) -> Reply<Out> {
        let params = self.params(&[&OPTIONAL])?;
        let namespace = params.text("ns");
        let is_any = self.caller.may(namespace, &[AUDIT], Some(BACKUP))?;
        self.namespace(namespace)?;
        let mut list = Vec::new();
        for group in self.shared().store.groups(namespace) {
            let is_wanted = |name: &str, value: &str| !params.has(name) || params.text(name) == value;
            if !is_wanted("backup-type", &group.kind) || !is_wanted("backup-id", &group.id) {
                continue;
            }
            if is_any || owns(self.caller.auth_id, &group.owner) {
                list.extend(store::times(&group.path).into_iter().map(|time| describe(&group, time)));
            }
        }
        // Servers list them as the directory has them, in no order.
        let half = list.len() / 2;
        list.rotate_left(half);
        Ok(Out::data(list))
    }

    pub(super) fn forget(&self) -> Reply<Out> {
        let place = Place::of(&self.params(&[&SNAPSHOT])?);
        let path = self.caller.snapshot(&place, &[MODIFY], Some(PRUNE))?;
        self.remove(&path)?;
        Ok(Out::data(Value::Null))
    }

    pub(super) fn remove(&self, path: &Path) -> Reply<()> {
        let store = &self.shared().store;
        let taken = || {
            let path = path.display();
            bad(format!("failed to delete snapshot - unable to acquire snapshot lock \"{path}\""))
        };
        if path.join(PROTECTED).exists() {
            return Err(bad("cannot remove protected snapshot"));
        }
        let _lock = store.lock(path, false).ok_or_else(taken)?;
        fs::remove_dir_all(path).map_err(|error| bad(error.to_string()))?;
        let group = path.parent().expect("a snapshot in a group");
        if let Some(_lock) = store.lock(group, false) {
            store.remove_if_empty(group);
        }
        Ok(())
    }

    pub(super) fn files(&self) -> Reply<Out> {
        let place = Place::of(&self.params(&[&SNAPSHOT])?);
        let path = self.caller.snapshot(&place, &[AUDIT, READ], Some(BACKUP))?;
        manifest::read(&path.join(MANIFEST))
            .map_err(|why| bad(format!("unable to load manifest - {why}")))?;
        Ok(Out::data(listed_files(&path).0))
    }

    pub(super) fn notes(&self) -> Reply<Out> {
        let place = Place::of(&self.params(&[&SNAPSHOT])?);
        let path = self.caller.snapshot(&place, &[AUDIT], Some(BACKUP))?;
        let manifest = manifest::read(&path.join(MANIFEST)).map_err(bad)?;
        Ok(Out::data(manifest["unprotected"]["notes"].as_str().unwrap_or_default()))
    }

    pub(super) fn set_notes(&self) -> Reply<Out> {
        let params = self.params(&[&SNAPSHOT, &[("notes", true, Kind::Text)]])?;
        let path = self.caller.snapshot(&Place::of(&params), &[MODIFY], Some(BACKUP))?;
        let notes = params.text("notes");
        manifest::update(&path.join(MANIFEST), |unprotected| {
            unprotected.insert("notes".to_owned(), notes.into());
        })
        .map_err(|why| bad(format!("unable to update manifest blob - {why}")))?;
        Ok(Out::data(Value::Null))
    }

    pub(super) fn protected(&self) -> Reply<Out> {
        let place = Place::of(&self.params(&[&SNAPSHOT])?);
        let path = self.caller.snapshot(&place, &[AUDIT], Some(BACKUP))?;
        Ok(Out::data(path.join(PROTECTED).exists()))
    }

    pub(super) fn set_protected(&self) -> Reply<Out> {
        let params = self.params(&[&SNAPSHOT, &[("protected", true, Kind::Bool)]])?;
        let path = self.caller.snapshot(&Place::of(&params), &[MODIFY], Some(BACKUP))?;
        let taken = || bad(format!("unable to acquire snapshot lock \"{}\"", path.display()));
        let _lock = self.shared().store.lock(&path, false).ok_or_else(taken)?;
        let mark = path.join(PROTECTED);
        let done = match params.flag("protected") {
            Some(true) => fs::write(&mark, ""),
            _ if mark.exists() => fs::remove_file(&mark),
            _ => Ok(()),
        };
        done.map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(Value::Null))
    }

    pub(super) fn download(&self) -> Reply<Out> {
        let params = self.params(&[&SNAPSHOT, &[("file-name", true, Kind::Id)]])?;
        let path = self.caller.snapshot(&Place::of(&params), &[READ], Some(BACKUP))?;
        let file = path.join(params.text("file-name"));
        let bytes = fs::read(&file)
            .map_err(|_| Refusal::new(404, format!("open file \"{}\" failed - not found", file.display())))?;
        Ok(Out::file(bytes))
    }

    pub(super) fn download_decoded(&self) -> Reply<Out> {
        let params = self.params(&[&SNAPSHOT, &[("file-name", true, Kind::Id)]])?;
        let path = self.caller.snapshot(&Place::of(&params), &[READ], Some(BACKUP))?;
        let name = params.text("file-name");
        let manifest = manifest::read(&path.join(MANIFEST)).map_err(bad)?;
        let files = manifest["files"].as_array().map_or(&[][..], |files| files);
        if files.iter().any(|file| file["filename"] == name && file["crypt-mode"] == "encrypt") {
            return Err(bad(format!("cannot decode '{name}' - is encrypted")));
        }
        let file = path.join(name);
        let decode = |blob: &[u8]| {
            check_blob(blob)?;
            if store::kind(blob)?.1 {
                return Err(bad(format!("cannot decode '{name}' - is encrypted")));
            }
            store::plain(blob, 128 << 20)
        };
        let digests: Vec<_> = if name.ends_with(".didx") {
            dynamic(&file)?.chunks().iter().map(|chunk| chunk.digest).collect()
        } else if name.ends_with(".fidx") {
            fixed(&file)?.digests().to_vec()
        } else {
            return decode(&read_file(&file, name)?).map(Out::file);
        };
        let mut all = Vec::new();
        for digest in digests {
            let chunk =
                fs::read(self.shared().store.chunk(&digest)).map_err(|error| bad(error.to_string()))?;
            all.extend(decode(&chunk)?);
        }
        Ok(Out::file(all))
    }

    pub(super) fn upload_log(&self) -> Reply<Out> {
        let params = self.params(&[&SNAPSHOT])?;
        let path = self.caller.snapshot(&Place::of(&params), &[], Some(BACKUP))?;
        let log = path.join("client.log.blob");
        if log.exists() {
            return Err(bad("backup already contains a log."));
        }
        check_blob(self.body)?;
        store::replace(&log, self.body).map_err(|error| bad(error.to_string()))?;
        Ok(Out::data(Value::Null))
    }
}

/// A snapshot in a listing.
fn describe(group: &Group, time: i64) -> Value {
    let path = group.path.join(store::time_text(time).expect("a time"));
    let (files, manifest) = listed_files(&path);
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("backup-type", group.kind.clone().into());
    put("backup-id", group.id.clone().into());
    put("backup-time", time.into());
    put("owner", group.owner.clone().into());
    put("protected", path.join(PROTECTED).exists().into());
    if let Some(manifest) = manifest {
        put("size", files.iter().map(|file| file["size"].as_u64().unwrap_or(0)).sum::<u64>().into());
        let unprotected = &manifest["unprotected"];
        if let Some(line) = unprotected["notes"].as_str().map(str::to_owned).and_then(first_line) {
            put("comment", line.into());
        }
        if let Some(fingerprint) = unprotected.get("key-fingerprint") {
            put("fingerprint", fingerprint.clone());
        }
        if let Some(state) = unprotected.get("verify_state") {
            put("verification", state.clone());
        }
    }
    put("files", files.into());
    Value::Object(out)
}

/// The files of a snapshot, and its manifest if it can be read.
fn listed_files(snapshot: &Path) -> (Vec<Value>, Option<Value>) {
    let path = snapshot.join(MANIFEST);
    let Ok(manifest) = manifest::read(&path) else {
        return (file_names(snapshot).into_iter().map(|name| json!({ "filename": name })).collect(), None);
    };
    let mut list = Vec::new();
    let named = manifest["files"].as_array().map_or(&[][..], |files| files);
    for file in named {
        let mode = file.get("crypt-mode").and_then(Value::as_str).unwrap_or("none");
        list.push(json!({ "filename": file["filename"], "crypt-mode": mode, "size": file["size"] }));
    }
    let mode = if manifest["signature"].is_string() { "sign-only" } else { "none" };
    let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    list.push(json!({ "filename": MANIFEST, "crypt-mode": mode, "size": size }));
    for name in file_names(snapshot) {
        if name != MANIFEST && !named.iter().any(|file| file["filename"] == *name) {
            list.push(json!({ "filename": name }));
        }
    }
    (list, Some(manifest))
}

/// The files of a snapshot that listings show.
pub(super) fn file_names(snapshot: &Path) -> Vec<String> {
    let is_file =
        |name: &String| [".blob", ".didx", ".fidx"].iter().any(|end| name.ends_with(end)) && is_id(name);
    store::names(snapshot).into_iter().filter(is_file).collect()
}

pub(super) fn first_line(text: String) -> Option<String> {
    text.lines().next().map(str::to_owned)
}
