//! A session: an upgraded connection that speaks HTTP/2 (server protocol 6, 7).

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::api::{Api, TIMEOUT};
use super::encode::{self, Params};
use super::error::end_of;
use super::net::Net;
use super::{Lost, Refused};

/// Bytes that may be on their way to us, for each request and for all.
const WINDOW: u32 = 16 << 20;
const ALL_WINDOWS: u32 = 32 << 20;
/// Largest frame that is taken.
const FRAME: u32 = 4 << 20;
/// Bytes of one request that wait to be sent: as many as the largest chunk has, so that whole frames go.
const SEND_BUFFER: usize = 17 << 20;
/// Longest answer that is not a file.
const MOST_JSON: usize = 1 << 20;
/// Most bytes of an answer that says no.
const MOST_REFUSAL: usize = 64 << 10;
/// How often a request is sent that the server has no room for.
const ATTEMPTS: u32 = 30;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Backup,
    Reader,
}

impl Protocol {
    const fn path(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Reader => "reader",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Backup => "proxmox-backup-protocol-v1",
            Self::Reader => "proxmox-backup-reader-protocol-v1",
        }
    }
}

/// A session. Dropped, it ends: what a backup did so far is undone by the server.
#[derive(Debug)]
pub(super) struct Session {
    pub net: Arc<Net>,
    server: String,
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
    /// The server said something.
    is_answered: AtomicBool,
}

/// The answer to a request.
struct Answer {
    head: Response<()>,
    body: RecvStream,
    /// What was to be sent may not all be, and letting go of it would end the answer, too.
    _rest: Option<SendStream<Bytes>>,
}

