//! The way through a proxy: `ALL_PROXY`, HTTP CONNECT (server protocol 2.1).

use std::env;

use anyhow::{Context as _, anyhow, bail, ensure};
use base64ct::{Base64, Encoding as _};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Names a proxy: `[http://][USER:PASSWORD@]HOST[:PORT]`.
const VARIABLE: &str = "ALL_PROXY";
const DEFAULT_PORT: u16 = 1080;

/// A proxy that opens connections for us. It sees names of servers and encrypted bytes, nothing else.
pub(super) struct Proxy {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The one that the environment names, if any; an empty variable names none.
    ///
    /// # Errors
    /// It names none in the form that is expected. No message tells what it says, which may be a password.
    pub fn from_environment() -> anyhow::Result<Option<Self>> {
        let Some(text) = env::var_os(VARIABLE).filter(|text| !text.is_empty()) else { return Ok(None) };
        let proxy = text.to_str().and_then(Self::parse);
        proxy.map(Some).with_context(|| {
            format!("{VARIABLE}: expected a proxy for HTTP, as [http://][USER:PASSWORD@]HOST[:PORT]")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains("://") || rest.contains('/') {
            return None;
        }
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok().filter(|&port| port > 0))?;
        let authorization = match login {
            None => None,
            Some(login) => {
                let text = Zeroizing::new(Base64::encode_string(login.as_bytes()));
                let text = Zeroizing::new(format!("Basic {}", *text));
                let mut value = HeaderValue::from_str(&text).ok()?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, authorization })
    }

    /// Lets the proxy, to which `stream` leads, connect to `authority`; what comes then comes from there.
    ///
    /// # Errors
    /// The proxy refuses, or does not speak HTTP.
    pub async fn tunnel(&self, stream: TcpStream, authority: &str) -> anyhow::Result<TcpStream> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().method(Method::CONNECT).uri(authority).header(HOST, authority);
        if let Some(value) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, value);
        }
        let response = sender.send_request(request.body(String::new())?).await?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                bail!("it wants a user and a password, others than {VARIABLE} has")
            }
            status => bail!("it answers {status}"),
        }
        let upgraded = hyper::upgrade::on(response).await?;
        let parts = upgraded
            .downcast::<TokioIo<TcpStream>>()
            .map_err(|_| anyhow!("a defect of pxkit: the connection is of another kind"))?;
        // Servers wait for us to begin.
        ensure!(parts.read_buf.is_empty(), "it sent more than an answer");
        driver.abort();
        Ok(parts.io.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_named_in_many_ways() {
        let parsed = |text: &str| {
            Proxy::parse(text).map(|proxy| {
                let login = proxy.authorization.map(|value| value.to_str().unwrap().to_owned());
                (proxy.host, proxy.port, login)
            })
        };
        let plain = |host: &str, port| Some((host.to_owned(), port, None));
        assert_eq!(parsed("proxy"), plain("proxy", 1080));
        assert_eq!(parsed("http://proxy:3128/"), plain("proxy", 3128));
        assert_eq!(parsed("[::1]"), plain("::1", 1080));
        assert_eq!(parsed("http://[::1]:80"), plain("::1", 80));
        let login = Some("Basic QWxhZGRpbjpvcGVuQHNlc2FtZQ==".to_owned());
        assert_eq!(parsed("http://Aladdin:open@sesame@proxy"), Some(("proxy".to_owned(), 1080, login)));
        for bad in [
            "http://",
            "socks5://proxy",
            "https://proxy",
            "proxy:",
            "proxy:0",
            "proxy:70000",
            "a/b",
            "[::1",
            "[::1]x",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert!(Proxy::parse("u:secret@p").unwrap().authorization.unwrap().is_sensitive());
    }
}
