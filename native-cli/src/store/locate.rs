//! Where a repository comes from: options, variables of the environment, or the store of this user (server protocol 2.1).
//!
//! A name that contains `/` or starts with `.` or `file:` is a directory, and so is a mere word if there is a directory of that name. Everything
//! else is a datastore on a server.

use std::env;
use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use super::{Local, Options, Repository};
use crate::cli::RepositoryArgs;
use crate::remote::address::{parse_host, parse_port};
use crate::remote::{Access, Address, Remote, environment};

/// Takes the place of `--repository`.
const VARIABLE: &str = "PBS_REPOSITORY";

/// A repository that is open.
#[derive(Clone, Debug)]
pub enum Located {
    /// In a directory.
    Directory(Local),
    /// On a server.
    Server(Remote),
}

impl Deref for Located {
    type Target = dyn Repository;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Directory(local) => local,
            Self::Server(remote) => remote,
        }
    }
}

/// Where a repository is, before anybody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the data directory of the user: nobody named it.
    Own(PathBuf),
    Directory(PathBuf),
    Server(Address),
    /// A mere word, for which there is no directory.
    Word(Address),
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Own(path) | Self::Directory(path) => path.display().to_string(),
            Self::Server(address) | Self::Word(address) => address.to_string(),
        }
    }
}

/// Opens the repository that is meant, which must exist.
///
/// # Errors
/// It does not exist or cannot be opened; the server cannot be reached or does not let us in.
pub fn open(args: &RepositoryArgs) -> anyhow::Result<Located> {
    open_place(place(args)?, args)
}

/// Opens the repository that is meant; `None` if nobody named one and this user has none.
///
/// # Errors
/// Those of [`open()`] for one that was named.
pub fn find(args: &RepositoryArgs) -> anyhow::Result<Option<Located>> {
    match place(args) {
        Ok(Place::Own(path)) if !is_store(&path) => Ok(None),
        // No home, and so no store.
        Err(error) if error.is::<NoHome>() => Ok(None),
        place => open_place(place?, args).map(Some),
    }
}

/// Opens the repository that is meant, for a backup; the second value is true if it was made now. That happens to the user's own store,
/// and to a path that does not exist. An empty directory stays as it is: it may be a place where a disk should be mounted.
///
/// # Errors
/// It is no datastore, cannot be opened or made; the server cannot be reached or does not let us in.
pub fn open_or_create(args: &RepositoryArgs) -> anyhow::Result<(Located, bool)> {
    let place = place(args)?;
    if let Some(path) = missing(&place) {
        return Ok((Located::Directory(Local::create(path, Options::default())?), true));
    }
    Ok((open_place(place, args)?, false))
}

/// As [`open_or_create`], but nothing is made: there is no repository where one would be. Also how messages name it.
///
/// # Errors
/// Those of [`open_or_create`].
pub fn rehearse(args: &RepositoryArgs) -> anyhow::Result<(Option<Located>, String)> {
    let place = place(args)?;
    let name = place.name();
    let located = if missing(&place).is_some() { None } else { Some(open_place(place, args)?) };
    Ok((located, name))
}

/// Makes sure that the repository that is meant is there if it is a directory. Of a server nothing is asked.
///
/// # Errors
/// The directory is not there, or no datastore.
pub fn expect(args: &RepositoryArgs) -> anyhow::Result<()> {
    match place(args)? {
        Place::Own(path) | Place::Directory(path) => {
            let opened = Local::open(&path, Options::default());
            opened.map(drop).with_context(|| {
                let word = path.to_string_lossy();
                let word = shlex::try_quote(&word).unwrap_or_default();
                format!("is its disk mounted? `pxkit init --repository {word}` makes a new datastore")
            })
        }
        Place::Server(_) | Place::Word(_) => Ok(()),
    }
}

