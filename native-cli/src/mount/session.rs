//! A mount from its beginning to its end.

use std::io::{self, PipeReader};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use fuser::{Config, MountOption, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::fs::ArchiveFs;
use super::log::Log;
use super::unmount::{How, take_away};
use super::view::Mounted;
use crate::report::{check_signals, watch_signals};

/// How long whoever has files open is served after a signal.
const GRACE: Duration = Duration::from_secs(1);

/// How something is mounted.
#[derive(Debug)]
pub struct Options {
    /// How the table of mounts names it.
    pub name: String,
    /// Users besides the one who mounts.
    pub allow_other: bool,
    /// Threads that answer the kernel.
    pub threads: usize,
}

/// A mount that stands.
#[derive(Debug)]
pub struct Standing {
    session: fuser::BackgroundSession,
    /// Ends when the file system is no longer mounted.
    end: PipeReader,
    /// Has a byte for each signal.
    signals: PipeReader,
    mountpoint: PathBuf,
}

impl Standing {
    /// Mounts. From here on signals end it cleanly.
    ///
    /// # Errors
    /// The directory is none, there is no FUSE, or this user may not do it.
    pub fn begin(
        mounted: Mounted,
        mountpoint: &Path,
        options: &Options,
        log: Arc<Log>,
    ) -> anyhow::Result<Self> {
        let what = || format!("cannot mount on {}", mountpoint.display());
        let mountpoint = mountpoint.canonicalize().with_context(what)?;
        if !mountpoint.is_dir() {
            bail!("{}: it is no directory", what());
        }
        watch_signals()?;
        let (signals, sender) = io::pipe()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        let (end, ended) = io::pipe()?;
        let mut config = Config::default();
        // The kernel wants names of few characters here, and splits the options at commas.
        let name = options.name.replace([',', '\\', '\n', '\0'], "_");
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::NoAtime,
            MountOption::DefaultPermissions,
            MountOption::FSName(name),
            // Not as `Subtype`, which only a mount by fusermount takes notice of.
            MountOption::CUSTOM("subtype=pxkit".into()),
        ];
        config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
        config.n_threads = Some(options.threads);
        let session = Session::new(ArchiveFs::new(mounted, log, ended), &mountpoint, &config)
            .and_then(Session::spawn)
            .map_err(explain)
            .with_context(what)?;
        Ok(Self { session, end, signals, mountpoint })
    }

    /// Serves until somebody takes the mount away, or a signal comes.
    ///
    /// # Errors
    /// [`crate::report::Interrupted`]; the mount could not be taken away.
    pub fn serve(self) -> anyhow::Result<()> {
        let Self { session, end, signals, mountpoint } = self;
        wait(&[&end, &signals], None)?;
        let ended = match check_signals() {
            Ok(()) => Ok(()),
            Err(interrupted) => {
                // Also if somebody uses it: he who ends this wants it gone.
                let result = take_away(&mountpoint, How::Lazily);
                wait(&[&end], Some(GRACE))?;
                result.and(Err(interrupted.into()))
            }
        };
        // Its destructor would take away whatever is mounted there now.
        mem::forget(session);
        ended
    }
}

/// Waits until one of the pipes has something to say, or has ended.
fn wait(pipes: &[&PipeReader], time: Option<Duration>) -> anyhow::Result<()> {
    let time = time.map(|time| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: 0 });
    let mut polled: Vec<PollFd<'_>> = pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
    loop {
        match poll(&mut polled, time.as_ref()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) if time.is_none() => {}
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno).context("cannot wait for the end of the mount"),
        }
    }
}

/// Says what to do about the errors that people meet.
fn explain(error: io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "is there FUSE in this kernel (/dev/fuse), and fusermount3 (package fuse3)?"
        }
        io::ErrorKind::PermissionDenied => {
            "may this user open /dev/fuse? For --allow-other, user_allow_other must stand in /etc/fuse.conf"
        }
        _ => return anyhow::Error::new(error),
    };
    anyhow::Error::new(error).context(hint)
}
