//! The consumer's side: takes results in order and makes steps of them.

mod again;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;
use std::vec::IntoIter;

use pxkit_core::format::{Attributes, Kind, magic};
use pxkit_core::reuse::state::Marks;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, fstatfs, openat, statx};
use rustix::io::Errno;

use super::batch::{Batch, Held as NodeHeld, Prepared};
use super::dir::Dir;
use super::enter::{Context, Place, STATX};
use super::file::FileReader;
use super::listing::{Entry, Listing};
use super::options::Options;
use super::pool::{Held, Outcome, Pool, Unit};
use super::report::{Counts, Problem, Reading, WalkError, Warning, What};
use super::tasks::Id;
use super::{Content, Node, Step};
use crate::linux::{FileSystem, can_read_by_name, doing};

static NO_ATTRIBUTES: Attributes = Attributes::new();

/// Opens the directory to walk. A symbolic link is refused.
///
/// # Errors
/// It cannot be opened, or is no directory.
pub fn open_source(path: &Path) -> Result<OwnedFd, Errno> {
    // Without O_DIRECTORY, so that a link gives the error that says so.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = match openat(CWD, path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(CWD, path, flags, Mode::empty()),
        other => other,
    }?;
    match Kind::Directory {
        kind if Entry::new(0..0, &fstat(&fd)?).is_ok_and(|entry| entry.kind == kind) => Ok(fd),
        _ => Err(Errno::NOTDIR),
    }
}

/// A walk through a tree. See the [module](super) for how it works.
#[derive(Debug)]
pub struct Walk {
    pool: Pool,
    /// The task of the root, until it was taken.
    root: Option<(Arc<Listing>, Id)>,
    /// The directories that were entered and not left.
    frames: Vec<Frame>,
    /// The nodes that come next, of the last frame.
    current: Current,
    /// Warnings that come before anything else.
    warnings: VecDeque<Warning>,
    /// Path of the last step's node.
    path: Vec<u8>,
    /// What was consumed since a task was taken last.
    released: Held,
    counts: Counts,
    reading: Reading,
    /// What was given last, if it was a node.
    last: Last,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Last {
    #[default]
    Nothing,
    /// The directory of the last frame.
    Enter,
    /// Its node of this index.
    Node(usize),
}

#[derive(Debug)]
struct Frame {
    /// The directory itself: an entry of the listing above.
    above: Arc<Listing>,
    index: usize,
    dir: Arc<Dir>,
    flags: u64,
    attributes: Attributes,
    is_bare: bool,
    is_incomplete: bool,
    listing: Arc<Listing>,
    units: IntoIter<Unit>,
    /// Bytes of the directory's path.
    path_len: usize,
    fd: Option<Arc<OwnedFd>>,
}

#[derive(Debug, Default)]
struct Current {
    /// Index in the listing of the next node, and where they end.
    next: usize,
    end: usize,
    /// The batch, unless the nodes needed no preparation.
    batch: Option<Batch>,
    /// A node that was prepared alone, by its index.
    single: Option<(usize, Prepared)>,
    /// What is released after the last.
    held: Held,
}

enum Event {
    Enter,
    /// Index in the listing of the last frame.
    Node(usize),
    Leave,
    Warning(Warning),
    End,
}

impl Walk {
    /// Starts to walk below an open directory.
    ///
    /// # Errors
    /// The root lies on a virtual file system, or cannot be examined.
    pub fn new(root: OwnedFd, options: Options) -> Result<Self, WalkError> {
        let at_root = |problem| WalkError { path: Vec::new(), problem };
        let call = |action| move |errno| at_root(Problem::Call(doing(action)(errno)));
        let stat = fstat(&root).map_err(call("look at it"))?;
        let now = SystemTime::now();
        let file_system = fstatfs(&root).map_err(call("tell the file system"))?;
        if magic::is_virtual(file_system.f_type as u64) {
            return Err(at_root(Problem::VirtualRoot));
        }
        let settled_before =
            FileSystem::new(stat.st_dev, file_system.f_type as u64, options.features).settled_before(now);
        let entry = match statx(&root, c"", AtFlags::EMPTY_PATH, STATX) {
            Ok(all) => Entry::of_statx(0..0, &all, settled_before),
            Err(_) => Entry::new(0..0, &stat),
        };
        let entry = entry.map_err(at_root)?;
        if entry.kind != Kind::Directory {
            return Err(call("open it")(Errno::NOTDIR));
        }
        let devices = (!options.all_file_systems)
            .then(|| options.include_devs.iter().copied().chain([entry.dev]).collect());
        let listing = Arc::new(Listing::of_root(entry));
        let place = Place { parent: None, listing: Arc::clone(&listing), index: 0 };
        let by_name =
            options.by_name && options.prepare.is_without_contents() && can_read_by_name(root.as_fd());
        let is_eager = AtomicBool::new(false);
        let (pool, id) = Pool::start(Context { options, devices, by_name, is_eager }, place, root);
        Ok(Self {
            pool,
            root: Some((listing, id)),
            frames: Vec::new(),
            current: Current::default(),
            warnings: VecDeque::new(),
            path: Vec::new(),
            released: Held::default(),
            counts: Counts::default(),
            reading: Reading::default(),
            last: Last::Nothing,
            is_over: false,
        })
    }

