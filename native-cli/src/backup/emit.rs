//! The last step: the spool, read again, becomes the archive.

use std::collections::HashMap;

use anyhow::Context as _;
use pxkit_core::encode::{Event, Node};
use pxkit_core::format::{Attributes, MAX_NAME_LEN, Stat, Timestamp};
use pxkit_core::plan::{Emit, Fate, Identity, Record, RecordContent};
use pxkit_core::reuse::state::{Devices, Marks, Trace};

use super::ahead::{Ahead, Batch, Opened, Openers, walk_identity};
use super::catalog::CatalogStream;
use super::detect::Tally;
use super::sink::Streams;
use super::state::NewState;
use crate::report::{Report, check_signals};
use crate::walk::{self, Change, DisplayPath, FileReader, Fresh, WalkError};

/// The file that unified archives keep the exclude patterns in (format specification 5.5).
const EXCLUDE_CLI: &[u8] = b".pxarexclude-cli";

/// What became of the files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Emitted {
    /// Names that were stored as hard links.
    pub links: u64,
    /// Files that were read.
    pub read: Tally,
    /// Files that kept their chunks.
    pub reused: Tally,
    /// Files that were not there any more.
    pub gone: u64,
}

/// Where a file with several names was stored.
struct FirstName {
    filename: u64,
    path: Box<[u8]>,
    /// Names that were met, and that it was said to have.
    met: u32,
    links: u32,
}

/// Turns records into an archive.
pub struct Emitter<'a, 'p, 'env> {
    /// The plan.
    pub emit: Emit<'a>,
    /// Where everything goes.
    pub streams: &'a mut Streams<'p, 'env>,
    /// The catalog of a unified archive.
    pub catalog: Option<&'a mut CatalogStream<'p, 'env>>,
    /// The text of `.pxarexclude-cli`, empty if there is to be none.
    pub exclude_cli: Vec<u8>,
    /// Opens what was not opened ahead.
    pub openers: &'env Openers,
    /// Where warnings go.
    pub report: &'a Report,
    /// The state of the archive, as long as it can be written.
    state: Option<NewState>,
    devices: Devices,
    first_names: HashMap<(u64, u64), FirstName>,
    path: Vec<u8>,
    /// Length of the path of each open directory.
    levels: Vec<usize>,
    block: Vec<u8>,
    done: Emitted,
}

impl<'a, 'p, 'env> Emitter<'a, 'p, 'env> {
    /// Starts an archive.
    pub fn new(
        emit: Emit<'a>,
        streams: &'a mut Streams<'p, 'env>,
        catalog: Option<&'a mut CatalogStream<'p, 'env>>,
        exclude_cli: Vec<u8>,
        openers: &'env Openers,
        report: &'a Report,
    ) -> Self {
        let (first_names, path, levels, block, done) = Default::default();
        let (state, devices) = (None, Devices::new());
        Self {
            emit,
            streams,
            catalog,
            exclude_cli,
            openers,
            report,
            state,
            devices,
            first_names,
            path,
            levels,
            block,
            done,
        }
    }

    /// Writes the state of the archive, too.
    #[must_use]
    pub fn with_state(self, state: Option<NewState>) -> Self {
        Self { state, ..self }
    }

