//! Follows the entries of an archive and makes what they say.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::access::{Archive, NodeContent, ReadNode};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attributes, Features, Kind, MAX_CHUNK_SIZE, Stat};

use super::dir::Dir;
use super::file::{Contents, FileJob, Writer};
use super::node::{NodeJob, TargetCache};
use super::pool::{BATCH_FILES, BATCH_FILES_OF_CHUNK, Batch, Shared};
use super::{Options, Sources};
use crate::input::RandomAccess;
use crate::report::Report;
use crate::text::quoted;

/// Contents up to this size go to a worker when the archive comes through a pipe; larger ones are written as they come.
const PIPED: u64 = 4 << 20;
/// Contents from a pipe, and attributes, that a batch holds at least before it is handed on.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of attributes that directories in each other may have, all of which are kept.
const MAX_WEIGHT: usize = 64 << 20;

/// A directory above an entry, as far as an archive that is entered in the middle has shown it.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Its name; empty for the root.
    pub name: Vec<u8>,
    /// Its metadata.
    pub stat: Stat,
    /// Its further metadata.
    pub attributes: Attributes,
}

/// A directory of the archive that was entered.
#[derive(Debug)]
struct Level {
    parent: Parent,
    state: LevelState,
    /// Bytes of its attributes.
    weight: usize,
    /// The greatest name in it so far, see [`Extractor::keep_order`].
    greatest: Vec<u8>,
}

#[derive(Debug)]
enum LevelState {
    /// Nothing in it was restored yet.
    NotMade,
    Made(Arc<Dir>),
    /// It could not be made, which was reported.
    Failed,
}

/// Restores entries one after the other; see the [module](super).
#[derive(Debug)]
pub struct Extractor<'s, 'a> {
    shared: &'s Shared<'a>,
    writer: Writer<'s, 'a>,
    target: Option<OwnedFd>,
    root: Option<Arc<Dir>>,
    levels: Vec<Level>,
    /// Bytes of attributes of all levels.
    weight: usize,
    batch: Batch,
    targets: TargetCache,
    /// In a partial extraction: FILENAMEs of the files that were restored.
    restored: Option<HashSet<u64>>,
    /// In a partial extraction: for files whose first name was not restored, the path of the one that was.
    stand_ins: HashMap<u64, Vec<u8>>,
    archive: Option<Archive>,
    /// The file whose contents come next, from a pipe.
    piped: Option<(FileJob, u64)>,
}

/// Runs `body` with an extractor into the open directory `target`, and waits for its workers.
///
/// # Errors
/// Those of `body`; whatever ends an extraction early.
fn with_workers<'a, T>(shared: &Shared<'a>, body: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let result = std::thread::scope(|scope| {
        let closing = shared.closing();
        let mut workers = Vec::new();
        for _ in 0..shared.options.threads.max(1) {
            match std::thread::Builder::new().spawn_scoped(scope, || shared.work()) {
                Ok(worker) => workers.push(worker),
                // Fewer do as well.
                Err(_) => break,
            }
        }
        if workers.is_empty() {
            shared.work_alone();
        }
        let result = body();
        drop(closing);
        for worker in workers {
            // A panic in it has become the error that ended the work.
            let _ = worker.join();
        }
        result
    });
    let error = shared.take_error();
    if error.is_none() {
        shared.advise();
    }
    match (result, error) {
        (Ok(_), Some(error)) => Err(error),
        (result, _) => result,
    }
}

