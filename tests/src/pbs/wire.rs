//! What lies between the socket and HTTP: TLS, latency, and how bytes are cut into pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::rest;
use super::session::Shared;

/// Bytes that may be on their way in one direction.
const ON_THE_WAY: usize = 64 << 20;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// Takes connections for ever.
pub async fn listen(shared: Arc<Shared>, listener: TcpListener, config: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(config);
    let count = Arc::new(AtomicU64::new(0));
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let (shared, acceptor, count) = (shared.clone(), acceptor.clone(), count.clone());
        tokio::spawn(async move {
            let latency = shared.options.latency;
            if latency.is_zero() {
                connect(shared, acceptor, &count, socket).await;
            } else {
                let (near, far) = duplex(4 << 20);
                tokio::spawn(delay(socket, far, latency / 2));
                connect(shared, acceptor, &count, near).await;
            }
        });
    }
}

async fn connect<I>(shared: Arc<Shared>, acceptor: TlsAcceptor, count: &AtomicU64, io: I)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Whoever does not like the certificate goes away here.
    let Ok(tls) = acceptor.accept(io).await else { return };
    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
    let (joined, pieces) = (shared.options.settings_joined, shared.options.pieces);
    let wire = Wire { io: tls, joined, pieces, held: Vec::new(), pending: Bytes::new() };
    let service = service_fn(move |request| rest::respond(shared.clone(), number, request));
    let mut builder = http1::Builder::new();
    let served =
        builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(wire), service).with_upgrades();
    let _ = served.await;
}

/// Carries bytes both ways, each so much later; as many as come.
async fn delay(socket: TcpStream, far: tokio::io::DuplexStream, time: Duration) {
    let (from_client, to_client) = split(socket);
    let (from_server, to_server) = split(far);
    tokio::join!(carry(from_client, to_server, time), carry(from_server, to_client, time));
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, time: Duration) {
    let (sender, mut receiver) = unbounded_channel::<(Instant, Bytes)>();
    let room = Arc::new(Semaphore::new(ON_THE_WAY));
    let reading = {
        let room = room.clone();
        async move {
            let mut buffer = BytesMut::new();
            loop {
                buffer.reserve(PIECE);
                match from.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(len) => {
                        let permits = u32::try_from(len).expect("a small number");
                        let Ok(permit) = room.acquire_many(permits).await else { break };
                        permit.forget();
                        let _ = sender.send((Instant::now() + time, buffer.split().freeze()));
                    }
                }
            }
        }
    };
    let writing = async {
        while let Some((when, bytes)) = receiver.recv().await {
            sleep_until(when).await;
            room.add_permits(bytes.len());
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

/// A connection on which what is sent can be cut and joined at will.
struct Wire<I> {
    io: I,
    /// The head of an upgrade waits for the first bytes behind it.
    joined: bool,
    /// Bytes of a piece.
    pieces: Option<usize>,
    held: Vec<u8>,
    pending: Bytes,
}

impl<I: AsyncWrite + Unpin> Wire<I> {
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.pending.is_empty() {
            let len = ready!(Pin::new(&mut self.io).poll_write(cx, &self.pending))?;
            let _ = self.pending.split_to(len);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        ready!(self.drain(cx))?;
        if self.joined && buf.starts_with(b"HTTP/1.1 101") {
            self.held = buf.to_vec();
            return Poll::Ready(Ok(buf.len()));
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.pending = [&held, buf].concat().into();
            return Poll::Ready(Ok(buf.len()));
        }
        let piece = self.pieces.unwrap_or(buf.len()).clamp(1, buf.len().max(1));
        Pin::new(&mut self.io).poll_write(cx, &buf[..piece.min(buf.len())])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
