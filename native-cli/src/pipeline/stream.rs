//! A stream that becomes chunks and an index.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context as _, bail};
use pxkit_core::blob::FileEntry;
use pxkit_core::chunk::{Chunker, Cutter, FileStart};
use pxkit_core::format::Digest;
use pxkit_core::reuse::Injection;

use super::budget::{Budget, Permit};
use super::pool::{Pool, Ticket, Urgency};
use crate::codec::Effort;
use crate::crypt::Crypt;
use crate::report::check_signals;
use crate::store::{Backup, IndexWriter, NewChunk, Stored};

/// Bytes by which the buffer of a chunk grows.
const STEP: usize = 1 << 20;

/// What was done with the chunks of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Chunks, all of them.
    pub chunks: u64,
    /// Their bytes: those of the archive.
    pub bytes: u64,
    /// Those that the repository did not have.
    pub new_chunks: u64,
    /// Their plain bytes.
    pub new_bytes: u64,
    /// Bytes of them as they are stored.
    pub stored_bytes: u64,
    /// Chunks that were injected.
    pub injected_chunks: u64,
    /// Their bytes.
    pub injected_bytes: u64,
}

/// Where a stream is cut.
#[derive(Debug)]
pub enum Cut {
    /// By hash.
    Plain(Chunker),
    /// As a payload stream.
    Payload(Cutter),
    /// Into pieces of one size, as images are.
    Even(Even),
}

/// Cuts into pieces of one size.
#[derive(Debug)]
pub struct Even {
    size: usize,
    /// Bytes of the piece that has begun.
    filled: usize,
}

impl Even {
    /// With pieces of `size` bytes, which is not 0.
    pub const fn new(size: usize) -> Self {
        Self { size, filled: 0 }
    }

    /// Where in the next bytes a piece ends.
    fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let missing = self.size - self.filled;
        if bytes.len() < missing {
            self.filled += bytes.len();
            return None;
        }
        self.filled = 0;
        Some(missing)
    }
}

/// One place in the index.
#[derive(Debug)]
enum Part {
    Raw { digest: Digest, len: u64, stored: Stored },
    Injected(Vec<Injection>),
}

#[derive(Debug)]
struct Ordered {
    /// The place that comes next, and those behind it that are ready.
    next: u64,
    ready: BTreeMap<u64, anyhow::Result<Part>>,
    writer: Option<Box<dyn IndexWriter>>,
    counters: Counters,
    /// The first error in the order of the stream.
    error: Option<anyhow::Error>,
}

/// The index, fed in order by whoever completes the place that is missing.
#[derive(Debug)]
struct Order {
    ordered: Mutex<Ordered>,
    failed: AtomicBool,
}

