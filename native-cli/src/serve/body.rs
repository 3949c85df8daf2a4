//! Bodies of responses: bytes that are there, or bytes that are read while they are sent, two blocks at a time.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::source::ByteSource;

/// Bytes that are read at once. One block waits to be sent while the next is read, so a response holds two.
const BLOCK: u64 = 256 << 10;

/// What is sent behind the head of a response.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Full(Bytes),
    /// A range of a source.
    Stream(Stream),
}

/// Reads a range in blocks. A source that ends before its range does, or cannot be read, breaks the connection off: the client was told
/// how many bytes to expect and can tell.
#[derive(Debug)]
pub struct Stream {
    source: Arc<dyn ByteSource>,
    /// What nobody reads yet.
    rest: Range<u64>,
    /// The block that somebody reads.
    reading: Option<(u64, JoinHandle<io::Result<Bytes>>)>,
}

impl Body {
    /// No bytes.
    pub const fn empty() -> Self {
        Self::Full(Bytes::new())
    }

    /// These bytes of a source.
    pub fn stream(source: Arc<dyn ByteSource>, range: Range<u64>) -> Self {
        Self::Stream(Stream { source, rest: range, reading: None })
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(stream) => {
                stream.poll_block(context).map(|block| block.map(|block| block.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Body {
    fn left(&self) -> u64 {
        match self {
            Self::Full(bytes) => bytes.len() as u64,
            Self::Stream(stream) => {
                stream.rest.end - stream.rest.start + stream.reading.as_ref().map_or(0, |(len, _)| *len)
            }
        }
    }
}

impl Stream {
    fn poll_block(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            self.read_ahead();
        }
        let Some((_, reading)) = &mut self.reading else { return Poll::Ready(None) };
        let block = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other).flatten();
        self.reading = None;
        match &block {
            Ok(_) => self.read_ahead(),
            Err(_) => self.rest.start = self.rest.end,
        }
        Poll::Ready(Some(block))
    }

    /// Lets another thread read the next block: this one must not wait for a disk.
    fn read_ahead(&mut self) {
        let (offset, len) = (self.rest.start, (self.rest.end - self.rest.start).min(BLOCK));
        if len > 0 {
            self.rest.start += len;
            let source = self.source.clone();
            let read = move || {
                let mut block = vec![0; len as usize];
                source.read_exact_at(&mut block, offset)?;
                Ok(block.into())
            };
            self.reading = Some((len, spawn_blocking(read)));
        }
    }
}
