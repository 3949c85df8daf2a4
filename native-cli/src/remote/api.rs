//! Requests to the server's interface for everything but chunks (server protocol 4).

use anyhow::bail;
use serde_json::Value;

use super::{Access, Address, Ticket};

/// Parameters of a request: names and values. A list is a name with several values.
pub type Params<'a> = &'a [(&'a str, Value)];

/// The server's REST interface. Paths are those below `/api2/json/`, already percent-encoded.
#[derive(Debug)]
pub struct Api {
    access: Access,
}

impl Api {
    pub(super) fn connect(access: Access) -> anyhow::Result<Self> {
        Ok(Self { access })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.access.address
    }

    /// What the login gave, if a password was needed; renewed from time to time.
    pub fn ticket(&self) -> Option<Ticket> {
        None
    }

    /// Asks for something; returns the `data` of the answer.
    ///
    /// # Errors
    /// The server cannot be reached, or says no; [`super::Refused`] is the cause then.
    pub fn get(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.reply("GET", path, params)
    }

    /// Changes something; parameters go in the query, in the body if they are long.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn put(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.reply("PUT", path, params)
    }

    /// Does something; parameters go as JSON.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn post(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.reply("POST", path, params)
    }

    /// Removes something.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn delete(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.reply("DELETE", path, params)
    }

    /// As [`Api::get`], but the whole answer: some have more than `data`.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn get_whole(&self, path: &str, params: Params<'_>) -> anyhow::Result<Value> {
        self.reply("GET", path, params)
    }

    /// Asks for a file, of at most `most` bytes.
    ///
    /// # Errors
    /// As for [`Api::get`]; it is longer.
    pub fn download(&self, path: &str, params: Params<'_>, most: u64) -> anyhow::Result<Vec<u8>> {
        self.reply("GET", path, params).map(|_| Vec::with_capacity(most.min(1) as usize))
    }

    /// Sends a file; parameters go in the query.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn upload(&self, path: &str, params: Params<'_>, body: Vec<u8>) -> anyhow::Result<Value> {
        drop(body);
        self.reply("POST", path, params)
    }

    fn reply(&self, method: &str, path: &str, _params: Params<'_>) -> anyhow::Result<Value> {
        bail!("{method} {path}: servers cannot be reached yet")
    }
}