impl<'s, 'a> Extractor<'s, 'a> {
    /// Restores into the open directory `target`: runs `body`, which hands over the entries.
    ///
    /// # Errors
    /// Those of `body`; whatever ends an extraction early.
    pub fn run<T>(
        target: OwnedFd,
        options: Options,
        sources: Sources,
        is_partial: bool,
        report: &'a Report,
        body: impl FnOnce(&mut Extractor<'_, 'a>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        // Modes are given as they are meant.
        rustix::process::umask(rustix::fs::Mode::empty());
        let shared = Shared::new(options, sources, report);
        with_workers(&shared, || {
            let mut extractor = Extractor {
                shared: &shared,
                writer: Writer::new(&shared),
                target: Some(target),
                root: None,
                levels: Vec::new(),
                weight: 0,
                batch: Batch::default(),
                targets: TargetCache::default(),
                restored: is_partial.then(HashSet::new),
                stand_ins: HashMap::new(),
                archive: None,
                piped: None,
            };
            let result = body(&mut extractor);
            extractor.finish();
            result
        })
    }

    /// Whether something ended the work early.
    pub fn is_ended(&self) -> bool {
        self.shared.is_ended()
    }

    /// Enters a directory without restoring it; it is made when something in it is.
    ///
    /// # Errors
    /// The target directory cannot be examined; too many bytes of attributes in directories that are nested.
    pub fn enter(&mut self, parent: Parent) -> anyhow::Result<()> {
        let weight = parent.attributes.as_bytes().len();
        self.weight += weight;
        if self.weight > MAX_WEIGHT {
            bail!("the attributes of directories that lie in each other have more than {MAX_WEIGHT} bytes");
        }
        let mut state = LevelState::NotMade;
        if let Some(target) = self.target.take() {
            let metadata = Some((parent.stat, parent.attributes.clone()));
            let root =
                Dir::root(target, metadata, self.shared).context("cannot examine the target directory")?;
            self.root = Some(root.clone());
            state = LevelState::Made(root);
        } else if self.levels.last().is_some_and(|level| matches!(level.state, LevelState::Failed)) {
            state = LevelState::Failed;
        }
        self.levels.push(Level { parent, state, weight, greatest: Vec::new() });
        Ok(())
    }

    /// Leaves the innermost directory.
    pub fn leave(&mut self) {
        let Some(Level { state, weight, .. }) = self.levels.pop() else { return };
        self.weight -= weight;
        if let LevelState::Made(dir) = state {
            if self.levels.is_empty() {
                // Hard links may still be made from here.
                self.root = None;
            }
            Dir::release(dir, &mut self.writer.applier, self.shared);
        }
    }

    /// Follows an entry; it is restored if `selected`, and a directory is entered. Returns whether its contents, which come
    /// next, are to be handed over with [`Extractor::contents`].
    ///
    /// # Errors
    /// What ends an extraction; everything else is reported.
    pub fn entry(&mut self, entry: &Entry<'_>, selected: bool) -> anyhow::Result<bool> {
        self.keep_order(entry.name());
        if entry.kind == Kind::Directory {
            let (stat, attributes) = (*entry.stat, entry.attributes.clone());
            self.enter(Parent { name: entry.name().to_vec(), stat, attributes })?;
            if selected {
                self.count(entry);
                self.make_levels();
            }
            return Ok(false);
        }
        let unwanted = match entry.kind {
            Kind::Device => !self.wants(Features::DEVICE_NODES),
            Kind::Fifo => !self.wants(Features::FIFOS),
            Kind::Socket => !self.wants(Features::SOCKETS),
            Kind::Symlink => !self.wants(Features::SYMLINKS),
            _ => false,
        };
        if !selected || unwanted {
            return Ok(false);
        }
        if matches!(entry.content, Content::Reference(_)) && self.shared.sources.payload.is_none() {
            bail!("this is a split archive: {}", self.shared.sources.payload_hint);
        }
        let Some(dir) = self.make_levels() else { return Ok(false) };
        self.count(entry);
        let name = CString::new(entry.name()).context("a name has a NUL in it")?;
        if entry.kind == Kind::File {
            return Ok(self.file(entry, dir, name));
        }
        if let Err(error) = self.node(entry, &dir, name) {
            self.shared.not_made(entry.path, error, false);
        }
        Dir::release(dir, &mut self.writer.applier, self.shared);
        Ok(false)
    }

    /// The bytes of the file that [`Extractor::entry`] asked for, through `read`, which writes them to what it is given.
    ///
    /// # Errors
    /// Those of reading.
    pub fn contents(
        &mut self,
        read: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some((mut job, size)) = self.piped.take() else {
            return read(&mut std::io::sink());
        };
        if size <= PIPED {
            // As much as announced, but memory only for what really comes.
            let mut bytes = Vec::new();
            read(&mut bytes)?;
            self.batch.bytes += bytes.len();
            job.contents = Contents::Bytes(bytes);
            self.push(job);
            return Ok(());
        }
        self.writer.stream(job, read)
    }

    fn wants(&self, feature: Features) -> bool {
        self.shared.options.features.contains(feature)
    }

    fn count(&self, entry: &Entry<'_>) {
        if self.shared.options.verbose {
            self.shared.report.line(quoted(entry.path));
        }
        self.shared.report.count(entry.size());
    }

    /// Makes the directories that were entered, as far as they are not there yet, and returns the innermost one; `None` if that
    /// failed, which was reported.
    fn make_levels(&mut self) -> Option<Arc<Dir>> {
        let first = self.levels.iter().rposition(|level| !matches!(level.state, LevelState::NotMade))?;
        let LevelState::Made(dir) = &self.levels[first].state else { return None };
        let mut dir = dir.clone();
        for at in first + 1..self.levels.len() {
            if self.shared.is_crowded() {
                self.settle();
            }
            match self.make(&dir, at) {
                Ok(made) => {
                    self.levels[at].state = LevelState::Made(made.clone());
                    let above = std::mem::replace(&mut dir, made);
                    Dir::release(above, &mut self.writer.applier, self.shared);
                }
                Err(error) => {
                    self.levels[at].state = LevelState::Failed;
                    let names: Vec<&[u8]> =
                        self.levels[1..=at].iter().map(|level| &*level.parent.name).collect();
                    let error = error.context("cannot make the directory");
                    self.shared.not_made(&names.join(&b'/'), error, true);
                    Dir::release(dir, &mut self.writer.applier, self.shared);
                    return None;
                }
            }
        }
        Some(dir)
    }

    /// Makes the directory of the level `at` in `parent`.
    fn make(&mut self, parent: &Arc<Dir>, at: usize) -> anyhow::Result<Arc<Dir>> {
        if self.shared.has_most_dirs() {
            bail!(
                "it lies in {at} others, all of which are open, and the limit on open files allows no more (ulimit -n)"
            );
        }
        let Parent { name, stat, attributes } = &mut self.levels[at].parent;
        let metadata = (*stat, std::mem::take(attributes));
        Ok(Dir::create(parent, &CString::new(&**name)?, metadata, self.shared)?)
    }

    /// Names ascend in a directory. If one does not, it may be there already, or still be with a worker, and what exists in the
    /// end would depend on who comes first: then all that came before is done before.
    fn keep_order(&mut self, name: &[u8]) {
        let Some(Level { greatest, .. }) = self.levels.last_mut() else { return };
        if !greatest.is_empty() && name <= &**greatest {
            self.settle();
        } else {
            greatest.clear();
            greatest.extend_from_slice(name);
        }
    }

    /// Hands over what is left and waits until all of it is done.
    fn settle(&mut self) {
        self.shared.push(std::mem::take(&mut self.batch));
        self.shared.wait_until_idle();
    }

    /// Hands a file to the workers; returns whether its contents come through [`Extractor::contents`].
    fn file(&mut self, entry: &Entry<'_>, dir: Arc<Dir>, name: CString) -> bool {
        if let Some(restored) = &mut self.restored {
            restored.insert(entry.filename);
        }
        let (stat, attributes) = (*entry.stat, entry.attributes.clone());
        let (contents, piped) = match entry.content {
            Content::Inline { size: 0, .. } => (Contents::Bytes(Vec::new()), false),
            Content::Inline { offset, size } => {
                (Contents::Inline { offset, size }, self.shared.sources.archive.is_none())
            }
            Content::Reference(reference) => (Contents::Payload(reference), false),
            _ => (Contents::Bytes(Vec::new()), false),
        };
        let job = FileJob { dir, name, stat, attributes, contents };
        if piped {
            self.piped = Some((job, entry.size()));
        } else {
            self.push(job);
        }
        piped
    }

    fn push(&mut self, job: FileJob) {
        let unit = self.shared.unit(&job.contents);
        let is_same = unit.is_some() && unit.as_ref().map(|unit| unit.start) == self.batch.unit;
        let most = if is_same { BATCH_FILES_OF_CHUNK } else { BATCH_FILES };
        if self.batch.files.len() >= most || self.batch.bytes >= BATCH_BYTES {
            self.shared.push(std::mem::take(&mut self.batch));
        }
        if let Some(unit) = unit.filter(|unit| self.batch.unit != Some(unit.start)) {
            self.batch.unit = Some(unit.start);
            self.batch.chunks += (unit.end - unit.start).min(MAX_CHUNK_SIZE);
            self.shared.will_read(&job.contents, unit);
        }
        self.batch.bytes += job.attributes.as_bytes().len();
        self.batch.files.push(job);
    }

    fn node(&mut self, entry: &Entry<'_>, dir: &Arc<Dir>, name: CString) -> anyhow::Result<()> {
        let (stat, attributes) = (entry.stat, entry.attributes);
        let job = NodeJob { dir, name: &name, stat, attributes };
        let applier = &mut self.writer.applier;
        match entry.content {
            Content::Target(target) => job.symlink(target, applier, self.shared),
            Content::Device(device) => job.special(entry.kind, device, applier, self.shared),
            Content::Hardlink { distance, target } => self.hardlink(entry, dir, name, distance, target),
            _ => job.special(entry.kind, Default::default(), applier, self.shared),
        }
    }

    fn hardlink(
        &mut self,
        entry: &Entry<'_>,
        dir: &Arc<Dir>,
        name: CString,
        distance: u64,
        target: &[u8],
    ) -> anyhow::Result<()> {
        let mut stand_in = None;
        if let Some(restored) = &self.restored {
            let first_name = entry.filename.wrapping_sub(distance);
            if !restored.contains(&first_name) {
                match self.stand_ins.get(&first_name) {
                    Some(path) => stand_in = Some(path.clone()),
                    None => return self.stand_in(entry, dir, name, first_name),
                }
            }
        }
        // The file that the link leads to may still be with a worker.
        self.settle();
        let Some(root) = &self.root else { bail!("a defect of pxkit: no target directory") };
        let target = stand_in.as_deref().unwrap_or(target);
        let job = NodeJob { dir, name: &name, stat: entry.stat, attributes: entry.attributes };
        job.hardlink(root, target, &mut self.targets, self.shared)
    }

    /// Restores the file behind a hard link under the link's name, because its first name was not selected.
    fn stand_in(
        &mut self,
        entry: &Entry<'_>,
        dir: &Arc<Dir>,
        name: CString,
        first_name: u64,
    ) -> anyhow::Result<()> {
        let Sources { archive: Some(source), payload, .. } = &self.shared.sources else {
            bail!("it is a hard link to a file that is not selected, and the archive comes through a pipe");
        };
        let access = match self.archive.take() {
            Some(archive) => RandomAccess::reopen(&**source, payload.as_ref(), archive),
            None => RandomAccess::open(&**source, payload.as_ref())?,
        };
        let node = access.run(ReadNode::new(&access.archive, first_name));
        self.archive = Some(access.archive);
        let node = node.context("cannot read the file that it is a hard link to")?;
        let (contents, size) = match node.content {
            NodeContent::Inline { offset, size } => (Contents::Inline { offset, size }, size),
            NodeContent::Reference(reference) => (Contents::Payload(reference), reference.size),
            _ => bail!("it is a hard link to something that is not a file"),
        };
        // The link was counted as one, which has none.
        self.shared.report.count_bytes(size);
        self.stand_ins.insert(first_name, entry.path.to_vec());
        let (dir, stat, attributes) = (dir.clone(), node.stat, node.attributes);
        self.push(FileJob { dir, name, stat, attributes, contents });
        Ok(())
    }

    /// Hands over what is left, waits for it, and leaves all directories.
    fn finish(&mut self) {
        if let Some((job, _)) = self.piped.take() {
            Dir::release(job.dir, &mut self.writer.applier, self.shared);
        }
        self.settle();
        while !self.levels.is_empty() {
            self.leave();
        }
    }
}
