//! Archives as input: windows over a file or a pipe, positioned reads, and what kind of file it is.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pxkit_core::access::{self, Archive, Machine, Open, Source, Want};
use pxkit_core::decode::{Decoder, Entries, Event, Finding, Start, Step};
use pxkit_core::format::{ItemType, PayloadRef, START_MARKER};

use crate::report::wait_readable;
use crate::text::input_name;

/// A read of metadata in sequence.
const BLOCK: usize = 256 * 1024;
/// The first read after something was skipped; what follows is often one short entry.
const BLOCK_AFTER_SKIP: usize = 4096;

/// A stream of bytes that is looked at through a window and moves forwards.
#[derive(Debug)]
pub struct Stream {
    file: File,
    /// Bytes, if the file can be read anywhere.
    size: Option<u64>,
    buffer: Vec<u8>,
    /// The window within the buffer.
    start: usize,
    end: usize,
    /// Position of the window's first byte.
    position: u64,
    /// Size of the next read.
    block: usize,
    finished: bool,
}

impl Stream {
    /// Opens a file, or standard input if the path is `-`.
    ///
    /// # Errors
    /// It cannot be opened, or is a directory.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let stdin = io::stdin().as_fd().try_clone_to_owned().context("cannot open standard input")?;
            return Self::from_file(File::from(stdin)).context("cannot read standard input");
        }
        let open = || {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Self::from_file(file)
        };
        open().with_context(|| format!("cannot open {}", path.display()))
    }

    fn from_file(mut file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // A pipe, or a file that is not at its start (`< archive` after something else read from it), is read as it comes.
        let size = (metadata.is_file() && file.stream_position()? == 0).then_some(metadata.len());
        let (start, end, position, block, finished) = (0, 0, 0, BLOCK_AFTER_SKIP, false);
        Ok(Self { file, size, buffer: Vec::new(), start, end, position, block, finished })
    }

    /// Bytes of the stream, if it can be read anywhere.
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The file, for positioned reads; only if [`Stream::size`] is known.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Position of the window's first byte.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The bytes at hand.
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the window's start; `bytes` are in the window.
    pub fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Reads until the window has `at_least` bytes or the stream ends; returns whether it has them.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fill(&mut self, at_least: usize) -> io::Result<bool> {
        while self.end - self.start < at_least && !self.finished {
            let wanted = at_least.max(self.block);
            if self.buffer.len() - self.start < wanted {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                if self.buffer.len() < wanted {
                    self.buffer.resize(wanted, 0);
                }
            }
            let space = self.end..self.buffer.len().min(self.start + wanted);
            let at = self.position + (self.end - self.start) as u64;
            let read = match self.size {
                Some(_) => self.file.read_at(&mut self.buffer[space], at),
                None => {
                    wait_readable(&self.file)?;
                    self.file.read(&mut self.buffer[space])
                }
            };
            match read {
                Ok(0) => self.finished = true,
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.block = (self.block * 2).min(BLOCK);
        }
        Ok(self.end - self.start >= at_least)
    }

    /// Moves forwards by `bytes`; returns how many are missing because the stream ends before.
    ///
    /// # Errors
    /// Those of reading, where the stream cannot be positioned.
    pub fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let at_hand = (self.end - self.start) as u64;
        if bytes <= at_hand {
            self.advance(bytes as usize);
            return Ok(0);
        }
        if let Some(size) = self.size {
            let target = self.position.saturating_add(bytes);
            self.start = 0;
            self.end = 0;
            self.position = target.min(size);
            self.block = BLOCK_AFTER_SKIP;
            return Ok(target - self.position);
        }
        self.copy(bytes, &mut io::sink())
    }

    /// Moves forwards by `bytes`, which are written to `out`; returns how many are missing because the stream ends before.
    ///
    /// # Errors
    /// Those of reading and of `out`.
    pub fn copy(&mut self, mut bytes: u64, out: &mut dyn Write) -> io::Result<u64> {
        while bytes > 0 {
            if self.window().is_empty() && !self.fill(1)? {
                break;
            }
            let part = bytes.min(self.window().len() as u64) as usize;
            out.write_all(&self.window()[..part])?;
            self.advance(part);
            bytes -= part as u64;
        }
        Ok(bytes)
    }
}

/// The entries of an archive, read from a [`Stream`].
#[derive(Debug)]
pub struct EntryReader {
    entries: Entries,
    stream: Stream,
    /// Where a range that is decoded begins in the stream.
    used: usize,
    needed: usize,
}

impl EntryReader {
    /// All entries of an archive.
    pub fn new(stream: Stream) -> Self {
        Self { entries: Entries::new(), stream, used: 0, needed: 0 }
    }

    /// The child whose FILENAME is at `filename`, and all below, of an archive that can be read anywhere.
    ///
    /// # Errors
    /// The stream ends before.
    pub fn child(mut stream: Stream, filename: u64, parent: &[u8]) -> io::Result<Self> {
        if filename < stream.position() {
            stream.start = 0;
            stream.end = 0;
            stream.position = 0;
            stream.finished = false;
        }
        stream.skip(filename - stream.position())?;
        let entries = Entries::at(filename, Start::Child, parent, pxkit_core::decode::Limits::default());
        Ok(Self { entries, stream, used: 0, needed: 0 })
    }

