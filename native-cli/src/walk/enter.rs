//! The task that enters a directory: open, attributes, mount point rules, exclude file, listing (specification 8.3 to 8.8).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use pxkit_core::format::{Attributes, Kind, Timestamp, magic};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, fstatfs, openat, statat, statx};
use rustix::io::Errno;

use super::dir::Dir;
use super::listing::{Entry, Listing, Names, ReadError, Record};
use super::options::{Options, Prepare};
use super::report::{Problem, What};
use super::scope::{EXCLUDE_FILE, Scope, child_path, outermost, read_exclude_file};
use crate::linux::{AttributeReader, CallError, FileSystem, doing};

/// What is asked about a node.
pub(super) const STATX: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// What every task may look at.
#[derive(Debug)]
pub(super) struct Context {
    pub options: Options,
    /// The devices to stay on; all if none.
    pub devices: Option<Vec<u64>>,
    /// The kernel tells everything by name, and that is wanted.
    pub by_name: bool,
    /// With [`Prepare::Stat`]: everything is read after all.
    pub is_eager: AtomicBool,
}

impl Context {
    /// Whether regular files there are not to be opened.
    pub(super) fn reads_by_name(&self, file_system: FileSystem) -> bool {
        self.by_name && file_system.tells_by_name()
    }

    /// Whether only what `stat` tells is read.
    pub(super) fn is_lazy(&self) -> bool {
        // Whoever reads what, the result is the same, so nothing depends on when this is seen.
        self.options.prepare == Prepare::Stat && !self.is_eager.load(Ordering::Relaxed)
    }
}

/// What a thread keeps from task to task.
#[derive(Debug)]
pub(super) struct Scratch {
    pub reader: AttributeReader,
    dirents: Box<[MaybeUninit<u8>]>,
    path: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(options: &Options) -> Self {
        let dirents = vec![MaybeUninit::uninit(); 64 << 10].into();
        Self { reader: AttributeReader::new(options.read), dirents, path: Vec::new() }
    }
}

/// Why a node gives no result.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// It is left out.
    Skip(What),
    /// The walk ends.
    Fail(Problem),
}

/// The directory to enter: an entry of a listing.
#[derive(Debug)]
pub(super) struct Place {
    /// The directory above and its descriptor; none for the root.
    pub parent: Option<(Arc<Dir>, Arc<OwnedFd>)>,
    /// The listing that holds it.
    pub listing: Arc<Listing>,
    pub index: usize,
}

/// A directory that was entered.
#[derive(Debug)]
pub(super) struct Entered {
    pub dir: Arc<Dir>,
    pub fd: Arc<OwnedFd>,
    pub flags: u64,
    pub attributes: Attributes,
    /// Neither was read.
    pub is_bare: bool,
    /// Attributes were left out.
    pub is_incomplete: bool,
    pub listing: Arc<Listing>,
    pub units: Vec<Range<usize>>,
    /// About children, by name, or about the directory itself, in the order of emission.
    pub warnings: Vec<(Option<Box<[u8]>>, What)>,
}

/// Enters a directory. The root's descriptor is given, others are opened.
pub(super) fn enter(
    context: &Context,
    scratch: &mut Scratch,
    place: &Place,
    root: Option<Arc<OwnedFd>>,
) -> Result<Entered, Stop> {
    let entry = &place.listing.entries[place.index];
    let parent = place.parent.as_ref().map(|(dir, _)| dir);
    let fd = match (root, &place.parent) {
        (Some(fd), _) => fd,
        (None, Some((_, above))) => {
            let opened = open(above.as_fd(), place.listing.c_name(entry), OFlags::DIRECTORY);
            Arc::new(opened.map_err(|errno| at_open(errno, "open the directory"))?)
        }
        (None, None) => return Err(Stop::Fail(Problem::BadName)),
    };

    let own = own_file_system(context, parent, entry, &fd)?;
    // A mount point is looked at with the eyes of the file system above it.
    let mut looked_at = parent.map_or(own, |dir| dir.file_system);
    let (mut attributes, mut flags, mut warnings) = (Attributes::new(), 0, Vec::new());
    let (is_bare, mut is_incomplete) = (context.is_lazy(), false);
    if !is_bare {
        let found = scratch
            .reader
            .read(fd.as_fd(), Kind::Directory, &mut looked_at, &mut attributes)
            .map_err(at_metadata)?;
        flags = found.flags;
        is_incomplete = found.is_incomplete;
        if is_incomplete {
            warnings.push((None, What::XattrsLeftOut));
        }
    }

    let name = place.listing.name(entry);
    let left_out = left_out(context, parent, entry, own);
    if let Some(what) = left_out {
        warnings.push((None, what));
        let entries = parent.map_or(0, |dir| dir.entries);
        let dir = Arc::new(Dir::new(parent.cloned(), name, own, None, entries));
        let listing = Arc::default();
        let units = Vec::new();
        return Ok(Entered { dir, fd, flags, attributes, is_bare, is_incomplete, listing, units, warnings });
    }
    let mut dir = Dir::new(parent.cloned(), name, own, None, 0);
    let listing = list(context, scratch, &mut dir, parent, &fd, &mut warnings)?;
    let units = split(&listing, &context.options);
    let (dir, listing) = (Arc::new(dir), Arc::new(listing));
    Ok(Entered { dir, fd, flags, attributes, is_bare, is_incomplete, listing, units, warnings })
}

