//! Where a datastore on a server is: `[[user@realm[!token]@]host[:port]:]datastore` (server protocol 1).

use std::fmt;

/// The port where nobody names one.
pub const PORT: u16 = 8007;

/// Who asks: a user, or a token of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthId {
    /// `user@realm`.
    pub user: String,
    /// The name of the token.
    pub token: Option<String>,
}

impl fmt::Display for AuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        self.token.as_ref().map_or(Ok(()), |token| write!(f, "!{token}"))
    }
}

/// A datastore on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Who asks.
    pub auth: AuthId,
    /// A name or an address; one of IPv6 in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The datastore's name.
    pub store: String,
}