/// The directory of the repository that is meant, whether it exists or not.
///
/// # Errors
/// It is on a server, or the user has no home.
pub fn directory(args: &RepositoryArgs) -> anyhow::Result<PathBuf> {
    match place(args)? {
        Place::Own(path) | Place::Directory(path) => Ok(path),
        Place::Word(address) => Ok(PathBuf::from(address.store)),
        Place::Server(address) => {
            bail!("{address} is on a server, and only datastores in directories are made here")
        }
    }
}

/// The server that is meant, and who asks; without any look at it.
///
/// # Errors
/// It is a directory, or nobody named one.
pub fn server(args: &RepositoryArgs) -> anyhow::Result<Address> {
    match place(args)? {
        Place::Server(address) | Place::Word(address) => Ok(address),
        Place::Directory(path) => bail!("{} is a directory, and this is about servers", path.display()),
        Place::Own(_) => bail!("no server was named: use --repository [USER@REALM@]HOST:DATASTORE"),
    }
}

/// Opens the repository that is meant, which must be on a server.
///
/// # Errors
/// It is a directory, or nobody named one; the server cannot be reached or does not let us in.
pub fn open_server(args: &RepositoryArgs) -> anyhow::Result<Remote> {
    Remote::connect(access(server(args)?, args)?)
}

fn access(address: Address, args: &RepositoryArgs) -> anyhow::Result<Access> {
    environment::access(address, &args.server)
}

fn open_place(place: Place, args: &RepositoryArgs) -> anyhow::Result<Located> {
    let is_word = matches!(place, Place::Word(_));
    match place {
        Place::Own(path) if !is_store(&path) => bail!(
            "there is no backup yet: {} does not exist; name another datastore with --repository",
            path.display()
        ),
        Place::Own(path) | Place::Directory(path) => {
            Ok(Located::Directory(Local::open(&path, Options::default())?))
        }
        Place::Server(address) | Place::Word(address) => {
            let word = is_word.then(|| address.store.clone());
            let opened = access(address, args).and_then(Remote::connect);
            let opened = match word {
                Some(word) => opened.with_context(|| {
                    format!(
                        "there is no directory `{word}`, so this means a datastore on this machine's server"
                    )
                }),
                None => opened,
            };
            opened.map(Located::Server)
        }
    }
}

fn is_store(path: &Path) -> bool {
    path.join(".chunks").symlink_metadata().is_ok()
}

/// The directory that a backup would make into a datastore.
fn missing(place: &Place) -> Option<&Path> {
    match place {
        Place::Own(path) if !is_store(path) => Some(path),
        Place::Directory(path) if path.symlink_metadata().is_err() => Some(path),
        _ => None,
    }
}

/// There is no directory for the user's own store.
#[derive(Debug)]
struct NoHome;

impl std::fmt::Display for NoHome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no datastore was named, and there is no home directory: use --repository")
    }
}

impl std::error::Error for NoHome {}

fn place(args: &RepositoryArgs) -> anyhow::Result<Place> {
    if let Some(name) = &args.repository {
        return named(name);
    }
    let options = &args.server;
    let has_options = args.port.is_some()
        || options.server.is_some()
        || options.datastore.is_some()
        || options.auth_id.is_some();
    if !has_options && let Some(name) = from_variable()? {
        return named(&name).context(VARIABLE);
    }
    if has_options
        || environment::part("PBS_DATASTORE").is_some()
        || environment::part("PBS_SERVER").is_some()
    {
        return parts(args).map(Place::Server);
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Ok(Place::Own(data.ok_or(NoHome)?.join("pxkit/store")))
}

/// The repository that a variable names; an empty one names none.
fn from_variable() -> anyhow::Result<Option<OsString>> {
    // A path need not be text.
    if let Some(value) = env::var_os(VARIABLE).filter(|value| value.to_str().is_none()) {
        return Ok(Some(value));
    }
    let value = environment::variable(VARIABLE)?;
    Ok(value.filter(|value| !value.is_empty()).map(|value| OsString::from(value.as_str())))
}

/// Puts an address together from options, and from variables for those that are missing. What is wrong with a port or a user there
/// does not count, as the stock client has it.
fn parts(args: &RepositoryArgs) -> anyhow::Result<Address> {
    let options = &args.server;
    let store = options.datastore.clone().or_else(|| environment::part("PBS_DATASTORE"));
    let store = store.ok_or_else(|| anyhow!("a server is named, but no datastore: use --datastore NAME"))?;
    let host = options.server.clone().or_else(|| environment::part("PBS_SERVER"));
    // Apart from everything else, the colons of an address of IPv6 are no riddle.
    let host = host.map(|host| match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => Ok(format!("[{host}]")),
        Err(_) => parse_host(&host),
    });
    let port = args.port.or_else(|| parse_port(&environment::part("PBS_PORT")?).ok());
    let auth = options.auth_id.clone().or_else(|| environment::part("PBS_AUTH_ID")?.parse().ok());
    Ok(Address::new(auth, host.transpose()?.as_deref(), port, &store)?)
}

