//! The inspector on 127.0.0.1: a small server for the page, and for the bytes of what it looks into. It reads and changes nothing.
//!
//! | file | purpose |
//! |---|---|
//! | `gate`, `secret`, `peer` | who is let in |
//! | `route`, `place` | what a path means |
//! | `sources` | what there is to look into |
//! | `tree`, `local`, `server` | trees that look like datastores; the one in a local directory, the one on a server |
//! | `beneath` | opening without following symlinks |
//! | `assets` | the inspector itself |
//! | `respond`, `range`, `body` | responses |
//! | `browser` | starting a browser |
//!
//! Below `/TOKEN/`:
//!
//! | path | what it is |
//! |---|---|
//! | the empty one | the page; its files lie beside it |
//! | `sources.json` | what there is, see [`sources::Sources::to_json`] |
//! | `f/N` | file N, with `Range` |
//! | `d/N/list/PATH` | what is in a directory of tree N: a list of `name`, `dir` and `size`, which is `null` where it is not known |
//! | `d/N/file/PATH` | a file of tree N, with `Range` |
//!
//! One thread talks to clients, a few others read from disk, so a disk that sleeps holds nobody up who does not read from it.

mod assets;
mod beneath;
mod body;
pub mod browser;
pub mod gate;
mod local;
mod peer;
pub mod place;
pub mod range;
mod respond;
pub mod route;
pub mod secret;
mod server;
pub mod sources;
mod tree;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

pub use self::assets::Assets;
use self::body::Body;
use self::gate::{Admitted, Gate};
pub use self::local::LocalTree;
use self::route::Route;
use self::secret::Secret;
pub use self::server::ServerTree;
use self::sources::Sources;
pub use self::tree::{Content, Listed, Served};
use crate::report::{Interrupted, check_signals};

/// Connections at once; more wait until one ends. A browser makes six. Each may hold two blocks and its buffers, less than a MiB.
const CONNECTIONS: usize = 128;
/// Threads that read from disk.
const READERS: usize = 8;
/// A request's head has to be here after this time, also the next one on a connection that stays open.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that are buffered for a connection, in each direction; longer heads are refused.
const BUFFER: usize = 64 << 10;
/// What is being answered when the end comes has this long to get done.
const LAST: Duration = Duration::from_secs(3);

/// A server that listens; clients wait until [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    site: Site,
}

#[derive(Debug)]
struct Site {
    gate: Gate,
    /// The ticket was used.
    is_visited: AtomicBool,
    assets: Assets,
    sources: Sources,
}

impl Server {
    /// Begins to listen on 127.0.0.1; port 0 is any that is free.
    ///
    /// # Errors
    /// Somebody else has the port, or there are no random bytes.
    pub fn bind(port: u16, assets: Assets, sources: Sources) -> anyhow::Result<Self> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let listener =
            std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let gate =
            Gate { port: listener.local_addr()?.port(), token: Secret::new()?, ticket: Secret::new()? };
        Ok(Self { listener, site: Site { gate, is_visited: AtomicBool::new(false), assets, sources } })
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.site.gate.port
    }

    /// The address of the page, for whoever started this program.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port(), self.site.page())
    }

    /// An address that leads to the page once, for the arguments of a browser.
    pub fn ticket_url(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port(), self.site.gate.ticket.reveal())
    }

    /// Serves until a signal asks for the end, see [`crate::report::watch_signals`].
    ///
    /// # Errors
    /// [`Interrupted`] by the signal; the server cannot run.
    pub fn run(self) -> anyhow::Result<Infallible> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(READERS)
            .build()
            .context("cannot run a server")?;
        let signal = runtime.block_on(serve(self.listener, Arc::new(self.site)))?;
        // A disk that does not answer must not keep the program from ending.
        runtime.shutdown_background();
        Err(signal.into())
    }
}

