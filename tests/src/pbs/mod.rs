//! A Proxmox Backup Server for tests: in this process, with a datastore on disk, and as strict as a real one. It was written from the
//! protocol's description, apart from the client, and refuses what a real server refuses, with its texts (protocol 17).
//!
//! | file | purpose |
//! |---|---|
//! | `certificate` | whose certificate it shows |
//! | `wire` | what lies between the socket and HTTP: latency, pieces |
//! | `rest` | HTTP/1.1 |
//! | `manage`, `groups`, `snapshots`, `upkeep`, `tasks` | what is asked over it |
//! | `session`, `body` | HTTP/2 behind an upgrade |
//! | `backup`, `writers`, `manifest`, `reader` | the protocols inside |
//! | `store`, `files`, `access`, `params` | what is on disk, who may do what, how parameters are checked |
//! | `hooks` | what goes wrong on purpose, and the record of what was asked |

pub mod access;
mod backup;
mod body;
mod certificate;
mod files;
mod groups;
pub mod hooks;
mod manage;
pub mod manifest;
mod params;
mod reader;
mod rest;
mod session;
mod snapshots;
mod store;
mod tasks;
mod upkeep;
mod wire;
mod writers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::access::{Access, User};
use self::certificate::Certificate;
use self::hooks::Hooks;
use self::session::Shared;
use self::store::Store;
use self::tasks::Tasks;
use crate::disk::Scratch;

pub use self::certificate::Vouch;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of its datastore; a temporary one if there is none.
    pub dir: Option<PathBuf>,
    /// The name of the datastore.
    pub store: String,
    /// Where it listens: 127.0.0.1 or ::1.
    pub ip: IpAddr,
    /// 0 for any.
    pub port: u16,
    /// Who may come in. The first is [`Server::user`], the first token [`Server::token`].
    pub users: Vec<User>,
    /// Tickets come as cookies only.
    pub http_only: bool,
    /// Whose certificate.
    pub vouch: Vouch,
    /// Time of a message there and back.
    pub latency: Duration,
    /// How long a refused login takes.
    pub delay: Duration,
    /// Chunks are neither checked nor stored: for measuring clients.
    pub null: bool,
    /// How many streams a client may have open.
    pub streams: u32,
    /// Bytes that a client may send ahead on a stream, and on all.
    pub window: u32,
    pub connection_window: u32,
    /// Largest frame that the server takes.
    pub frame: u32,
    /// The first bytes of HTTP/2 come with the head of the reply to the upgrade.
    pub settings_joined: bool,
    /// The server says nothing before it has read the client's preface.
    pub settings_late: bool,
    /// What the server sends comes in pieces of so many bytes.
    pub pieces: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            store: "store1".to_owned(),
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            users: vec![
                User::new("tester@pbs", "a pass/word+with %odd:\u{e4}"),
                User::new("tester@pbs!tok", "0f0f0f0f-aaaa-bbbb-cccc-0123456789ab"),
            ],
            http_only: false,
            vouch: Vouch::Itself,
            latency: Duration::ZERO,
            delay: Duration::from_secs(3),
            null: false,
            streams: 200,
            window: 32 << 20,
            connection_window: 32 << 20,
            frame: 4 << 20,
            settings_joined: false,
            settings_late: false,
            pieces: None,
        }
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    fingerprint: String,
    root_certificate: String,
    runtime: Option<Runtime>,
    _scratch: Option<Scratch>,
}

impl Server {
    /// Starts a server.
    pub fn start(options: Options) -> Self {
        let scratch = options.dir.is_none().then(Scratch::new);
        let place = scratch.as_ref().map(|scratch| scratch.join("store"));
        let store = Store::open(options.dir.as_deref().or(place.as_deref()).expect("a directory"));
        let access = Access::new(options.users.clone(), options.http_only);
        let certificate = Certificate::new(options.vouch);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
        let listening = TcpListener::bind((options.ip, options.port));
        let listener = runtime.block_on(listening).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (hooks, tasks) = (Hooks::default(), Tasks::default());
        let shared = Arc::new(Shared { options, store, access, hooks, tasks });
        runtime.spawn(wire::listen(shared.clone(), listener, certificate.config));
        let (fingerprint, root_certificate) = (certificate.fingerprint, certificate.root);
        Self { shared, address, fingerprint, root_certificate, runtime: Some(runtime), _scratch: scratch }
    }

    /// With nothing special.
    pub fn new() -> Self {
        Self::start(Options::default())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// SHA-256 of its certificate, as pairs of digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// PEM of whom one must trust to trust it.
    pub fn root_certificate(&self) -> &str {
        &self.root_certificate
    }

    /// Tickets that it gave out, and the tokens that go with them.
    pub fn tickets(&self) -> Vec<String> {
        self.shared.access.given()
    }

    /// The directory of its datastore.
    pub fn root(&self) -> &Path {
        &self.shared.store.root
    }

    /// The first user.
    pub fn user(&self) -> &User {
        &self.shared.options.users[0]
    }

    /// The first token.
    pub fn token(&self) -> &User {
        let mut users = self.shared.options.users.iter();
        users.find(|user| user.auth_id.contains('!')).expect("a token")
    }

    /// The repository as clients name it, for somebody.
    pub fn repository(&self, user: &User) -> String {
        format!("{}@{}:{}", user.auth_id, self.address, self.shared.options.store)
    }

    /// The variables that lead a client there.
    pub fn environment(&self, user: &User) -> [(&'static str, String); 3] {
        [
            ("PBS_REPOSITORY", self.repository(user)),
            ("PBS_PASSWORD", user.secret.clone()),
            ("PBS_FINGERPRINT", self.fingerprint.clone()),
        ]
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// What goes wrong, and what was asked.
impl Deref for Server {
    type Target = Hooks;

    fn deref(&self) -> &Hooks {
        &self.shared.hooks
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}
