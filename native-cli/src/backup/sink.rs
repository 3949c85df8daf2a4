//! What core emits, handed to the streams of an archive.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, bail};
use pxkit_core::blob::FileEntry;
use pxkit_core::chunk::FileStart;
use pxkit_core::plan::Sink;
use pxkit_core::reuse::{Injection, Usage};

use crate::pipeline::{Buffers, ChunkStream, Counters};

/// The streams of an archive; a unified one has no payload stream.
#[derive(Debug)]
pub struct Streams<'p, 'env> {
    /// Metadata; of a unified archive everything.
    pub meta: Meta<'p, 'env>,
    /// Contents.
    pub payload: Option<ChunkStream<'p, 'env>>,
    /// What the previous archive used of its chunks.
    pub usage: Option<Usage>,
    /// Padding of injected chunks that the previous archive had already.
    pub inherited: u64,
}

/// The metadata stream.
#[derive(Debug)]
pub enum Meta<'p, 'env> {
    /// It is cut where it is written.
    Here(Box<ChunkStream<'p, 'env>>),
    /// It is cut by another thread, which encoding then need not wait for.
    Elsewhere(Blocks),
}

impl Meta<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Here(stream) => stream.write(bytes),
            Self::Elsewhere(blocks) => blocks.write(bytes),
        }
    }

    /// Chunks that are there already come next, see [`ChunkStream::inject`].
    ///
    /// # Errors
    /// Those of the stream.
    pub fn inject(&mut self, chunks: &[Injection]) -> anyhow::Result<()> {
        match self {
            Self::Here(stream) => stream.inject(chunks),
            Self::Elsewhere(_) => bail!("a defect of pxkit: chunks for a stream that is being cut"),
        }
    }

    /// Ends it, see [`ChunkStream::finish`].
    ///
    /// # Errors
    /// Those of the stream.
    pub fn finish(self) -> anyhow::Result<(FileEntry, Counters)> {
        match self {
            Self::Here(stream) => stream.finish(),
            Self::Elsewhere(_) => bail!("a defect of pxkit: a stream that is still being cut"),
        }
    }
}

/// Bytes on their way to another thread.
#[derive(Debug)]
pub struct Blocks {
    to: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    /// Those that were cut.
    free: Buffers,
}

impl Blocks {
    /// Bytes that are handed over at once, and how many times that may wait.
    const SIZE: usize = 256 << 10;
    const MOST: usize = 4;
    /// Bytes of memory for those: the last item may be longer than what was left.
    const ROOM: usize = Self::SIZE + (4 << 10);

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= Self::SIZE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let mut next = self.free.take();
        next.reserve(Self::ROOM);
        self.to.send(std::mem::replace(&mut self.block, next)).context("the metadata stream ended early")
    }
}

/// Runs `emit` with streams of which that for metadata is cut by another thread meanwhile.
///
/// # Errors
/// Those of `emit` and of the stream.
pub fn cut_elsewhere<'p, 'env, T>(
    streams: &mut Streams<'p, 'env>,
    emit: impl FnOnce(&mut Streams<'p, 'env>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (to, from) = sync_channel::<Vec<u8>>(Blocks::MOST);
    let free = Buffers::default();
    let blocks = Blocks { to, block: Vec::with_capacity(Blocks::ROOM), free: free.clone() };
    let (give, given) = sync_channel(1);
    thread::scope(|scope| {
        let cutting = thread::Builder::new().spawn_scoped(scope, move || {
            let mut meta: Meta = given.recv().context("the metadata stream ended early")?;
            for block in from {
                meta.write(&block)?;
                free.give(block);
            }
            anyhow::Ok(meta)
        });
        // Without another thread it is cut in this one.
        let Ok(cutting) = cutting else { return emit(streams) };
        let meta = std::mem::replace(&mut streams.meta, Meta::Elsewhere(blocks));
        give.send(meta).ok().context("the metadata stream ended early")?;
        let mut result = emit(streams);
        if let (Ok(_), Meta::Elsewhere(blocks)) = (&result, &mut streams.meta)
            && let Err(error) = blocks.flush()
        {
            result = Err(error);
        }
        // That nothing more is wanted says why, too, so it comes first.
        let (closed, _) = sync_channel(0);
        streams.meta = Meta::Elsewhere(Blocks { to: closed, block: Vec::new(), free: Buffers::default() });
        match cutting.join() {
            Ok(meta) => streams.meta = meta?,
            Err(panic) => resume_unwind(panic),
        }
        result
    })
}

impl<'p, 'env> Streams<'p, 'env> {
    fn payload_stream(&mut self) -> anyhow::Result<&mut ChunkStream<'p, 'env>> {
        self.payload
            .as_mut()
            .ok_or_else(|| anyhow::anyhow!("a defect of pxkit: payload in a unified archive"))
    }
}

impl Sink for Streams<'_, '_> {
    type Error = anyhow::Error;

    fn metadata(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.meta.write(bytes)
    }

    fn segment(&mut self, range: Range<u64>, starts: Vec<FileStart>) -> anyhow::Result<()> {
        self.payload_stream()?.segment(range, starts)
    }

    fn extend(&mut self, end: u64, starts: &[FileStart]) -> anyhow::Result<()> {
        self.payload_stream()?.extend(end, starts)
    }

    fn payload(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.payload_stream()?.write(bytes)
    }

    fn inject(&mut self, chunks: &[Injection]) -> anyhow::Result<()> {
        if let Some(usage) = &self.usage {
            self.inherited += chunks.iter().map(|chunk| usage.inherited(chunk)).sum::<u64>();
        }
        self.payload_stream()?.inject(chunks)
    }
}