    /// What comes next. [`Event::Need`] only asks to call again; after [`Event::Skip`], [`EntryReader::skip`] or
    /// [`EntryReader::copy`] pass the bytes.
    ///
    /// # Errors
    /// Those of reading and decoding.
    pub fn step(&mut self) -> anyhow::Result<Event<'_>> {
        self.stream.advance(std::mem::take(&mut self.used));
        let needed = std::mem::take(&mut self.needed);
        if needed > 0 && !self.stream.fill(needed).context("cannot read the archive")? {
            return Err(self.entries.truncated(needed, self.stream.window().len() as u64).into());
        }
        let progress = self.entries.step(self.stream.window())?;
        self.used = progress.used;
        if let Event::Need(bytes) = progress.event {
            self.needed = bytes;
        }
        Ok(progress.event)
    }

    /// Passes the bytes of an [`Event::Skip`].
    ///
    /// # Errors
    /// Those of reading; the stream ends before.
    pub fn skip(&mut self, bytes: u64) -> anyhow::Result<()> {
        self.stream.advance(std::mem::take(&mut self.used));
        let missing = self.stream.skip(bytes).context("cannot read the archive")?;
        self.complete(bytes, missing)
    }

    /// Passes the bytes of an [`Event::Skip`] and writes them to `out`.
    ///
    /// # Errors
    /// Those of reading and of `out`; the stream ends before.
    pub fn copy(&mut self, bytes: u64, out: &mut dyn Write) -> anyhow::Result<()> {
        self.stream.advance(std::mem::take(&mut self.used));
        let missing = self.stream.copy(bytes, out)?;
        self.complete(bytes, missing)
    }

    fn complete(&self, bytes: u64, missing: u64) -> anyhow::Result<()> {
        if missing > 0 {
            let at = self.stream.position();
            bail!(
                "offset {at}: the data ends here: expected {bytes} bytes of contents, {missing} are missing"
            );
        }
        Ok(())
    }

    /// What was irregular since the last call.
    pub fn findings(&mut self) -> impl Iterator<Item = Finding> {
        self.entries.findings().drain()
    }

    /// Whether anything follows the end of the archive, for files.
    pub fn trailing_bytes(&self) -> u64 {
        let end = self.stream.position() + self.used as u64;
        self.stream.size().map_or(0, |size| size.saturating_sub(end))
    }

    /// The stream below.
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Gives the stream back.
    pub fn into_stream(self) -> Stream {
        self.stream
    }
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A metadata or unified archive.
    Archive,
    /// The payload file of a split archive.
    Payload,
}

/// Tells archives and payload files apart, and from everything else.
///
/// # Errors
/// Neither of them, with what it looks like; or those of reading.
pub fn detect(stream: &mut Stream, path: &Path) -> anyhow::Result<FileType> {
    let named = || input_name(path);
    if !stream.fill(8).with_context(|| format!("cannot read {}", named()))? {
        bail!("{} is not a pxar archive: it has only {} bytes", named(), stream.window().len());
    }
    let head = &stream.window()[..8];
    let mut htype = [0; 8];
    htype.copy_from_slice(head);
    match ItemType::from_htype(u64::from_le_bytes(htype)) {
        Some(ItemType::Entry | ItemType::EntryV1 | ItemType::FormatVersion) => Ok(FileType::Archive),
        Some(ItemType::PayloadStartMarker) => Ok(FileType::Payload),
        Some(item) => bail!("{} is not a pxar archive: it starts with a {item} item", named()),
        None => bail!("{} is not a pxar archive: it starts with the bytes {}", named(), head.escape_ascii()),
    }
}

/// Opens a metadata or unified archive as a stream.
///
/// # Errors
/// It cannot be opened, or is something else.
pub fn open_archive(path: &Path) -> anyhow::Result<Stream> {
    let mut stream = Stream::open(path)?;
    match detect(&mut stream, path)? {
        FileType::Archive => Ok(stream),
        FileType::Payload => bail!(
            "{} is the payload file of a split archive; name the metadata archive (.mpxar) here and the payload file \
             with --payload-input",
            input_name(path)
        ),
    }
}

/// The payload file of a split archive.
#[derive(Debug)]
pub struct PayloadFile {
    file: File,
    size: u64,
    path: PathBuf,
}

