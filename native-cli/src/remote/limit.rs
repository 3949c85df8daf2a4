//! A bound on bytes a second, for all connections to a server together.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Rate;

/// Most bytes that go at once where there is a bound.
const PIECE: usize = 16 << 10;

/// A bucket into which tokens fall at a rate, one a byte. Whoever takes some may leave it in debt, and the next one waits until that is paid.
#[derive(Debug)]
struct Bucket {
    /// Bytes a second.
    rate: f64,
    /// Most tokens in it.
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    /// When they were counted.
    at: Instant,
}

impl Bucket {
    fn new(rate: u64, burst: u64) -> Self {
        let (rate, burst) = (rate.max(1) as f64, burst.max(1) as f64);
        Self { rate, burst, state: Mutex::new(State { tokens: burst, at: Instant::now() }) }
    }

    /// How long to wait until something may go.
    fn pause(&self, now: Instant) -> Duration {
        let state = self.filled(now);
        if state.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-state.tokens / self.rate) }
    }

    fn take(&self, bytes: usize, now: Instant) {
        self.filled(now).tokens -= bytes as f64;
    }

    fn filled(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.tokens = (state.tokens + passed * self.rate).min(self.burst);
        state.at = state.at.max(now);
        state
    }
}

/// The bounds of both directions.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    read: Option<Arc<Bucket>>,
    write: Option<Arc<Bucket>>,
}

impl Limits {
    pub fn new(rate: Rate) -> Self {
        let bucket = || rate.rate.map(|each| Arc::new(Bucket::new(each, rate.burst.unwrap_or(each))));
        Self { read: bucket(), write: bucket() }
    }
}

/// A connection that keeps to bounds.
#[derive(Debug)]
pub(super) struct Limited<S> {
    inner: S,
    read: Direction,
    write: Direction,
}

#[derive(Debug)]
struct Direction {
    bucket: Option<Arc<Bucket>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Direction {
    fn new(bucket: &Option<Arc<Bucket>>) -> Self {
        Self { bucket: bucket.clone(), sleep: None }
    }

    /// Waits until something may go.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(bucket) = &self.bucket else { return Poll::Ready(()) };
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let pause = bucket.pause(Instant::now());
            if pause.is_zero() {
                return Poll::Ready(());
            }
            // A timer counts in milliseconds.
            self.sleep = Some(Box::pin(sleep(pause.max(Duration::from_millis(1)))));
        }
    }

    fn count(&self, bytes: usize) {
        if let Some(bucket) = &self.bucket {
            bucket.take(bytes, Instant::now());
        }
    }
}

impl<S> Limited<S> {
    pub fn new(inner: S, limits: &Limits) -> Self {
        Self { inner, read: Direction::new(&limits.read), write: Direction::new(&limits.write) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.read.poll(cx));
        if self.read.bucket.is_none() {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let most = PIECE.min(buffer.remaining());
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
        let len = piece.filled().len();
        buffer.advance(len);
        self.read.count(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.write.poll(cx));
        let most = if self.write.bucket.is_some() { PIECE } else { usize::MAX };
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &bytes[..bytes.len().min(most)]))?;
        self.write.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.write.bucket.is_none() {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
        }
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.poll_write(cx, first.map_or(&[], |piece| piece))
    }

    fn is_write_vectored(&self) -> bool {
        self.write.bucket.is_none() && self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let bucket = Bucket::new(1000, 500);
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(bucket.pause(start), Duration::ZERO);
        // The burst may be overdrawn, and that is paid back.
        bucket.take(1500, start);
        assert!((bucket.pause(start).as_secs_f64() - 1.0).abs() < 0.01);
        assert!((bucket.pause(after(400)).as_secs_f64() - 0.6).abs() < 0.01);
        assert_eq!(bucket.pause(after(1001)), Duration::ZERO);
        // A long pause saves up no more than a burst.
        bucket.take(600, after(60_000));
        assert!((bucket.pause(after(60_000)).as_secs_f64() - 0.1).abs() < 0.01);
    }

    #[test]
    fn reading_and_writing_keep_to_it() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (one, mut other) = tokio::io::duplex(1 << 20);
            let limits = Limits::new(Rate { rate: Some(1 << 20), burst: Some(64 << 10) });
            let mut limited = Limited::new(one, &limits);
            let start = Instant::now();
            limited.write_all(&[1; 256 << 10]).await.unwrap();
            // All but the burst and one piece.
            assert!(start.elapsed() >= Duration::from_millis(170), "{:?}", start.elapsed());
            other.write_all(&[2; 256 << 10]).await.unwrap();
            let (start, mut got) = (Instant::now(), vec![0; 256 << 10]);
            limited.read_exact(&mut got).await.unwrap();
            assert!(start.elapsed() >= Duration::from_millis(170), "{:?}", start.elapsed());
            assert!(got.iter().all(|&byte| byte == 2));
            let mut sent = vec![0; 256 << 10];
            other.read_exact(&mut sent).await.unwrap();
            assert!(sent.iter().all(|&byte| byte == 1));
        });
    }
}
