//! Sessions: HTTP/2 behind an upgrade (protocol 6.3 to 7).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Options;
use super::access::Access;
use super::backup::Backup;
use super::body::{BROKEN, Upload};
use super::hooks::{Action, Hooks, Moment, Place, Record};
use super::params::{Given, Param, Params, Refusal, Reply, bad, pairs};
use super::reader::Reader;
use super::store::{self, Store};
use super::tasks::Tasks;

/// How long what was sent is given to arrive before a connection breaks.
const ARRIVAL: Duration = Duration::from_millis(40);
/// Bytes of the preface of HTTP/2.
const PREFACE: usize = 24;

/// What all connections share.
#[derive(Debug)]
pub struct Shared {
    pub options: Options,
    pub store: Arc<Store>,
    pub access: Access,
    pub hooks: Hooks,
    pub tasks: Tasks,
}

impl Shared {
    /// Seconds since 1970 by the server's clock.
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let ahead = self.hooks.ahead.load(std::sync::atomic::Ordering::SeqCst);
        i64::try_from(now).map(|now| now + ahead).expect("a time before the end of time")
    }

    /// What the name of a task says of a snapshot.
    pub fn worker(&self, place: &store::Place) -> String {
        let namespace =
            if place.namespace.is_empty() { String::new() } else { format!("{}:", place.namespace) };
        format!("{}:{namespace}{}/{}", self.options.store, place.kind, place.id)
    }

    /// Waits as long as a server does before it says that somebody may not do something.
    pub async fn hesitate(&self, status: u16, began: Instant) {
        if status == 401 {
            sleep(self.options.delay.saturating_sub(began.elapsed())).await;
        }
    }
}

/// What a call is answered with.
#[derive(Debug)]
pub enum Answer {
    /// JSON, as `data`.
    Data(Value),
    /// A file.
    Raw(Bytes),
}

pub fn not_found(path: &str) -> Refusal {
    Refusal::new(404, format!("Path '{path}' not found."))
}

/// The parameters of a call, from the query or from a body of JSON (7).
pub async fn parameters(schema: &[Param], query: &str, upload: &mut Upload) -> Reply<Params> {
    let kind = upload.content_type.clone().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "" | "application/x-www-form-urlencoded" => Params::check(schema, Given::Query(query)),
        "application/json" => {
            let body = upload.parameters().await?;
            let body = if body.is_empty() { b"{}".to_vec() } else { body };
            Params::check(schema, Given::Json(&body))
        }
        _ => Err(bad("unsupported content type")),
    }
}

/// What is open.
#[derive(Debug)]
pub enum Session {
    Backup(Backup),
    Reader(Reader),
}

enum Command {
    Break,
    GoAway,
}

struct Calls {
    shared: Arc<Shared>,
    session: Session,
    connection: u64,
    commands: UnboundedSender<Command>,
}

/// Names and values of headers.
pub fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    map.iter().map(text).collect()
}

/// Serves a session until its connection ends.
pub async fn serve<I>(shared: Arc<Shared>, session: Session, connection: u64, io: I)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let (commands, mut commanded) = unbounded_channel();
    let calls = Arc::new(Calls { shared: shared.clone(), session, connection, commands });
    talk(&shared, &calls, &mut commanded, io).await;
    if let Session::Backup(backup) = &calls.session {
        backup.end();
    }
}

async fn talk<I>(
    shared: &Shared,
    calls: &Arc<Calls>,
    commanded: &mut tokio::sync::mpsc::UnboundedReceiver<Command>,
    mut io: I,
) where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let options = &shared.options;
    let mut preface = Vec::new();
    if options.settings_late {
        preface.resize(PREFACE, 0);
        if io.read_exact(&mut preface).await.is_err() {
            return;
        }
    }
    let io = Replay { first: preface, at: 0, io };
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(options.window)
        .initial_connection_window_size(options.connection_window)
        .max_frame_size(options.frame)
        .max_concurrent_streams(options.streams)
        .max_header_list_size(16 << 10);
    let Ok(mut http) = builder.handshake::<_, Bytes>(io).await else { return };
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            accepted = http.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    running.spawn(calls.clone().handle(request, respond));
                }
                _ => break,
            },
            command = commanded.recv() => match command {
                Some(Command::GoAway) => http.abrupt_shutdown(Reason::NO_ERROR),
                _ => break,
            },
            // What is done need not be kept.
            Some(_) = running.join_next() => {}
        }
    }
    drop(http);
    running.shutdown().await;
}

