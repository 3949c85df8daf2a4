//! Streams in the chunks of a datastore.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, Shared};
use pxkit_core::blob::{Frame, MAX_ENCODED_SIZE};
use pxkit_core::format::{Digest, MAX_CHUNK_SIZE};
use pxkit_core::index::{Chunks as _, DynamicIndex, FixedIndex, Part};

use super::directory::Directory;
use super::{Reading, Source, check_range};
use crate::protocol::{Problem, ProblemKind};
use crate::worker::crypto::{self, Key};
use crate::worker::{Host, problem};

/// Decoded bytes that are kept.
const LIMIT: u64 = 64 << 20;
/// Bytes that are read ahead of a pass over a stream.
const AHEAD: u64 = 12 << 20;
/// Chunks that are read ahead, however small they are.
const CHUNKS_AHEAD: usize = 8;

/// What names a decoded chunk: the store, the digest, and the length that an index gives it.
type Name = (u32, Digest, u64);
/// When a chunk was used last, and its bytes.
type Kept = (u64, Rc<[u8]>);
/// A chunk that is on its way.
type Flying = Shared<LocalBoxFuture<'static, Result<Rc<[u8]>, Problem>>>;

/// Decoded chunks of all stores; the one that was not used for longest gives way.
#[derive(Default)]
pub struct ChunkCache {
    kept: RefCell<HashMap<Name, Kept>>,
    bytes: Cell<u64>,
    clock: Cell<u64>,
    read: Cell<u64>,
    next_store: Cell<u32>,
}

impl ChunkCache {
    /// Bytes that are kept.
    pub fn memory(&self) -> u64 {
        self.bytes.get()
    }

    /// Bytes of chunk files that were read since the start.
    pub fn read(&self) -> u64 {
        self.read.get()
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn get(&self, name: &Name) -> Option<Rc<[u8]>> {
        let now = self.tick();
        let mut kept = self.kept.borrow_mut();
        let (used, bytes) = kept.get_mut(name)?;
        *used = now;
        Some(bytes.clone())
    }

    fn put(&self, name: Name, bytes: Rc<[u8]>) {
        let now = self.tick();
        let mut kept = self.kept.borrow_mut();
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        if let Some((_, before)) = kept.insert(name, (now, bytes)) {
            self.bytes.set(self.bytes.get() - before.len() as u64);
        }
        while self.bytes.get() > LIMIT {
            let oldest = kept.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| *name);
            let Some((_, bytes)) = oldest.and_then(|name| kept.remove(&name)) else { break };
            self.bytes.set(self.bytes.get() - bytes.len() as u64);
        }
    }
}

/// Where the chunks of a store lie in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// In `.chunks`, in directories named by the first four digits.
    Store,
    /// In such directories, but those are the directory's own.
    Nested,
    /// All beside each other.
    Flat,
}

/// The chunks of a datastore.
pub struct ChunkStore {
    id: u32,
    directory: Rc<dyn Directory>,
    arrangement: Arrangement,
    cache: Rc<ChunkCache>,
    host: Rc<dyn Host>,
    flying: RefCell<HashMap<Name, Flying>>,
}

impl ChunkStore {
    /// Chunks in a directory.
    pub fn new(
        directory: Rc<dyn Directory>,
        arrangement: Arrangement,
        cache: Rc<ChunkCache>,
        host: Rc<dyn Host>,
    ) -> Rc<Self> {
        let id = cache.next_store.replace(cache.next_store.get() + 1);
        Rc::new(Self { id, directory, arrangement, cache, host, flying: RefCell::default() })
    }

    fn path(&self, digest: &Digest) -> String {
        let digest = digest.to_string();
        match self.arrangement {
            Arrangement::Store => format!(".chunks/{}/{digest}", &digest[..4]),
            Arrangement::Nested => format!("{}/{digest}", &digest[..4]),
            Arrangement::Flat => digest,
        }
    }

    /// The decoded bytes of a chunk: as many as the index says, with the right digest.
    async fn get(
        self: &Rc<Self>,
        digest: Digest,
        len: u64,
        key: Option<Rc<Key>>,
    ) -> Result<Rc<[u8]>, Problem> {
        let name = (self.id, digest, len);
        if let Some(bytes) = self.cache.get(&name) {
            return Ok(bytes);
        }
        self.start(name, key).await
    }

    /// The chunk that is on its way, which starts now if it is not.
    fn start(self: &Rc<Self>, name: Name, key: Option<Rc<Key>>) -> Flying {
        if let Some(flying) = self.flying.borrow().get(&name) {
            return flying.clone();
        }
        let store = self.clone();
        let load = async move {
            let (_, digest, len) = name;
            let loaded = store.load(digest, len, key.as_deref()).await.map(Rc::<[u8]>::from);
            store.flying.borrow_mut().remove(&name);
            if let Ok(bytes) = &loaded {
                store.cache.put(name, bytes.clone());
            }
            loaded
        };
        let flying = load.boxed_local().shared();
        self.flying.borrow_mut().insert(name, flying.clone());
        flying
    }

    fn prefetch(self: &Rc<Self>, digest: Digest, len: u64, key: Option<Rc<Key>>) {
        let name = (self.id, digest, len);
        let is_known = self.cache.get(&name).is_some() || self.flying.borrow().contains_key(&name);
        if !is_known {
            self.host.spawn(self.start(name, key).map(|_| ()).boxed_local());
        }
    }

