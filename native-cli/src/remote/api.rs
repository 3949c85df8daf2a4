//! Requests to the server's interface for everything but chunks (server protocol 4).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::encode::{self, Params};
use super::error::end_of;
use super::login::{self, Login, RENEW};
use super::net::{Dialer, Net};
use super::{Access, Address, Lost, Refused, Secret, Ticket};

/// Until the server answers. A refused login takes three seconds.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer that is not a file.
const MOST_JSON: u64 = 256 << 20;
/// Most bytes of an answer that says no.
const MOST_REFUSAL: u64 = 64 << 10;
/// A longer query would be refused.
const MOST_QUERY: usize = 2048;
/// How often a request is sent that changes nothing, if the connection is lost.
const ATTEMPTS: u32 = 3;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
pub(super) const AGENT: &str = concat!("pxkit/", env!("CARGO_PKG_VERSION"));

type Sender = SendRequest<Full<Bytes>>;

/// The server's REST interface. Paths are those below `/api2/json/`, already percent-encoded.
#[derive(Debug)]
pub struct Api {
    access: Access,
    pub(super) dialer: Dialer,
    login: Mutex<Option<Login>>,
    /// A connection that is used again.
    idle: Mutex<Option<Sender>>,
    pub(super) net: Arc<Net>,
}

/// What is asked.
struct Call<'a> {
    method: Method,
    path: &'a str,
    query: String,
    content_type: &'static str,
    body: Bytes,
}

impl<'a> Call<'a> {
    fn with_query(method: Method, path: &'a str, params: Params<'_>) -> Self {
        Self { method, path, query: encode::query(params), content_type: FORM, body: Bytes::new() }
    }

    fn with_json(method: Method, path: &'a str, params: Params<'_>) -> Self {
        let body = encode::json(params).to_string().into();
        Self { method, path, query: String::new(), content_type: JSON, body }
    }

    fn request(&self, authority: &str, more: &HeaderMap) -> anyhow::Result<Request<Full<Bytes>>> {
        let separator = if self.query.is_empty() { "" } else { "?" };
        let target = format!("/api2/json/{}{separator}{}", self.path, self.query);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(HOST, authority)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, self.content_type)
            .body(Full::new(self.body.clone()))
            .with_context(|| format!("cannot ask for {}", self.path))?;
        request.headers_mut().extend(more.clone());
        Ok(request)
    }
}

impl Api {
    /// Reaches the server; with a password, logs in.
    pub(super) fn connect(access: Access) -> anyhow::Result<Self> {
        let dialer = Dialer::new(&access)?;
        let login = match &access.secret {
            Secret::Ticket(ticket) => Some(Login::with(ticket.clone())),
            Secret::Password(_) => None,
        };
        let net = Arc::new(Net::start()?);
        let (login, idle) = (Mutex::new(login), Mutex::default());
        let api = Self { access, dialer, login, idle, net };
        api.net.wait(async {
            // The first use of a ticket is a renewal if it is old; a token shows at the first request whether it is good.
            api.authorization().await.map(drop)
        })?;
        Ok(api)
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.access.address
    }

    /// What the login gave, if there was one; renewed from time to time.
    pub fn ticket(&self) -> Option<Ticket> {
        self.login.try_lock().ok()?.as_ref().map(|login| login.ticket.clone())
    }

    /// Asks for something; returns the `data` of the answer.
    ///
    /// # Errors
    /// The server cannot be reached, or says no; [`Refused`] is the cause then.
    pub fn get(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.get_whole(path, params).map(data)
    }

