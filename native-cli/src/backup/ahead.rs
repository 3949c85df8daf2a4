//! The spool, read in blocks, with the files that are to be read opened and read ahead by the workers.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use pxkit_core::format::{Attributes, Kind, Stat};
use pxkit_core::plan::{Record, RecordContent, Turn};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::spool::Reader;
use crate::linux::doing;
use crate::pipeline::{Budget, Buffers, Permit, Pool, Ticket, Urgency};
use crate::walk::{
    Change, Fresh, Identity, LateOpener, Later, Options, Problem, Stop, What, at_open, read_small,
};

/// Files up to this size are read ahead, larger ones are handed over open.
const SMALL: u64 = 256 << 10;
/// Contents and files after which a block is full; bytes of records likewise.
const FULL_BYTES: u64 = 512 << 10;
const FULL_FILES: usize = 64;
const FULL_RECORDS: usize = 64 << 10;
/// Blocks that are ready or being made ready.
const BLOCKS: usize = 64;
/// Bytes of the spool that are looked through for one block.
const FULL_SEARCH: usize = 4 << 20;
/// Bytes of contents that are ready.
const READY: usize = 8 << 20;
/// What an open file costs of that, and an open directory: descriptors are bounded, too.
const OPEN_FILE: u64 = 256 << 10;
const OPEN_DIR: u64 = 32 << 10;

/// A part of the spool, with the contents of files that are to be read.
pub struct Block<'env> {
    /// Whole records.
    pub records: Vec<u8>,
    files: Option<Ticket<'env, Batch>>,
    permit: Option<Permit>,
}

/// Files in the order of their records.
#[derive(Debug, Default)]
pub struct Batch {
    /// Contents of small ones, one after the other.
    pub bytes: Vec<u8>,
    /// What became of each.
    pub files: VecDeque<Opened>,
}

/// A file that was to be opened.
#[derive(Debug)]
pub enum Opened {
    /// A small one, read.
    Read {
        /// Where its contents are.
        bytes: Range<usize>,
        /// What it is, if it is not what it was.
        fresh: Option<Box<Fresh>>,
        /// How its length was not what it should be.
        change: Option<Change>,
    },
    /// A larger one.
    Open(OwnedFd, Option<Box<Fresh>>),
    /// It is left out.
    Gone(What),
    /// It cannot be read, which ends the backup.
    Failed(Problem),
}

/// What workers need to open files.
#[derive(Debug)]
pub struct Openers {
    options: Options,
    idle: Mutex<Vec<LateOpener>>,
    buffers: Buffers,
}

impl Openers {
    /// For a walk with these options.
    pub fn new(options: &Options) -> Self {
        Self { options: options.clone(), idle: Mutex::default(), buffers: Buffers::default() }
    }

    /// Opens a file, and reads it if it is small.
    pub fn open(&self, opener: &mut LateOpener, wanted: &Wanted, bytes: &mut Vec<u8>) -> Opened {
        let dir = match &wanted.dir {
            Ok(dir) => dir,
            Err(Stop::Skip(what)) => return Opened::Gone(what.clone()),
            Err(Stop::Fail(problem)) => return Opened::Failed(problem.clone()),
        };
        match opener.open(dir.as_fd(), &wanted.name, &wanted.identity) {
            Ok(Later::Same(file)) => read(file, wanted.identity.size, None, bytes),
            Ok(Later::Changed(file, fresh)) => read(file, fresh.identity.size, Some(fresh), bytes),
            Ok(Later::Gone(what)) => Opened::Gone(what),
            Ok(Later::Replaced) => Opened::Gone(What::Replaced),
            Err(problem) => Opened::Failed(problem),
        }
    }

    fn batch(&self, wanted: &[Wanted]) -> Batch {
        let mut opener = self.opener();
        let mut bytes = self.buffers.take();
        let files = wanted.iter().map(|wanted| self.open(&mut opener, wanted, &mut bytes)).collect();
        lock(&self.idle).push(opener);
        Batch { bytes, files }
    }

    /// An opener, to be given back or not.
    pub fn opener(&self) -> LateOpener {
        lock(&self.idle).pop().unwrap_or_else(|| LateOpener::new(&self.options))
    }

