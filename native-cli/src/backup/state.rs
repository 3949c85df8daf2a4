//! State files on disk: where they are, how they are read along with the previous archive, and how a new one takes the place of the old one once
//! its snapshot is finished (change detection 10.2).
//!
//! Nothing that goes wrong with them ends a backup: without one, files are compared by what archives store.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use pxkit_core::format::{Digest, Features};
use pxkit_core::reuse::state::{Binding, Header, Sharpness, Trace, WriteState};

use crate::codec;
use crate::report::Report;
use crate::store::SnapshotId;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 << 10;
/// Files that no backup has replaced for so long belong to something that is not backed up any more.
const FORGOTTEN: Duration = Duration::from_secs(180 * 24 * 3600);
const SUFFIX: &str = "state";
/// What is being written ends in this; so does what a crash has left of it.
const UNFINISHED: &str = "new";

/// How state is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// What it may tell against files.
    Sharp(Sharpness),
    /// As strict, unless nearly everything speaks against it: see [`pxkit_core::reuse::state::Doubt`].
    Auto,
}

impl Policy {
    /// What it may tell against files as long as there is no doubt about it.
    pub fn sharpness(self) -> Sharpness {
        match self {
            Self::Sharp(sharpness) => sharpness,
            Self::Auto => Sharpness::Strict,
        }
    }
}

/// Where state files are, and whose they are.
#[derive(Clone, Debug)]
pub struct States {
    /// How they are used.
    pub policy: Policy,
    /// Their directory. It is made when it is needed.
    pub directory: PathBuf,
    /// The repository with the namespace, in words that name it.
    pub repository: String,
}

impl States {
    /// The directory for this user: `pxkit/state` in `$XDG_CACHE_HOME`, of the superuser in `/var/cache`, of others in `~/.cache`.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn default_directory() -> anyhow::Result<PathBuf> {
        let cache = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
            Some(cache) => cache,
            None if rustix::process::geteuid().is_root() => "/var/cache".into(),
            None => env::home_dir().context("neither XDG_CACHE_HOME nor HOME is set")?.join(".cache"),
        };
        Ok(cache.join("pxkit/state"))
    }

    /// The state of one archive of a group, made from the directory `root`.
    pub fn of(
        &self,
        id: &SnapshotId,
        archive: &str,
        root: &OwnedFd,
        path: &str,
        features: Features,
    ) -> Place {
        // What the path leads to; as typed where that is not told.
        let link = format!("/proc/self/fd/{}", root.as_raw_fd());
        let source = fs::read_link(link).unwrap_or_else(|_| path.into());
        let machine = fs::read("/etc/machine-id").unwrap_or_default();
        let host = rustix::system::uname();
        let (mut all, group) = (Vec::new(), id.group.to_string());
        let user = rustix::process::geteuid().as_raw().to_le_bytes();
        let parts: [&[u8]; 8] = [
            &machine,
            host.nodename().to_bytes(),
            &user,
            self.repository.as_bytes(),
            group.as_bytes(),
            archive.as_bytes(),
            source.as_os_str().as_bytes(),
            &features.0.to_le_bytes(),
        ];
        for part in parts {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part);
        }
        let scope = codec::digest(&all);
        let name: String = scope.0[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Place { scope, path: self.directory.join(format!("{name}.{SUFFIX}")) }
    }

    /// Removes files of what is not backed up any more.
    pub fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let is_ours = |path: PathBuf| {
            path.extension().is_some_and(|extension| extension == SUFFIX || extension == UNFINISHED)
        };
        for entry in entries.flatten().filter(|entry| is_ours(entry.path())) {
            let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > FORGOTTEN) {
                // Whoever was faster, or does not let us: that is all the same.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Where the state of an archive is, and what it belongs to.
#[derive(Clone, Debug)]
pub struct Place {
    scope: Digest,
    path: PathBuf,
}

impl Place {
    /// Opens the state of a snapshot, by the checksums of the indexes of the archive; with a line that says why not if that is not to be expected.
    pub fn open(&self, metadata: Digest, payload: Digest, report: &Report) -> Option<State> {
        match self.try_open(&Binding { scope: self.scope, metadata, payload }) {
            Ok(state) => state,
            Err(error) => {
                report.line(format_args!(
                    "note: the state file {} is not used, files are compared by their metadata alone: {error:#}",
                    self.path.display()
                ));
                None
            }
        }
    }

    fn try_open(&self, binding: &Binding) -> anyhow::Result<Option<State>> {
        let nofollow = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let file = match File::options().read(true).custom_flags(nofollow).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            result => result.context("it cannot be opened")?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            bail!("it is no regular file");
        }
        let mut bytes = [0; Header::SIZE];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => bail!("it is damaged"),
            result => result?,
        }
        let header =
            Header::parse(&bytes, metadata.len(), binding).map_err(|unfit| anyhow::anyhow!("{unfit}"))?;
        Ok(Some(State { file, header, block: None, bytes: Vec::new(), lost: 0 }))
    }

    /// Keeps the traces of the state that is there, which belongs to the archive with the checksums `old`, for one with the checksums `new`. If that is
    /// the same archive, nothing is written.
    ///
    /// # Errors
    /// It is not there any more, or cannot be copied.
    pub fn keep(&self, old: [Digest; 2], new: [Digest; 2]) -> anyhow::Result<Option<FinishedState>> {
        let binding = |[metadata, payload]: [Digest; 2]| Binding { scope: self.scope, metadata, payload };
        let State { mut file, mut header, .. } =
            self.try_open(&binding(old))?.context("the state file was removed meanwhile")?;
        if old == new {
            // Files that nobody needs any more are told by their age.
            file.set_modified(SystemTime::now())?;
            return Ok(None);
        }
        let mut copy = self.begin()?;
        io::copy(&mut file, &mut copy.file)?;
        header.binding = binding(new);
        copy.file.write_all_at(&header.to_bytes(), 0)?;
        Ok(Some(FinishedState(copy)))
    }

    /// Begins a new state beside the one that is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(&self) -> anyhow::Result<NewState> {
        let directory = self.path.parent().context("it has no directory")?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let salt = now ^ u64::from(std::process::id()) << 40;
        let temporary = self.path.with_extension(format!("{salt:016x}.{UNFINISHED}"));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let mut buffer = Vec::with_capacity(BUFFER + (64 << 10));
        buffer.resize(Header::SIZE, 0);
        let (at, scope, path) = (0, self.scope, self.path.clone());
        Ok(NewState {
            file,
            temporary: Some(temporary),
            path,
            scope,
            writer: WriteState::new(salt),
            buffer,
            at,
        })
    }
}

