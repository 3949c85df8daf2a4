//! What core emits, handed to the streams of an archive.

use std::ops::Range;

use pxkit_core::chunk::FileStart;
use pxkit_core::plan::Sink;
use pxkit_core::reuse::{Injection, Usage};

use crate::pipeline::ChunkStream;

/// The streams of an archive; a unified one has no payload stream.
#[derive(Debug)]
pub struct Streams<'p, 'env> {
    /// Metadata; of a unified archive everything.
    pub meta: ChunkStream<'p, 'env>,
    /// Contents.
    pub payload: Option<ChunkStream<'p, 'env>>,
    /// What the previous archive used of its chunks.
    pub usage: Option<Usage>,
    /// Padding of injected chunks that the previous archive had already.
    pub inherited: u64,
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
