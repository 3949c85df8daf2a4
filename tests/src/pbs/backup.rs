//! The backup protocol (protocol 8 and 9).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use pxkit_core::format::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::body::Upload;
use super::files::{check_blob, dynamic, fixed, read_file};
use super::manifest;
use super::params::{Given, Kind, Param, Params, Refusal, Reply, bad};
use super::session::{Answer, Shared, not_found, parameters};
use super::store::{self, HEADERS, Inserted, Lock, Place};
use super::writers::{Entries, IMAGE_CHUNK, Stats, Writer};

/// Most bytes of an encoded blob or chunk.
const MAX_ENCODED: u64 = (16 << 20) + 44;
/// Most plain bytes of a chunk.
const MAX_PLAIN: u64 = 16 << 20;
const WID: Param = ("wid", true, Kind::Int(1, 256));
const NAME: Param = ("archive-name", true, Kind::Id);

/// A backup session.
#[derive(Debug)]
pub struct Backup {
    shared: Arc<Shared>,
    directory: PathBuf,
    group: PathBuf,
    /// Time and directory of the last finished snapshot.
    previous: Option<(i64, PathBuf)>,
    is_benchmark: bool,
    time: i64,
    state: Mutex<State>,
    _locks: Vec<Lock>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Active,
    Finishing,
    Finished,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    last_wid: u64,
    writers: HashMap<u64, Writer>,
    known: HashMap<Digest, u64>,
    files: u64,
    stats: Stats,
}

/// What the query of an upgrade must hold.
pub const QUERY: [Param; 8] = [
    ("store", true, Kind::Id),
    ("backup-type", true, Kind::Type),
    ("backup-id", true, Kind::Id),
    ("backup-time", true, Kind::Int(1, i64::MAX as u64)),
    ("ns", false, Kind::Namespace),
    ("debug", false, Kind::Bool),
    ("benchmark", false, Kind::Bool),
    ("no-cache", false, Kind::Bool),
];

impl Backup {
    /// Begins a session: the checks of 6.2 from the namespace on, in their order.
    pub fn begin(shared: &Arc<Shared>, params: &Params, auth_id: &str) -> Reply<Self> {
        let store = &shared.store;
        let place = Place::of(params);
        if !store.namespace(&place.namespace).is_dir() {
            return Err(Refusal::new(404, "namespace not found"));
        }
        let is_benchmark = params.flag("benchmark") == Some(true);
        let is_its_group = place.kind == "host" && place.id == "benchmark";
        if is_benchmark && !is_its_group {
            return Err(bad("benchmark flags is only allowed on 'host/benchmark'"));
        }
        if is_its_group && !is_benchmark {
            return Err(bad("unable to run benchmark without --benchmark flags"));
        }
        let group = store.group(&place);
        let busy = || {
            let path = group.display();
            bad(format!(
                "unable to acquire backup group lock \"{path}\" while creating locked backup group \"{path}\""
            ))
        };
        let group_lock = store.lock(&group, false).ok_or_else(busy)?;
        let io = |error: std::io::Error| bad(format!("unable to create backup group - {error}"));
        let is_new = !group.is_dir();
        if is_new {
            fs::create_dir_all(&group).map_err(io)?;
            fs::write(group.join("owner"), format!("{auth_id}\n")).map_err(io)?;
        }
        let owner = store::owner(&group)?;
        if !super::access::owns(auth_id, &owner) {
            return Err(bad(format!("backup owner check failed ({auth_id} != {owner})")));
        }
        let clean = |refusal: Refusal| {
            if is_new {
                store.remove_if_empty(&group);
            }
            refusal
        };
        let mut locks = vec![group_lock];
        let previous = last_finished(&group).filter(|(_, path)| !manifest::has_failed(path));
        if let Some((time, path)) = &previous {
            if place.time <= *time {
                return Err(bad("backup timestamp is older than last backup."));
            }
            let taken = || bad(format!("while locking last snapshot during backup \"{}\"", path.display()));
            locks.push(store.lock(path, true).ok_or_else(taken)?);
        }
        let directory = store.snapshot(&place).map_err(clean)?;
        let taken = || bad(format!("unable to acquire snapshot lock \"{}\"", directory.display()));
        locks.push(store.lock(&directory, false).ok_or_else(taken)?);
        if directory.exists() {
            return Err(bad("backup directory already exists."));
        }
        fs::create_dir(&directory).map_err(io)?;
        shared.tasks.upid("backup", &shared.worker(&place), auth_id, shared.now())?;
        let (state, shared) = (Mutex::default(), shared.clone());
        let time = place.time;
        Ok(Self { shared, directory, group, previous, is_benchmark, time, state, _locks: locks })
    }

