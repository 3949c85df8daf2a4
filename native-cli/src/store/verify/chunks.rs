//! Chunks, each once in a run, by several threads.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use pxkit_core::blob::CryptMode;
use pxkit_core::format::Digest;

use crate::codec::{self, DecodeError};
use crate::crypt::EncryptionKey;
use crate::report::check_signals;
use crate::store::Index;
use crate::store::{ChunkError, ChunkProblem};

thread_local! {
    /// Encoded bytes of the chunk that a thread reads.
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where chunks come from.
pub trait Chunks: Debug + Send + Sync {
    /// Fills `blob` with a chunk as it is stored.
    ///
    /// # Errors
    /// It cannot be had.
    fn read_encoded(&self, digest: &Digest, blob: &mut Vec<u8>) -> Result<(), ChunkError>;

    /// Sets a chunk aside that is damaged; its new name, or `None` if it is gone already, or that is not ours to do.
    ///
    /// # Errors
    /// It cannot be renamed.
    fn set_aside(&self, digest: &Digest) -> io::Result<Option<PathBuf>>;
}

/// Works on a chunk as it is stored.
fn with_encoded<T>(
    chunks: &dyn Chunks,
    digest: &Digest,
    work: impl FnOnce(&mut [u8]) -> Result<T, DecodeError>,
) -> Result<T, ChunkError> {
    ENCODED.with_borrow_mut(|blob| {
        chunks.read_encoded(digest, blob)?;
        work(blob).map_err(|error| ChunkError { digest: *digest, why: ChunkProblem::Wrong(error) })
    })
}

/// Bytes that must stand in a chunk: a part of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Where in the chunk.
    pub at: u32,
    /// Of the header, from where.
    pub skip: u8,
    /// How many bytes.
    pub len: u8,
    /// The header.
    pub bytes: [u8; 16],
}

impl Part {
    fn is_in(&self, plain: &[u8]) -> bool {
        let expected = &self.bytes[usize::from(self.skip)..usize::from(self.skip + self.len)];
        plain.get(self.at as usize..).is_some_and(|rest| rest.starts_with(expected))
    }
}

/// A chunk as an index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub digest: Digest,
    pub len: u64,
    pub form: Form,
}

/// What can be seen of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Its bytes.
    Plain,
    /// Its bytes, by the key of the snapshot.
    Open,
    /// That it is encrypted, and its CRC.
    Closed,
}

impl Form {
    /// Of the chunks of a file that is kept as `mode`, if the key of its snapshot is at hand or not.
    pub fn of(mode: CryptMode, has_key: bool) -> Self {
        match mode {
            CryptMode::None | CryptMode::SignOnly => Self::Plain,
            CryptMode::Encrypt if has_key => Self::Open,
            CryptMode::Encrypt => Self::Closed,
        }
    }
}

/// The chunks of a snapshot, in the order in which they stand there first.
#[derive(Debug, Default)]
pub struct Wanted {
    order: Vec<Key>,
    jobs: HashMap<Key, Job>,
}

#[derive(Debug, Default)]
struct Job {
    /// A file that has the chunk, for messages.
    file: Arc<str>,
    parts: Vec<Part>,
}

impl Wanted {
    /// Adds all chunks of a file.
    pub fn add(&mut self, file: &str, index: &Index, form: Form) {
        let name: Arc<str> = file.into();
        for at in 0..index.count() {
            let (digest, len) = index.chunk(at).expect("an index has as many chunks as it counts");
            let key = Key { digest, len, form };
            self.jobs.entry(key).or_insert_with(|| {
                self.order.push(key);
                Job { file: name.clone(), parts: Vec::new() }
            });
        }
    }

    /// Adds what must stand in a chunk that was added.
    pub fn expect(&mut self, key: Key, part: Part) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.parts.push(part);
        }
    }
}

/// What became of chunks in this run.
#[derive(Debug)]
pub struct Checked {
    threads: usize,
    /// What opens chunks of the form [`Form::Open`].
    key: Option<Arc<EncryptionKey>>,
    known: Mutex<HashMap<Key, Known>>,
    count: AtomicU64,
    bytes: AtomicU64,
    set_aside: AtomicU64,
}

