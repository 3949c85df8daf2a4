//! Decoders over streams: entries, and items.

use std::io::{self, Write};

use anyhow::{Context as _, bail};
use pxkit_core::decode::{Decoder, Entries, Event, Finding, Findings, Irregularity, Limits, Start, Step};

use super::stream::Stream;

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
            stream.rewind();
        }
        stream.skip(filename - stream.position())?;
        let entries = Entries::at(filename, Start::Child, parent, Limits::default());
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

    /// What was irregular since the last call, but for names that are not in order: archives may be written in another one, and no reader
    /// minds.
    pub fn warnings(&mut self) -> impl Iterator<Item = Finding> {
        self.findings().filter(|finding| finding.what != Irregularity::NameOrder)
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

    /// Position of what comes next in the archive.
    pub const fn offset(&self) -> u64 {
        self.entries.offset()
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
    pub const fn findings(&mut self) -> &mut Findings {
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