impl Calls {
    async fn handle(self: Arc<Self>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let began = Instant::now();
        let hooks = &self.shared.hooks;
        let (head, body) = request.into_parts();
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        let place = match self.session {
            Session::Backup(_) => Place::Backup,
            Session::Reader(_) => Place::Reader,
        };
        let number = hooks.began(Record {
            connection: self.connection,
            place: Some(place),
            method: head.method.to_string(),
            path: path.clone(),
            raw_query: query.clone(),
            query: pairs(&query).unwrap_or_default(),
            headers: headers(&head.headers),
            ..Record::default()
        });
        let action = hooks.action(place, head.method.as_str(), &path, &query);
        let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
        let mut upload = Upload::new(body, content_type.map(str::to_owned));
        let mut fails = None;
        match &action {
            Some(Action::Disconnect(Moment::Request)) => return self.cut(),
            Some(Action::Disconnect(Moment::Body)) => upload.breaks = true,
            Some(Action::Refuse) => return respond.send_reset(Reason::REFUSED_STREAM),
            Some(Action::Cancel) => return respond.send_reset(Reason::CANCEL),
            Some(Action::GoAway) => return drop(self.commands.send(Command::GoAway)),
            Some(Action::Fail(status, text)) => fails = Some(Refusal::new(*status, text.clone())),
            Some(Action::Delay(time)) => sleep(*time).await,
            Some(Action::Hold) => hooks.hold().await,
            Some(Action::ReadSlowly(pause)) => upload.pause = *pause,
            _ => {}
        }
        let result = match fails {
            Some(refusal) => Err(refusal),
            None => self.call(&head.method, &path, &query, &mut upload).await,
        };
        hooks.got(number, upload.len, upload.kept.as_deref());
        // A body without bytes has no middle.
        let is_cut = matches!(action, Some(Action::Disconnect(Moment::Reply))) || upload.breaks;
        if is_cut {
            return self.cut();
        }
        let (status, kind, mut body) = match result {
            Ok(None) => return respond.send_reset(Reason::CANCEL),
            Ok(Some(Answer::Data(data))) => {
                let body = json!({ "data": data }).to_string();
                (200, "application/json;charset=UTF-8", Bytes::from(body))
            }
            Ok(Some(Answer::Raw(bytes))) => (200, "application/octet-stream", bytes),
            Err(Refusal { status: BROKEN, .. }) => return,
            Err(Refusal { status, text }) => (status, "application/json", Bytes::from(text)),
        };
        self.shared.hesitate(status, began).await;
        match &action {
            Some(Action::Replace(bytes)) => body = bytes.clone().into(),
            Some(Action::Corrupt(at)) if !body.is_empty() => {
                let mut bytes = body.to_vec();
                let at = at % bytes.len();
                bytes[at] ^= 0x55;
                body = bytes.into();
            }
            _ => {}
        }
        let response = Response::builder().status(status).header("content-type", kind);
        let Ok(mut stream) = respond.send_response(response.body(()).expect("a response"), false) else {
            return;
        };
        hooks.answered(number, status);
        if action == Some(Action::Disconnect(Moment::HalfReply)) {
            let _ = stream.send_data(body.slice(..body.len() / 2), false);
            sleep(ARRIVAL).await;
            return self.cut();
        }
        let _ = stream.send_data(body, true);
        // The rest of a body that was refused would keep the stream open.
        drop(upload);
        if action == Some(Action::Disconnect(Moment::Sent)) {
            sleep(ARRIVAL).await;
            self.cut();
        }
    }

    async fn call(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        upload: &mut Upload,
    ) -> Reply<Option<Answer>> {
        match &self.session {
            Session::Backup(backup) => backup.call(method, path, query, upload).await,
            Session::Reader(reader) => reader.call(method, path, query, upload).await.map(Some),
        }
    }

    fn cut(&self) {
        let _ = self.commands.send(Command::Break);
    }
}

/// A connection of which some bytes were read already.
struct Replay<I> {
    first: Vec<u8>,
    at: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> AsyncRead for Replay<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.at < self.first.len() {
            let len = buf.remaining().min(self.first.len() - self.at);
            buf.put_slice(&self.first[self.at..self.at + len]);
            self.at += len;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Replay<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