    /// The next step, or `None` after the root was left and after an error.
    ///
    /// # Errors
    /// Something that the walk cannot go on after.
    #[expect(
        clippy::should_implement_trait,
        reason = "steps borrow from the walk, which iterators cannot do"
    )]
    pub fn next(&mut self) -> Result<Option<Step<'_>>, WalkError> {
        if self.is_over {
            return Ok(None);
        }
        match self.advance() {
            Ok(event) => {
                self.last = match event {
                    Event::Enter => Last::Enter,
                    Event::Node(index) => Last::Node(index),
                    _ => Last::Nothing,
                };
                Ok(self.step(event))
            }
            Err(error) => {
                self.is_over = true;
                Err(error)
            }
        }
    }

    /// Counts of what was given so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How the files given so far were read, with [`Prepare::Metadata`](crate::walk::Prepare::Metadata).
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// The descriptor of the directory that the walk is in, with [`Prepare::Metadata`](crate::walk::Prepare::Metadata). Otherwise
    /// it may be closed already.
    /// Clones of it keep it open after the walk has left the directory.
    pub fn directory(&self) -> Option<&Arc<OwnedFd>> {
        self.frames.last()?.fd.as_ref()
    }

    fn advance(&mut self) -> Result<Event, WalkError> {
        if let Some((listing, id)) = self.root.take() {
            return self.enter(listing, 0, id);
        }
        loop {
            if let Some(warning) = self.warnings.pop_front() {
                self.counts.losses += u64::from(warning.what.is_loss());
                return Ok(Event::Warning(warning));
            }
            if let Some(event) = self.advance_in_unit()? {
                return Ok(event);
            }
            let Some(frame) = self.frames.last_mut() else {
                self.is_over = true;
                return Ok(Event::End);
            };
            let Some(unit) = frame.units.next() else {
                self.frames.pop();
                return Ok(Event::Leave);
            };
            let listing = Arc::clone(&frame.listing);
            match unit.task {
                None => {
                    self.retire_current();
                    self.current.next = unit.range.start;
                    self.current.end = unit.range.end;
                }
                Some(id) if listing.entries[unit.range.start].kind == Kind::Directory => {
                    return self.enter(listing, unit.range.start, id);
                }
                Some(id) => self.take_batch(id, unit.range)?,
            }
        }
    }

    /// Goes on within the current batch of nodes, if there are any left.
    fn advance_in_unit(&mut self) -> Result<Option<Event>, WalkError> {
        let current = &mut self.current;
        if current.next == current.end {
            return Ok(None);
        }
        let index = current.next;
        let Some(frame) = self.frames.last() else { return Ok(None) };
        self.path.truncate(frame.path_len);
        push_name(&mut self.path, frame.listing.name(&frame.listing.entries[index]));
        let single =
            current.single.as_mut().filter(|single| single.0 == index).map(|single| Some(&mut single.1));
        let prepared = single
            .or_else(|| current.batch.as_mut().map(|batch| batch.nodes.get_mut(index - batch.range.start)));
        if let Some(prepared) = prepared {
            match prepared {
                None => {
                    let failure = current.batch.as_mut().and_then(|batch| batch.failure.take());
                    let problem = failure.unwrap_or(Problem::Panicked);
                    return Err(WalkError { path: self.path.clone(), problem });
                }
                Some(node) => {
                    let what = match (&mut node.held, node.change.take()) {
                        (NodeHeld::Skipped(what), _) => {
                            current.next += 1;
                            Some(what.clone())
                        }
                        (_, Some(change)) => Some(What::Changed(change)),
                        _ if node.is_incomplete && !node.is_told => {
                            node.is_told = true;
                            Some(What::XattrsLeftOut)
                        }
                        _ => None,
                    };
                    if let Some(what) = what {
                        self.counts.losses += u64::from(what.is_loss());
                        return Ok(Some(Event::Warning(Warning { path: self.path.clone(), what })));
                    }
                }
            }
        }
        self.current.next += 1;
        self.counts.nodes += 1;
        Ok(Some(Event::Node(index)))
    }

    /// Makes a prepared batch the current one.
    fn take_batch(&mut self, id: Id, range: std::ops::Range<usize>) -> Result<(), WalkError> {
        // The buffer of the batch before goes back with this.
        self.retire_current();
        match self.pool.take(id, &mut self.released) {
            Outcome::Batch(batch, held) => {
                self.reading.by_name += batch.reading.by_name;
                self.reading.opened += batch.reading.opened;
                self.current =
                    Current { next: range.start, end: range.end, batch: Some(batch), single: None, held };
                Ok(())
            }
            Outcome::Failed(error) => Err(error),
            // Tasks for batches have no other outcome.
            Outcome::Entered(..) | Outcome::Skipped(_) => Ok(()),
        }
    }

    /// Notes that the current batch is consumed. Its nodes may still be borrowed, so this comes with the next one.
    fn retire_current(&mut self) {
        let Current { batch, held, .. } = std::mem::take(&mut self.current);
        self.released.bytes += held.bytes;
        if let (Some(batch), Some(_)) = (batch, held.buffer) {
            self.released.buffer = Some(batch.bytes);
        }
    }

    /// Enters a directory: an entry of `above`.
    fn enter(&mut self, above: Arc<Listing>, index: usize, id: Id) -> Result<Event, WalkError> {
        self.retire_current();
        let outcome = self.pool.take(id, &mut self.released);
        self.released.directories += 1;
        if let Outcome::Entered(entered, _) = &outcome {
            self.released.entries += entered.listing.entries.len();
        }
        let parent_len = self.frames.last().map_or(0, |frame| frame.path_len);
        self.path.truncate(parent_len);
        push_name(&mut self.path, above.name(&above.entries[index]));
        let (entered, units) = match outcome {
            Outcome::Entered(entered, units) => (*entered, units),
            // Without a root there is nothing.
            Outcome::Skipped(What::LeftOut(error)) if self.path.is_empty() => {
                return Err(WalkError { path: Vec::new(), problem: Problem::Call(error) });
            }
            Outcome::Skipped(what) => {
                self.counts.losses += u64::from(what.is_loss());
                return Ok(Event::Warning(Warning { path: self.path.clone(), what }));
            }
            Outcome::Failed(error) => return Err(error),
            Outcome::Batch(..) => {
                return Err(WalkError { path: self.path.clone(), problem: Problem::Panicked });
            }
        };
        for (name, what) in entered.warnings {
            let mut path = self.path.clone();
            if let Some(name) = name {
                push_name(&mut path, &name);
            }
            self.warnings.push_back(Warning { path, what });
        }
        let keep = self.pool.options().prepare.is_without_contents();
        self.frames.push(Frame {
            above,
            index,
            dir: entered.dir,
            flags: entered.flags,
            attributes: entered.attributes,
            is_bare: entered.is_bare,
            is_incomplete: entered.is_incomplete,
            listing: entered.listing,
            units: units.into_iter(),
            path_len: self.path.len(),
            fd: keep.then_some(entered.fd),
        });
        self.counts.nodes += 1;
        Ok(Event::Enter)
    }

    fn step(&mut self, event: Event) -> Option<Step<'_>> {
        Some(match event {
            Event::End => return None,
            Event::Leave => Step::Leave,
            Event::Warning(warning) => Step::Warning(warning),
            Event::Enter => {
                let frame = self.frames.last()?;
                let entry = &frame.above.entries[frame.index];
                let (attributes, name) = (&frame.attributes, frame.above.name(entry));
                let node = node(&self.path, name, entry, &frame.dir, frame.flags, attributes, Content::None);
                let is_whole = !frame.is_bare && !frame.is_incomplete;
                let marks = node.marks.with_if(is_whole, Marks::WHOLE);
                Step::Enter(Node { is_bare: frame.is_bare, marks, ..node })
            }
            Event::Node(index) => {
                let Frame { listing, dir, .. } = self.frames.last()?;
                let entry = &listing.entries[index];
                let name = listing.name(entry);
                let Current { batch, single, .. } = &mut self.current;
                let (bytes, in_batch) = match batch {
                    Some(Batch { bytes, nodes, range, .. }) => {
                        (bytes.as_slice(), nodes.get_mut(index - range.start))
                    }
                    None => (&[][..], None),
                };
                let single = single.as_mut().filter(|single| single.0 == index).map(|single| &mut single.1);
                let Some(prepared) = single.or(in_batch) else {
                    let is_bare = entry.kind == Kind::File;
                    let content = if is_bare { Content::Unread } else { Content::None };
                    let node = node(&self.path, name, entry, dir, 0, &NO_ATTRIBUTES, content);
                    let marks = node.marks.with_if(!is_bare, Marks::WHOLE);
                    return Some(Step::Node(Node { is_bare, marks, ..node }));
                };
                let entry = prepared.instead.as_deref().unwrap_or(entry);
                let content = match std::mem::replace(&mut prepared.held, NodeHeld::Nothing) {
                    NodeHeld::Bytes(range) if entry.kind == Kind::Symlink => Content::Target(&bytes[range]),
                    NodeHeld::Bytes(range) => Content::Bytes(&bytes[range]),
                    NodeHeld::File(file) => Content::File(FileReader::new(file, entry.size)),
                    _ if entry.kind == Kind::File => Content::Unread,
                    _ => Content::None,
                };
                let Prepared { flags, attributes, is_bare, is_incomplete, .. } = prepared;
                let node = node(&self.path, name, entry, dir, *flags, attributes, content);
                let marks = node.marks.with_if(!*is_bare && !*is_incomplete, Marks::WHOLE);
                Step::Node(Node { is_bare: *is_bare, marks, ..node })
            }
        })
    }
}

fn node<'w>(
    path: &'w [u8],
    name: &'w [u8],
    entry: &Entry,
    dir: &Dir,
    flags: u64,
    attributes: &'w Attributes,
    content: Content<'w>,
) -> Node<'w> {
    let (stat, ctime, birth, nlink) = (entry.stat(flags), entry.ctime(), entry.birth(), entry.nlink());
    let Entry { kind, size, dev, ino, rdev, .. } = *entry;
    let is_stable = dir.file_system.dev == dev && dir.file_system.has_stable_inodes();
    let marks =
        Marks::default().with_if(is_stable, Marks::STABLE).with_if(entry.is_settled(), Marks::SETTLED);
    let is_bare = false;
    Node {
        path,
        name,
        kind,
        stat,
        ctime,
        birth,
        marks,
        is_bare,
        attributes,
        size,
        dev,
        ino,
        nlink,
        rdev,
        content,
    }
}

fn push_name(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}
