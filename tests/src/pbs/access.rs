//! Who may do what: passwords, tickets, tokens, privileges, owners (protocol 5).

use std::fmt;
use std::sync::Mutex;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::params::{Params, Refusal, Reply};

/// Seconds for which a ticket is good, and by which it may be ahead.
const LIFE: i64 = 2 * 3600;
const SKEW: i64 = 300;

/// Somebody whom the server knows.
#[derive(Clone)]
pub struct User {
    /// `user@realm` or `user@realm!token`.
    pub auth_id: String,
    /// Password, or secret of the token.
    pub secret: String,
    /// Privileges such as `Datastore.Backup`, and the path from which on they are given.
    pub privileges: Vec<(String, &'static str)>,
    /// Logging in takes `totp:123456` as well.
    pub second_factor: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("auth_id", &self.auth_id).finish_non_exhaustive()
    }
}

/// All privileges on datastores.
pub const ALL: [&str; 6] = [
    "Datastore.Audit",
    "Datastore.Backup",
    "Datastore.Modify",
    "Datastore.Prune",
    "Datastore.Read",
    "Datastore.Verify",
];

impl User {
    /// Somebody who may do everything.
    pub fn new(auth_id: &str, secret: &str) -> Self {
        Self::with(auth_id, secret, &ALL)
    }

    /// Somebody who may do this on all datastores.
    pub fn with(auth_id: &str, secret: &str, privileges: &[&'static str]) -> Self {
        let privileges = privileges.iter().map(|privilege| ("/datastore".to_owned(), *privilege)).collect();
        Self { auth_id: auth_id.to_owned(), secret: secret.to_owned(), privileges, second_factor: false }
    }
}

/// Whom the server knows, and how it seals tickets.
#[derive(Debug)]
pub struct Access {
    pub users: Vec<User>,
    /// Every login sends its ticket as a cookie only.
    pub http_only: bool,
    seal: [u8; 32],
    /// What was given out: tickets, and the tokens for changes that go with them.
    given: Mutex<Vec<String>>,
}

fn unauthenticated() -> Refusal {
    Refusal::new(401, "authentication failed")
}

impl Access {
    pub fn new(users: Vec<User>, http_only: bool) -> Self {
        let seal = Sha256::digest(format!("{:?}{:?}", std::time::Instant::now(), std::process::id())).into();
        Self { users, http_only, seal, given: Mutex::default() }
    }

    fn seal(&self, text: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.seal);
        hasher.update(text);
        // Two digests, so that `+`, `/` and `=` are likely to stand in it.
        let first = hasher.finalize();
        let second = Sha256::digest(first);
        Base64::encode_string(&[&first[..], &second[..]].concat())
    }

    fn ticket(&self, kind: &str, now: i64) -> String {
        let text = format!("PBS:{kind}:{now:08X}:");
        self.give(format!("{text}:{}", self.seal(&text)))
    }

    fn csrf(&self, user: &str, now: i64) -> String {
        self.give(format!("{now:08X}:{}", self.seal(&format!("csrf {user} {now:08X}"))))
    }

    fn give(&self, secret: String) -> String {
        self.given.lock().expect("no test panicked").push(secret.clone());
        secret
    }

    /// The secrets that were given out so far.
    pub fn given(&self) -> Vec<String> {
        self.given.lock().expect("no test panicked").clone()
    }

    /// Whose ticket this is.
    fn check(&self, ticket: &str, now: i64) -> Option<String> {
        let (text, seal) = ticket.rsplit_once(':')?;
        let parts: Vec<&str> = text.split(':').collect();
        let ["PBS", user, time, ""] = parts[..] else { return None };
        let age = now - i64::from_str_radix(time, 16).ok()?;
        let is_good = self.seal(text) == seal && (-SKEW..=LIFE).contains(&age);
        (is_good && !user.starts_with("!tfa!")).then(|| user.to_owned())
    }

