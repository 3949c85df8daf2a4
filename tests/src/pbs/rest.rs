//! HTTP/1.1: the REST interface and the upgrade to sessions (protocol 4 to 6).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::backup::{self, Backup};
use super::hooks::{Action, Moment, Place, Record};
use super::manage::{self, Caller};
use super::params::{Given, Kind, Param, Params, Refusal, Reply, bad, pairs};
use super::reader::{self, Reader};
use super::session::{self, Session, Shared, headers, not_found};

/// Longest path with its query.
const LONGEST: usize = 3072;
/// Bytes of a body with parameters, and of one with a blob.
const MAX_PARAMETERS: usize = (512 << 10) - 1;
const MAX_BLOB: usize = (16 << 20) + 44;
/// Where everything is.
const BASE: &str = "/api2/json";

/// The connection breaks.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection breaks on purpose")
    }
}

impl std::error::Error for Cut {}

/// The body of a reply.
pub struct Sent {
    pieces: std::vec::IntoIter<Bytes>,
    /// The length is told.
    len: Option<u64>,
    breaks: bool,
}

impl Sent {
    fn whole(bytes: Bytes) -> Self {
        let len = Some(bytes.len() as u64);
        Self { pieces: vec![bytes].into_iter(), len, breaks: false }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let next = match self.pieces.next() {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None if self.breaks => Some(Err(Cut)),
            None => None,
        };
        std::task::Poll::Ready(next)
    }