/// The state of the previous snapshot's archive, read along with it.
#[derive(Debug)]
pub struct State {
    file: File,
    header: Header,
    /// The block in memory, and whether it is sound.
    block: Option<(u64, bool)>,
    bytes: Vec<u8>,
    /// Blocks that are damaged.
    lost: u64,
}

impl State {
    /// The trace of an entry of the archive, by the number of those before it.
    pub fn get(&mut self, number: u64) -> Option<Trace> {
        let (block, at) = self.header.place(number)?;
        if self.block.is_none_or(|(held, _)| held != block) {
            let range = self.header.block(block);
            self.bytes.resize((range.end - range.start) as usize, 0);
            let is_read = self.file.read_exact_at(&mut self.bytes, range.start).is_ok();
            let is_sound = is_read && self.header.traces(block, &self.bytes).is_some();
            self.lost += u64::from(!is_sound);
            self.block = Some((block, is_sound));
        }
        let is_sound = self.block.is_some_and(|(_, is_sound)| is_sound);
        let bytes = self.bytes.get(at * Trace::SIZE..)?.first_chunk()?;
        is_sound.then(|| Trace::parse(bytes))
    }

    /// Traces in it.
    pub fn count(&self) -> u64 {
        self.header.count
    }

    /// Blocks of it that were wanted and are damaged.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// A state that is being written. Nobody sees it before [`FinishedState::publish`].
#[derive(Debug)]
pub struct NewState {
    file: File,
    /// Its name until then.
    temporary: Option<PathBuf>,
    path: PathBuf,
    scope: Digest,
    writer: WriteState,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    at: u64,
}

impl NewState {
    /// Adds the trace of the next entry of the archive.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn push(&mut self, trace: &Trace) -> anyhow::Result<()> {
        self.writer.push(trace, &mut self.buffer);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends it, with the checksums of the indexes of the archive.
    ///
    /// # Errors
    /// See [`NewState::push`].
    pub fn finish(mut self, [metadata, payload]: [Digest; 2]) -> anyhow::Result<FinishedState> {
        let writer = std::mem::replace(&mut self.writer, WriteState::new(0));
        let binding = Binding { scope: self.scope, metadata, payload };
        let header = writer.finish(binding, &mut self.buffer);
        self.flush()?;
        self.file.write_all_at(&header.to_bytes(), 0)?;
        Ok(FinishedState(self))
    }
}

impl Drop for NewState {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A state that waits for its snapshot to be finished.
#[derive(Debug)]
pub struct FinishedState(NewState);

impl FinishedState {
    /// Puts it in the place of the old one. If the machine stops before it is on disk, its checksums tell.
    ///
    /// # Errors
    /// It cannot get its name.
    pub fn publish(mut self) -> anyhow::Result<()> {
        let Some(temporary) = self.0.temporary.take() else { return Ok(()) };
        let result = fs::rename(&temporary, &self.0.path);
        if result.is_err() {
            self.0.temporary = Some(temporary);
        }
        Ok(result?)
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}
