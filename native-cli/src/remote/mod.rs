//! A datastore on a Proxmox Backup Server as a repository.
//!
//! One connection each for what REST does, for a backup and for every snapshot that is open for reading; all of them belong to one thread
//! that runs tokio. Outside everything blocks, as the rest of the program does.

pub mod address;
mod api;
mod backup;
mod encode;
pub mod environment;
mod error;
mod limit;
mod login;
mod manage;
mod net;
mod previous;
mod proxy;
mod reader;
mod session;
mod speed;
mod tasks;
pub mod tickets;
mod tls;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use address::{Address, AuthId};
pub use api::Api;
pub use encode::{Params, path_part};
pub use error::{Lost, Refused};
/// The fingerprint of a certificate: the SHA-256 of its DER form, written as those of keys.
pub use pxkit_core::blob::Fingerprint;
pub use tasks::Ended;

use crate::secret::SecretText;

/// What lets somebody in. Nothing of it is ever printed.
#[derive(Clone)]
pub enum Secret {
    /// The password of a user, or the secret of a token.
    Password(SecretText),
    /// What a login gave before.
    Ticket(Ticket),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a login gives: it lets its user in for two hours.
#[derive(Clone)]
pub struct Ticket {
    /// Goes into a cookie.
    pub ticket: SecretText,
    /// Goes with it into requests that change something.
    pub csrf: SecretText,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

/// How many bytes a second may go either way; nothing means no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second, at least 1.
    pub rate: Option<u64>,
    /// Bytes that may go at once after a pause; those of one second if nobody says.
    pub burst: Option<u64>,
}

/// How to reach a datastore on a server.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is, and who asks.
    pub address: Address,
    /// What lets him in.
    pub secret: Secret,
    /// The certificate that the server must have. Without one it must be one that the system trusts.
    pub fingerprint: Option<Fingerprint>,
    /// How fast.
    pub rate: Rate,
}

/// A datastore on a server. Copies share their connections.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Api>);

impl Remote {
    /// Reaches the server and logs in; with a token that takes no request, so a wrong secret shows at the first one.
    ///
    /// # Errors
    /// The server cannot be reached, is not the one that was meant, or does not let us in.
    pub fn connect(access: Access) -> anyhow::Result<Self> {
        Api::connect(access).map(|api| Self(Arc::new(api)))
    }

    /// Requests for what commands want.
    pub fn api(&self) -> &Api {
        &self.0
    }
}