    /// As [`Api::get`], but the whole answer: some have more than `data`.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn get_whole(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.value(Call::with_query(Method::GET, path, params))
    }

    /// Changes something; parameters go in the query, in the body if they are long.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn put(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        let call = Call::with_query(Method::PUT, path, params);
        let is_long = call.query.len() + path.len() > MOST_QUERY;
        self.value(if is_long { Call::with_json(Method::PUT, path, params) } else { call }).map(data)
    }

    /// Does something; parameters go as JSON.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn post(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.value(Call::with_json(Method::POST, path, params)).map(data)
    }

    /// Removes something.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn delete(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.value(Call::with_query(Method::DELETE, path, params)).map(data)
    }

    /// Asks for a file, of at most `most` bytes.
    ///
    /// # Errors
    /// As for [`Api::get`]; it is longer.
    pub fn download(&self, path: &str, params: Params<'_>, most: u64) -> anyhow::Result<Vec<u8>> {
        self.net.wait(async {
            let call = Call::with_query(Method::GET, path, params);
            self.call(&call, most).await.map(|(_, body)| body)
        })
    }

    /// Sends a file; parameters go in the query.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn upload(&self, path: &str, params: Params<'_>, body: Vec<u8>) -> anyhow::Result<Value> {
        let call = Call::with_query(Method::POST, path, params);
        self.value(Call { content_type: BYTES, body: body.into(), ..call }).map(data)
    }

    fn value(&self, call: Call<'_>) -> anyhow::Result<Value> {
        self.net.wait(async {
            let (_, body) = self.call(&call, MOST_JSON).await?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body)
                .with_context(|| format!("the server's answer to {} {} is not JSON", call.method, call.path))
        })
    }

    /// Asks, as whoever we are. With a password, a ticket that is not good any more is replaced once.
    async fn call(&self, call: &Call<'_>, most: u64) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
        let headers = self.authorization().await?;
        let result = self.exchange(call, &headers, most).await;
        let is_unknown = |error: &anyhow::Error| {
            error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 401)
        };
        match result {
            Err(error) if is_unknown(&error) && self.forget_login().await => {
                let headers = self.authorization().await?;
                self.exchange(call, &headers, most).await
            }
            result => result,
        }
    }

    /// Forgets a login that has been good, if another can be had; says whether it did.
    async fn forget_login(&self) -> bool {
        let mut login = self.login.lock().await;
        let is_old = login.as_ref().is_some_and(|login| login.since.elapsed() > Duration::from_secs(60));
        let can = is_old && matches!(self.access.secret, Secret::Password(_));
        if can {
            *login = None;
        }
        can
    }

    /// The headers that say who we are. Logs in or renews the ticket if it is time.
    pub(super) async fn authorization(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let auth = &self.access.address.auth;
        if let (Some(_), Secret::Password(secret)) = (&auth.token, &self.access.secret) {
            login::authorize_token(auth, secret, &mut headers)?;
            return Ok(headers);
        }
        let mut login = self.login.lock().await;
        let fresh = match (&*login, &self.access.secret) {
            (Some(login), _) if login.since.elapsed() < RENEW => None,
            (Some(old), secret) => Some(match (self.log_in(&old.ticket.ticket).await, secret) {
                (Err(error), Secret::Password(password)) if error.is::<Refused>() => {
                    self.log_in(password).await?
                }
                (result, _) => result.context("the login has expired; log in again")?,
            }),
            (None, Secret::Password(password)) => Some(self.log_in(password).await?),
            (None, Secret::Ticket(_)) => bail!("the login has expired; log in again"),
        };
        if fresh.is_some() {
            *login = fresh;
        }
        login.as_ref().context("a defect of pxkit: a login was lost")?.authorize(&mut headers)?;
        Ok(headers)
    }

    async fn log_in(&self, password: &str) -> anyhow::Result<Login> {
        let user = &self.access.address.auth.user;
        let body = login::body(user, password)?;
        let path = "access/ticket";
        let call = Call { method: Method::POST, path, query: String::new(), content_type: JSON, body };
        let what = || format!("cannot log in as {user} at {}", self.dialer.authority);
        let (headers, body) =
            self.exchange(&call, &HeaderMap::new(), MOST_REFUSAL).await.with_context(what)?;
        // What is wrong with it may hold a ticket.
        let answer: Value = serde_json::from_slice(&body).ok().with_context(what)?;
        Login::parse(&answer["data"], &headers).with_context(what)
    }

    /// Sends a request and takes the answer. One that changes nothing is sent again if the connection is lost.
    async fn exchange(
        &self,
        call: &Call<'_>,
        headers: &HeaderMap,
        most: u64,
    ) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
        let mut pause = Duration::from_millis(300);
        for _ in 1..ATTEMPTS {
            match self.exchange_once(call, headers, most).await {
                Err(error) if error.is::<Lost>() && call.method == Method::GET => {
                    sleep(pause).await;
                    pause *= 3;
                }
                result => return result,
            }
        }
        self.exchange_once(call, headers, most).await
    }

    async fn exchange_once(
        &self,
        call: &Call<'_>,
        headers: &HeaderMap,
        most: u64,
    ) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
        let request = call.request(&self.dialer.authority, headers)?;
        // The server may have closed the idle connection at this very moment, and whether it did what it was asked for
        // could not be told.
        let idle = self.idle.lock().await.take().filter(|_| call.method == Method::GET);
        let mut sender = match idle.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let response = self.send(&mut sender, request).await?;
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            let text = self.read(&mut body, MOST_REFUSAL, true).await?;
            return Err(Refused::new(head.status.as_u16(), &text).raise());
        }
        let bytes = self.read(&mut body, most, false).await?;
        *self.idle.lock().await = Some(sender);
        Ok((head.headers, bytes))
    }

    /// A new connection for requests.
    pub(super) async fn open(&self) -> anyhow::Result<Sender> {
        let stream = self.dialer.dial().await?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| self.lost(&error))?;
        // Whoever waits for an answer is told how it ended.
        drop(self.net.spawn(connection.with_upgrades())?);
        Ok(sender)
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        sender: &mut Sender,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<Incoming>> {
        let response = timeout(TIMEOUT, async {
            sender.ready().await?;
            sender.send_request(request).await
        });
        match response.await {
            Ok(result) => result.map_err(|error| self.lost(&error).into()),
            Err(_) => Err(self.slow().into()),
        }
    }

    /// Reads an answer: all of it, or of what says no as much as anybody wants to read.
    pub(super) async fn read(&self, body: &mut Incoming, most: u64, cut: bool) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(frame) = timeout(TIMEOUT, body.frame()).await.map_err(|_| self.slow())? {
            let frame = frame.map_err(|error| self.lost(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if (bytes.len() + data.len()) as u64 > most {
                ensure!(cut, "the server's answer has more than {most} bytes");
                break;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }

    pub(super) fn upgrade_request(
        &self,
        path: &str,
        params: Params<'_>,
        headers: &HeaderMap,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        Call::with_query(Method::GET, path, params).request(&self.dialer.authority, headers)
    }

    pub(super) fn lost(&self, error: &(dyn std::error::Error + 'static)) -> Lost {
        let (server, why) = (&self.dialer.authority, end_of(error));
        Lost::new(format!("the connection to the server {server} is lost: {why}"))
    }

    fn slow(&self) -> Lost {
        let seconds = TIMEOUT.as_secs();
        Lost::new(format!("the server {} does not answer within {seconds} seconds", self.dialer.authority))
    }
}

fn data(mut answer: Value) -> Value {
    answer.get_mut("data").map(Value::take).unwrap_or_default()
}
