//! The thread of the network, and connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::end_of;
use super::limit::{Limited, Limits};
use super::proxy::Proxy;
use super::tls::{self, Verifier};
use super::{Access, Lost};
use crate::report::check_signals;

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// How long whoever waits does not look for signals.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is tried to connect, and how long it is waited after the first time; each time twice as long.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(400);
/// The server is asked whether it is still there after this time without a word from it.
const IDLE: Duration = Duration::from_secs(60);
/// A connection is lost if nothing that was sent arrives for this time.
const UNHEARD: u32 = 120_000;

/// A connection to a server.
pub(super) type Stream = TlsStream<Limited<TcpStream>>;

/// The thread of the network. Futures run on it; whoever waits for one blocks.
pub(super) struct Net(Option<Runtime>);

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

impl Net {
    pub fn start() -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("pxkit network")
            .enable_io()
            .enable_time()
            .build()
            .context("cannot start the thread of the network")?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for a future. A signal ends that: [`crate::report::Interrupted`].
    pub fn wait<T>(&self, future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.runtime()?.block_on(async {
            let mut look = interval(LOOK);
            tokio::pin!(future);
            loop {
                tokio::select! {
                    biased;
                    result = &mut future => return result,
                    _ = look.tick() => check_signals()?,
                }
            }
        })
    }

    /// Waits for a future that no signal must end.
    pub fn wait_to_end<T>(&self, future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.runtime()?.block_on(future)
    }

    /// Runs a future beside everything else.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<JoinHandle<T>> {
        Ok(self.runtime()?.spawn(future))
    }

    fn runtime(&self) -> anyhow::Result<&Runtime> {
        self.0.as_ref().context("a defect of pxkit: the network was let go")
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for its thread would be a panic within another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Makes connections to one server.
pub(super) struct Dialer {
    /// `HOST:PORT`, with brackets around an address of IPv6.
    pub authority: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
    verifier: Arc<Verifier>,
    limits: Limits,
    proxy: Option<Proxy>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

impl Dialer {
    pub fn new(access: &Access) -> anyhow::Result<Self> {
        let (config, verifier) = tls::config(access.fingerprint)?;
        let host = access.address.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_v6 = host.contains(':');
        let port = access.address.port;
        let authority = if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| anyhow!("{host} is neither the name of a host nor an address"))?;
        let (tls, limits) = (TlsConnector::from(config), Limits::new(access.rate));
        Ok(Self { authority, host, port, name, tls, verifier, limits, proxy: Proxy::from_environment()? })
    }

    /// Connects; tries again where that may help.
    pub async fn dial(&self) -> anyhow::Result<Stream> {
        let mut pause = BACKOFF;
        for _ in 1..ATTEMPTS {
            match self.try_dial().await {
                Err(error) if error.is::<Lost>() => {
                    sleep(pause).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
        self.try_dial().await
    }

    async fn try_dial(&self) -> anyhow::Result<Stream> {
        let authority = &self.authority;
        let way = match &self.proxy {
            Some(Proxy { host, port, .. }) => format!("{authority} through the proxy {host}, port {port}"),
            None => authority.clone(),
        };
        let lost = |why: String| Lost::new(format!("cannot reach the server {way}: {why}"));
        let slow = || lost("no answer within 10 seconds".into());
        let (host, port) = match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.host, self.port),
        };
        let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await;
        let mut stream = stream.map_err(|_| slow())?.map_err(|error| lost(error.to_string()))?;
        set_options(&stream).map_err(|error| lost(error.to_string()))?;
        if let Some(proxy) = &self.proxy {
            let tunnel = timeout(CONNECT, proxy.tunnel(stream, authority)).await;
            stream =
                tunnel.map_err(|_| slow())?.map_err(|error| match error.downcast_ref::<hyper::Error>() {
                    Some(broken) => lost(end_of(broken)).into(),
                    // What it says now it will say again.
                    None => error.context(format!("cannot reach the server {way}")),
                })?;
        }
        let stream = Limited::new(stream, &self.limits);
        let shaken = timeout(CONNECT, self.tls.connect(self.name.clone(), stream))
            .await
            .map_err(|_| lost("it does not speak TLS with us within 10 seconds".into()))?;
        shaken.map_err(|error| match self.verifier.explain() {
            Some(why) => why.context(format!("cannot trust the server {}", self.authority)),
            None => lost(format!("no TLS: {error}")).into(),
        })
    }
}

/// Small messages go at once; whoever is gone is noticed.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    Ok(sockopt::set_tcp_user_timeout(stream, UNHEARD)?)
}
