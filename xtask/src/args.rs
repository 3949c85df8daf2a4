//! The few command line options of xtask.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use anyhow::{Result, bail};

/// What is left of the command line; each method takes its part away.
pub struct Args {
    rest: Vec<OsString>,
}

impl Args {
    pub fn from_env() -> Self {
        Args { rest: std::env::args_os().skip(1).collect() }
    }

    /// The first word.
    pub fn command(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.rest.remove(0).to_string_lossy().into_owned())
    }

    /// Whether `name` was given.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|word| word != name);
        self.rest.len() != before
    }

    /// The word after `name`.
    pub fn value(&mut self, name: &str) -> Result<Option<OsString>> {
        let Some(at) = self.rest.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 == self.rest.len() {
            bail!("{name} needs a value");
        }
        self.rest.remove(at);
        Ok(Some(self.rest.remove(at)))
    }

    pub fn path(&mut self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.value(name)?.map(PathBuf::from))
    }

    pub fn number<T: FromStr>(&mut self, name: &str, default: T) -> Result<T> {
        let Some(word) = self.value(name)? else {
            return Ok(default);
        };
        match word.to_str().and_then(|text| text.parse().ok()) {
            Some(number) => Ok(number),
            None => bail!("{name} needs a number, got {}", word.display()),
        }
    }

    /// Everything that no other method took.
    pub fn remainder(self) -> Vec<OsString> {
        self.rest
    }

    /// Refuses what no other method took.
    pub fn finish(self) -> Result<()> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => bail!("unknown option {}", word.display()),
        }
    }
}