impl Order {
    fn lock(&self) -> MutexGuard<'_, Ordered> {
        self.ordered.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn complete(&self, place: u64, part: anyhow::Result<Part>) {
        let mut guard = self.lock();
        let ordered = &mut *guard;
        ordered.ready.insert(place, part);
        while let Some(part) = ordered.ready.remove(&ordered.next) {
            ordered.next += 1;
            if ordered.error.is_some() {
                continue;
            }
            if let Err(error) = part.and_then(|part| ordered.add(part)) {
                ordered.error = Some(error);
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Ordered {
    fn add(&mut self, part: Part) -> anyhow::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let counters = &mut self.counters;
        match part {
            Part::Raw { digest, len, stored } => {
                writer.push(digest, len)?;
                counters.chunks += 1;
                counters.bytes += len;
                if stored.is_new {
                    counters.new_chunks += 1;
                    counters.new_bytes += len;
                    counters.stored_bytes += stored.encoded;
                }
            }
            Part::Injected(chunks) => {
                for chunk in chunks {
                    writer.push(chunk.digest, chunk.size)?;
                    counters.chunks += 1;
                    counters.bytes += chunk.size;
                    counters.injected_chunks += 1;
                    counters.injected_bytes += chunk.size;
                }
            }
        }
        Ok(())
    }
}

/// Buffers that are used again, since memory that is new must be cleared by the kernel first.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    /// Their capacities together.
    bytes: usize,
}

impl Buffers {
    /// Most bytes that are kept.
    const MOST: usize = 16 << 20;

    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        let mut kept = self.lock();
        let buffer = kept.buffers.pop().unwrap_or_default();
        kept.bytes -= buffer.capacity();
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.lock();
        if buffer.capacity() > 0 && kept.bytes + buffer.capacity() <= Self::MOST {
            buffer.clear();
            kept.bytes += buffer.capacity();
            kept.buffers.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// What all streams of a backup share.
#[derive(Clone, Debug)]
pub struct Storing<'p, 'env> {
    /// Who hashes and stores.
    pub pool: &'p Pool<'env>,
    /// Where to.
    pub backup: &'env dyn Backup,
    /// Bytes of chunks in memory.
    pub budget: Budget,
    /// Buffers for chunks.
    pub buffers: Buffers,
    /// What is done with a key.
    pub crypt: &'env Crypt,
    /// How hard to compress: well, where little is stored.
    pub effort: Effort,
}

/// A stream of an archive: its bytes come in order, chunks go to the repository, and what chunks there are goes into an index.
#[derive(Debug)]
pub struct ChunkStream<'p, 'env> {
    storing: Storing<'p, 'env>,
    order: Arc<Order>,
    cut: Cut,
    /// The chunk that is being filled.
    buffer: Vec<u8>,
    /// Bytes of the stream so far.
    position: u64,
    /// The place in the index of what comes next.
    place: u64,
    /// Chunks that may not be stored yet, oldest first.
    tickets: std::collections::VecDeque<Ticket<'env, ()>>,
}

impl<'p, 'env> ChunkStream<'p, 'env> {
    /// Starts a stream.
    pub fn new(storing: Storing<'p, 'env>, cut: Cut, writer: Box<dyn IndexWriter>) -> Self {
        let ordered = Ordered {
            next: 0,
            ready: BTreeMap::new(),
            writer: Some(writer),
            counters: Counters::default(),
            error: None,
        };
        let order = Arc::new(Order { ordered: Mutex::new(ordered), failed: AtomicBool::new(false) });
        let (buffer, tickets) = Default::default();
        Self { storing, order, cut, buffer, position: 0, place: 0, tickets }
    }

    /// Bytes of the stream so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes.
    ///
    /// # Errors
    /// A chunk before could not be stored; a signal asked for the end.
    pub fn write(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let cut = match &mut self.cut {
                Cut::Plain(chunker) => chunker.scan(bytes),
                Cut::Payload(cutter) => cutter.scan(bytes)?,
                Cut::Even(even) => even.scan(bytes),
            };
            let (now, later) = bytes.split_at(cut.unwrap_or(bytes.len()));
            if self.buffer.capacity() - self.buffer.len() < now.len() {
                // Doubling would take up to twice what the budget counts.
                self.buffer.reserve_exact(now.len().max(STEP));
            }
            self.buffer.extend_from_slice(now);
            self.position += now.len() as u64;
            bytes = later;
            if cut.is_some() {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    /// A raw segment starts, see [`pxkit_core::plan::Sink::segment`].
    ///
    /// # Errors
    /// Those of [`ChunkStream::write`]; the segment does not start where the stream is.
    pub fn segment(&mut self, range: Range<u64>, starts: Vec<FileStart>) -> anyhow::Result<()> {
        self.end_chunk()?;
        match &mut self.cut {
            Cut::Payload(cutter) if range.start == self.position => Ok(cutter.begin(range, starts)?),
            _ => bail!(
                "a defect of pxkit: a raw segment at {} where {} bytes were written",
                range.start,
                self.position
            ),
        }
    }

    /// The raw segment goes on.
    ///
    /// # Errors
    /// Those of the cutter.
    pub fn extend(&mut self, end: u64, starts: &[FileStart]) -> anyhow::Result<()> {
        match &mut self.cut {
            Cut::Payload(cutter) => Ok(cutter.extend(end, starts)?),
            Cut::Plain(_) | Cut::Even(_) => Ok(()),
        }
    }

    /// Chunks that are there already come next.
    ///
    /// # Errors
    /// Those of [`ChunkStream::write`].
    pub fn inject(&mut self, chunks: &[Injection]) -> anyhow::Result<()> {
        self.end_chunk()?;
        self.position += chunks.iter().map(|chunk| chunk.size).sum::<u64>();
        let place = self.next_place()?;
        self.order.complete(place, Ok(Part::Injected(chunks.to_vec())));
        Ok(())
    }

    /// The chunk `digest` of `len` bytes, which this stream has stored already, comes `times` more.
    ///
    /// # Errors
    /// Those of [`ChunkStream::write`].
    pub fn repeat(&mut self, digest: Digest, len: u64, times: u64) -> anyhow::Result<()> {
        self.end_chunk()?;
        for _ in 0..times {
            self.position += len;
            let place = self.next_place()?;
            let stored = Stored { is_new: false, encoded: 0 };
            self.order.complete(place, Ok(Part::Raw { digest, len, stored }));
        }
        Ok(())
    }

    /// Ends the stream: waits for all its chunks and completes the index. Returns what the manifest says of it, and what was done.
    ///
    /// # Errors
    /// The first in the order of the stream of what went wrong.
    pub fn finish(mut self) -> anyhow::Result<(FileEntry, Counters)> {
        self.end_chunk()?;
        for ticket in std::mem::take(&mut self.tickets) {
            ticket.wait()?;
        }
        let mut ordered = self.order.lock();
        if let Some(error) = ordered.error.take() {
            return Err(error);
        }
        if ordered.next != self.place {
            bail!("a defect of pxkit: {} of {} chunks are in the index", ordered.next, self.place);
        }
        if ordered.counters.bytes != self.position {
            bail!(
                "a defect of pxkit: chunks of {} bytes in the index of a stream of {} bytes",
                ordered.counters.bytes,
                self.position
            );
        }
        let writer = ordered.writer.take().context("a defect of pxkit: a stream ended twice")?;
        let entry = FileEntry { crypt_mode: self.storing.crypt.mode(), ..writer.finish()? };
        Ok((entry, ordered.counters))
    }

    fn next_place(&mut self) -> anyhow::Result<u64> {
        check_signals()?;
        if self.order.failed.load(Ordering::Relaxed)
            && let Some(error) = self.order.lock().error.take()
        {
            return Err(error);
        }
        self.place += 1;
        Ok(self.place - 1)
    }

    /// Hands the chunk that is complete to the workers.
    fn end_chunk(&mut self) -> anyhow::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let place = self.next_place()?;
        let Storing { pool, backup, budget, buffers, crypt, effort } = &self.storing;
        let bytes = std::mem::replace(&mut self.buffer, buffers.take());
        let permit = budget.take(bytes.len(), || pool.help());
        let (order, buffers) = (Arc::clone(&self.order), buffers.clone());
        let (backup, crypt, effort) = (*backup, *crypt, *effort);
        let ticket = pool.submit(Urgency::High, move || {
            let part = store(backup, crypt, effort, &order, &bytes);
            order.complete(place, part);
            buffers.give(bytes);
            drop::<Permit>(permit);
        });
        self.tickets.push_back(ticket);
        while self.tickets.front().is_some_and(Ticket::is_done) {
            self.tickets.pop_front().map(Ticket::wait).transpose()?;
        }
        Ok(())
    }
}

/// Hashes and stores a chunk, unless all is lost already.
fn store(
    backup: &dyn Backup,
    crypt: &Crypt,
    effort: Effort,
    order: &Order,
    bytes: &[u8],
) -> anyhow::Result<Part> {
    if order.failed.load(Ordering::Relaxed) {
        bail!("not stored, since the backup fails anyway");
    }
    let chunk = NewChunk::new(bytes, crypt, effort);
    let stored = backup.insert(&chunk)?;
    Ok(Part::Raw { digest: *chunk.digest(), len: bytes.len() as u64, stored })
}
