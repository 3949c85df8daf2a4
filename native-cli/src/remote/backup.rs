//! A snapshot in the making on a server (server protocol 8, 9).
//!
//! Chunks are sent while whoever brought them goes on; their bytes are bounded, and the first that goes wrong is told to everybody who
//! comes after. The server undoes all if the session ends before it is finished.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context as _, bail, ensure};
use hyper::Method;
use hyper::body::Bytes;
use pxkit_core::blob::{MAX_ENCODED_SIZE, Manifest, SEALED_HEADER_SIZE};
use pxkit_core::format::Digest;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::error::Failure;
use super::previous::Previous;
use super::reader::{MANIFEST, MOST_BLOB, parse_manifest, snapshot_params};
use super::session::{Protocol, Session};
use super::writer::{Kind, Writer};
use super::{Remote, encode::Params};
use crate::codec;
use crate::store::{Backup, IndexWriter, NewChunk, NewSnapshot, OpenSnapshot, SnapshotId, Stored, is_safe};

/// Encoded bytes that are on their way to the server, in units of [`UNIT`].
const IN_FLIGHT: usize = 32 << 20;
const UNIT: usize = 1 << 10;
/// Chunks that are on their way at once; servers take 200 requests.
const REQUESTS: usize = 128;
/// Indexes that a session can have.
const MOST_WRITERS: u64 = 256;

/// What a backup knows of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The server has it, and has said so in this session.
    Known,
    /// It is on its way.
    Sent,
}

/// An index that is open on the server.
#[derive(Debug)]
struct Open {
    wid: u64,
    kind: Kind,
    /// Chunks on their way in its name.
    sending: usize,
    /// It takes no more.
    closing: bool,
}

#[derive(Debug, Default)]
struct Progress {
    chunks: HashMap<Digest, State>,
    writers: Vec<Open>,
    names: HashSet<String>,
    failure: Option<Failure>,
}

/// What everybody who works on a backup shares.
#[derive(Debug)]
pub(super) struct Shared {
    session: Session,
    progress: Mutex<Progress>,
    /// Something in the progress has changed.
    changed: watch::Sender<()>,
    bytes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

impl Shared {
    fn new(session: Session) -> Self {
        Self {
            session,
            progress: Mutex::default(),
            changed: watch::channel(()).0,
            bytes: Arc::new(Semaphore::new(IN_FLIGHT / UNIT)),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn wait<T>(&self, future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.session.net.wait(future)
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        self.session.net.spawn(future).map(drop)
    }

    pub async fn call(&self, method: Method, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.first(self.session.call(method, path, params).await)
    }

    pub async fn put_json(&self, path: &str, body: Bytes) -> anyhow::Result<Value> {
        self.first(self.session.put_json(path, body).await)
    }

    /// What went wrong first: all that comes after the end of the session is lost.
    fn first<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        result.or_else(|error| self.check().and(Err(error)))
    }

    /// A file of the previous snapshot. Of an index all chunks can be used again afterwards.
    pub async fn previous_file(&self, name: &str, most: usize) -> anyhow::Result<Vec<u8>> {
        self.session.download("previous", &[("archive-name", name.into())], most).await
    }

    /// The server said of all chunks of an index that it has them.
    pub fn add_known(&self, digests: impl Iterator<Item = Digest>) {
        self.lock().chunks.extend(digests.map(|digest| (digest, State::Known)));
    }

    /// What went wrong, if something did.
    pub fn check(&self) -> anyhow::Result<()> {
        self.lock().failure.clone().map_or(Ok(()), |failure| Err(failure.raise()))
    }

    /// The backup cannot be completed any more. The session ends, and with it whatever else is on its way.
    pub fn fail(&self, error: &anyhow::Error) {
        self.lock().failure.get_or_insert_with(|| Failure::of(error));
        self.session.close();
        self.changed.send_replace(());
    }

    /// Waits until the progress is such that `is_met`.
    async fn until(&self, is_met: impl Fn(&Progress) -> bool) -> anyhow::Result<()> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            self.check()?;
            if is_met(&self.lock()) {
                return Ok(());
            }
            changed.changed().await.context("the backup is over")?;
        }
    }

    /// Waits until the server has all of these chunks.
    pub async fn until_known(&self, digests: &[Digest]) -> anyhow::Result<()> {
        for digest in digests {
            if let Some(State::Sent) = self.state(digest)? {
                self.until(|progress| progress.chunks.get(digest) != Some(&State::Sent)).await?;
            }
            ensure!(
                self.state(digest)? == Some(State::Known),
                "a defect of pxkit: chunk {digest} was never sent"
            );
        }
        Ok(())
    }

    fn state(&self, digest: &Digest) -> anyhow::Result<Option<State>> {
        let progress = self.lock();
        match &progress.failure {
            Some(failure) => Err(failure.clone().raise()),
            None => Ok(progress.chunks.get(digest).copied()),
        }
    }

