//! The task that prepares nodes that are no directories: open, read attributes, read targets and small contents.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use pxkit_core::format::{Attributes, Kind};
use rustix::fs::{AtFlags, OFlags, fstat, readlinkat, statat};
use rustix::io::Errno;

use super::dir::Dir;
use super::enter::{Context, Scratch, Stop, at_metadata, at_open, open};
use super::file::{Change, read_small};
use super::listing::{Entry, Listing};
use super::options::{Options, Prepare};
use super::report::{Problem, Reading, What};
use crate::linux::doing;

/// What one node costs of the bound on bytes, besides its contents. For an open file: what it would have cost to read it.
const NODE: usize = 256;
const OPEN_FILE: usize = 64 << 10;
/// Batches with fewer bytes get memory of their own, larger ones a pooled buffer, whose whole size counts.
const POOLED: usize = 64 << 10;

/// Nodes to prepare: a range of a listing.
#[derive(Debug)]
pub(super) struct Work {
    pub dir: Arc<Dir>,
    pub fd: Arc<OwnedFd>,
    pub listing: Arc<Listing>,
    pub range: Range<usize>,
}

/// Prepared nodes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub range: Range<usize>,
    /// Contents and targets, one after the other.
    pub bytes: Vec<u8>,
    /// One for each of the range, in its order, but for those after a failure.
    pub nodes: Vec<Prepared>,
    /// Why there are no more.
    pub failure: Option<Problem>,
    pub reading: Reading,
}

/// A prepared node.
#[derive(Debug)]
pub(super) struct Prepared {
    pub flags: u64,
    pub attributes: Attributes,
    /// Attributes were left out.
    pub is_incomplete: bool,
    /// The user knows.
    pub is_told: bool,
    /// Flags and attributes were not read.
    pub is_bare: bool,
    pub change: Option<Change>,
    /// What is stored instead of the listed entry: another file of this name.
    pub instead: Option<Box<Entry>>,
    pub held: Held,
}

/// What a prepared node holds.
#[derive(Debug)]
pub(super) enum Held {
    Nothing,
    /// Contents or target, in the batch's bytes.
    Bytes(Range<usize>),
    File(OwnedFd),
    /// The node is left out.
    Skipped(What),
}

impl Work {
    fn entries(&self) -> &[Entry] {
        &self.listing.entries[self.range.clone()]
    }

    /// How much of the bound on bytes the batch takes, and the size of the pooled buffer that it wants, if any.
    pub(super) fn cost(&self, options: &Options) -> (usize, Option<usize>) {
        let (content, open) = self.contents(options);
        let records = self.range.len() * NODE + open * OPEN_FILE;
        if content < POOLED {
            (records + content, None)
        } else {
            // The last file of a batch may exceed what fills it by its whole size.
            let buffer = (256 << 10) + options.bounds.small_file + 1;
            (records + buffer.max(content), Some(buffer))
        }
    }

    /// Bytes to be read ahead, and the number of files that stay open.
    fn contents(&self, options: &Options) -> (usize, usize) {
        let mut content = 1;
        let mut open = 0;
        for entry in self.entries().iter().filter(|entry| entry.kind == Kind::File) {
            match options.prepare {
                Prepare::Everything if is_small(options, entry) => content += entry.size as usize,
                Prepare::Everything => open += 1,
                Prepare::Metadata | Prepare::Stat => {}
            }
        }
        (content, open)
    }
}

fn is_small(options: &Options, entry: &Entry) -> bool {
    entry.size <= options.bounds.small_file as u64
}

/// Prepares nodes. `bytes` is an empty buffer, best with room for all contents.
pub(super) fn prepare(context: &Context, scratch: &mut Scratch, work: &Work, bytes: Vec<u8>) -> Batch {
    let nodes = Vec::with_capacity(work.range.len());
    let reading = Reading::default();
    let mut batch = Batch { range: work.range.clone(), bytes, nodes, failure: None, reading };
    batch.bytes.reserve(work.contents(&context.options).0);
    for entry in work.entries() {
        let start = batch.bytes.len();
        match prepare_node(context, scratch, work, entry, &mut batch) {
            Ok(node) => batch.nodes.push(node),
            Err(Stop::Skip(what)) => {
                batch.bytes.truncate(start);
                batch.nodes.push(Prepared { held: Held::Skipped(what), ..Prepared::bare(Held::Nothing) });
            }
            Err(Stop::Fail(problem)) => {
                batch.failure = Some(problem);
                break;
            }
        }
    }
    batch
}

impl Prepared {
    fn bare(held: Held) -> Self {
        let attributes = Attributes::new();
        Self {
            flags: 0,
            attributes,
            is_incomplete: false,
            is_told: false,
            is_bare: false,
            change: None,
            instead: None,
            held,
        }
    }
}