    /// Takes back the memory of a batch.
    pub fn recycle(&self, bytes: Vec<u8>) {
        self.buffers.give(bytes);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn read(file: OwnedFd, size: u64, fresh: Option<Box<Fresh>>, bytes: &mut Vec<u8>) -> Opened {
    if size > SMALL {
        return Opened::Open(file, fresh);
    }
    let start = bytes.len();
    match read_small(&file, size as usize, bytes) {
        Ok(change) => Opened::Read { bytes: start..bytes.len(), fresh, change },
        Err(errno) => Opened::Failed(Problem::Call(doing("read the file")(errno))),
    }
}

/// A file to be opened.
#[derive(Debug)]
pub struct Wanted {
    dir: OpenDir,
    name: CString,
    identity: Identity,
}

/// The directories that the spool is in, opened when a file in them is wanted.
#[derive(Debug)]
struct Dirs {
    /// The root first; of others name and descriptor, once somebody asked for it.
    levels: Vec<(CString, Option<OpenDir>)>,
}

/// A directory that is open, or why it cannot be.
type OpenDir = Result<Arc<OwnedFd>, Stop>;

impl Dirs {
    /// The innermost directory, and how many had to be opened for it.
    fn innermost(&mut self) -> (OpenDir, u64) {
        let mut opened = 0;
        let first = self.levels.iter().rposition(|level| level.1.is_some()).unwrap_or(0);
        for at in first + 1..self.levels.len() {
            let (above, rest) = self.levels.split_at_mut(at);
            let above = match &above[at - 1].1 {
                Some(Ok(above)) => above,
                Some(Err(stop)) => {
                    rest[0].1 = Some(Err(stop.clone()));
                    continue;
                }
                None => continue,
            };
            rest[0].1 = Some(open_dir(above, &rest[0].0).map(Arc::new));
            opened += 1;
        }
        let innermost = match self.levels.last() {
            Some((_, Some(result))) => result.clone(),
            _ => Err(at_open(Errno::NOENT, "open the directory")),
        };
        (innermost, opened)
    }
}

fn open_dir(above: &OwnedFd, name: &CStr) -> Result<OwnedFd, Stop> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let result = match openat(above, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(above, name, flags, Mode::empty()),
        other => other,
    };
    result.map_err(|errno| at_open(errno, "open the directory"))
}

/// Which records blocks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// Those of directories and of the files that are to be read.
    Wanted,
}

/// Reads the spool.
pub struct Ahead<'p, 'env> {
    pool: &'p Pool<'env>,
    openers: &'env Openers,
    spool: Reader,
    /// In which order its records come, if it is not that of the spool.
    turns: Option<std::vec::IntoIter<Turn>>,
    root: Arc<OwnedFd>,
    dirs: Dirs,
    keep: Keep,
    budget: Budget,
    blocks: VecDeque<Block<'env>>,
    /// Files of the listing so far.
    number: usize,
    is_over: bool,
}

impl<'p, 'env> Ahead<'p, 'env> {
    /// Starts at the root, which is open. `turns` is the order of the records, if it is not that of the spool.
    pub fn new(
        pool: &'p Pool<'env>,
        openers: &'env Openers,
        spool: Reader,
        turns: Option<Vec<Turn>>,
        root: OwnedFd,
        keep: Keep,
    ) -> Self {
        let (turns, root, budget) = (turns.map(Vec::into_iter), Arc::new(root), Budget::new(READY));
        let dirs = Dirs { levels: vec![(CString::default(), Some(Ok(Arc::clone(&root))))] };
        let (blocks, number, is_over) = Default::default();
        Self { pool, openers, spool, turns, root, dirs, keep, budget, blocks, number, is_over }
    }

    /// Gives the spool back, to be read from its start.
    pub fn into_spool(mut self) -> Reader {
        self.spool.seek(0);
        self.spool
    }

