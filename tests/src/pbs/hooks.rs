//! What goes wrong on purpose, and the record of what was asked.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where a call belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// HTTP/1.1.
    Rest,
    /// A backup session.
    Backup,
    /// A reader session.
    Reader,
}

/// When a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When the head of the request is there; nothing is done.
    Request,
    /// In the middle of its body; nothing is done.
    Body,
    /// When all is done, before the reply.
    Reply,
    /// In the middle of the reply's body.
    HalfReply,
    /// Right after the reply.
    Sent,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The connection breaks.
    Disconnect(Moment),
    /// The stream is reset as one too many; nothing is done.
    Refuse,
    /// The stream is reset without a reply; nothing is done.
    Cancel,
    /// The server takes no new streams and closes the connection; this one is not answered.
    GoAway,
    /// It is refused with this status and text.
    Fail(u16, String),
    /// It takes longer.
    Delay(Duration),
    /// It takes until [`Hooks::calm`]: what must happen meanwhile has all the time it needs.
    Hold,
    /// The reply has this body instead.
    Replace(Vec<u8>),
    /// The byte at this place of the reply's body is changed.
    Corrupt(usize),
    /// The body of the request is read slowly: so long for each piece.
    ReadSlowly(Duration),
}

/// Which calls something happens to.
#[derive(Clone, Debug)]
pub struct Rule {
    place: Option<Place>,
    /// Method and path, such as `POST /dynamic_chunk`; for HTTP/1.1 the end of the path.
    call: Option<String>,
    /// A part of the query.
    query: Option<String>,
    /// From 1; 0 for all.
    nth: u64,
    action: Action,
    seen: u64,
}

impl Rule {
    /// All calls.
    pub fn new(action: Action) -> Self {
        Self { place: None, call: None, query: None, nth: 0, action, seen: 0 }
    }

    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Only calls of this method and path, such as `POST /dynamic_chunk`.
    pub fn on(self, call: &str) -> Self {
        Self { call: Some(call.to_owned()), ..self }
    }

    /// Only calls whose query, as sent, contains this.
    pub fn with(self, query: &str) -> Self {
        Self { query: Some(query.to_owned()), ..self }
    }

    /// Only the `nth` of them, counted from 1.
    pub fn nth(self, nth: u64) -> Self {
        Self { nth, ..self }
    }

    fn fits(&mut self, place: Place, method: &str, path: &str, query: &str) -> bool {
        let is_call = |call: &String| {
            let (wanted, end) = call.split_once(' ').unwrap_or(("", call));
            (wanted.is_empty() || wanted == method) && path.ends_with(end)
        };
        if self.place.is_some_and(|wanted| wanted != place)
            || !self.call.as_ref().is_none_or(is_call)
            || !self.query.as_ref().is_none_or(|part| query.contains(part))
        {
            return false;
        }
        self.seen += 1;
        self.nth == 0 || self.nth == self.seen
    }
}

/// A call that was made.
#[derive(Clone, Default)]
pub struct Record {
    /// Number of the connection, from 1.
    pub connection: u64,
    pub place: Option<Place>,
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was sent.
    pub raw_query: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, if it holds parameters.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub body_len: u64,
    /// When its head was there, in the order of all beginnings and answers.
    pub began: u64,
    /// When it was answered, in the same order.
    pub answered: Option<u64>,
    pub status: Option<u16>,
}

impl Record {
    /// A parameter of the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Method and path.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Headers and bodies of HTTP/1.1 may hold secrets.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, method, path, raw_query, body_len, began, answered, status, .. } = self;
        write!(
            f,
            "{connection}: {method} {path}?{raw_query} ({body_len} bytes) {began}..{answered:?} {status:?}"
        )
    }
}

/// What a test may change while the server runs, and what was asked of it.
#[derive(Debug, Default)]
pub struct Hooks {
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<Record>>,
    clock: AtomicU64,
    /// Sessions that are open.
    sessions: AtomicUsize,
    /// Somebody else collects garbage: sessions end right after the upgrade.
    pub gc_elsewhere: AtomicBool,
    /// Nothing can be written.
    pub full: AtomicBool,
    /// Seconds by which the server's clock is ahead, or behind.
    pub ahead: AtomicI64,
}

/// An open session among those that are counted.
pub(super) struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hooks {
    pub fn inject(&self, rule: Rule) {
        lock(&self.rules).push(rule);
    }

    /// Forgets all rules, and lets go what they hold.
    pub fn calm(&self) {
        lock(&self.rules).clear();
    }

    /// Ends when the server is calmed; long after a test that fails should have done so, too, or it would never end.
    pub(super) async fn hold(&self) {
        let held = async {
            while lock(&self.rules).iter().any(|rule| rule.action == Action::Hold) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(600), held).await;
    }

    /// Whether a session is open: what it leaves or removes is not certain before its end.
    pub fn is_in_session(&self) -> bool {
        self.sessions.load(Ordering::SeqCst) > 0
    }

    /// A session is open until this is dropped.
    pub(super) fn session(&self) -> Open<'_> {
        self.sessions.fetch_add(1, Ordering::SeqCst);
        Open(&self.sessions)
    }

    /// What happens to the next call of this kind.
    pub fn action(&self, place: Place, method: &str, path: &str, query: &str) -> Option<Action> {
        let mut action = None;
        for rule in lock(&self.rules).iter_mut() {
            if rule.fits(place, method, path, query) && action.is_none() {
                action = Some(rule.action.clone());
            }
        }
        action
    }

    /// Notes the beginning of a call; returns its number.
    pub fn began(&self, record: Record) -> usize {
        let mut log = lock(&self.log);
        let began = self.clock.fetch_add(1, Ordering::SeqCst);
        log.push(Record { began, ..record });
        log.len() - 1
    }

    /// Notes the body of a call.
    pub fn got(&self, number: usize, len: u64, body: Option<&[u8]>) {
        if let Some(record) = lock(&self.log).get_mut(number) {
            record.body_len = len;
            record.body = body.unwrap_or_default().to_vec();
        }
    }

    pub fn answered(&self, number: usize, status: u16) {
        let mut log = lock(&self.log);
        let now = self.clock.fetch_add(1, Ordering::SeqCst);
        if let Some(record) = log.get_mut(number) {
            (record.answered, record.status) = (Some(now), Some(status));
        }
    }

    /// All calls so far, in the order of their beginnings.
    pub fn log(&self) -> Vec<Record> {
        lock(&self.log).clone()
    }

    /// Forgets the calls so far and returns them. Nothing may be going on.
    pub fn take_log(&self) -> Vec<Record> {
        std::mem::take(&mut lock(&self.log))
    }
}