    /// No chunk is sent in the name of this index any more, and those that were have arrived.
    pub async fn retire(&self, wid: u64) -> anyhow::Result<()> {
        let find = |progress: &Progress| progress.writers.iter().position(|open| open.wid == wid);
        {
            let mut progress = self.lock();
            if let Some(at) = find(&progress) {
                progress.writers[at].closing = true;
            }
        }
        self.until(|progress| find(progress).is_none_or(|at| progress.writers[at].sending == 0)).await?;
        self.lock().writers.retain(|open| open.wid != wid);
        Ok(())
    }

    /// Notes that a chunk is to be sent; says in whose name. `None` if it is there or on its way.
    fn claim(&self, digest: &Digest) -> anyhow::Result<Option<(u64, Kind)>> {
        let mut progress = self.lock();
        if let Some(failure) = &progress.failure {
            return Err(failure.clone().raise());
        }
        if progress.chunks.contains_key(digest) {
            return Ok(None);
        }
        // All of them share what is known, so any of them will do: the oldest is closed last.
        let open = progress.writers.iter_mut().find(|open| !open.closing);
        let open = open.context("a defect of pxkit: a chunk before any index")?;
        open.sending += 1;
        let (wid, kind) = (open.wid, open.kind);
        progress.chunks.insert(*digest, State::Sent);
        Ok(Some((wid, kind)))
    }

    /// Notes what became of a chunk that was to be sent.
    fn settle(&self, digest: &Digest, wid: u64, result: anyhow::Result<()>) {
        {
            let mut progress = self.lock();
            if let Some(open) = progress.writers.iter_mut().find(|open| open.wid == wid) {
                open.sending -= 1;
            }
            match &result {
                Ok(()) => progress.chunks.insert(*digest, State::Known),
                Err(_) => progress.chunks.remove(digest),
            };
        }
        match result {
            Ok(()) => self.changed.send_replace(()),
            Err(error) => self.fail(&error),
        }
    }

    async fn send(
        &self,
        (wid, kind): (u64, Kind),
        digest: &Digest,
        size: usize,
        body: Bytes,
    ) -> anyhow::Result<()> {
        let params = [
            ("wid", wid.into()),
            ("digest", digest.to_string().into()),
            ("size", size.into()),
            ("encoded-size", body.len().into()),
        ];
        let sent = self.session.upload(kind.calls().chunk, &params, body).await;
        self.first(sent).map(drop).with_context(|| format!("cannot send chunk {digest}"))
    }

    async fn send_blob(&self, name: &str, encoded: Bytes) -> anyhow::Result<()> {
        let params = [("file-name", name.into()), ("encoded-size", encoded.len().into())];
        let sent = self.session.upload("blob", &params, encoded).await;
        self.first(sent).map(drop).with_context(|| format!("cannot send {name}"))
    }
}

/// A snapshot that is being made. Dropped before it is finished it ends the session.
#[derive(Debug)]
struct Making {
    id: SnapshotId,
    shared: Arc<Shared>,
    previous: Option<Arc<Previous>>,
    /// Its chunks may be used again.
    builds_on_previous: AtomicBool,
}

impl Remote {
    /// See [`crate::store::Repository::begin`].
    pub(super) fn begin_backup(&self, new: &NewSnapshot) -> anyhow::Result<Box<dyn Backup>> {
        let NewSnapshot { namespace, snapshot: id } = new;
        self.api().net.wait(async {
            let params = snapshot_params(&self.api().address().store, namespace, id);
            let session = Session::open(self.api(), Protocol::Backup, &params).await;
            let session = session.with_context(|| format!("cannot begin {id}"))?;
            let shared = Arc::new(Shared::new(session));
            let previous = self.previous(new, &shared).await?.map(Arc::new);
            let (id, builds_on_previous) = (id.clone(), AtomicBool::new(false));
            Ok(Box::new(Making { id, shared, previous, builds_on_previous }) as _)
        })
    }

    /// The snapshot that this one can go on from. What cannot be read cannot be built upon, but is no reason not to make a backup.
    async fn previous(&self, new: &NewSnapshot, shared: &Arc<Shared>) -> anyhow::Result<Option<Previous>> {
        let time = shared.call(Method::GET, "previous_backup_time", &[]).await?;
        let Some(time) = time.as_i64() else { return Ok(None) };
        let id = SnapshotId { time, ..new.snapshot.clone() };
        let manifest = match shared.previous_file(MANIFEST, MOST_BLOB).await {
            Err(error) if error.is::<super::Lost>() => return Err(error),
            blob => blob.and_then(|blob| parse_manifest(blob, &id)),
        };
        let Ok(manifest) = manifest else { return Ok(None) };
        let (namespace, shared) = (new.namespace.clone(), Arc::downgrade(shared));
        Ok(Some(Previous::new(self.clone(), namespace, id, manifest, shared)))
    }
}

impl Making {
    /// Names must be unique, which the server does not look at.
    fn claim_name(&self, name: &str, extension: &str) -> anyhow::Result<()> {
        if !name.ends_with(extension) || name.len() == extension.len() || !is_safe(name) || name == MANIFEST {
            bail!(
                "`{name}` is no name of a file on a server: expected letters, digits, '_', '.' and '-', and \
                {extension} at the end"
            );
        }
        let is_new = self.shared.lock().names.insert(name.to_owned());
        ensure!(is_new, "{} has a file `{name}` already", self.id);
        Ok(())
    }