impl PayloadFile {
    /// Opens it and checks its start marker.
    ///
    /// # Errors
    /// It cannot be opened, is a pipe, or is something else.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let stream = Stream::open(path)?;
        let Some(size) = stream.size() else {
            bail!("the payload file {} is a pipe; contents can only be read from a file", path.display());
        };
        let mut head = [0; START_MARKER.len()];
        let read = stream.file.read_exact_at(&mut head, 0);
        if read.is_err() || head[..8] != START_MARKER[..8] {
            bail!("{} is not the payload file of a split archive: it has no start marker", path.display());
        }
        Ok(Self { file: stream.file, size, path: path.to_owned() })
    }

    /// The file, for positioned reads.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the header in front of a file's contents, and that they lie within the payload file.
    ///
    /// # Errors
    /// They do not, or the header is another; or those of reading.
    pub fn check(&self, reference: PayloadRef) -> anyhow::Result<()> {
        if reference.end().is_none_or(|end| end > self.size) {
            bail!(
                "the contents ({} bytes at {}) do not lie within the payload file of {} bytes",
                reference.size,
                reference.offset,
                self.size
            );
        }
        let mut header = [0; 16];
        let path = self.path.display();
        self.file
            .read_exact_at(&mut header, reference.offset)
            .with_context(|| format!("cannot read {path}"))?;
        reference.check_header(&header).with_context(|| format!("in the payload file {path}"))
    }
}

/// An archive that can be read anywhere.
#[derive(Debug)]
pub struct RandomAccess<'a> {
    meta: &'a File,
    payload: Option<&'a PayloadFile>,
    /// What is known of it.
    pub archive: Archive,
}

impl<'a> RandomAccess<'a> {
    /// Opens an archive of `size` bytes of metadata.
    ///
    /// # Errors
    /// Those of reading, or the archive is damaged.
    pub fn open(meta: &'a File, size: u64, payload: Option<&'a PayloadFile>) -> anyhow::Result<Self> {
        let open = Open::new(size, payload.map(PayloadFile::size));
        let archive = access::drive(open, |want, buffer| read_wanted(meta, payload, want, buffer))?;
        Ok(Self { meta, payload, archive })
    }

    /// An archive that was opened before.
    pub const fn reopen(meta: &'a File, payload: Option<&'a PayloadFile>, archive: Archive) -> Self {
        Self { meta, payload, archive }
    }

    /// Runs an operation.
    ///
    /// # Errors
    /// Those of reading and of the operation.
    pub fn run<M: Machine>(&self, machine: M) -> anyhow::Result<M::Output> {
        access::drive(machine, |want, buffer| read_wanted(self.meta, self.payload, want, buffer))
    }
}

fn read_wanted(
    meta: &File,
    payload: Option<&PayloadFile>,
    want: Want,
    buffer: &mut [u8],
) -> anyhow::Result<()> {
    let file = match (want.source, payload) {
        (Source::Meta, _) => meta,
        (Source::Payload, Some(payload)) => payload.file(),
        (Source::Payload, None) => bail!("the contents are in the payload file, which was not given"),
    };
    file.read_exact_at(buffer, want.offset).context("cannot read the archive")
}

/// The items of an archive, read from a [`Stream`]; in the manner of [`EntryReader`].
#[derive(Debug)]
pub struct ItemReader {
    decoder: Decoder,
    stream: Stream,
    used: usize,
    needed: usize,
}

impl ItemReader {
    /// All items of an archive.
    pub fn new(stream: Stream) -> Self {
        Self { decoder: Decoder::new(), stream, used: 0, needed: 0 }
    }

    /// What comes next; see [`EntryReader::step`].
    ///
    /// # Errors
    /// Those of reading and decoding.
    pub fn step(&mut self) -> anyhow::Result<Step<'_>> {
        self.stream.advance(std::mem::take(&mut self.used));
        let needed = std::mem::take(&mut self.needed);
        if needed > 0 && !self.stream.fill(needed).context("cannot read the archive")? {
            return Err(self.decoder.truncated(needed, self.stream.window().len() as u64).into());
        }
        let step = self.decoder.step(self.stream.window())?;
        match step {
            Step::Item { used, .. } => self.used = used,
            Step::Need(bytes) => self.needed = bytes,
            _ => {}
        }
        Ok(step)
    }

    /// Passes the bytes of a [`Step::Skip`], which are handed to `out`; see [`EntryReader::copy`].
    ///
    /// # Errors
    /// Those of reading and of `out`; the stream ends before.
    pub fn pass(&mut self, bytes: u64, out: Option<&mut Vec<u8>>) -> anyhow::Result<()> {
        self.stream.advance(std::mem::take(&mut self.used));
        let missing = match out {
            Some(out) => self.stream.copy(bytes, out),
            None => self.stream.skip(bytes),
        };
        let missing = missing.context("cannot read the archive")?;
        if missing > 0 {
            let at = self.stream.position();
            bail!(
                "offset {at}: the data ends here: expected {bytes} bytes of contents, {missing} are missing"
            );
        }
        Ok(())
    }

    /// The decoder's findings.
    pub const fn findings(&mut self) -> &mut pxkit_core::decode::Findings {
        self.decoder.findings()
    }

    /// Position of the next item.
    pub const fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// Whether anything follows the end of the archive, for files.
    pub fn trailing_bytes(&self) -> u64 {
        let end = self.stream.position() + self.used as u64;
        self.stream.size().map_or(0, |size| size.saturating_sub(end))
    }
}