fn prepare_node(
    context: &Context,
    scratch: &mut Scratch,
    work: &Work,
    entry: &Entry,
    batch: &mut Batch,
) -> Result<Prepared, Stop> {
    match entry.kind {
        Kind::File if context.is_lazy() => Ok(Prepared { is_bare: true, ..Prepared::bare(Held::Nothing) }),
        Kind::File => read_file(context, scratch, work, entry, &mut batch.bytes, &mut batch.reading),
        Kind::Symlink => read_target(work, entry, &mut batch.bytes).map(Prepared::bare),
        _ => Ok(Prepared::bare(Held::Nothing)),
    }
}

/// Reads a file's metadata, with contents if they are wanted.
pub(super) fn read_file(
    context: &Context,
    scratch: &mut Scratch,
    work: &Work,
    entry: &Entry,
    bytes: &mut Vec<u8>,
    reading: &mut Reading,
) -> Result<Prepared, Stop> {
    if let Some(node) = read_by_name(context, scratch, work, entry)? {
        reading.by_name += 1;
        return Ok(node);
    }
    let node = prepare_file(context, scratch, work, entry, bytes)?;
    reading.opened += 1;
    Ok(node)
}

/// Reads a file's metadata without opening it; `None` if it has to be opened.
fn read_by_name(
    context: &Context,
    scratch: &mut Scratch,
    work: &Work,
    entry: &Entry,
) -> Result<Option<Prepared>, Stop> {
    let file_system = work.dir.file_system;
    // A single file can be a mount point, too.
    if !context.reads_by_name(file_system) || entry.dev != file_system.dev {
        return Ok(None);
    }
    let (dir, name) = (work.fd.as_fd(), work.listing.c_name(entry));
    let mut node = Prepared::bare(Held::Nothing);
    let found =
        scratch.reader.read_by_name(dir, name, entry.is_compressed, file_system, &mut node.attributes);
    let found = found.map_err(|error| at_open(error.errno, error.action))?;
    let Some(found) = found else { return Ok(None) };
    (node.flags, node.is_incomplete) = (found.flags, found.is_incomplete);
    // Attributes are rare, so it costs little to make sure that they are not of a node that took this one's place: contents
    // may come from an older archive, without anybody opening the file. Opening tells what it is.
    if !node.attributes.is_empty() && !is_still(dir, name, entry) {
        return Ok(None);
    }
    Ok(Some(node))
}

/// Whether a name still stands for the file that was listed.
fn is_still(dir: BorrowedFd<'_>, name: &CStr, entry: &Entry) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (entry.dev, entry.ino))
}

fn prepare_file(
    context: &Context,
    scratch: &mut Scratch,
    work: &Work,
    entry: &Entry,
    bytes: &mut Vec<u8>,
) -> Result<Prepared, Stop> {
    let file = open(work.fd.as_fd(), work.listing.c_name(entry), OFlags::empty());
    let file = file.map_err(|errno| at_open(errno, "open the file"))?;
    let mut node = Prepared::bare(Held::Nothing);
    let stat = fstat(&file).map_err(|errno| at_open(errno, "look at the open file"))?;
    let opened = Entry::new(entry.name_range(), &stat).map_err(Stop::Fail)?;
    if opened.kind != Kind::File {
        return Err(Stop::Skip(What::Replaced));
    }
    if (opened.dev, opened.ino) != (entry.dev, entry.ino) {
        // As if it had been listed. What was listed would not fit the contents, nor tell of what it is a hard link.
        node.instead = Some(Box::new(opened));
    }
    // A copy: what one file lacks says nothing of the next, and the result must not depend on which was read first.
    let mut file_system = work.dir.file_system;
    let found = scratch
        .reader
        .read(file.as_fd(), Kind::File, &mut file_system, &mut node.attributes)
        .map_err(at_metadata)?;
    (node.flags, node.is_incomplete) = (found.flags, found.is_incomplete);
    if context.options.prepare.is_without_contents() {
        return Ok(node);
    }
    // The bounds were made for the size that was listed, so another file is not read ahead.
    if node.instead.is_none() && is_small(&context.options, entry) {
        let start = bytes.len();
        let change = read_small(&file, entry.size as usize, bytes);
        node.change = change.map_err(|errno| Stop::Fail(Problem::Call(doing("read the file")(errno))))?;
        node.held = Held::Bytes(start..bytes.len());
    } else {
        node.held = Held::File(file);
    }
    Ok(node)
}

fn read_target(work: &Work, entry: &Entry, bytes: &mut Vec<u8>) -> Result<Held, Stop> {
    let target = readlinkat(work.fd.as_fd(), work.listing.c_name(entry), Vec::new());
    let target = target.map_err(|errno| match errno {
        // It is no link any more.
        Errno::INVAL => Stop::Skip(What::Replaced),
        _ => at_open(errno, "read the link"),
    })?;
    let start = bytes.len();
    bytes.extend_from_slice(target.to_bytes());
    Ok(Held::Bytes(start..bytes.len()))
}
