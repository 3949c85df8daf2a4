//! Entries as a stream: a tar or zip archive, or the contents of one file.
//!
//! Entries come in archive order and go out in the same; nothing is kept but the directories above the entry at hand and, where only some
//! entries are selected, which files there were. What cannot be read ends the stream, because its size has been announced by then.

mod tar;
mod zip;

use std::collections::{HashMap, HashSet};
use std::io::Write;

use anyhow::{Context as _, anyhow, bail};
use pxkit_core::access::{Archive, NodeContent, ReadNode};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attributes, Device, Features, HEADER_SIZE, Kind, Stat};

use self::tar::Tar;
use self::zip::Zip;
use crate::cli::StreamFormat;
use crate::input::RandomAccess;
use crate::report::{Report, check_signals};
use crate::restore::{Parent, Receiver, Sources};
use crate::source::Readahead;
use crate::text::quoted;

/// What a format is told of an entry.
struct Item<'a> {
    /// From the archive's root, without leading slash; empty for the root.
    path: &'a [u8],
    stat: &'a Stat,
    attributes: &'a Attributes,
    body: Body<'a>,
}

/// What makes an entry more than its metadata.
enum Body<'a> {
    Directory,
    /// So many bytes follow.
    File(u64),
    Symlink(&'a [u8]),
    /// Another name of the file at this path.
    Link(&'a [u8]),
    Device(Device),
    Fifo,
    Socket,
}

/// Something that entries can be written in.
trait Format {
    /// Begins an entry. `false` if the format has no way to say this, and nothing was written.
    fn begin(&mut self, item: &Item<'_>, report: &Report) -> anyhow::Result<bool>;

    /// Contents of the file that was begun.
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()>;

    /// Ends the file that was begun.
    fn end(&mut self) -> anyhow::Result<()>;

    /// Ends the stream.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;

    /// Whether a file can have a second name; if not, its contents are written again.
    fn has_links(&self) -> bool {
        true
    }

    /// Whether directories above what is selected are written, too.
    fn has_parents(&self) -> bool {
        true
    }
}

/// Writes entries as a stream.
pub struct Exporter<'a> {
    format: Box<dyn Format + 'a>,
    sources: Sources,
    features: Features,
    report: &'a Report,
    levels: Vec<Level>,
    /// In a partial export: FILENAMEs of the files that were written.
    written: Option<HashSet<u64>>,
    /// For files whose first name was not written, the path of the one that was.
    stand_ins: HashMap<u64, Vec<u8>>,
    archive: Option<Archive>,
    readahead: Readahead,
    block: Vec<u8>,
    verbose: bool,
}

/// A directory that was entered.
struct Level {
    path: Vec<u8>,
    stat: Stat,
    attributes: Attributes,
    is_written: bool,
}

impl std::fmt::Debug for Exporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl<'a> Exporter<'a> {
    /// Writes into `out`. `is_partial` says that not all entries are selected.
    ///
    /// # Errors
    /// The format cannot be begun.
    pub fn new(
        format: StreamFormat,
        out: impl Write + 'a,
        sources: Sources,
        features: Features,
        is_partial: bool,
        report: &'a Report,
    ) -> anyhow::Result<Self> {
        let format: Box<dyn Format + 'a> = match format {
            StreamFormat::Tar => Box::new(Tar::new(out)),
            StreamFormat::TarZst => Box::new(Tar::compressed(out)?),
            StreamFormat::Zip => Box::new(Zip::new(out)),
            StreamFormat::Content => Box::new(One { out, is_begun: false }),
        };
        Ok(Self {
            format,
            sources,
            features,
            report,
            levels: Vec::new(),
            written: is_partial.then(HashSet::new),
            stand_ins: HashMap::new(),
            archive: None,
            readahead: Readahead::default(),
            block: Vec::new(),
            verbose: false,
        })
    }

    /// Names each entry on standard error.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> anyhow::Result<()> {
        self.format.finish()
    }

    /// Writes the directories that were entered, as far as they are not written.
    fn write_levels(&mut self) -> anyhow::Result<()> {
        if !self.format.has_parents() {
            return Ok(());
        }
        // Of some entries the root says nothing: whoever unpacks them does so in a directory of his own.
        let skip_root = self.written.is_some();
        for level in self.levels.iter_mut().filter(|level| !level.is_written) {
            level.is_written = true;
            if level.path.is_empty() && skip_root {
                continue;
            }
            let Level { path, stat, attributes, .. } = &*level;
            let item = Item { path, stat, attributes, body: Body::Directory };
            self.format.begin(&item, self.report).with_context(|| quoted(path))?;
        }
        Ok(())
    }

    /// Begins an entry; says whether there is more to do for it.
    fn begin(&mut self, item: &Item<'_>) -> anyhow::Result<bool> {
        let is_held = self.format.begin(item, self.report).with_context(|| quoted(item.path))?;
        if !is_held {
            self.report
                .warn(format_args!("{}: the format cannot hold this, it is left out", quoted(item.path)));
        }
        Ok(is_held)
    }

    /// Writes a file whose contents can be read now.
    fn file(
        &mut self,
        path: &[u8],
        stat: &Stat,
        attributes: &Attributes,
        content: &NodeContent,
    ) -> anyhow::Result<()> {
        let (source, start, size) = match *content {
            NodeContent::Inline { offset, size } => {
                let archive = self.sources.archive.clone();
                (archive.context("the archive is a pipe")?, offset, size)
            }
            NodeContent::Reference(reference) => {
                let hint = self.sources.payload_hint;
                let payload = self.sources.payload.clone();
                let payload =
                    payload.ok_or_else(|| anyhow!("the contents are in the payload file: {hint}"))?;
                // Before anything is announced.
                payload.check(reference)?;
                (payload.source().clone(), reference.offset + HEADER_SIZE as u64, reference.size)
            }
            _ => bail!("it is no file"),
        };
        let end = start.checked_add(size).filter(|&end| end <= source.size());
        let end = end.ok_or_else(|| anyhow!("its contents do not lie within {}", source.name()))?;
        if !self.begin(&Item { path, stat, attributes, body: Body::File(size) })? {
            return Ok(());
        }
        let Self { format, readahead, block, report, written, .. } = self;
        // Of some files, what lies behind may be of others.
        if size > 0 && written.is_none() {
            readahead.passing(&*source, start..end);
        }
        source.pass(start..end, block, &mut |piece| {
            check_signals()?;
            report.count_bytes(piece.len() as u64);
            format.write(piece)
        })?;
        format.end()
    }

    fn link(&mut self, entry: &Entry<'_>, distance: u64, target: &[u8]) -> anyhow::Result<()> {
        let first = entry.filename.checked_sub(distance).filter(|_| distance > 0);
        let first = first.context("a hard link that leads out of the archive")?;
        let is_there = self.written.as_ref().is_none_or(|written| written.contains(&first));
        if self.format.has_links() {
            let stand_in = self.stand_ins.get(&first).cloned();
            if is_there || stand_in.is_some() {
                let node = self.node(first)?;
                // Unpackers give a link the metadata that stands here: that of the file.
                let (stat, attributes) =
                    node.map_or_else(Default::default, |node| (node.stat, node.attributes));
                let body = Body::Link(stand_in.as_deref().unwrap_or(target));
                self.begin(&Item { path: entry.path, stat: &stat, attributes: &attributes, body })?;
                return Ok(());
            }
        }
        let node = self.node(first)?.context("a hard link to what came before, and the archive is a pipe")?;
        self.stand_ins.insert(first, entry.path.to_vec());
        self.file(entry.path, &node.stat, &node.attributes, &node.content)
    }

    /// The entry at a position; `None` if the archive comes through a pipe.
    fn node(&mut self, filename: u64) -> anyhow::Result<Option<pxkit_core::access::Node>> {
        let Some(source) = &self.sources.archive else { return Ok(None) };
        let access = match self.archive.take() {
            Some(archive) => RandomAccess::reopen(&**source, self.sources.payload.as_ref(), archive),
            None => RandomAccess::open(&**source, self.sources.payload.as_ref())?,
        };
        let node = access.run(ReadNode::new(&access.archive, filename));
        self.archive = Some(access.archive);
        node.map(Some)
    }

    fn selected(&mut self, entry: &Entry<'_>) -> anyhow::Result<bool> {
        let Entry { path, stat, attributes, .. } = *entry;
        let item = |body| Item { path, stat, attributes, body };
        match entry.content {
            Content::Inline { size, .. } if self.sources.archive.is_none() => {
                if let Some(written) = &mut self.written {
                    written.insert(entry.filename);
                }
                // The contents come next.
                return self.begin(&item(Body::File(size)));
            }
            Content::Inline { offset, size } => {
                self.file(path, stat, attributes, &NodeContent::Inline { offset, size })?;
            }
            Content::Reference(reference) => {
                self.file(path, stat, attributes, &NodeContent::Reference(reference))?;
            }
            Content::Hardlink { distance, target } => self.link(entry, distance, target)?,
            Content::Target(target) => _ = self.begin(&item(Body::Symlink(target)))?,
            Content::Device(device) => _ = self.begin(&item(Body::Device(device)))?,
            Content::None if entry.kind == Kind::Fifo => _ = self.begin(&item(Body::Fifo))?,
            Content::None => _ = self.begin(&item(Body::Socket))?,
        }
        if entry.kind == Kind::File
            && let Some(written) = &mut self.written
        {
            written.insert(entry.filename);
        }
        Ok(false)
    }
}

