//! Who we are (server protocol 5).

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{AuthId, Ticket, encode};
use crate::secret::SecretText;

/// A ticket is renewed after this time; it lives for two hours.
pub(super) const RENEW: Duration = Duration::from_secs(15 * 60);
/// Where tickets go.
const PBS_COOKIE: &str = "PBSAuthCookie";
/// Where they go if the server says so.
const HOST_COOKIE: &str = "__Host-PBSAuthCookie";
const CSRF: HeaderName = HeaderName::from_static("csrfpreventiontoken");

/// Somebody who is let in.
#[derive(Clone)]
pub(super) struct Login {
    pub ticket: Ticket,
    cookie: &'static str,
    /// When the ticket was given.
    pub since: Instant,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login since {:?}", self.since)
    }
}

impl Login {
    /// With a ticket from before; how old it is, it says itself.
    pub fn with(ticket: Ticket) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let age = given_at(&ticket.ticket).map_or(0, |time| now.saturating_sub(time));
        let since = Instant::now().checked_sub(Duration::from_secs(age)).unwrap_or_else(Instant::now);
        Self { ticket, cookie: PBS_COOKIE, since }
    }

    /// Reads the answer to a login: its `data` and its headers.
    pub fn parse(data: &Value, headers: &HeaderMap) -> anyhow::Result<Self> {
        let text =
            |key: &str| data.get(key).and_then(Value::as_str).map(|text| SecretText::new(text.to_owned()));
        let in_cookie = headers.get_all(SET_COOKIE).iter().find_map(host_cookie);
        let (ticket, cookie) = match in_cookie {
            Some(ticket) => (ticket, HOST_COOKIE),
            None => (text("ticket").context("the server's answer to the login has no ticket")?, PBS_COOKIE),
        };
        if ticket.starts_with("PBS:!tfa!") {
            bail!(
                "the account wants a second factor, which is not supported; use an API token \
                (user@realm!token and its secret)"
            );
        }
        let csrf = text("CSRFPreventionToken")
            .context("the server's answer to the login has no token for requests that change something")?;
        Ok(Self { ticket: Ticket { ticket, csrf }, cookie, since: Instant::now() })
    }

    /// Adds what lets requests in.
    pub fn authorize(&self, headers: &mut HeaderMap) -> anyhow::Result<()> {
        let ticket = encode::secret(&self.ticket.ticket);
        let cookie = Zeroizing::new(format!("{}={}", self.cookie, *ticket));
        headers.insert(COOKIE, sensitive(&cookie)?);
        headers.insert(CSRF, sensitive(&self.ticket.csrf)?);
        Ok(())
    }
}

/// Adds what lets the requests of a token in.
pub(super) fn authorize_token(auth: &AuthId, secret: &str, headers: &mut HeaderMap) -> anyhow::Result<()> {
    let text = Zeroizing::new(format!("PBSAPIToken {auth}:{}", *encode::secret(secret)));
    headers.insert(AUTHORIZATION, sensitive(&text)?);
    Ok(())
}

fn sensitive(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).context("a ticket or secret that no request can carry")?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body of a login.
pub(super) fn body(user: &str, password: &str) -> anyhow::Result<Bytes> {
    // With room for everything, so that no copy is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(64 + 6 * (user.len() + password.len())));
    text.extend(b"{\"username\":");
    serde_json::to_writer(&mut *text, user)?;
    text.extend(b",\"password\":");
    serde_json::to_writer(&mut *text, password)?;
    text.push(b'}');
    Ok(Bytes::from_owner(text))
}

/// The ticket in a cookie.
fn host_cookie(value: &HeaderValue) -> Option<SecretText> {
    let text = value.to_str().ok()?;
    let value = text.strip_prefix(HOST_COOKIE)?.strip_prefix('=')?.split(';').next()?;
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
    (!decoded.is_empty()).then(|| SecretText::new(decoded.into_owned()))
}

/// When a ticket was given, in seconds since 1970: `PBS:user@realm:<8 hex digits>::<signature>`.
fn given_at(ticket: &str) -> Option<u64> {
    let head = ticket.strip_prefix("PBS:")?.split("::").next()?;
    u64::from_str_radix(head.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(cookie: Option<&str>) -> HeaderMap {
        cookie.map(|cookie| (SET_COOKIE, HeaderValue::from_str(cookie).unwrap())).into_iter().collect()
    }

    #[test]
    fn a_ticket_goes_into_its_cookie() {
        let data = json!({ "ticket": "PBS:u@pbs:5EF60000::a+/=", "CSRFPreventionToken": "5EF60000:x" });
        let login = Login::parse(&data, &headers(None)).unwrap();
        let mut sent = HeaderMap::new();
        login.authorize(&mut sent).unwrap();
        assert_eq!(sent[COOKIE], "PBSAuthCookie=PBS:u@pbs:5EF60000::a+/=");
        assert_eq!(sent[CSRF], "5EF60000:x");
        assert!(sent[COOKIE].is_sensitive() && sent[CSRF].is_sensitive());
        assert!(!format!("{login:?} {sent:?}").contains("5EF60000"));
    }

    #[test]
    fn a_cookie_of_the_server_counts() {
        let data = json!({ "ticket-info": "x", "CSRFPreventionToken": "1:x" });
        let cookie =
            "__Host-PBSAuthCookie=PBS:u@pbs:5EF60000::a%20b; Secure; SameSite=Lax; HttpOnly; Path=/;";
        let login = Login::parse(&data, &headers(Some(cookie))).unwrap();
        let mut sent = HeaderMap::new();
        login.authorize(&mut sent).unwrap();
        assert_eq!(sent[COOKIE], "__Host-PBSAuthCookie=PBS:u@pbs:5EF60000::a%20b");
        assert!(Login::parse(&data, &headers(None)).is_err());
    }

    #[test]
    fn a_second_factor_is_told() {
        let data = json!({ "ticket": "PBS:!tfa!abc:5EF60000::x", "CSRFPreventionToken": "invalid" });
        let error = Login::parse(&data, &headers(None)).unwrap_err().to_string();
        assert!(error.contains("second factor") && !error.contains("abc"), "{error}");
    }

    #[test]
    fn tickets_know_their_age() {
        assert_eq!(given_at("PBS:a:b@pbs:5EF60035::sig:with::colons"), Some(0x5ef6_0035));
        assert_eq!(given_at("nonsense"), None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ticket = SecretText::new(format!("PBS:u@pbs:{:08X}::x", now - 1000));
        let login = Login::with(Ticket { ticket, csrf: SecretText::new("x".into()) });
        assert!(login.since.elapsed() >= RENEW);
    }

    #[test]
    fn secrets_of_tokens_survive() {
        let auth = AuthId { user: "u@pbs".into(), token: Some("t".into()) };
        let mut sent = HeaderMap::new();
        authorize_token(&auth, "a b#é", &mut sent).unwrap();
        assert_eq!(sent[AUTHORIZATION], "PBSAPIToken u@pbs!t:a%20b%23%C3%A9");
    }

    #[test]
    fn bodies_of_logins_are_json() {
        let text = body("u@pbs", "a\"\\\n\u{1}é").unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value, json!({ "username": "u@pbs", "password": "a\"\\\n\u{1}é" }));
    }
}
