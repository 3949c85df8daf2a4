//! Who is let in: one pure function from the head of a request to what it may have.
//!
//! The server listens on 127.0.0.1, which every program and every page in a browser on this machine can reach. What keeps them out:
//!
//! * Every path begins with a secret that only the printed address holds.
//! * `Host` must be this server's, so that a page whose name suddenly means 127.0.0.1 (DNS rebinding) gets nothing even if it knew the
//!   secret.
//! * `Origin`, where a browser sends it, must be this server's, and `Sec-Fetch-Site` must not name another site, except where a person
//!   follows a link to the page itself.
//! * Nothing is changed: `GET` and `HEAD` only.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::secret::Secret;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What is let through.
#[derive(Debug)]
pub struct Gate {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The first component of every path.
    pub token: Secret,
    /// The only component of a path that leads to the page once, see [`super::browser`].
    pub ticket: Secret,
}

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Admitted<'a> {
    /// With the path behind the token, still encoded.
    Token(&'a str),
    /// With the ticket, which is good for one visit.
    Ticket,
}

impl Gate {
    /// Decides about a request.
    ///
    /// # Errors
    /// The status with which it is refused. There is nothing else to say.
    pub fn admit<'a>(&self, request: &'a Parts) -> Result<Admitted<'a>, StatusCode> {
        let is_ours = self.knows_host(request)
            && is_from(&request.headers, &ORIGIN, |origin| {
                origin.strip_prefix("http://").is_some_and(|host| self.is_host(host))
            });
        if !is_ours {
            return Err(StatusCode::FORBIDDEN);
        }
        let admitted = self.open(request.uri.path()).ok_or(StatusCode::NOT_FOUND)?;
        let is_home = is_from(&request.headers, &SITE, |site| matches!(site, "same-origin" | "none"));
        let is_page = admitted == Admitted::Token("");
        if !(is_home || is_page && is_followed_link(&request.headers)) {
            return Err(StatusCode::FORBIDDEN);
        }
        match request.method {
            Method::GET | Method::HEAD => Ok(admitted),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Exactly one `Host`, and it is this server; nor does the request line name another one.
    fn knows_host(&self, request: &Parts) -> bool {
        let host = only(&request.headers, &HOST);
        request.uri.authority().is_none()
            && host.is_ok_and(|host| host.is_some_and(|host| self.is_host(host)))
    }

    fn is_host(&self, host: &str) -> bool {
        let name = host.strip_suffix(&self.port.to_string()).and_then(|rest| rest.strip_suffix(':'));
        name.is_some_and(|name| name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
    }

    fn open<'a>(&self, path: &'a str) -> Option<Admitted<'a>> {
        let path = path.strip_prefix('/')?;
        match path.split_once('/') {
            Some((token, rest)) => self.token.is(token).then_some(Admitted::Token(rest)),
            None => self.ticket.is(path).then_some(Admitted::Ticket),
        }
    }
}

/// Whether a person followed a link, which shows the page and tells whoever made the link nothing.
fn is_followed_link(headers: &HeaderMap) -> bool {
    only(headers, &MODE) == Ok(Some("navigate")) && only(headers, &DESTINATION) == Ok(Some("document"))
}

