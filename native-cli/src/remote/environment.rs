//! What lets a command into a server: from options, variables, the cache of tickets, or whoever sits at the terminal (server protocol 2.1).

use std::env;

use anyhow::{Context as _, bail};

use super::{Access, Address, Fingerprint, Rate, Secret, tickets};
use crate::cli::ServerArgs;
use crate::secret::{self, SecretText};
use crate::terminal;

/// The password of a user, or the secret of a token.
const PASSWORD: &str = "PBS_PASSWORD";
/// The certificate that the server must have.
const FINGERPRINT: &str = "PBS_FINGERPRINT";

/// The value of a variable of the stock client in any of its forms.
///
/// # Errors
/// Those of [`secret::variable`].
pub fn variable(name: &str) -> anyhow::Result<Option<SecretText>> {
    let what = name.strip_prefix("PBS_").unwrap_or(name).to_ascii_lowercase().replace('_', "-");
    secret::variable(name, &format!("proxmox-backup-client.{what}"))
}

/// A part of a repository's name: `PBS_SERVER` and others. What is empty does not count.
pub fn part(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// How to reach a datastore: with a password or secret from the environment, or else a ticket that a login left, or else the password
/// that somebody types.
///
/// # Errors
/// There is none of them; what there is cannot be read.
pub fn access(address: Address, options: &ServerArgs) -> anyhow::Result<Access> {
    let secret = match (variable(PASSWORD)?, tickets::find(&address)) {
        (Some(password), _) => Secret::Password(password),
        (None, Some(ticket)) => Secret::Ticket(ticket),
        (None, None) => Secret::Password(ask(&address)?),
    };
    with_secret(address, secret, options)
}

/// As [`access`], but tickets that a login left do not count: for a new login.
///
/// # Errors
/// There is no password; what there is cannot be read.
pub fn access_for_login(address: Address, options: &ServerArgs) -> anyhow::Result<Access> {
    if address.auth.token.is_some() {
        bail!("{} is a token, which needs no login: put its secret into {PASSWORD}", address.auth);
    }
    let password = match variable(PASSWORD)? {
        Some(password) => password,
        None => ask(&address)?,
    };
    with_secret(address, Secret::Password(password), options)
}

fn with_secret(address: Address, secret: Secret, options: &ServerArgs) -> anyhow::Result<Access> {
    let rate = Rate { rate: options.rate, burst: options.burst };
    Ok(Access { fingerprint: fingerprint(options)?, address, secret, rate })
}

/// The certificate that is expected. An empty variable expects none, as the stock client has it.
fn fingerprint(options: &ServerArgs) -> anyhow::Result<Option<Fingerprint>> {
    if options.fingerprint.is_some() {
        return Ok(options.fingerprint);
    }
    let Some(text) = variable(FINGERPRINT)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    // A secret need not be told, even if it is in the wrong variable.
    parse_fingerprint(&text).map(Some).map_err(anyhow::Error::msg).context(FINGERPRINT)
}

/// Reads the fingerprint of a certificate: 32 pairs of hexadecimal digits with colons between them.
///
/// # Errors
/// It is none.
pub fn parse_fingerprint(text: &str) -> Result<Fingerprint, String> {
    let text = text.trim();
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_one = text.split(':').count() == 32 && text.split(':').all(is_pair);
    let fingerprint = Fingerprint::parse(text).filter(|_| is_one);
    fingerprint.ok_or_else(|| {
        "expected the fingerprint of a certificate: 32 pairs of hexadecimal digits with colons between them, as the \
        server shows it"
            .to_owned()
    })
}

fn ask(address: &Address) -> anyhow::Result<SecretText> {
    let Address { auth, host, .. } = address;
    if auth.token.is_some() {
        bail!(
            "there is no secret for the token {auth}: put it into {PASSWORD} (or {PASSWORD}_FD, _FILE, _CMD)"
        );
    }
    if !terminal::is_there() {
        bail!(
            "there is no password for {auth} at {host}: put it into {PASSWORD} (or {PASSWORD}_FD, _FILE, _CMD), or log \
            in with `pxkit login`; nobody can be asked, since standard input is no terminal"
        );
    }
    terminal::read_passphrase(&format!("Password of {auth} at {host}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of section 15.
    const VECTOR: &str =
        "ad:65:f5:0a:12:bf:db:ec:eb:3f:5d:c3:98:1c:55:4f:a7:cc:49:de:92:a4:f1:9f:98:51:ef:6a:ec:9c:54:be";

    #[test]
    fn fingerprints_are_read() {
        let got = parse_fingerprint(VECTOR).unwrap();
        assert_eq!(got.0, crate::codec::digest(b"stand-in for certificate DER").0);
        assert_eq!(got.to_string(), VECTOR);
        assert_eq!(parse_fingerprint(&VECTOR.to_uppercase()), Ok(got));
        for bad in [
            "",
            &VECTOR[3..],
            &VECTOR.replace(':', ""),
            &VECTOR.replace("ad", "xx"),
            &(VECTOR.to_owned() + ":00"),
        ] {
            assert!(parse_fingerprint(bad).is_err(), "{bad}");
        }
    }
}