/// Opens a node for reading: without changing its access time if the kernel lets us, and without ever waiting for a writer if a
/// FIFO took its place.
pub(super) fn open(dir: BorrowedFd<'_>, name: &CStr, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK | more;
    let quiet = flags | OFlags::NOATIME;
    match openat(dir, name, quiet, Mode::empty()) {
        Err(Errno::PERM) => openat(dir, name, flags, Mode::empty()),
        // Somebody holds a lease; this time wait for it.
        Err(Errno::AGAIN) => openat(dir, name, quiet.difference(OFlags::NONBLOCK), Mode::empty()),
        other => other,
    }
}

/// The rules for errors of opening (specification 8.7).
pub(crate) fn at_open(errno: Errno, action: &'static str) -> Stop {
    match errno {
        Errno::NOENT | Errno::ACCESS | Errno::STALE => Stop::Skip(What::LeftOut(doing(action)(errno))),
        // The kind was known: what stands there now is something else.
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Stop::Skip(What::Replaced),
        _ => Stop::Fail(Problem::Call(doing(action)(errno))),
    }
}

/// The rules for errors of reading metadata (specification 8.7).
pub(super) fn at_metadata(error: CallError) -> Stop {
    match error.errno {
        Errno::STALE => Stop::Skip(What::LeftOut(error)),
        _ => Stop::Fail(Problem::Call(error)),
    }
}

/// Where the children of a directory lie.
fn own_file_system(
    context: &Context,
    parent: Option<&Arc<Dir>>,
    entry: &Entry,
    fd: &OwnedFd,
) -> Result<FileSystem, Stop> {
    match parent {
        Some(dir) if dir.file_system.dev == entry.dev => Ok(dir.file_system),
        _ => {
            let answer = fstatfs(fd).map_err(doing("tell the file system")).map_err(at_metadata)?;
            Ok(FileSystem::new(entry.dev, answer.f_type as u64, context.options.features))
        }
    }
}

/// Why the contents of a mount point are not wanted, if so.
fn left_out(context: &Context, parent: Option<&Arc<Dir>>, entry: &Entry, own: FileSystem) -> Option<What> {
    if parent?.file_system.dev == entry.dev {
        return None;
    }
    let is_virtual = magic::is_virtual(own.magic);
    let is_foreign = context.devices.as_ref().is_some_and(|devices| !devices.contains(&entry.dev));
    (is_virtual || is_foreign).then_some(What::MountPoint { is_virtual })
}