impl Receiver for Exporter<'_> {
    fn is_ended(&self) -> bool {
        false
    }

    fn enter(&mut self, parent: Parent) -> anyhow::Result<()> {
        let mut path = self.levels.last().map_or_else(Vec::new, |level| level.path.clone());
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&parent.name);
        self.levels.push(Level { path, stat: parent.stat, attributes: parent.attributes, is_written: false });
        Ok(())
    }

    fn leave(&mut self) {
        self.levels.pop();
    }

    fn entry(&mut self, entry: &Entry<'_>, selected: bool) -> anyhow::Result<bool> {
        let has = |feature| self.features.contains(feature);
        let is_unwanted = match entry.kind {
            Kind::Device => !has(Features::DEVICE_NODES),
            Kind::Fifo => !has(Features::FIFOS),
            Kind::Socket => !has(Features::SOCKETS),
            Kind::Symlink => !has(Features::SYMLINKS),
            _ => false,
        };
        let is_wanted = selected && !is_unwanted;
        if is_wanted {
            if self.verbose {
                self.report.line(quoted(entry.path));
            }
            self.report.count(0);
        }
        if entry.kind == Kind::Directory {
            let (path, stat, attributes) = (entry.path.to_vec(), *entry.stat, entry.attributes.clone());
            self.levels.push(Level { path, stat, attributes, is_written: false });
            if is_wanted {
                if !self.format.has_parents() && !entry.path.is_empty() {
                    bail!("{} is a directory: name a format, --format tar or zip", quoted(entry.path));
                }
                self.write_levels()?;
            }
            return Ok(false);
        }
        if !is_wanted {
            return Ok(false);
        }
        self.write_levels()?;
        self.selected(entry).with_context(|| quoted(entry.path))
    }

    fn contents(&mut self, read: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { format, report, .. } = self;
        read(&mut Contents { format: &mut **format, report })?;
        format.end()
    }
}

/// Contents that come through a pipe.
struct Contents<'f, 'a> {
    format: &'f mut (dyn Format + 'a),
    report: &'f Report,
}

impl Write for Contents<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        check_signals().map_err(std::io::Error::other)?;
        self.report.count_bytes(bytes.len() as u64);
        self.format.write(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The contents of one file, as they are.
struct One<W> {
    out: W,
    is_begun: bool,
}

impl<W: Write> Format for One<W> {
    fn begin(&mut self, item: &Item<'_>, _report: &Report) -> anyhow::Result<bool> {
        if !matches!(item.body, Body::File(_)) {
            bail!("it is no file, and only files have contents");
        }
        if std::mem::replace(&mut self.is_begun, true) {
            bail!("it is a second file: several entries need a format, --format tar or zip");
        }
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.out.write_all(bytes)?)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        if !self.is_begun {
            bail!("there is no such file");
        }
        Ok(self.out.flush()?)
    }

    fn has_links(&self) -> bool {
        false
    }

    fn has_parents(&self) -> bool {
        false
    }
}
