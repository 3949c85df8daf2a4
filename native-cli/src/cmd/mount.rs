//! `pxkit mount`: archives, snapshots and groups as directories.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use pxkit_core::blob::BackupType;

use super::argument::open_snapshot;
use crate::cli::Mount;
use crate::crypt::{Keyring, WithoutKey};
use crate::input::Opened;
use crate::linux::raise_open_files;
use crate::mount::log::{self, Log};
use crate::mount::{Caches, Mounted, MountedArchive, Options, Standing, Stock, daemon};
use crate::report::{Outcome, Report};
use crate::store::locate::{self, Located};
use crate::store::{ArchiveName, Group, Repository, SnapshotName, split_archive};

/// Fewest threads: some of them wait for a disk.
const FEWEST_THREADS: usize = 4;

/// Mounts, and serves the mount until it is taken away; or has another process do so.
///
/// # Errors
/// What is to be mounted cannot be opened, or cannot be mounted there. [`crate::report::Interrupted`] at the end by a signal.
pub fn run(args: &Mount) -> anyhow::Result<Outcome> {
    if args.foreground {
        let (mounted, log) = (open(args)?, Arc::new(Log::to_stderr()));
        Standing::begin(mounted, &args.mountpoint, &options(args), log)?.serve()?;
        return Ok(Outcome::Complete);
    }
    let path = args.log.clone().map_or_else(log::default_path, Ok)?;
    if !args.daemon {
        // Known before anything is mounted.
        log::open(&path)?;
        if let Some(status) = daemon::start()? {
            match status.code() {
                Some(code) => exit(code),
                None => bail!("the process of the mount was killed"),
            }
        }
        let (source, mountpoint) = (args.source.display(), args.mountpoint.display());
        let word = args.mountpoint.to_string_lossy();
        let word = shlex::try_quote(&word).unwrap_or_default();
        Report::new(true).line(format_args!(
            "mounted {source} on {mountpoint}; what goes wrong is told in {}; `pxkit umount {word}` ends it",
            path.display()
        ));
        return Ok(Outcome::Complete);
    }
    let file = log::open(&path)?;
    let about = args.mountpoint.canonicalize().unwrap_or_else(|_| args.mountpoint.clone());
    let log = Arc::new(Log::to_file(file.try_clone()?, about.display().to_string()));
    let standing = Standing::begin(open(args)?, &args.mountpoint, &options(args), log.clone())?;
    // Files are open; a datastore may have been named by a path from here, and is opened again and again.
    let is_movable = args.source.symlink_metadata().is_ok();
    daemon::detach(&file, is_movable)?;
    standing.serve().inspect_err(|error| log.line(format_args!("{error:#}")))?;
    Ok(Outcome::Complete)
}

fn options(args: &Mount) -> Options {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Options {
        name: args.source.to_string_lossy().into_owned(),
        allow_other: args.allow_other,
        threads: args.threads.map_or(FEWEST_THREADS.max(2 * cores), usize::from),
    }
}

/// Opens what is to be mounted. What exists under a name goes first, whatever it looks like, as with other commands.
fn open(args: &Mount) -> anyhow::Result<Mounted> {
    raise_open_files();
    if args.source.symlink_metadata().is_ok() {
        return open_file(&args.source, args.payload_input.as_deref());
    }
    let source = args.source.display();
    let text = args.source.to_str().filter(|text| is_in_repository(text));
    let Some(text) = text else {
        return open_file(&args.source, args.payload_input.as_deref());
    };
    if args.payload_input.is_some() {
        bail!("{source} is in a repository: contents are found there without --payload-input");
    }
    let missing = || format!("there is no file {source}");
    let keyring = || Keyring::for_reading(&args.open);
    let repository = || -> anyhow::Result<Arc<dyn Repository>> {
        Ok(match locate::open(&args.repository)? {
            Located::Directory(local) => Arc::new(local),
            Located::Server(remote) => Arc::new(remote),
        })
    };
    let namespace = args.repository.ns.clone();
    match text.split('/').count() {
        2 => {
            let group: Group = text.parse().with_context(missing)?;
            let stock = Stock::open(repository()?, namespace, group, None, keyring()?)?;
            Ok(Mounted::Group(stock))
        }
        3 => {
            let name: SnapshotName = text.parse().with_context(missing)?;
            let repository = repository()?;
            let id = name.resolve(&*repository, &namespace)?;
            let stock = Stock::open(repository, namespace, id.group.clone(), Some(id), keyring()?)?;
            Ok(Mounted::Snapshot(stock))
        }
        _ => {
            let names = split_archive(text).context("four names, the first of them a type")?;
            let (name, archive) = names.with_context(missing)?;
            let snapshot = open_snapshot(&name, &args.repository, &args.open, WithoutKey::Refuse)?;
            let archive = ArchiveName::find(snapshot.manifest(), archive)?;
            Ok(Mounted::Archive(Box::new(Caches::default().open(&snapshot, &archive)?)))
        }
    }
}

fn open_file(path: &Path, payload: Option<&Path>) -> anyhow::Result<Mounted> {
    if path == Path::new("-") {
        bail!("only what can be read here and there can be mounted, not standard input");
    }
    let beside = || -> Option<PathBuf> {
        let is_metadata = path.extension().is_some_and(|extension| extension == "mpxar");
        Some(path.with_extension("ppxar")).filter(|beside| is_metadata && beside.is_file())
    };
    let payload = payload.map(Path::to_owned).or_else(beside);
    let opened = Opened::file(path, payload.as_deref())?;
    Ok(Mounted::Archive(Box::new(MountedArchive::open(opened)?)))
}

/// Whether a text looks like something in a repository: a type of backup and one to three names.
fn is_in_repository(text: &str) -> bool {
    let is_type = text.split('/').next().is_some_and(|word| BackupType::from_word(word).is_some());
    is_type && (2..=4).contains(&text.split('/').count())
}
