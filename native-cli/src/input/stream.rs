//! A window that moves over a file, a pipe or chunks.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::report::wait_readable;
use crate::source::{ByteSource, FileSource};
use crate::text::input_name;

/// A read of metadata in sequence.
const BLOCK: usize = 256 * 1024;
/// The first read after something was skipped; what follows is often one short entry.
const BLOCK_AFTER_SKIP: usize = 4096;
/// Bytes that have to be passed without a long skip before those that come next are asked for ahead.
const STEADY: u64 = 1 << 20;
/// Bytes that are asked for ahead then.
const AHEAD: u64 = 8 << 20;

/// A stream of bytes that is looked at through a window and moves forwards.
#[derive(Debug)]
pub struct Stream {
    input: Input,
    buffer: Vec<u8>,
    /// The window within the buffer.
    start: usize,
    end: usize,
    /// Position of the window's first byte.
    position: u64,
    /// Size of the next read.
    block: usize,
    finished: bool,
    /// Since where no long part was skipped.
    steady_from: u64,
    /// Up to where bytes were asked for ahead.
    asked: u64,
}

#[derive(Debug)]
enum Input {
    Anywhere(Arc<dyn ByteSource>),
    /// A pipe, or a file that is not at its start (`< archive` after something else read from it): read as it comes.
    Pipe(File),
}

impl Stream {
    /// Opens a file, or standard input if the path is `-`.
    ///
    /// # Errors
    /// It cannot be opened, or is a directory.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = input_name(path).to_string();
        if path == Path::new("-") {
            let stdin = io::stdin().as_fd().try_clone_to_owned().context("cannot open standard input")?;
            return Self::from_file(File::from(stdin), name).context("cannot read standard input");
        }
        let open = || {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Self::from_file(file, name)
        };
        open().with_context(|| format!("cannot open {}", path.display()))
    }

    fn from_file(mut file: File, name: String) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(if metadata.is_file() && file.stream_position()? == 0 {
            Self::over(Arc::new(FileSource::new(file, metadata.len(), name)))
        } else {
            Self::new(Input::Pipe(file))
        })
    }

    /// The bytes of a source from its start.
    pub fn over(source: Arc<dyn ByteSource>) -> Self {
        Self::new(Input::Anywhere(source))
    }

    const fn new(input: Input) -> Self {
        let (start, end, position, block, finished) = (0, 0, 0, BLOCK_AFTER_SKIP, false);
        Self { input, buffer: Vec::new(), start, end, position, block, finished, steady_from: 0, asked: 0 }
    }

    /// Bytes of the stream, if it can be read anywhere.
    pub fn size(&self) -> Option<u64> {
        self.source().map(|source| source.size())
    }

    /// Where the bytes come from, if they can be read anywhere.
    pub const fn source(&self) -> Option<&Arc<dyn ByteSource>> {
        match &self.input {
            Input::Anywhere(source) => Some(source),
            Input::Pipe(_) => None,
        }
    }

    /// Goes back to the start, if the stream can be read anywhere.
    pub fn rewind(&mut self) {
        (self.start, self.end, self.position) = (0, 0, 0);
        (self.block, self.finished, self.steady_from, self.asked) = (BLOCK_AFTER_SKIP, false, 0, 0);
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
            let read = match &mut self.input {
                Input::Anywhere(source) => {
                    if at - self.steady_from >= STEADY && self.asked < at + AHEAD / 2 {
                        self.asked = at + AHEAD;
                        source.will_read(at..self.asked);
                    }
                    source.read_at(&mut self.buffer[space], at)
                }
                Input::Pipe(file) => {
                    wait_readable(file)?;
                    file.read(&mut self.buffer[space])
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
        if let Some(size) = self.size() {
            let target = self.position.saturating_add(bytes);
            self.start = 0;
            self.end = 0;
            self.position = target.min(size);
            self.block = BLOCK_AFTER_SKIP;
            if bytes >= STEADY {
                self.steady_from = self.position;
            }
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