    /// Goes through the spool. Returns also the state, if it could be written.
    ///
    /// # Errors
    /// A file cannot be read, a chunk not be stored, or a signal asked for the end.
    pub fn run(
        mut self,
        ahead: &mut Ahead<'_, 'env>,
        is_read: &dyn Fn(usize) -> bool,
    ) -> anyhow::Result<(Emitted, Option<NewState>)> {
        let (mut stat, mut attributes) = (Stat::default(), Attributes::new());
        while let Some((records, mut batch)) = ahead.next(is_read)? {
            check_signals()?;
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                let (bytes, later) = rest.split_at(Record::length(rest)?.min(rest.len()));
                rest = later;
                match Record::parse(bytes, &mut stat, &mut attributes)? {
                    Some(record) => self.record(&record, &mut batch, ahead)?,
                    None => self.leave()?,
                }
            }
            self.openers.recycle(batch.bytes);
        }
        self.emit.finish(self.streams)?;
        Ok((self.done, self.state))
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        batch: &mut Batch,
        ahead: &Ahead<'_, 'env>,
    ) -> anyhow::Result<()> {
        let (node, identity) = (record.node, &record.identity);
        self.path.truncate(self.levels.last().copied().unwrap_or_default());
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(node.name);
        let event = match record.content {
            RecordContent::Directory => {
                let is_root = self.levels.is_empty();
                self.levels.push(self.path.len());
                if let (Some(catalog), false) = (&mut self.catalog, is_root) {
                    catalog.enter(node.name)?;
                }
                self.push(&Event::Directory(node))?;
                self.trace(&Identity { links: 0, ..*identity });
                return Ok(());
            }
            RecordContent::File { size } => return self.file(node, size, identity, batch),
            RecordContent::Link { size } => return self.link(node, size, identity, ahead),
            RecordContent::Symlink(target) => Event::Symlink { node, target },
            RecordContent::Device(device) => Event::Device { node, device },
            RecordContent::Fifo => Event::Fifo(node),
            RecordContent::Socket => Event::Socket(node),
        };
        self.push(&event)?;
        self.trace(&Identity { links: 0, ..*identity });
        if let Some(catalog) = &mut self.catalog {
            catalog.node(&event)?;
        }
        Ok(())
    }

    /// Notes what the entry was that was encoded last. If that cannot be written there is no state, and the backup goes on.
    fn trace(&mut self, identity: &Identity) {
        let Some(state) = &mut self.state else { return };
        let Identity { dev, ino, birth, ctime, links, marks } = *identity;
        let device = self.devices.number(dev);
        if let Err(error) = state.push(&Trace { device, ino, birth, ctime, links, marks }) {
            self.report.line(format_args!("note: no state file is written: {error:#}"));
            self.state = None;
        }
    }

    fn leave(&mut self) -> anyhow::Result<()> {
        self.levels.pop();
        if self.levels.is_empty() && !self.exclude_cli.is_empty() {
            self.write_exclude_cli()?;
        }
        if let (Some(catalog), false) = (&mut self.catalog, self.levels.is_empty()) {
            catalog.leave()?;
        }
        self.push(&Event::Leave).map(drop)
    }

    fn push(&mut self, event: &Event<'_>) -> anyhow::Result<u64> {
        self.emit.push(event, self.streams).with_context(|| DisplayPath(&self.path).to_string())
    }

    /// A file of the listing.
    fn file(
        &mut self,
        node: Node<'_>,
        size: u64,
        identity: &Identity,
        batch: &mut Batch,
    ) -> anyhow::Result<()> {
        if self.emit.fate(self.emit.next()) == Fate::Reuse {
            let filename =
                self.emit.reuse(node, self.streams).with_context(|| DisplayPath(&self.path).to_string())?;
            self.done.reused.add(size);
            self.trace(identity);
            self.remember(filename, identity);
            return Ok(());
        }
        let opened = batch.files.pop_front().context("a defect of pxkit: a file that nobody opened")?;
        let stored = self.store(node, size, identity, opened, &batch.bytes, true)?;
        if let Some((filename, true)) = stored {
            self.remember(filename, identity);
        }
        Ok(())
    }

    /// A further name: a hard link if its first name is stored, else a file.
    fn link(
        &mut self,
        node: Node<'_>,
        size: u64,
        identity: &Identity,
        ahead: &Ahead<'_, 'env>,
    ) -> anyhow::Result<()> {
        let key = (identity.dev, identity.ino);
        if let Some(first) = self.first_names.get_mut(&key) {
            first.met += 1;
            first.links = first.links.max(identity.links);
            let (filename, is_last) = (first.filename, first.met >= first.links);
            let target = if is_last {
                self.first_names.remove(&key).map(|first| first.path).unwrap_or_default()
            } else {
                first.path.clone()
            };
            self.done.links += 1;
            self.push(&Event::Hardlink { name: node.name, filename, target: &target })?;
            self.trace(identity);
            if let Some(catalog) = &mut self.catalog {
                catalog.hardlink(node.name)?;
            }
            return Ok(());
        }
        // The first name vanished, or is another file now.
        let mut recorded = walk_identity(identity, node.stat, size);
        if !identity.marks.has(Marks::WHOLE) {
            // Its metadata was not read, so it cannot be what was recorded.
            recorded.ctime = Timestamp { secs: i64::MIN, nanos: 0 };
        }
        let wanted = ahead.wanted(&self.path, recorded)?;
        let mut bytes = Vec::new();
        let opened = self.openers.open(&mut self.openers.opener(), &wanted, &mut bytes);
        let stored = self.store(node, size, identity, opened, &bytes, false)?;
        if let Some((filename, true)) = stored {
            self.remember(filename, identity);
        }
        Ok(())
    }

    fn remember(&mut self, filename: u64, identity: &Identity) {
        let links = identity.links;
        if links > 1 && self.path.len() <= MAX_NAME_LEN {
            let first = FirstName { filename, path: self.path.as_slice().into(), met: 1, links };
            self.first_names.insert((identity.dev, identity.ino), first);
        }
    }

    /// Stores a file that is read. Returns what hard links name, and whether it is the file that the walk saw, changed or not.
    fn store(
        &mut self,
        node: Node<'_>,
        size: u64,
        identity: &Identity,
        opened: Opened,
        bytes: &[u8],
        is_listed: bool,
    ) -> anyhow::Result<Option<(u64, bool)>> {
        let (content, fresh) = match opened {
            Opened::Read { bytes: range, fresh, change } => {
                if let Some(change) = change {
                    self.warn_changed(change);
                }
                (Ok(&bytes[range]), fresh)
            }
            Opened::Open(file, fresh) => (Err(file), fresh),
            Opened::Gone(what) => {
                self.report.warn(format_args!("{}: {what}", DisplayPath(&self.path)));
                self.done.gone += 1;
                if is_listed {
                    self.emit.skip()?;
                }
                return Ok(None);
            }
            Opened::Failed(problem) => return Err(WalkError { path: self.path.clone(), problem }.into()),
        };
        let mut seen = *identity;
        let (node, size) = match &fresh {
            None => (node, size),
            Some(fresh) => {
                seen = changed_identity(identity, fresh);
                let Fresh { stat, attributes, identity, warning, .. } = &**fresh;
                if let Some(what) = warning {
                    self.report.warn(format_args!("{}: {what}", DisplayPath(&self.path)));
                }
                (Node { name: node.name, stat, attributes }, identity.size)
            }
        };
        let encoded = if is_listed {
            self.emit.read(node, size, self.streams)
        } else {
            self.emit.extra(node, size, self.streams)
        };
        let filename = encoded.with_context(|| DisplayPath(&self.path).to_string())?;
        self.trace(&seen);
        self.done.read.add(size);
        match content {
            Ok(bytes) => {
                self.report.count_bytes(size);
                self.emit.contents(bytes, self.streams)?;
            }
            Err(file) => self.copy(FileReader::new(file, size))?,
        }
        if let Some(catalog) = &mut self.catalog {
            catalog.file(node.name, size, node.stat.mtime.secs)?;
        }
        // With one name left, the others have become something else.
        let is_same = fresh.is_none_or(|fresh| {
            (fresh.identity.dev, fresh.identity.ino) == (identity.dev, identity.ino) && fresh.nlink > 1
        });
        Ok(Some((filename, is_same)))
    }

    /// Reads a file that is too large to have been read ahead.
    fn copy(&mut self, mut reader: FileReader) -> anyhow::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        loop {
            check_signals()?;
            let bytes = reader
                .next_block(&mut block)
                .with_context(|| format!("cannot read {}", DisplayPath(&self.path)))?;
            if bytes.is_empty() {
                break;
            }
            self.report.count_bytes(bytes.len() as u64);
            self.emit.contents(bytes, self.streams)?;
        }
        self.block = block;
        if let Some(change) = reader.change() {
            self.warn_changed(change);
        }
        Ok(())
    }

    fn warn_changed(&self, change: Change) {
        self.report.warn(format_args!("{}: {change}", DisplayPath(&self.path)));
    }

    fn write_exclude_cli(&mut self) -> anyhow::Result<()> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let stat = Stat { mode: 0o100_600, uid, gid, ..Stat::default() };
        let node = Node { name: EXCLUDE_CLI, stat: &stat, attributes: &Attributes::new() };
        let text = std::mem::take(&mut self.exclude_cli);
        let size = text.len() as u64;
        self.emit.extra(node, size, self.streams)?;
        self.emit.contents(&text, self.streams)?;
        if let Some(catalog) = &mut self.catalog {
            catalog.file(EXCLUDE_CLI, size, 0)?;
        }
        Ok(())
    }
}

/// What a file is that changed since it was listed. That was a moment ago, so it is not settled; if it was replaced, nothing more is known of it.
fn changed_identity(listed: &Identity, fresh: &Fresh) -> Identity {
    let links = u32::try_from(fresh.nlink).unwrap_or(u32::MAX);
    let walk::Identity { dev, ino, ctime, .. } = fresh.identity;
    let is_same = (dev, ino) == (listed.dev, listed.ino);
    let marks = Marks::default().with_if(is_same && listed.marks.has(Marks::STABLE), Marks::STABLE);
    Identity { dev, ino, birth: if is_same { listed.birth } else { 0 }, ctime, links, marks }
}

impl std::fmt::Debug for Emitter<'_, '_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter").field("done", &self.done).finish_non_exhaustive()
    }
}
