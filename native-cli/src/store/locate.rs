//! Where a repository comes from: `--repository`, `PBS_REPOSITORY`, or the store of this user.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::{Local, Options};
use crate::cli::RepositoryArgs;

/// Takes the place of `--repository`.
const VARIABLE: &str = "PBS_REPOSITORY";

/// Where the repository is, before anybody looks.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Nobody named it: it is the user's own.
    own: bool,
}

/// Opens the repository that is meant, which must exist.
///
/// # Errors
/// It does not exist, cannot be opened, or is on a server.
pub fn open(args: &RepositoryArgs) -> anyhow::Result<Local> {
    let place = place(args)?;
    let is_store = place.path.join(".chunks").symlink_metadata().is_ok();
    if place.own && !is_store {
        bail!(
            "there is no backup yet: {} does not exist; name another datastore with --repository PATH",
            place.path.display()
        );
    }
    Local::open(&place.path, Options::default())
}

/// Opens the repository that is meant; `None` if nobody named one and this user has none.
///
/// # Errors
/// Those of [`open()`] for one that was named.
pub fn find(args: &RepositoryArgs) -> anyhow::Result<Option<Local>> {
    match place(args) {
        Ok(place) if place.own && !place.path.join(".chunks").exists() => Ok(None),
        // No home, and so no store.
        Err(_) if named(args).is_none() => Ok(None),
        _ => open(args).map(Some),
    }
}

/// Opens the repository that is meant, for a backup; the second value is true if it was made now. That happens to the user's own store,
/// and to a path that does not exist. An empty directory stays as it is: it may be a place where a disk should be mounted.
///
/// # Errors
/// It is no datastore, cannot be opened or made, or is on a server.
pub fn open_or_create(args: &RepositoryArgs) -> anyhow::Result<(Local, bool)> {
    let place = place(args)?;
    let is_absent = place.path.symlink_metadata().is_err();
    if is_absent || (place.own && !place.path.join(".chunks").exists()) {
        return Ok((Local::create(&place.path, Options::default())?, true));
    }
    Ok((Local::open(&place.path, Options::default())?, false))
}

/// The directory of the repository that is meant, whether it exists or not.
///
/// # Errors
/// It is on a server, or the user has no home.
pub fn path(args: &RepositoryArgs) -> anyhow::Result<PathBuf> {
    Ok(place(args)?.path)
}

fn place(args: &RepositoryArgs) -> anyhow::Result<Place> {
    if let Some(value) = named(args) {
        return Ok(Place { path: directory(&value)?, own: false });
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    let data = data.ok_or_else(|| {
        anyhow!("no datastore was named, and there is no home directory: use --repository PATH")
    })?;
    Ok(Place { path: data.join("pxkit/store"), own: true })
}

/// The repository that somebody named.
fn named(args: &RepositoryArgs) -> Option<OsString> {
    let variable = || env::var_os(VARIABLE).filter(|value| !value.is_empty());
    args.repository.clone().or_else(variable)
}

/// The directory that the name of a repository means.
fn directory(value: &OsStr) -> anyhow::Result<PathBuf> {
    if let Some(path) = value.as_bytes().strip_prefix(b"file:") {
        return Ok(Path::new(OsStr::from_bytes(path)).to_owned());
    }
    let is_path = [&b"/"[..], b"./", b"../"].iter().any(|start| value.as_bytes().starts_with(start));
    if !is_path && value.as_bytes().iter().any(|byte| matches!(byte, b'@' | b':')) {
        bail!(
            "{} names a datastore on a server, which this version cannot use yet; a directory of that name is \
            written as ./{0} or file:{0}",
            value.display()
        );
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_servers_can_be_told_apart() {
        for (value, path) in [
            ("/srv/store", "/srv/store"),
            ("store", "store"),
            ("./a@b", "./a@b"),
            ("../a:b", "../a:b"),
            ("/a@b:c", "/a@b:c"),
            ("file:a@b", "a@b"),
            ("file:/x", "/x"),
        ] {
            assert_eq!(directory(value.as_ref()).unwrap(), Path::new(path));
        }
        for value in
            ["root@pam@host:store", "host:store", "host:8007:store", "user@pbs!token@host:store", "a@b"]
        {
            assert!(directory(value.as_ref()).unwrap_err().to_string().contains("on a server"), "{value}");
        }
    }
}