    /// `POST /access/ticket`: the reply, and a cookie.
    pub fn login(&self, params: &Params, now: i64) -> Reply<(Value, Option<String>)> {
        let denied = || Refusal::new(401, "permission check failed.");
        let (name, password) = (params.text("username"), params.text("password"));
        let user =
            self.users.iter().find(|user| user.auth_id == name && !name.contains('!')).ok_or_else(denied)?;
        let partial = format!("!tfa!{name}");
        if params.has("tfa-challenge") {
            let challenge = params.text("tfa-challenge");
            let is_ours = challenge.starts_with(&format!("PBS:{partial}:"))
                && challenge.rsplit_once(':').is_some_and(|(text, seal)| self.seal(text) == seal);
            if !is_ours || password != "totp:123456" {
                return Err(denied());
            }
        } else if self.check(password, now).as_deref() != Some(name) {
            if user.secret != password {
                return Err(denied());
            }
            if user.second_factor {
                let ticket = self.ticket(&partial, now);
                return Ok((
                    json!({ "username": name, "ticket": ticket, "CSRFPreventionToken": "invalid" }),
                    None,
                ));
            }
        }
        let ticket = self.ticket(name, now);
        let mut data = json!({ "username": name, "CSRFPreventionToken": self.csrf(name, now) });
        if self.http_only || params.flag("http-only") == Some(true) {
            let info = ticket.rsplit_once(':').map_or("", |(text, _)| text);
            data["ticket-info"] = info.into();
            let cookie = format!("__Host-PBSAuthCookie={ticket}; Secure; SameSite=Lax; HttpOnly; Path=/;");
            return Ok((data, Some(cookie)));
        }
        data["ticket"] = ticket.into();
        Ok((data, None))
    }

    /// Who makes a request.
    pub fn authenticate(&self, method: &Method, headers: &HeaderMap, now: i64) -> Reply<String> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let cookies = text("cookie").unwrap_or_default().split(';').map(str::trim);
        let ours = cookies
            .filter_map(|cookie| cookie.split_once('='))
            .find(|(name, _)| matches!(*name, "PBSAuthCookie" | "__Host-PBSAuthCookie"));
        if let Some((_, ticket)) = ours {
            let ticket = percent_decode_str(ticket).decode_utf8().map_err(|_| unauthenticated())?;
            let user = self.check(&ticket, now).ok_or_else(unauthenticated)?;
            if *method != Method::GET {
                let token = text("csrfpreventiontoken").ok_or_else(unauthenticated)?;
                let time = token.split_once(':').and_then(|(time, _)| i64::from_str_radix(time, 16).ok());
                let time =
                    time.filter(|time| (-SKEW..=LIFE).contains(&(now - time))).ok_or_else(unauthenticated)?;
                if token != self.csrf(&user, time) {
                    return Err(unauthenticated());
                }
            }
            return Ok(user);
        }
        let token = text("authorization").and_then(|value| value.strip_prefix("PBSAPIToken"));
        let token = token.and_then(|rest| rest.strip_prefix([' ', '='])).ok_or_else(unauthenticated)?;
        let (id, secret) = token.split_once(':').ok_or_else(unauthenticated)?;
        let secret = percent_decode_str(secret).decode_utf8().map_err(|_| unauthenticated())?;
        let known =
            self.users.iter().any(|user| user.auth_id == id && id.contains('!') && user.secret == *secret);
        if known { Ok(id.to_owned()) } else { Err(unauthenticated()) }
    }

    /// Whether somebody has a privilege on a path.
    pub fn has(&self, auth_id: &str, privilege: &str, path: &str) -> bool {
        let below =
            |from: &str| path == from || path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/'));
        let users = self.users.iter().filter(|user| user.auth_id == auth_id);
        let mut privileges = users.flat_map(|user| &user.privileges);
        privileges.any(|(from, has)| *has == privilege && below(from))
    }
}

/// Whether somebody may use the groups of an owner: oneself, or a user those of own tokens.
pub fn owns(auth_id: &str, owner: &str) -> bool {
    auth_id == owner
        || (!auth_id.contains('!') && owner.split_once('!').is_some_and(|(user, _)| user == auth_id))
}