impl Session {
    /// Opens a session.
    pub async fn open(api: &Api, protocol: Protocol, params: Params<'_>) -> anyhow::Result<Self> {
        let headers = api.authorization().await?;
        let mut request = api.upgrade_request(protocol.path(), params, &headers)?;
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol.name()));
        let mut sender = api.open().await?;
        let mut response = api.send(&mut sender, request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let text = api.read(response.body_mut(), MOST_REFUSAL as u64, true).await?;
            if response.status().is_success() {
                bail!(
                    "the server {} does not open sessions: is it a Proxmox Backup Server?",
                    api.dialer.authority
                );
            }
            return Err(Refused::new(response.status().as_u16(), &text).raise());
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| api.lost(&error))?;
        let shaken = Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(ALL_WINDOWS)
            .max_frame_size(FRAME)
            .max_send_buffer_size(SEND_BUFFER)
            // One, until the server says how many it takes.
            .initial_max_send_streams(1)
            .enable_push(false)
            .handshake(TokioIo::new(upgraded));
        let shaken = timeout(TIMEOUT, shaken).await.context("the server does not answer")?;
        let (sender, connection) = shaken.map_err(|error| api.lost(&error))?;
        let driver = api.net.spawn(async {
            // Whoever waits for an answer is told how it ended.
            let _ = connection.await;
        })?;
        let (net, server) = (api.net.clone(), api.dialer.authority.clone());
        Ok(Self { net, server, sender, driver, is_answered: AtomicBool::new(false) })
    }

    /// Asks for a value; parameters go in the query.
    pub async fn call(&self, method: Method, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        let answer = self.request(method, path, params, FORM, None).await?;
        self.value(path, answer).await
    }

    /// Asks for a value; parameters go as JSON.
    pub async fn put_json(&self, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let answer = self.request(Method::PUT, path, &[], JSON, Some(body)).await?;
        self.value(path, answer).await
    }

    /// Sends bytes.
    pub async fn upload(&self, path: &str, params: Params<'_>, body: Bytes) -> anyhow::Result<Value> {
        let answer = self.request(Method::POST, path, params, BYTES, Some(body)).await?;
        self.value(path, answer).await
    }

    /// Asks for bytes, at most `most`.
    pub async fn download(&self, path: &str, params: Params<'_>, most: usize) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.request(Method::GET, path, params, FORM, None).await?;
        let mut bytes = Vec::new();
        self.read(&mut answer.body, &mut bytes, most, false).await?;
        Ok(bytes)
    }

    async fn value(&self, path: &str, mut answer: Answer) -> anyhow::Result<Value> {
        let mut bytes = Vec::new();
        self.read(&mut answer.body, &mut bytes, MOST_JSON, false).await?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        let data = value.and_then(|mut value| value.get_mut("data").map(Value::take));
        data.with_context(|| format!("the server's answer to {path} has no `data`"))
    }

    /// Sends a request and waits for the head of an answer that says yes. What the server has no room for is sent again.
    async fn request(
        &self,
        method: Method,
        path: &str,
        params: Params<'_>,
        content_type: &'static str,
        body: Option<Bytes>,
    ) -> anyhow::Result<Answer> {
        let query = encode::query(params);
        let separator = if query.is_empty() { "" } else { "?" };
        let target = format!("https://{}/{path}{separator}{query}", self.server);
        let mut pause = Duration::from_millis(5);
        for attempt in 1.. {
            let request = Request::builder().method(method.clone()).uri(&target);
            let request = request.header(CONTENT_TYPE, content_type).body(())?;
            match self.exchange(request, body.clone()).await {
                Err(error) if error.reason() == Some(Reason::REFUSED_STREAM) && attempt < ATTEMPTS => {
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => return Err(self.explain(error)),
                Ok(mut answer) => {
                    self.is_answered.store(true, Ordering::Relaxed);
                    if answer.head.status() == StatusCode::OK {
                        return Ok(answer);
                    }
                    let mut text = Vec::new();
                    self.read(&mut answer.body, &mut text, MOST_REFUSAL, true).await?;
                    return Err(Refused::new(answer.head.status().as_u16(), &text).raise());
                }
            }
        }
        bail!("a defect of pxkit: a request without end")
    }

    async fn exchange(&self, request: Request<()>, body: Option<Bytes>) -> Result<Answer, h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, stream) = sender.send_request(request, body.is_none())?;
        let (response, rest) = match body {
            None => (response.await?, None),
            Some(body) => {
                let (response, stream) = send(response, stream, body).await?;
                (response, Some(stream))
            }
        };
        let (head, body) = response.into_parts();
        Ok(Answer { head: Response::from_parts(head, ()), body, _rest: rest })
    }

    /// Reads an answer: all of it, or of what says no as much as anybody wants to read.
    async fn read(
        &self,
        body: &mut RecvStream,
        bytes: &mut Vec<u8>,
        most: usize,
        cut: bool,
    ) -> anyhow::Result<()> {
        while let Some(data) = body.data().await {
            let data = data.map_err(|error| self.explain(error))?;
            // The stream may have ended, which says so itself.
            let _ = body.flow_control().release_capacity(data.len());
            if bytes.len() + data.len() > most {
                ensure!(cut, "the server sends more than {most} bytes");
                break;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(())
    }

    fn explain(&self, error: h2::Error) -> anyhow::Error {
        let is_dead = error.is_io() || error.is_go_away() || error.is_library();
        let is_early = !self.is_answered.load(Ordering::Relaxed);
        if error.is_reset() && error.is_remote() && !is_dead {
            let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
            let text = reason.description();
            // So it looks, too, when a connection is about to end.
            return Lost::new(format!("the server {} broke off a request: {text}", self.server)).into();
        }
        let why = end_of(&error);
        let server = &self.server;
        let why = if is_early {
            format!(
                "the server {server} closed the session before it answered anything ({why}); it may be collecting garbage"
            )
        } else {
            format!("the connection to the server {server} is lost: {why}")
        };
        Lost { why, early: is_early }.into()
    }

    /// Ends the session at once.
    pub fn close(&self) {
        self.driver.abort();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// Sends a body as fast as the server takes it. The answer may come before all is sent; then the rest is not.
async fn send(
    mut response: ResponseFuture,
    mut stream: SendStream<Bytes>,
    mut body: Bytes,
) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
    if body.is_empty() {
        let _ = stream.send_data(body, true);
        return Ok((response.await?, stream));
    }
    loop {
        stream.reserve_capacity(body.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx));
        let room = tokio::select! {
            biased;
            answer = Pin::new(&mut response) => return Ok((answer?, stream)),
            room = room => room,
        };
        match room {
            Some(Ok(room)) => {
                let piece = body.split_to(room.min(body.len()));
                let is_last = body.is_empty();
                // No piece is taken after an answer that has just ended the request; the answer says why.
                if stream.send_data(piece, is_last).is_err() || is_last {
                    return Ok((response.await?, stream));
                }
            }
            // The server wants no more of it, and has said or will say why.
            Some(Err(_)) | None => return Ok((response.await?, stream)),
        }
    }
}