    fn size_hint(&self) -> SizeHint {
        self.len.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// A reply before it is one.
#[derive(Debug, Default)]
pub struct Out {
    /// The body as JSON.
    pub json: Value,
    pub cookie: Option<String>,
    /// A file instead.
    pub file: Option<Vec<u8>>,
}

impl Out {
    pub fn data(data: impl Into<Value>) -> Self {
        Self { json: json!({ "data": data.into() }), ..Self::default() }
    }

    pub fn file(bytes: Vec<u8>) -> Self {
        Self { file: Some(bytes), ..Self::default() }
    }
}

/// Answers a request.
///
/// # Errors
/// The connection is to break.
pub async fn respond(
    shared: Arc<Shared>,
    connection: u64,
    mut request: Request<Incoming>,
) -> Result<Response<Sent>, Cut> {
    let began = Instant::now();
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    let number = shared.hooks.began(Record {
        connection,
        place: Some(Place::Rest),
        method: head.method.to_string(),
        path: path.clone(),
        raw_query: query.clone(),
        query: pairs(&query).unwrap_or_default(),
        headers: headers(&head.headers),
        ..Record::default()
    });
    let action = shared.hooks.action(Place::Rest, head.method.as_str(), &path, &query);
    match &action {
        Some(
            Action::Disconnect(Moment::Request | Moment::Body)
            | Action::Refuse
            | Action::Cancel
            | Action::GoAway,
        ) => {
            return Err(Cut);
        }
        Some(Action::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Action::Hold) => shared.hooks.hold().await,
        _ => {}
    }
    if path.len() + query.len() + usize::from(!query.is_empty()) > LONGEST {
        let response = Response::builder().status(414).body(Sent::whole(Bytes::new()));
        return Ok(response.expect("a response"));
    }
    let is_session = head.method == Method::GET && [BASE, "/backup"].concat() == path;
    let is_reader = head.method == Method::GET && [BASE, "/reader"].concat() == path;
    let result = match (&action, read(body, &path).await) {
        (Some(Action::Fail(status, text)), _) => Err(Refusal::new(*status, text.clone())),
        (_, Err(refusal)) => Err(refusal),
        (_, Ok(_)) if is_session || is_reader => match begin(&shared, &head, &query, is_reader) {
            Ok((session, protocol)) => {
                if matches!(action, Some(Action::Disconnect(Moment::Reply))) {
                    end(&session);
                    return Err(Cut);
                }
                shared.hooks.answered(number, 101);
                tokio::spawn(switch(shared.clone(), session, connection, upgrade));
                let response = Response::builder()
                    .status(101)
                    .header("connection", "upgrade")
                    .header("upgrade", protocol)
                    .body(Sent::whole(Bytes::new()));
                return Ok(response.expect("a response"));
            }
            Err(refusal) => Err(refusal),
        },
        (_, Ok(body)) => {
            shared.hooks.got(number, body.len() as u64, Some(&body));
            call(&shared, &head, &path, &query, &body)
        }
    };
    let status = result.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
    shared.hesitate(status, began).await;
    shared.hooks.answered(number, status);
    if matches!(action, Some(Action::Disconnect(Moment::Reply))) {
        return Err(Cut);
    }
    let mut response = Response::builder().status(status);
    let mut body = match result {
        // An error may claim to be JSON.
        Err(refusal) => {
            response = response.header("content-type", "application/json;charset=UTF-8");
            Sent::whole(refusal.text.into())
        }
        Ok(Out { file: Some(file), .. }) => {
            response = response.header("content-type", "application/octet-stream");
            let pieces: Vec<Bytes> = file.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
            Sent { pieces: pieces.into_iter(), len: None, breaks: false }
        }
        Ok(Out { json, cookie, .. }) => {
            response = response.header("content-type", "application/json;charset=UTF-8");
            if let Some(cookie) = cookie {
                response = response.header("set-cookie", cookie);
            }
            Sent::whole(json.to_string().into())
        }
    };
    match action {
        Some(Action::Replace(bytes)) => body = Sent::whole(bytes.into()),
        Some(Action::Disconnect(Moment::HalfReply)) => {
            let all: Vec<Bytes> = body.pieces.collect();
            let all = all.concat();
            let half = Bytes::copy_from_slice(&all[..all.len() / 2]);
            body = Sent { pieces: vec![half].into_iter(), len: body.len, breaks: true };
        }
        Some(Action::Disconnect(Moment::Sent)) => response = response.header("connection", "close"),
        _ => {}
    }
    Ok(response.body(body).expect("a response"))
}

async fn read(mut body: Incoming, path: &str) -> Reply<Bytes> {
    let limit = if path.ends_with("/upload-backup-log") { MAX_BLOB } else { MAX_PARAMETERS };
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| bad(error.to_string()))?;
        if let Some(data) = frame.data_ref() {
            if all.len() + data.len() > limit {
                return Err(bad("Request body too large"));
            }
            all.extend_from_slice(data);
        }
    }
    Ok(all.freeze())
}

/// Where a request has its parameters.
fn given<'a>(head: &Parts, query: &'a str, body: &'a [u8]) -> Reply<Given<'a>> {
    let kind = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has_body = !body.is_empty();
    Ok(match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => Given::Json(if has_body { body } else { b"{}" }),
        _ if !has_body => Given::Query(query),
        "application/x-www-form-urlencoded" => {
            Given::Query(std::str::from_utf8(body).map_err(|_| bad("invalid form"))?)
        }
        _ => return Err(bad("unsupported content type")),
    })
}

const LOGIN: [Param; 8] = [
    ("username", true, Kind::Text),
    ("password", true, Kind::Text),
    ("http-only", false, Kind::Bool),
    ("new-format", false, Kind::Bool),
    ("path", false, Kind::Text),
    ("port", false, Kind::Int(0, 65535)),
    ("privs", false, Kind::Text),
    ("tfa-challenge", false, Kind::Text),
];

