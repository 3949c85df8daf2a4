//! Where the configuration is, and where runs leave their reports and locks.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

/// The configuration that is meant if none is named: the user's own if there is one, else that of the machine.
///
/// # Errors
/// There is none.
pub fn config_file() -> anyhow::Result<PathBuf> {
    let own = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let own = own.map(|config| config.join("pxkit/config.toml"));
    let machine = PathBuf::from("/etc/pxkit/config.toml");
    let places: Vec<_> = own.into_iter().chain([machine]).collect();
    let names = places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
    let found = places.into_iter().find(|path| path.exists());
    found.with_context(|| format!("there is no configuration: write {names}, or name one with --config"))
}

/// The directory of reports and locks: systemd's for the service, else the user's.
///
/// # Errors
/// Nobody says where the user's files are.
pub fn state_dir() -> anyhow::Result<PathBuf> {
    let service = absolute("STATE_DIRECTORY");
    let user = || absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let found = service.or_else(|| Some(user()?.join("pxkit")));
    found.context("neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME says where reports and locks go; name it with --state-dir")
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