    /// The connection is gone.
    pub fn end(&self) {
        let is_finished = self.state().phase == Phase::Finished;
        if !is_finished || self.is_benchmark {
            let _ = fs::remove_dir_all(&self.directory);
            self.shared.store.remove_if_empty(&self.group);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state if something may still be changed.
    fn active(&self) -> Reply<MutexGuard<'_, State>> {
        let state = self.state();
        match state.phase {
            Phase::Active => Ok(state),
            Phase::Finishing => Err(bad("backup is already in the process of finishing.")),
            Phase::Finished => Err(bad("backup already marked as finished.")),
        }
    }

    /// Answers a call; `None` resets the stream.
    pub async fn call(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        upload: &mut Upload,
    ) -> Reply<Option<Answer>> {
        let null = Ok(Some(Answer::Data(Value::Null)));
        match (method.as_str(), path) {
            ("GET", "/") => {
                let names = [
                    "blob",
                    "dynamic_chunk",
                    "dynamic_close",
                    "dynamic_index",
                    "finish",
                    "fixed_chunk",
                    "fixed_close",
                    "fixed_index",
                    "previous",
                    "previous_backup_time",
                    "speedtest",
                ];
                let list: Vec<Value> = names.iter().map(|name| json!({ "subdir": name })).collect();
                Ok(Some(Answer::Data(list.into())))
            }
            ("POST", "/blob") => self.blob(query, upload).await.map(Some),
            ("POST", "/dynamic_index") => {
                let params = parameters(&[NAME], query, upload).await?;
                self.open_dynamic(&params).map(Some)
            }
            ("POST", "/fixed_index") => {
                let schema =
                    [NAME, ("size", false, Kind::Int(1, u64::MAX)), ("reuse-csum", false, Kind::Text)];
                let params = parameters(&schema, query, upload).await?;
                self.open_fixed(&params).map(Some)
            }
            ("POST", "/dynamic_chunk") => self.chunk("dynamic", query, upload).await.map(Some),
            ("POST", "/fixed_chunk") => self.chunk("fixed", query, upload).await.map(Some),
            ("PUT", "/dynamic_index" | "/fixed_index") => {
                let schema = [WID, ("digest-list", true, Kind::Digests), ("offset-list", true, Kind::Ints)];
                let params = parameters(&schema, query, upload).await?;
                self.append(word(path), &params)?;
                null
            }
            ("POST", "/dynamic_close" | "/fixed_close") => {
                let least = u64::from(path == "/dynamic_close");
                let number = Kind::Int(least, u64::MAX);
                let schema =
                    [WID, ("chunk-count", true, number), ("size", true, number), ("csum", true, Kind::Hex)];
                let params = parameters(&schema, query, upload).await?;
                self.close(word(path), &params)?;
                null
            }
            ("GET", "/previous") => {
                let params = parameters(&[NAME], query, upload).await?;
                self.previous(params.text("archive-name")).map(Some)
            }
            ("GET", "/previous_backup_time") => {
                parameters(&[], query, upload).await?;
                Ok(Some(Answer::Data(self.previous.as_ref().map(|(time, _)| *time).into())))
            }
            ("POST", "/finish") => {
                parameters(&[], query, upload).await?;
                Ok(self.finish()?.then_some(Answer::Data(Value::Null)))
            }
            ("POST", "/speedtest") => {
                upload.drain().await?;
                null
            }
            _ => Err(not_found(path)),
        }
    }

    async fn blob(&self, query: &str, upload: &mut Upload) -> Reply<Answer> {
        let schema = [("file-name", true, Kind::Id), ("encoded-size", true, Kind::Int(12, MAX_ENCODED))];
        let params = Params::check(&schema, Given::Query(query))?;
        let name = params.text("file-name");
        if !name.ends_with(".blob") {
            return Err(bad(format!("wrong blob file extension: '{name}'")));
        }
        let announced = params.number("encoded-size");
        let blob = upload.read(MAX_ENCODED).await?.unwrap_or_default();
        if blob.len() as u64 != announced {
            return Err(bad(format!("got blob with unexpected length ({announced} != {})", blob.len())));
        }
        check_blob(&blob)?;
        self.shared.writable()?;
        store::replace(&self.directory.join(name), &blob).map_err(|error| bad(error.to_string()))?;
        let mut state = self.state();
        state.files += 1;
        state.stats.size += announced;
        Ok(Answer::Data(Value::Null))
    }

    fn open(&self, name: &str, entries: Entries) -> Reply<Answer> {
        let mut state = self.active()?;
        self.shared.writable()?;
        let writer = Writer::new(&self.directory, name, self.time, entries)?;
        state.last_wid += 1;
        let wid = state.last_wid;
        state.writers.insert(wid, writer);
        Ok(Answer::Data(wid.into()))
    }

    fn open_dynamic(&self, params: &Params) -> Reply<Answer> {
        let name = params.text("archive-name");
        if !name.ends_with(".didx") {
            return Err(bad(format!("wrong archive extension: '{name}'")));
        }
        self.open(name, Entries::Dynamic(Vec::new()))
    }

    fn open_fixed(&self, params: &Params) -> Reply<Answer> {
        let name = params.text("archive-name");
        if !name.ends_with(".fidx") {
            return Err(bad(format!("wrong archive extension: '{name}'")));
        }
        let size = params.int("size");
        let count = size.unwrap_or(0).div_ceil(IMAGE_CHUNK);
        let mut digests = vec![None; usize::try_from(count).map_err(|_| bad("too large"))?];
        let is_incremental = params.has("reuse-csum");
        if is_incremental {
            if size.is_none() {
                return Err(bad("size is required for incremental backups"));
            }
            let (_, previous) = self
                .previous
                .as_ref()
                .ok_or_else(|| bad("cannot reuse index - no valid previous backup exists"))?;
            let index = fixed(&previous.join(name))?;
            let (sum, wanted) = (index.checksum().to_string(), params.text("reuse-csum"));
            if sum != wanted {
                return Err(bad(format!(
                    "expected csum ({wanted}) doesn't match last backup's ({sum}), cannot do incremental backup"
                )));
            }
            if index.digests().len() != digests.len() {
                let (new, old) = (digests.len(), index.digests().len());
                return Err(bad(format!("cannot reuse index - index sizes not equal ({new} != {old})")));
            }
            digests = index.digests().iter().copied().map(Some).collect();
        }
        let (grows, size) = (size.is_none(), size.unwrap_or(0));
        self.open(name, Entries::Fixed { digests, size, grows, is_incremental, short: 0 })
    }

    async fn chunk(&self, kind: &str, query: &str, upload: &mut Upload) -> Reply<Answer> {
        let schema = [
            WID,
            ("digest", true, Kind::Digest),
            ("size", true, Kind::Int(1, MAX_PLAIN)),
            ("encoded-size", true, Kind::Int(13, MAX_ENCODED)),
        ];
        let params = Params::check(&schema, Given::Query(query))?;
        let (size, encoded) = (params.number("size"), params.number("encoded-size"));
        let digest = Digest::from_hex(params.text("digest").as_bytes()).expect("a digest that was checked");
        let inserted = if self.shared.options.null {
            if upload.drain().await? != encoded {
                return Err(bad("uploaded chunk has unexpected size."));
            }
            Inserted { duplicate: false, stored: encoded }
        } else {
            let larger = || bad("uploaded chunk is larger than announced.");
            let mut blob = upload.read(encoded).await?.ok_or_else(larger)?;
            if blob.len() as u64 != encoded {
                return Err(bad("uploaded chunk has unexpected size."));
            }
            check_chunk(&mut blob, &digest, size)?;
            self.shared.writable()?;
            self.shared.store.insert(&digest, &blob)?
        };
        let mut state = self.active()?;
        writer(&mut state, kind, params.number("wid"))?.uploaded(
            size,
            inserted.stored,
            inserted.duplicate,
        )?;
        state.known.insert(digest, size);
        Ok(Answer::Data(digest.to_string().into()))
    }

    fn append(&self, kind: &str, params: &Params) -> Reply<()> {
        let (digests, offsets) = (params.list("digest-list"), params.list("offset-list"));
        if digests.len() != offsets.len() {
            let (got, wanted) = (offsets.len(), digests.len());
            return Err(bad(format!("offset list has wrong length ({got} != {wanted})")));
        }
        for (digest, offset) in digests.iter().zip(offsets) {
            let mut state = self.active()?;
            let digest =
                digest.as_str().and_then(|text| Digest::from_hex(text.as_bytes())).expect("a digest");
            let len = *state.known.get(&digest).ok_or_else(|| bad(format!("no such chunk {digest}")))?;
            let offset = offset.as_u64().expect("a number");
            writer(&mut state, kind, params.number("wid"))?.append(digest, offset, len)?;
        }
        Ok(())
    }

    fn close(&self, kind: &str, params: &Params) -> Reply<()> {
        let (wid, count) = (params.number("wid"), params.number("chunk-count"));
        let mut state = self.active()?;
        self.shared.writable()?;
        let writer = writer(&mut state, kind, wid)?;
        writer.close(count, params.number("size"), params.text("csum"))?;
        let stats = writer.stats;
        state.stats.add(stats);
        state.files += 1;
        state.writers.remove(&wid);
        Ok(())
    }

    fn previous(&self, name: &str) -> Reply<Answer> {
        let (_, directory) = self.previous.as_ref().ok_or_else(|| bad("no valid previous backup"))?;
        let path = directory.join(name);
        let file = read_file(&path, name)?;
        let mut state = self.state();
        if name.ends_with(".didx") {
            let index = dynamic(&path)?;
            let mut start = 0;
            for chunk in index.chunks() {
                state.known.insert(chunk.digest, chunk.end - start);
                start = chunk.end;
            }
        } else if name.ends_with(".fidx") {
            let index = fixed(&path)?;
            for (at, digest) in index.digests().iter().enumerate() {
                let extent = index.extent(at).unwrap_or(0..0);
                state.known.insert(*digest, extent.end - extent.start);
            }
        }
        Ok(Answer::Raw(file))
    }

    /// Ends the session well; `Ok(false)` if the server crashes on it.
    fn finish(&self) -> Reply<bool> {
        let mut state = self.active()?;
        if !state.writers.is_empty() {
            return Err(bad("found open index writer - unable to finish backup"));
        }
        if state.files == 0 {
            return Err(bad("backup does not contain valid files (file count == 0)"));
        }
        if let Some((_, previous)) = self.previous.as_ref().filter(|(_, path)| !path.is_dir()) {
            return Err(bad(format!(
                "base snapshot {} was removed during backup, cannot finish as chunks might be missing",
                previous.display()
            )));
        }
        state.phase = Phase::Finishing;
        let failed = |why: String| bad(format!("unable to update manifest blob - {why}"));
        let path = self.directory.join("index.json.blob");
        let mut object = manifest::read(&path).map_err(failed)?;
        match object.get("unprotected") {
            None => {}
            Some(Value::Object(_)) => {}
            Some(_) => return Ok(false),
        }
        let Stats { count, size, compressed_size, duplicates } = state.stats;
        object["unprotected"]["chunk_upload_stats"] = json!({
            "count": count, "size": size, "compressed_size": compressed_size, "duplicates": duplicates,
        });
        self.shared.writable().map_err(|refusal| failed(refusal.text))?;
        manifest::write(&path, &object).map_err(failed)?;
        state.phase = Phase::Finished;
        Ok(true)
    }
}

/// The kind of index that a path is about.
fn word(path: &str) -> &'static str {
    if path.starts_with("/dynamic") { "dynamic" } else { "fixed" }
}