fn call(shared: &Arc<Shared>, head: &Parts, path: &str, query: &str, body: &[u8]) -> Reply<Out> {
    let place = path.strip_prefix(BASE).ok_or_else(|| not_found(path))?;
    let method = head.method.as_str();
    match (method, place) {
        ("GET", "/ping") => return Ok(Out::data(json!({ "pong": true }))),
        ("POST", "/access/ticket") => {
            let params = Params::check(&LOGIN, given(head, query, body)?)?;
            let (data, cookie) = shared.access.login(&params, shared.now())?;
            let json = json!({ "data": data, "status": 200, "success": true });
            return Ok(Out { json, cookie, file: None });
        }
        _ => {}
    }
    let auth_id = shared.access.authenticate(&head.method, &head.headers, shared.now())?;
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
    let parts: Vec<String> =
        place.split('/').skip(1).map(decode).collect::<Result<_, _>>().map_err(|_| bad("invalid path"))?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let caller = Caller { shared, auth_id: &auth_id };
    match (method, &parts[..]) {
        ("GET", ["version"]) => {
            Params::check(&[], given(head, query, body)?)?;
            Ok(Out::data(json!({ "version": "4.2", "release": "2", "repoid": "0123456789abcdef" })))
        }
        ("GET", ["admin", "datastore"]) => {
            Params::check(&[], given(head, query, body)?)?;
            Ok(Out::data(caller.datastores()))
        }
        (_, ["nodes", "localhost" | "pbs", "tasks", upid, what]) => {
            manage::task(&caller, method, upid, what, given(head, query, body)?, path)
        }
        (_, ["admin", "datastore", store, what]) => {
            let input =
                if *what == "upload-backup-log" { Given::Query(query) } else { given(head, query, body)? };
            manage::call(&caller, method, store, what, input, body).unwrap_or_else(|| Err(not_found(path)))
        }
        _ => Err(not_found(path)),
    }
}

/// Begins a session: the checks of 6.2.
fn begin(shared: &Arc<Shared>, head: &Parts, query: &str, is_reader: bool) -> Reply<(Session, &'static str)> {
    let auth_id = shared.access.authenticate(&head.method, &head.headers, shared.now())?;
    let schema: &[Param] = if is_reader { &reader::QUERY } else { &backup::QUERY };
    let params = Params::check(schema, given(head, query, b"")?)?;
    let (store, namespace) = (params.text("store"), params.text("ns"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    let on = format!("/datastore/{store}{slash}{namespace}");
    let has = |privilege| shared.access.has(&auth_id, privilege, &on);
    let reads_all = has("Datastore.Read");
    if is_reader && !reads_all && !has("Datastore.Backup") {
        return Err(bad(format!("no permissions on {on}")));
    }
    if !is_reader && !has("Datastore.Backup") {
        return Err(Refusal::new(403, format!("missing permissions 'Datastore.Backup' on '{on}'")));
    }
    if store != shared.options.store {
        return Err(bad(format!("no such datastore '{store}'")));
    }
    let protocol = if is_reader { "proxmox-backup-reader-protocol-v1" } else { "proxmox-backup-protocol-v1" };
    let wanted = head.headers.get("upgrade").ok_or_else(|| bad("missing Upgrade header"))?;
    if wanted.as_bytes() != protocol.as_bytes() || head.version >= Version::HTTP_2 {
        return Err(bad("invalid protocol name"));
    }
    let session = if is_reader {
        Session::Reader(Reader::begin(shared, &params, &auth_id, reads_all)?)
    } else {
        Session::Backup(Backup::begin(shared, &params, &auth_id)?)
    };
    Ok((session, protocol))
}

fn end(session: &Session) {
    if let Session::Backup(backup) = session {
        backup.end();
    }
}

async fn switch(shared: Arc<Shared>, session: Session, connection: u64, upgrade: hyper::upgrade::OnUpgrade) {
    let hooks = shared.clone();
    let _open = hooks.hooks.session();
    let Ok(upgraded) = upgrade.await else { return end(&session) };
    if shared.hooks.gc_elsewhere.load(Ordering::SeqCst) {
        // The directory of the snapshot stays behind.
        return;
    }
    session::serve(shared, session, connection, TokioIo::new(upgraded)).await;
}
