//! Bodies of requests inside a session.

use std::time::Duration;

use h2::RecvStream;

use super::params::{Refusal, Reply, bad};

/// The body of a request, which need not be there yet.
#[derive(Debug)]
pub struct Upload {
    stream: RecvStream,
    pub content_type: Option<String>,
    /// Waits so long for each piece.
    pub pause: Duration,
    /// Bytes after which the connection breaks.
    pub breaks: bool,
    /// Bytes so far.
    pub len: u64,
    /// Kept for the record, if it holds parameters.
    pub kept: Option<Vec<u8>>,
}

/// The status of calls that get no answer because their connection broke.
pub const BROKEN: u16 = 0;

impl Upload {
    pub fn new(stream: RecvStream, content_type: Option<String>) -> Self {
        Self { stream, content_type, pause: Duration::ZERO, breaks: false, len: 0, kept: None }
    }

    /// The next piece; its room in the window is given back.
    async fn next(&mut self) -> Reply<Option<bytes::Bytes>> {
        let broken = || Refusal::new(BROKEN, "the stream broke");
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let Some(data) = self.stream.data().await else { return Ok(None) };
        let data = data.map_err(|_| broken())?;
        self.len += data.len() as u64;
        if self.breaks {
            return Err(broken());
        }
        let _ = self.stream.flow_control().release_capacity(data.len());
        Ok(Some(data))
    }

    /// All of it; `None` as soon as there are more than `limit` bytes.
    pub async fn read(&mut self, limit: u64) -> Reply<Option<Vec<u8>>> {
        let mut all = Vec::new();
        while let Some(data) = self.next().await? {
            if (all.len() + data.len()) as u64 > limit {
                return Ok(None);
            }
            all.extend_from_slice(&data);
        }
        Ok(Some(all))
    }

    /// Reads parameters.
    pub async fn parameters(&mut self) -> Reply<Vec<u8>> {
        let body = self.read((512 << 10) - 1).await?.ok_or_else(|| bad("Request body too large"))?;
        self.kept = Some(body.clone());
        Ok(body)
    }

    /// Reads to the end and keeps nothing; returns the number of bytes.
    pub async fn drain(&mut self) -> Reply<u64> {
        while self.next().await?.is_some() {}
        Ok(self.len)
    }
}