#[derive(Clone, Debug)]
enum Known {
    /// Right, and so are these parts of it, which are sorted.
    Good(Arc<[Part]>),
    /// What is wrong.
    Bad(Arc<str>),
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checked {
    pub fn new(threads: usize) -> Self {
        let (known, count, bytes, set_aside) = Default::default();
        Self { threads: threads.max(1), key: None, known, count, bytes, set_aside }
    }

    /// Opens chunks with this key.
    pub fn with_key(self, key: Option<Arc<EncryptionKey>>) -> Self {
        Self { key, ..self }
    }

    pub fn key(&self) -> Option<&EncryptionKey> {
        self.key.as_deref()
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn set_aside(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// The plain bytes of a chunk that is needed to go on, checked; what is wrong with it otherwise.
    pub fn read(&self, chunks: &dyn Chunks, key: Key) -> Result<Vec<u8>, Arc<str>> {
        if let Some(Known::Bad(why)) = unpoisoned(&self.known).get(&key) {
            return Err(why.clone());
        }
        let result = self.load(chunks, key);
        let known = match &result {
            Ok(_) => Known::Good(Arc::default()),
            Err(why) => Known::Bad(why.clone()),
        };
        // What was found out about its parts stays.
        unpoisoned(&self.known).entry(key).or_insert(known);
        result
    }

    /// Checks chunks that were not checked yet. Returns what is wrong, in their order.
    ///
    /// # Errors
    /// A signal came.
    pub fn check(&self, chunks: &dyn Chunks, wanted: Wanted) -> anyhow::Result<Vec<String>> {
        let Wanted { order, mut jobs } = wanted;
        let jobs: Vec<(Key, Job)> =
            order.into_iter().filter_map(|key| Some((key, jobs.remove(&key)?))).collect();
        let (next, wrong) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let work = || {
            loop {
                check_signals()?;
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((key, job)) = jobs.get(at) else { return anyhow::Ok(()) };
                if let Err(why) = self.job(chunks, *key, job) {
                    unpoisoned(&wrong).insert(at, format!("{}: {why}", job.file));
                }
            }
        };
        thread::scope(|scope| {
            // Fewer do as well.
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let threads: Vec<_> = (1..self.threads.min(jobs.len())).map_while(start).collect();
            let mut result = work();
            for thread in threads {
                let other = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(other);
            }
            result
        })?;
        Ok(wrong.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
    }

    fn job(&self, chunks: &dyn Chunks, key: Key, job: &Job) -> Result<(), Arc<str>> {
        let mut parts = job.parts.clone();
        parts.sort_unstable();
        parts.dedup();
        let known = unpoisoned(&self.known).get(&key).cloned();
        match known {
            Some(Known::Bad(why)) => return Err(why),
            Some(Known::Good(good)) if parts.iter().all(|part| good.binary_search(part).is_ok()) => {
                return Ok(());
            }
            Some(Known::Good(good)) => {
                parts.extend_from_slice(&good);
                parts.sort_unstable();
                parts.dedup();
            }
            None => {}
        }
        let plain = match self.load(chunks, key) {
            Ok(plain) => plain,
            Err(why) => {
                unpoisoned(&self.known).insert(key, Known::Bad(why.clone()));
                return Err(why);
            }
        };
        let (good, lost): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.is_in(&plain));
        unpoisoned(&self.known).insert(key, Known::Good(good.into()));
        match lost.first() {
            None => Ok(()),
            Some(part) => Err(format!(
                "{} payload references do not hit the header of their file; one in chunk {} at {}",
                lost.len(),
                key.digest,
                part.at
            )
            .into()),
        }
    }

    /// Reads a chunk; of a closed one there are no bytes. One that is damaged is set aside.
    fn load(&self, chunks: &dyn Chunks, key: Key) -> Result<Vec<u8>, Arc<str>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Somebody may just have stored it again: what is set aside was found damaged twice.
        let error = match self.attempt(chunks, key) {
            Ok(plain) => return Ok(plain),
            Err(error) if !is_damage(&error) => error,
            Err(_) => match self.attempt(chunks, key) {
                Ok(plain) => return Ok(plain),
                Err(error) => error,
            },
        };
        if !is_damage(&error) {
            return Err(error.to_string().into());
        }
        if let Some(len) = self.sound_length(chunks, key) {
            let digest = key.digest;
            return Err(format!("chunk {digest}: it has {len} bytes, and the index says {}", key.len).into());
        }
        let done = match chunks.set_aside(&key.digest) {
            Ok(Some(path)) => {
                self.set_aside.fetch_add(1, Ordering::Relaxed);
                format!("; renamed to {}", path.file_name().unwrap_or_default().display())
            }
            Ok(None) => String::new(),
            Err(error) => format!("; cannot be set aside: {error}"),
        };
        Err(format!("{error}{done}").into())
    }

    fn attempt(&self, chunks: &dyn Chunks, key: Key) -> Result<Vec<u8>, ChunkError> {
        let Key { digest, len, form } = key;
        let plain = with_encoded(chunks, &digest, |blob| match form {
            Form::Closed => codec::check_mode(blob, CryptMode::Encrypt).map(|_| Vec::new()),
            Form::Plain => codec::decode_chunk(blob, &digest, len, CryptMode::None, None),
            Form::Open => codec::decode_chunk(blob, &digest, len, CryptMode::Encrypt, self.key()),
        })?;
        self.bytes.fetch_add(plain.len() as u64, Ordering::Relaxed);
        Ok(plain)
    }

    /// The length of a chunk whose bytes are what its name says, whatever an index says.
    fn sound_length(&self, chunks: &dyn Chunks, Key { digest, form, .. }: Key) -> Option<u64> {
        let key = match form {
            Form::Closed => return None,
            Form::Plain => None,
            Form::Open => Some(self.key()?),
        };
        let decoded = with_encoded(chunks, &digest, |blob| codec::decode_blob(blob, key)).ok()?;
        let got = key.map_or_else(|| codec::digest(&decoded), |key| key.digest(&decoded));
        (got == digest).then_some(decoded.len() as u64)
    }
}

/// Whether a chunk is at fault: not one that is missing, nor one that an index takes for encrypted or plain and that is not.
fn is_damage(error: &ChunkError) -> bool {
    match &error.why {
        ChunkProblem::Missing => false,
        ChunkProblem::Empty | ChunkProblem::Wrong(_) => {
            !matches!(error.why, ChunkProblem::Wrong(DecodeError::Mode { .. }))
        }
        ChunkProblem::Unreadable(error) => error.kind() != io::ErrorKind::PermissionDenied,
    }
}