/// Lists a directory and completes `dir` with what holds for its children.
fn list(
    context: &Context,
    scratch: &mut Scratch,
    dir: &mut Dir,
    parent: Option<&Arc<Dir>>,
    fd: &OwnedFd,
    warnings: &mut Vec<(Option<Box<[u8]>>, What)>,
) -> Result<Listing, Stop> {
    let options = &context.options;
    let above = parent.map_or(0, |dir| dir.entries);
    let scope = match parent {
        Some(parent) => parent.scope.clone(),
        None => outermost(&options.patterns, options.skip_lost_and_found),
    };
    let left = options.entries_max.saturating_sub(above);

    let names = Names::read(fd, parent.is_none(), &mut scratch.dirents);
    let mut names = names.map_err(|error| match error {
        // It was removed after it had been opened.
        ReadError::Call(Errno::NOENT) => Stop::Skip(What::LeftOut(doing("read the directory")(Errno::NOENT))),
        error => Stop::Fail(error.into_problem()),
    })?;
    let path = &mut scratch.path;
    let mut own_patterns = Vec::new();
    if names.has_exclude_file || scope.is_some() {
        dir.path(path);
    }
    if names.has_exclude_file {
        let mut found = Vec::new();
        own_patterns = read_exclude_file(fd, path, &mut found);
        let name: Box<[u8]> = EXCLUDE_FILE.to_bytes().into();
        warnings.extend(found.into_iter().map(|what| (Some(name.clone()), what)));
    }
    dir.scope = Scope::extend(scope, own_patterns);
    let dir_len = path.len();

    let records = std::mem::take(&mut names.records);
    let mut listing = Listing::of_names(names);
    listing.entries.reserve_exact(records.len());
    let settled_before = dir.file_system.settled_before(SystemTime::now());
    for record in &records {
        let name = listing.name_at(record);
        if let Some(scope) = &dir.scope
            && scope.excludes(child_path(path, dir_len, name.to_bytes()), || record.is_dir(fd, name))
        {
            continue;
        }
        match stat_entry(context, fd, record, name, settled_before) {
            Ok(Some(entry)) => listing.entries.push(entry),
            Ok(None) => {}
            Err(Stop::Skip(what)) => warnings.push((Some(name.to_bytes().into()), what)),
            Err(fail) => return Err(fail),
        }
        if listing.entries.len() as u64 > left {
            return Err(Stop::Fail(Problem::TooManyEntries { max: options.entries_max }));
        }
    }
    dir.entries = above + listing.entries.len() as u64;
    Ok(listing)
}

/// `None` if nodes of its kind are not wanted.
fn stat_entry(
    context: &Context,
    fd: &OwnedFd,
    record: &Record,
    name: &CStr,
    settled_before: Timestamp,
) -> Result<Option<Entry>, Stop> {
    let options = &context.options;
    let at_stat = |errno| at_open(errno, "look at it");
    let known = if options.prepare.is_without_contents() {
        statx(fd, name, AtFlags::SYMLINK_NOFOLLOW, STATX).ok()
    } else {
        None
    };
    let entry = match known {
        Some(stat) => Entry::of_statx(record.range(), &stat, settled_before),
        // A kernel or a sandbox that does not know it, or an error that the other call tells, too.
        None => {
            let stat = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(at_stat)?;
            Entry::new(record.range(), &stat)
        }
    };
    let entry = entry.map_err(Stop::Fail)?;
    let unwanted = match entry.kind {
        Kind::Device => options.no_device_nodes,
        Kind::Fifo => options.no_fifos,
        Kind::Socket => options.no_sockets,
        _ => false,
    } || options.leave_out.contains(&(entry.dev, entry.ino));
    Ok((!unwanted).then_some(entry))
}

/// Cuts a listing into the ranges that are one task each: a directory, or a run of other nodes.
fn split(listing: &Listing, options: &Options) -> Vec<Range<usize>> {
    // Nodes of a batch. Files that are not read are done sooner.
    let (most, small_file) = match options.prepare {
        Prepare::Everything => (64, options.bounds.small_file as u64),
        Prepare::Metadata | Prepare::Stat => (256, 0),
    };
    /// Bytes of contents after which a batch is full.
    const FULL: u64 = 256 << 10;
    let mut units = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (at, entry) in listing.entries.iter().enumerate() {
        let is_dir = entry.kind == Kind::Directory;
        if start < at && (is_dir || at - start >= most || bytes >= FULL) {
            units.push(start..at);
            start = at;
            bytes = 0;
        }
        if is_dir {
            units.push(at..at + 1);
            start = at + 1;
        } else if entry.kind == Kind::File && entry.size <= small_file {
            bytes += entry.size;
        }
    }
    if start < listing.entries.len() {
        units.push(start..listing.entries.len());
    }
    units
}

/// Whether a range of [`split`] needs a task at all.
pub(super) fn needs_task(context: &Context, nodes: &[Entry]) -> bool {
    let is_lazy = context.is_lazy();
    nodes.iter().any(|entry| match entry.kind {
        Kind::File => !is_lazy,
        kind => matches!(kind, Kind::Directory | Kind::Symlink),
    })
}