/// Whether a header is absent, or there once with a value that fits.
fn is_from(headers: &HeaderMap, name: &HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    only(headers, name).is_ok_and(|value| value.is_none_or(fits))
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const PORT: u16 = 4711;

    fn gate() -> Gate {
        Gate { port: PORT, token: Secret::new().unwrap(), ticket: Secret::new().unwrap() }
    }

    /// What the gate says of a request. `T` in a path stands for the token, `K` for the ticket; `host` is left out if empty.
    #[track_caller]
    fn ask(method: &str, path: &str, host: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let gate = gate();
        let path = path.replace('T', gate.token.reveal()).replace('K', gate.ticket.reveal());
        let mut request = Request::builder().method(method).uri(path);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match gate.admit(&parts) {
            Ok(Admitted::Token(rest)) => Ok(rest.to_owned()),
            Ok(Admitted::Ticket) => Ok("ticket".to_owned()),
            Err(status) => Err(status.as_u16()),
        }
    }

    const HOME: &str = "127.0.0.1:4711";

    #[test]
    fn hosts() {
        for host in [HOME, "localhost:4711", "LocalHost:4711"] {
            assert_eq!(ask("GET", "/T/x", host, &[]), Ok("x".into()), "{host}");
        }
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:",
            "127.0.0.1:4712",
            "127.0.0.1:14711",
            "127.0.0.1:04711",
            "127.0.0.1:+4711",
            " 127.0.0.1:4711",
            "127.0.0.1:4711 ",
            "127.0.0.2:4711",
            "0.0.0.0:4711",
            "127.1:4711",
            "2130706433:4711",
            "[::1]:4711",
            "localhost.:4711",
            "localhost.example.org:4711",
            "evil.example:4711",
            "evil.example",
            "user@127.0.0.1:4711",
            "127.0.0.1:4711, evil.example",
            "127.0.0.1:4711/",
            "x127.0.0.1:4711",
        ] {
            assert_eq!(ask("GET", "/T/x", host, &[]), Err(403), "{host}");
        }
        assert_eq!(ask("GET", "/T/x", HOME, &[("host", HOME)]), Err(403), "two of them");
        assert_eq!(ask("GET", "/T/x", HOME, &[("host", "evil.example")]), Err(403), "two of them");
        for proxy in ["http://127.0.0.1:4711/T/x", "http://evil.example/T/x"] {
            assert_eq!(ask("GET", proxy, HOME, &[]), Err(403), "{proxy}");
        }
    }

    #[test]
    fn origins() {
        for origin in ["http://127.0.0.1:4711", "http://localhost:4711"] {
            assert_eq!(ask("GET", "/T/x", HOME, &[("origin", origin)]), Ok("x".into()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://127.0.0.1",
            "http://127.0.0.1:4712",
            "https://127.0.0.1:4711",
            "http://127.0.0.1:4711/",
            "HTTP://127.0.0.1:4711",
            "http://evil.example",
            "http://evil.example:4711",
            "http://127.0.0.1:4711 http://evil.example",
            "file://",
        ] {
            assert_eq!(ask("GET", "/T/x", HOME, &[("origin", origin)]), Err(403), "{origin}");
        }
        let two = [("origin", "http://127.0.0.1:4711"), ("origin", "http://127.0.0.1:4711")];
        assert_eq!(ask("GET", "/T/x", HOME, &two), Err(403));
    }

    #[test]
    fn sites() {
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        let with = |site: &'static str| [&[("sec-fetch-site", site)], &navigation[..]].concat();
        for site in ["same-origin", "none"] {
            for path in ["/T/", "/T/f/0"] {
                assert!(ask("GET", path, HOME, &[("sec-fetch-site", site)]).is_ok(), "{site} {path}");
            }
        }
        for site in ["cross-site", "same-site", "", "Same-Origin", "anything"] {
            assert_eq!(ask("GET", "/T/", HOME, &[("sec-fetch-site", site)]), Err(403), "{site}");
            // A link that a person follows leads to the page, and only there.
            assert_eq!(ask("GET", "/T/", HOME, &with(site)), Ok(String::new()), "{site}");
            for path in ["/T/f/0", "/T/sources.json", "/T/index.html", "/K"] {
                assert_eq!(ask("GET", path, HOME, &with(site)), Err(403), "{site} {path}");
            }
            assert_eq!(ask("POST", "/T/", HOME, &with(site)), Err(405), "{site}");
        }
        for dest in ["iframe", "frame", "embed", "object", "empty", "script", ""] {
            let framed =
                [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)];
            assert_eq!(ask("GET", "/T/", HOME, &framed), Err(403), "{dest}");
        }
        let fetched =
            [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "document")];
        assert_eq!(ask("GET", "/T/", HOME, &fetched), Err(403));
        let two = [("sec-fetch-site", "none"), ("sec-fetch-site", "none")];
        assert_eq!(ask("GET", "/T/f/0", HOME, &two), Err(403));
    }

    #[test]
    fn tokens() {
        let token = "0".repeat(64);
        assert_eq!(ask("GET", "/T/", HOME, &[]), Ok(String::new()));
        assert_eq!(ask("GET", "/T/a/b?c", HOME, &[]), Ok("a/b".into()));
        assert_eq!(ask("GET", "/K", HOME, &[]), Ok("ticket".into()));
        for path in [
            "/",
            "//",
            "/T",
            "/T?x",
            "//T/",
            "/K/",
            "/K/f/0",
            "/x/T/",
            "/TT/",
            "/T0/",
            "/./T/",
            "*",
            "/x",
            &*format!("/{token}/"),
            &*format!("/{token}"),
            "/?T/",
            "/%54/",
        ] {
            assert_eq!(ask("GET", path, HOME, &[]), Err(404), "{path}");
        }
        // Whoever does not know it learns nothing about methods.
        assert_eq!(ask("POST", "/x/", HOME, &[]), Err(404));
    }

    #[test]
    fn methods() {
        for method in ["GET", "HEAD"] {
            assert_eq!(ask(method, "/T/f/0", HOME, &[]), Ok("f/0".into()));
        }
        for method in
            ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "get", "QUERY"]
        {
            assert_eq!(ask(method, "/T/f/0", HOME, &[]), Err(405), "{method}");
        }
    }
}
