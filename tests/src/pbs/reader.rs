//! The reader protocol (protocol 10).

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use pxkit_core::format::Digest;

use super::access::owns;
use super::body::Upload;
use super::files::{dynamic, fixed, read_file};
use super::params::{Kind, Param, Params, Refusal, Reply, bad};
use super::session::{Answer, Shared, not_found, parameters};
use super::store::{self, Lock, Place};

/// A reader session.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    directory: PathBuf,
    readable: Mutex<HashSet<Digest>>,
    _lock: Lock,
}

/// What the query of an upgrade must hold.
pub const QUERY: [Param; 6] = [
    ("store", true, Kind::Id),
    ("backup-type", true, Kind::Type),
    ("backup-id", true, Kind::Id),
    ("backup-time", true, Kind::Int(1, i64::MAX as u64)),
    ("ns", false, Kind::Namespace),
    ("debug", false, Kind::Bool),
];

impl Reader {
    /// Begins a session: the checks of 6.2.
    pub fn begin(shared: &Arc<Shared>, params: &Params, auth_id: &str, reads_all: bool) -> Reply<Self> {
        let place = Place::of(params);
        let group = shared.store.group(&place);
        let name = place.name()?;
        let absent = || bad(format!("snapshot {name} does not exist."));
        let directory = shared.store.snapshot(&place)?;
        if !directory.is_dir() {
            return Err(absent());
        }
        if !reads_all && !owns(auth_id, &store::owner(&group)?) {
            return Err(bad("backup owner check failed!"));
        }
        let taken =
            || bad(format!("while reading snapshot \"{name}\": unable to acquire shared snapshot lock"));
        let lock = shared.store.lock(&directory, true).ok_or_else(taken)?;
        Ok(Self { shared: shared.clone(), directory, readable: Mutex::default(), _lock: lock })
    }

    pub async fn call(&self, method: &Method, path: &str, query: &str, upload: &mut Upload) -> Reply<Answer> {
        match (method.as_str(), path) {
            ("GET", "/download") => {
                let params = parameters(&[("file-name", true, Kind::Id)], query, upload).await?;
                self.download(params.text("file-name")).map(Answer::Raw)
            }
            ("GET", "/chunk") => {
                let params = parameters(&[("digest", true, Kind::Digest)], query, upload).await?;
                self.chunk(params.text("digest")).map(Answer::Raw)
            }
            ("GET", "/speedtest") => {
                parameters(&[], query, upload).await?;
                Ok(Answer::Raw(Bytes::from(vec![0x41; 1 << 20])))
            }
            _ => Err(not_found(path)),
        }
    }

    fn download(&self, name: &str) -> Reply<Bytes> {
        let path = self.directory.join(name);
        let file = read_file(&path, name)?;
        let mut readable = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        if name.ends_with(".didx") {
            readable.extend(dynamic(&path)?.chunks().iter().map(|chunk| chunk.digest));
        } else if name.ends_with(".fidx") {
            readable.extend(fixed(&path)?.digests());
        }
        Ok(file)
    }

    fn chunk(&self, digest: &str) -> Reply<Bytes> {
        let digest = Digest::from_hex(digest.as_bytes()).expect("a digest that was checked");
        if !self.readable.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest) {
            return Err(Refusal::new(401, format!("download chunk {digest} not allowed")));
        }
        let path = self.shared.store.chunk(&digest);
        let failed = |error| bad(format!("reading file \"{}\" failed: {error}", path.display()));
        fs::read(&path).map(Bytes::from).map_err(failed)
    }
}
