//! Where a datastore on a server is: `[[user@realm[!token]@]host[:port]:]datastore` (server protocol 1).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::store::is_safe;

/// The port where nobody names one.
pub const PORT: u16 = 8007;
/// Who asks where nobody says it.
const USER: &str = "root@pam";
/// Where to ask where nobody says it.
const HOST: &str = "localhost";
/// Most bytes of the whole.
const LONGEST: usize = 256;

/// What is wrong with an address, in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    what: &'static str,
    got: String,
    rule: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, got, rule } = self;
        write!(f, "`{}` is no {what}: expected {rule}", got.escape_debug())
    }
}

impl std::error::Error for AddressError {}

fn error(what: &'static str, got: &str, rule: &'static str) -> AddressError {
    AddressError { what, got: got.to_owned(), rule }
}

/// Who asks: a user, or a token of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthId {
    /// `user@realm`.
    pub user: String,
    /// The name of the token.
    pub token: Option<String>,
}

impl Default for AuthId {
    fn default() -> Self {
        Self { user: USER.to_owned(), token: None }
    }
}

impl fmt::Display for AuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        self.token.as_ref().map_or(Ok(()), |token| write!(f, "!{token}"))
    }
}

impl FromStr for AuthId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || error("user", text, "USER@REALM, or USER@REALM!TOKEN, with 3 to 64 characters");
        // A user's name may hold both separators.
        let (name, rest) = text.rsplit_once('@').ok_or_else(wrong)?;
        let (realm, token) = rest.split_once('!').map_or((rest, None), |(realm, token)| (realm, Some(token)));
        let is_name = |c: char| !c.is_whitespace() && !c.is_control() && c != ':' && c != '/';
        let is_good = !name.is_empty()
            && name.chars().all(is_name)
            && is_safe(realm)
            && token.is_none_or(is_safe)
            && (3..=64).contains(&text.len());
        let token = token.map(str::to_owned);
        is_good.then(|| Self { user: format!("{name}@{realm}"), token }).ok_or_else(wrong)
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

impl Address {
    /// Puts an address together; what is not named has its usual value.
    ///
    /// # Errors
    /// The host or the datastore cannot have this name.
    pub fn new(
        auth: Option<AuthId>,
        host: Option<&str>,
        port: Option<u16>,
        store: &str,
    ) -> Result<Self, AddressError> {
        let is_store = is_safe(store) && (3..=32).contains(&store.len());
        if !is_store {
            let rule = "3 to 32 letters, digits, '_', '.' and '-', neither '.' nor '-' first";
            return Err(error("datastore", store, rule));
        }
        let host = host.map_or_else(|| Ok(HOST.to_owned()), parse_host)?;
        let (auth, port) = (auth.unwrap_or_default(), port.unwrap_or(PORT));
        Ok(Self { auth, host, port, store: store.to_owned() })
    }
}

/// As short as it can be read again.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { auth, host, port, store } = self;
        if *auth != AuthId::default() {
            write!(f, "{auth}@{host}:{port}:{store}")
        } else if *port != PORT {
            write!(f, "{host}:{port}:{store}")
        } else {
            // Without the host it could be a directory.
            write!(f, "{host}:{store}")
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > LONGEST {
            return Err(error("datastore on a server", text, "at most 256 characters"));
        }
        let Some((place, store)) = text.rsplit_once(':') else { return Self::new(None, None, None, text) };
        let (auth, place) = match place.rsplit_once('@') {
            Some((auth, place)) => (Some(auth.parse()?), place),
            None => (None, place),
        };
        // The colons of an address of IPv6 stand in brackets.
        let end = if place.starts_with('[') { place.find(']').map_or(0, |at| at + 1) } else { 0 };
        let (host, port) = match place[end..].find(':') {
            Some(at) => (&place[..end + at], Some(parse_port(&place[end + at + 1..])?)),
            None => (place, None),
        };
        Self::new(auth, Some(host), port, store)
    }
}

/// Reads the name of a host or an address; one of IPv6 is put into brackets. A colon outside of them belongs to none.
///
/// # Errors
/// It is neither.
pub fn parse_host(text: &str) -> Result<String, AddressError> {
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) || text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err(error("host", text, "a name, or an address (of IPv6 in brackets)"))
}

/// Reads the number of a port.
///
/// # Errors
/// It is none.
pub fn parse_port(text: &str) -> Result<u16, AddressError> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| is_number);
    port.ok_or_else(|| error("port", text, "a number up to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule 1, and the table of section 15.
    #[test]
    fn r01_addresses_are_read() {
        for (text, auth, host, port, store) in [
            ("mystore", "root@pam", "localhost", 8007, "mystore"),
            ("myhost:mystore", "root@pam", "myhost", 8007, "mystore"),
            ("192.168.1.1:1234:mystore", "root@pam", "192.168.1.1", 1234, "mystore"),
            ("[ff80::1]:9007:mystore", "root@pam", "[ff80::1]", 9007, "mystore"),
            ("[::1]:mystore", "root@pam", "[::1]", 8007, "mystore"),
            ("user@pbs!token@myhost:mystore", "user@pbs!token", "myhost", 8007, "mystore"),
            ("admin@pam@backuphost:8008:tank", "admin@pam", "backuphost", 8008, "tank"),
            ("1234:mystore", "root@pam", "1234", 8007, "mystore"),
            ("a!b@c@ldap@h.example:x-1", "a!b@c@ldap", "h.example", 8007, "x-1"),
            ("u@r!t@[fe80::2]:1:abc", "u@r!t", "[fe80::2]", 1, "abc"),
        ] {
            let address: Address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.auth.to_string(), auth, "{text}");
            assert_eq!((&*address.host, address.port, &*address.store), (host, port, store), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
        let text = "admin@pam@backuphost:8008:tank";
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        let user: AuthId = "a!b@c@ldap!t".parse().unwrap();
        assert_eq!((&*user.user, user.token.as_deref()), ("a!b@c@ldap", Some("t")));
    }

    #[test]
    fn r01_what_is_none_is_refused() {
        let long = format!("{}:store", "h".repeat(251));
        for text in [
            "",
            "a b",
            "user@pam@mystore",
            "ff80::1:store",
            "host:",
            ":store",
            "host:ab",
            "host:-store",
            "host:x:store",
            "host:70000:store",
            "host:123456:store",
            "host::store",
            "user@host:store",
            "@pam@host:store",
            "user@pam!@host:store",
            "us er@pam@host:store",
            "u/r@pam@host:store",
            "[ff80::1:store",
            "[host]:store",
            "[::1]x:store",
            "-host:store",
            "ho_st:store",
            "host..example:store",
            "user@pam@:store",
            "höst:store",
            "host:st\u{f6}re",
            &*format!("host:{}", "s".repeat(33)),
            &*format!("{}@pam@host:store", "u".repeat(61)),
            &*long,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_printed_short() {
        for (text, printed) in [
            ("store", "localhost:store"),
            ("host:8007:store", "host:store"),
            ("host:8008:store", "host:8008:store"),
            ("root@pam@host:store", "host:store"),
            ("root@pam!t@host:store", "root@pam!t@host:8007:store"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
    }
}