fn writer<'a>(state: &'a mut State, kind: &str, wid: u64) -> Reply<&'a mut Writer> {
    let writer = state.writers.get_mut(&wid).filter(|writer| writer.word() == kind);
    writer.ok_or_else(|| bad(format!("{kind} writer '{wid}' not registered")))
}

/// The newest snapshot that has a manifest.
fn last_finished(group: &Path) -> Option<(i64, PathBuf)> {
    let paths = store::times(group)
        .into_iter()
        .rev()
        .map(|time| (time, group.join(store::time_text(time).expect("a time"))));
    paths.into_iter().find(|(_, path)| path.join("index.json.blob").exists())
}

/// Checks a chunk as it came, and puts its CRC right.
fn check_chunk(blob: &mut [u8], digest: &Digest, size: u64) -> Reply<()> {
    let (_, sealed) = store::kind(blob)?;
    if !sealed {
        let plain = store::plain(blob, usize::try_from(MAX_PLAIN).expect("a length"))?;
        if plain.len() as u64 != size {
            return Err(bad(format!("detected chunk with wrong length ({size} != {}).", plain.len())));
        }
        if Sha256::digest(&plain)[..] != digest.0 {
            return Err(bad("detected chunk with wrong digest."));
        }
    }
    let crc = crc32fast::hash(&blob[HEADERS[usize::from(sealed)]..]);
    blob[8..12].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

impl Shared {
    /// Whether there is room.
    pub fn writable(&self) -> Reply<()> {
        if self.hooks.full.load(Ordering::SeqCst) {
            return Err(bad("ENOSPC: No space left on device"));
        }
        Ok(())
    }
}