async fn serve(listener: std::net::TcpListener, site: Arc<Site>) -> anyhow::Result<Interrupted> {
    let listener = TcpListener::from_std(listener)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    if let Err(interrupted) = check_signals() {
        return Ok(interrupted);
    }
    let limit = Arc::new(Semaphore::new(CONNECTIONS));
    let open = GracefulShutdown::new();
    let signal = loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break Interrupted(signal_hook::consts::SIGINT),
            _ = terminate.recv() => break Interrupted(signal_hook::consts::SIGTERM),
            (stream, peer, permit) = accept(&listener, &limit) => talk(stream, peer, permit, &site, &open),
        }
    };
    drop(listener);
    // Whether they get done or not: this is the end.
    let _ = timeout(LAST, open.shutdown()).await;
    Ok(signal)
}

async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let permit = limit.clone().acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            // The client is gone already, or there are no descriptors just now.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Answers the requests of one connection.
fn talk(
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    site: &Arc<Site>,
    open: &GracefulShutdown,
) {
    // Heads and bodies go out together or are large anyway.
    let _ = stream.set_nodelay(true);
    let site = site.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(answer(site, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let connection = open.watch(connection);
    tokio::spawn(async move {
        // Clients come and go as they like, also in the middle of a response.
        let _ = connection.await;
        drop(permit);
    });
}

async fn answer(site: Arc<Site>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let route = match site.gate.admit(&parts) {
        Err(status) => return respond::refusal(status),
        Ok(Admitted::Ticket) => return site.visit(peer),
        Ok(Admitted::Token(path)) => Route::of(path),
    };
    let Some(route) = route else {
        return respond::message(StatusCode::NOT_FOUND, "there is nothing of that name".into());
    };
    // Everything from here on may wait for a disk.
    let work = move || site.find(&route, &parts);
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| respond::refusal(StatusCode::INTERNAL_SERVER_ERROR))
}

impl Site {
    /// The path of the page. A page that is hosted elsewhere lacks the query, and does not ask for sources.
    fn page(&self) -> String {
        format!("/{}/?served", self.gate.token.reveal())
    }

    /// Somebody has the ticket, which was meant for a browser that the user of this program started.
    fn visit(&self, peer: SocketAddr) -> Response<Body> {
        let me = rustix::process::geteuid().as_raw();
        let is_mine = match peer {
            SocketAddr::V4(peer) => {
                peer::user(peer, SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.gate.port)) == Some(me)
            }
            SocketAddr::V6(_) => false,
        };
        if !is_mine || self.is_visited.swap(true, Ordering::Relaxed) {
            let text = "This address works once, and only for the user who runs pxkit. Use the one that pxkit printed.\n";
            return respond::message(StatusCode::FORBIDDEN, text.into());
        }
        respond::redirect(&self.page())
    }

    fn find(&self, route: &Route, request: &Parts) -> Response<Body> {
        let takes_gzip = respond::takes_gzip(&request.headers);
        let found = match route {
            Route::Page => self.assets.page(takes_gzip).map(|asset| respond::asset(request, asset)),
            Route::Asset(path) => {
                self.assets.get(path, takes_gzip).map(|asset| respond::asset(request, asset))
            }
            Route::Sources => Ok(respond::json(self.sources.to_json().to_string().into_bytes())),
            Route::File(number) => {
                self.sources.file(*number).map(|content| respond::content(request, content))
            }
            Route::Content(tree, place) => {
                self.sources.content(*tree, place).map(|content| respond::content(request, content))
            }
            Route::List(tree, place) => {
                self.sources.list(*tree, place).map(|listed| respond::json(to_json(&listed)))
            }
        };
        found.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => respond::message(StatusCode::NOT_FOUND, "it does not exist".into()),
            _ => respond::message(StatusCode::INTERNAL_SERVER_ERROR, format!("it cannot be read: {error}")),
        })
    }
}

fn to_json(listed: &[Listed]) -> Vec<u8> {
    let entry = |entry: &Listed| json!({ "name": entry.name, "dir": entry.is_directory, "size": entry.size });
    serde_json::Value::Array(listed.iter().map(entry).collect()).to_string().into_bytes()
}