    /// The next block, or `None` at the end. `is_read` says which files of the listing are to be read, by their number.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn next(&mut self, is_read: &dyn Fn(usize) -> bool) -> anyhow::Result<Option<(Vec<u8>, Batch)>> {
        while !self.is_over && self.blocks.len() < BLOCKS {
            // What is to be read is known only when it is known to fit, and any block must fit if it is the only one.
            if !self.blocks.is_empty() && self.budget.is_full() {
                break;
            }
            let block = self.block(is_read)?;
            self.blocks.push_back(block);
        }
        let Some(Block { records, files, permit }) = self.blocks.pop_front() else { return Ok(None) };
        let batch = files.map(Ticket::wait).transpose()?.unwrap_or_default();
        drop(permit);
        Ok(Some((records, batch)))
    }

    /// A file that is wanted out of turn, in the directory that holds it.
    ///
    /// # Errors
    /// The name is none.
    pub fn wanted(&self, path: &[u8], identity: Identity) -> anyhow::Result<Wanted> {
        let mut parts = path.split(|&byte| byte == b'/');
        let name = CString::new(parts.next_back().unwrap_or_default())?;
        // Reading ahead may have left the directory already.
        let mut dir = Ok(Arc::clone(&self.root));
        for part in parts {
            let part = CString::new(part)?;
            dir = dir.and_then(|above| open_dir(&above, &part).map(Arc::new));
        }
        Ok(Wanted { dir, name, identity })
    }

    fn block(&mut self, is_read: &dyn Fn(usize) -> bool) -> anyhow::Result<Block<'env>> {
        let mut records = Vec::new();
        let mut wanted = Vec::new();
        let (mut cost, mut searched) = (0, 0);
        let (mut stat, mut attributes) = (Stat::default(), Attributes::new());
        while records.len() < FULL_RECORDS
            && wanted.len() < FULL_FILES
            && cost < FULL_BYTES
            && searched < FULL_SEARCH
        {
            let is_link = match self.turns.as_mut().map(Iterator::next) {
                Some(Some(turn)) => {
                    self.spool.seek(turn.at);
                    turn.is_link
                }
                Some(None) => {
                    self.is_over = true;
                    break;
                }
                None => false,
            };
            let length = Record::length(self.spool.window(Record::HEAD)?)?;
            let window = self.spool.window(length)?;
            if window.is_empty() {
                self.is_over = true;
                break;
            }
            let bytes = window.get(..length).context("a defect of pxkit: half a record in the spool")?;
            let mut is_kept = self.keep == Keep::All;
            match Record::glance(bytes)? {
                None => {
                    self.dirs.levels.pop();
                    is_kept = true;
                }
                Some((Kind::Directory, name)) => {
                    if !name.is_empty() {
                        self.dirs.levels.push((CString::new(name)?, None));
                    }
                    is_kept = true;
                }
                Some((Kind::File, _)) if !is_link => {
                    if is_read(self.number) {
                        let record = Record::parse(bytes, &mut stat, &mut attributes)?;
                        if let Some(Record { node, identity, content: RecordContent::File { size } }) = record
                        {
                            let identity = walk_identity(&identity, node.stat, size);
                            let ((dir, opened), name) = (self.dirs.innermost(), CString::new(node.name)?);
                            cost += opened * OPEN_DIR + if size <= SMALL { size } else { OPEN_FILE };
                            wanted.push(Wanted { dir, name, identity });
                        }
                        is_kept = true;
                    }
                    self.number += 1;
                }
                _ => {}
            }
            if is_kept {
                let start = records.len();
                records.extend_from_slice(bytes);
                if is_link {
                    Record::turn_to_link(&mut records[start..])?;
                }
            }
            searched += length;
            self.spool.advance(length);
        }
        let permit = (cost > 0).then(|| self.budget.force(cost as usize));
        let openers = self.openers;
        let files =
            (!wanted.is_empty()).then(|| self.pool.submit(Urgency::Low, move || openers.batch(&wanted)));
        Ok(Block { records, files, permit })
    }
}

/// What the walk recorded of a file.
pub fn walk_identity(identity: &pxkit_core::plan::Identity, stat: &Stat, size: u64) -> Identity {
    let pxkit_core::plan::Identity { dev, ino, ctime, .. } = *identity;
    Identity { dev, ino, size, mtime: stat.mtime, ctime }
}