    /// Waits for room for a chunk of so many plain bytes: it has not more encoded, but for a header.
    fn reserve(&self, plain: usize) -> anyhow::Result<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let Shared { bytes, requests, .. } = &*self.shared;
        let units = (plain + SEALED_HEADER_SIZE).div_ceil(UNIT).min(IN_FLIGHT / UNIT) as u32;
        self.shared.wait(async {
            let request = requests.clone().acquire_owned().await?;
            Ok((bytes.clone().acquire_many_owned(units).await?, request))
        })
    }

    fn send_chunk(&self, chunk: &NewChunk<'_>, to: (u64, Kind)) -> anyhow::Result<u64> {
        let (digest, size) = (*chunk.digest(), chunk.bytes().len());
        let (mut bytes, request) = self.reserve(size)?;
        let body: Bytes = chunk.encode(|frame| Ok(frame.to_vec()))?.into();
        let encoded = body.len() as u64;
        ensure!(encoded <= MAX_ENCODED_SIZE, "chunk {digest} has {encoded} bytes, more than a server takes");
        // What compression has saved is free for others.
        let used = body.len().div_ceil(UNIT);
        drop(bytes.num_permits().checked_sub(used).and_then(|rest| bytes.split(rest)));
        let shared = self.shared.clone();
        self.shared.spawn(async move {
            let result = shared.send(to, &digest, size, body).await;
            drop((bytes, request));
            shared.settle(&digest, to.0, result);
        })?;
        Ok(encoded)
    }
}

impl Making {
    /// Begins an index.
    fn open(&self, kind: Kind, name: &str, params: Params<'_>) -> anyhow::Result<Box<dyn IndexWriter>> {
        // What the last snapshot has of this archive need not be sent.
        if let Some(previous) = &self.previous
            && self.builds_on_previous.load(Ordering::Relaxed)
        {
            previous.make_known(name);
        }
        let opened = self.shared.wait(async {
            self.shared.check()?;
            let wid = self.shared.call(Method::POST, kind.calls().index, params).await?;
            wid.as_u64().context("the server gives an index no number")
        });
        let wid = opened.with_context(|| format!("cannot begin the index {name}"))?;
        ensure!(
            (1..=MOST_WRITERS).contains(&wid),
            "a snapshot on a server has at most {MOST_WRITERS} archives"
        );
        self.shared.lock().writers.push(Open { wid, kind, sending: 0, closing: false });
        Ok(Box::new(Writer::start(self.shared.clone(), kind, wid, name)?))
    }
}

impl Backup for Making {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>> {
        self.previous.clone().map(|previous| previous as _)
    }

    fn build_on_previous(&self) {
        self.builds_on_previous.store(true, Ordering::Relaxed);
    }

    fn touch(&self, digest: &Digest) -> anyhow::Result<bool> {
        Ok(self.shared.state(digest)?.is_some())
    }

    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored> {
        let Some(to) = self.shared.claim(chunk.digest())? else {
            return Ok(Stored { is_new: false, encoded: 0 });
        };
        match self.send_chunk(chunk, to) {
            Ok(encoded) => Ok(Stored { is_new: true, encoded }),
            Err(error) => {
                self.shared.settle(chunk.digest(), to.0, Err(Failure::of(&error).raise()));
                Err(error)
            }
        }
    }

    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        self.claim_name(name, ".didx")?;
        self.open(Kind::Dynamic, name, &[("archive-name", name.into())])
    }

    fn image(&self, name: &str, size: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>> {
        self.claim_name(name, ".fidx")?;
        let mut params = vec![("archive-name", name.into())];
        params.extend(size.map(|size| ("size", size.into())));
        self.open(Kind::Fixed, name, &params)
    }

    fn blob(&self, name: &str, encoded: &[u8]) -> anyhow::Result<()> {
        self.claim_name(name, ".blob")?;
        let size = encoded.len() as u64;
        ensure!(
            size <= MAX_ENCODED_SIZE,
            "`{name}` has {size} bytes encoded, more than the {MAX_ENCODED_SIZE} that a server takes"
        );
        self.shared.check()?;
        self.shared.wait(self.shared.send_blob(name, Bytes::copy_from_slice(encoded)))
    }

    fn finish(self: Box<Self>, manifest: &Manifest) -> anyhow::Result<()> {
        self.shared.check()?;
        let blob = codec::encode(manifest.to_json().as_bytes(), |frame| Ok(frame.to_vec()))?;
        // A signal that comes now comes too late, or the caller could not tell whether there is a snapshot.
        self.shared.session.net.wait_to_end(async {
            self.shared.send_blob(MANIFEST, blob.into()).await?;
            let finished = self.shared.call(Method::POST, "finish", &[]).await;
            finished.map(drop).with_context(|| format!("cannot finish {}", self.id))
        })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Tasks that still run hold the session.
        self.shared.session.close();
    }
}