/// What the name of a repository means.
fn named(value: &OsStr) -> anyhow::Result<Place> {
    let bytes = value.as_bytes();
    let directory = |bytes: &[u8]| Ok(Place::Directory(Path::new(OsStr::from_bytes(bytes)).to_owned()));
    if let Some(path) = bytes.strip_prefix(b"file:") {
        return directory(path);
    }
    let Some(text) = value.to_str().filter(|text| !text.contains('/') && !text.starts_with('.')) else {
        return directory(bytes);
    };
    if !text.contains([':', '@']) {
        return match text.parse() {
            Ok(address) if !Path::new(text).is_dir() => Ok(Place::Word(address)),
            _ => directory(bytes),
        };
    }
    let address = text.parse().map_err(|error| {
        anyhow!(
            "{error}; a datastore on a server is written as [[USER@REALM[!TOKEN]@]HOST[:PORT]:]DATASTORE, and a \
            directory of this name as ./{text}"
        )
    });
    address.map(Place::Server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_servers_can_be_told_apart() {
        for (value, path) in [
            ("/srv/store", "/srv/store"),
            ("backups/store", "backups/store"),
            ("./a@b", "./a@b"),
            ("../a:b", "../a:b"),
            (".hidden", ".hidden"),
            ("/a@b:c", "/a@b:c"),
            ("file:a@b", "a@b"),
            ("file:/x", "/x"),
            // There is a directory of this name where tests run, and the next cannot be a datastore.
            ("src", "src"),
            ("ab", "ab"),
        ] {
            assert_eq!(named(value.as_ref()).unwrap(), Place::Directory(path.into()), "{value}");
        }
        for value in ["root@pam@host:store", "host:store", "host:8007:store", "user@pbs!token@host:store"] {
            assert_eq!(named(value.as_ref()).unwrap(), Place::Server(value.parse().unwrap()), "{value}");
        }
        assert_eq!(named("store1".as_ref()).unwrap(), Place::Word("localhost:store1".parse().unwrap()));
        for value in ["a@b", "user@pam@mystore", "host:x:store", "::1:store"] {
            let error = named(value.as_ref()).unwrap_err().to_string();
            assert!(error.contains(&format!("./{value}")), "{error}");
        }
    }

    #[test]
    fn addresses_are_put_together() {
        let with = |server: &str, port, datastore: &str| {
            let server = crate::cli::ServerArgs {
                server: Some(server.to_owned()),
                datastore: Some(datastore.to_owned()),
                auth_id: Some("joe@pbs!tok".parse().unwrap()),
                ..Default::default()
            };
            parts(&RepositoryArgs { port, server, ..Default::default() })
        };
        assert_eq!(with("::1", Some(9000), "tank").unwrap().to_string(), "joe@pbs!tok@[::1]:9000:tank");
        assert_eq!(with("[::1]", None, "tank").unwrap().host, "[::1]");
        assert_eq!(with("h.example", None, "tank").unwrap().to_string(), "joe@pbs!tok@h.example:8007:tank");
        assert!(with("h:x", None, "tank").is_err() && with("h", None, "x").is_err());
    }
}