    /// Reads the file of a chunk and decodes it.
    async fn load(&self, digest: Digest, len: u64, key: Option<&Key>) -> Result<Vec<u8>, Problem> {
        let fail = |kind, message: String| Err(problem::new(kind, message));
        if len > MAX_CHUNK_SIZE {
            let message =
                format!("the index gives it {len} bytes, and no chunk has more than {MAX_CHUNK_SIZE}");
            return fail(ProblemKind::Format, message);
        }
        let file = self.directory.read(&self.path(&digest), MAX_ENCODED_SIZE).await?;
        let Some(file) = file else { return fail(ProblemKind::Missing, "its file is missing".to_owned()) };
        self.cache.read.set(self.cache.read.get() + file.len() as u64);
        if file.is_empty() {
            let message = "its file is empty, as in a store whose chunks are in an object store".to_owned();
            return fail(ProblemKind::Missing, message);
        }
        let damaged = |error: &dyn std::fmt::Display| {
            problem::new(ProblemKind::Format, format!("its file is damaged: {error}"))
        };
        let frame = Frame::parse(&file).map_err(|error| damaged(&error))?;
        // Which chunks are encrypted the manifest says, not the chunk (datastore specification 6).
        match (frame.seal.is_some(), key.is_some()) {
            (true, false) => return fail(ProblemKind::Key, "it is encrypted".to_owned()),
            (false, true) => {
                let message = "it is not encrypted, although the archive is".to_owned();
                return fail(ProblemKind::Format, message);
            }
            _ => {}
        }
        let mut plain = crypto::decode(frame, len, key).await.map_err(|error| damaged(&error.message))?;
        if plain.len() as u64 != len {
            let message = format!("it has {} bytes, not {len} as the index says", plain.len());
            return fail(ProblemKind::Format, message);
        }
        let got = crypto::chunk_digest(&mut plain, key).await;
        if got != digest {
            return fail(ProblemKind::Format, format!("its bytes have another digest: {got}"));
        }
        Ok(plain)
    }

    /// What the file of a chunk says of itself: its bytes. `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub async fn stored(&self, digest: &Digest) -> Result<Option<u64>, Problem> {
        Ok(self.directory.file(&self.path(digest)).await?.map(|file| file.size()))
    }
}

/// Which chunks make up a stream.
#[derive(Clone)]
pub enum Index {
    /// Of an archive.
    Dynamic(Rc<DynamicIndex>),
    /// Of an image.
    Fixed(Rc<FixedIndex>),
}

impl Index {
    /// Bytes of the stream.
    pub fn size(&self) -> u64 {
        match self {
            Self::Dynamic(index) => index.size(),
            Self::Fixed(index) => index.size(),
        }
    }

    fn parts(&self, range: Range<u64>) -> Vec<Part> {
        // A range that leads out of the stream was refused before.
        match self {
            Self::Dynamic(index) => index.parts(range).map(Iterator::collect),
            Self::Fixed(index) => index.parts(range).map(Iterator::collect),
        }
        .unwrap_or_default()
    }

    fn at(&self, offset: u64) -> Option<(Digest, Range<u64>)> {
        match self {
            Self::Dynamic(index) => index.chunk(index.find(offset)?),
            Self::Fixed(index) => index.chunk(index.find(offset)?),
        }
    }
}

/// A stream in chunks.
pub struct Chunked {
    name: String,
    index: Index,
    store: Rc<ChunkStore>,
    /// Of encrypted archives.
    key: Option<Rc<Key>>,
}

impl Chunked {
    /// A stream under a name.
    pub const fn new(name: String, index: Index, store: Rc<ChunkStore>, key: Option<Rc<Key>>) -> Self {
        Self { name, index, store, key }
    }

    /// What the chunks are encrypted with.
    pub const fn key(&self) -> Option<&Rc<Key>> {
        self.key.as_ref()
    }

    /// The store that holds the chunks.
    pub const fn store(&self) -> &Rc<ChunkStore> {
        &self.store
    }

    /// Reads a chunk, if it is not there yet, which checks its digest and length.
    ///
    /// # Errors
    /// It cannot be read, or is not what the index says.
    pub async fn check(&self, digest: Digest, extent: &Range<u64>) -> Result<(), Problem> {
        self.chunk(digest, extent).await.map(|_| ())
    }

    async fn chunk(&self, digest: Digest, extent: &Range<u64>) -> Result<Rc<[u8]>, Problem> {
        let chunk = self.store.get(digest, extent.end - extent.start, self.key.clone()).await;
        chunk.map_err(|cause| Problem {
            message: format!(
                "Chunk {digest} (bytes {} to {} of {}): {}.",
                extent.start, extent.end, self.name, cause.message
            ),
            kind: cause.kind,
            about: Some(digest.to_string()),
            offset: Some(extent.start),
        })
    }
}

impl Source for Chunked {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.index.size()
    }

    fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a> {
        Box::pin(async move {
            check_range(self, offset, buffer.len())?;
            let mut rest = buffer;
            for part in self.index.parts(offset..offset + rest.len() as u64) {
                let chunk = self.chunk(part.digest, &part.extent).await?;
                let bytes = &chunk[part.within.start as usize..part.within.end as usize];
                let (now, later) = rest.split_at_mut(bytes.len());
                now.copy_from_slice(bytes);
                rest = later;
            }
            Ok(())
        })
    }

    fn will_read(&self, range: Range<u64>) {
        let range = range.start..range.end.min(range.start.saturating_add(AHEAD)).min(self.size());
        if range.start < range.end {
            for part in self.index.parts(range).into_iter().take(CHUNKS_AHEAD) {
                let len = part.extent.end - part.extent.start;
                self.store.prefetch(part.digest, len, self.key.clone());
            }
        }
    }

    fn unit(&self, offset: u64) -> Option<Range<u64>> {
        Some(self.index.at(offset)?.1)
    }

    fn chunks(&self) -> Option<&Chunked> {
        Some(self)
    }
}
