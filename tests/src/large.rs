//! Archives of any number of entries, straight from core's encoder: a tree as servers have it, whose contents are holes of a sparse file.
//!
//! Nothing is held but the open directories, and the same arguments give the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attribute, Attributes, Stat, Timestamp, mode};

use crate::random::Rng;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Entries, the root included; at least 1.
    pub entries: usize,
    /// Contents of all files in bytes, if that is not less than the small files need: few big ones and the last make up for what many small
    /// ones lack.
    pub contents: u64,
    pub seed: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub entries: usize,
    pub files: usize,
    /// Bytes of contents.
    pub contents: u64,
    /// Bytes of the metadata stream, or of the unified archive.
    pub meta: u64,
    /// Bytes of the payload stream.
    pub payload: u64,
}

/// Where a stream goes: bytes and holes, in order.
pub trait Sink {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    /// So many zeros.
    fn hole(&mut self, len: u64) -> Result<()>;
}

/// A stream in memory, holes and all.
impl Sink for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<()> {
        self.resize(self.len() + usize::try_from(len)?, 0);
        Ok(())
    }
}

/// A sparse file.
pub struct Sparse {
    file: BufWriter<File>,
}

impl Sparse {
    pub fn new(file: File) -> Self {
        Self { file: BufWriter::with_capacity(1 << 20, file) }
    }

    /// Ends the file; streams end in bytes, so no hole is left to be made.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Sparse {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all(bytes)?)
    }

    fn hole(&mut self, len: u64) -> Result<()> {
        /// Shorter ones save no block, and zeros cost less than a system call.
        const LEAST: u64 = 8192;
        if len >= LEAST {
            self.file.seek(SeekFrom::Current(i64::try_from(len)?))?;
        } else {
            self.file.write_all(&[0; LEAST as usize][..len as usize])?;
        }
        Ok(())
    }
}

/// Writes a split archive.
pub fn split(size: Size, meta: &mut dyn Sink, payload: &mut dyn Sink) -> Result<Made> {
    let (mut first, mut start) = (Vec::new(), Vec::new());
    let encoder = Encoder::split(None, &mut first, &mut start);
    meta.bytes(&first)?;
    payload.bytes(&start)?;
    Maker::new(size, encoder, meta, Some(payload)).archive()
}

/// Writes a unified archive.
pub fn unified(size: Size, archive: &mut dyn Sink) -> Result<Made> {
    Maker::new(size, Encoder::unified(), archive, None).archive()
}

/// One file in so many is big.
const BIG: usize = 500;
/// A small file has fewer bytes than this.
const SMALL: usize = 400;
/// One file in so many has a symlink, a further name or an attribute.
const SYMLINK: usize = 25;
const HARDLINK: usize = 200;
const ATTRIBUTE: usize = 50;

struct Maker<'a> {
    rng: Rng,
    encoder: Encoder,
    meta: &'a mut dyn Sink,
    payload: Option<&'a mut dyn Sink>,
    meta_bytes: Vec<u8>,
    payload_bytes: Vec<u8>,
    size: Size,
    /// Bytes that a big file has on the average.
    big: u64,
    /// The path of the open directory, with a slash at its end unless it is the root.
    path: Vec<u8>,
    attributes: Attributes,
    made: Made,
}

impl<'a> Maker<'a> {
    fn new(size: Size, encoder: Encoder, meta: &'a mut dyn Sink, payload: Option<&'a mut dyn Sink>) -> Self {
        let bigs = (size.entries / BIG + 1) as u64;
        let small = (size.entries * SMALL / 2) as u64;
        Self {
            rng: Rng::new(size.seed),
            encoder,
            meta,
            payload,
            meta_bytes: Vec::new(),
            payload_bytes: Vec::new(),
            size,
            big: size.contents.saturating_sub(small) / bigs,
            path: Vec::new(),
            attributes: Attributes::new(),
            made: Made { entries: 0, files: 0, contents: 0, meta: 0, payload: 0 },
        }
    }

    fn archive(mut self) -> Result<Made> {
        self.directory(b"", self.size.entries.saturating_sub(1), 0)?;
        let payload = if self.payload.is_some() { &mut self.payload_bytes } else { &mut self.meta_bytes };
        let mut made = self.made;
        (made.meta, made.payload) = self.encoder.finish(payload)?;
        self.meta.bytes(&self.meta_bytes)?;
        if let Some(payload) = self.payload {
            payload.bytes(&self.payload_bytes)?;
        }
        Ok(made)
    }

    /// A directory with `below` entries in it and its directories.
    fn directory(&mut self, name: &[u8], below: usize, depth: usize) -> Result<()> {
        self.attributes.clear();
        let stat = self.stat(mode::DIRECTORY | 0o755);
        self.push(|attributes| Event::Directory(Node { name, stat: &stat, attributes }))?;

        let last = usize::from(depth == 0 && below > 0);
        let below = below - last;
        let depth_left = 16usize.saturating_sub(depth);
        // Now and then a flat one, as those of mail and caches are.
        let own = match self.rng.below(12) {
            _ if depth_left == 0 => below,
            0 if depth > 0 => 400 + self.rng.below(2000),
            _ => 8 + self.rng.below(50),
        }
        .min(below);
        let names = self.names(own);
        let mut shares = self.shares(&names, below - own);
        // Name and position of a file that may get a further name.
        let mut first_name: Option<(Vec<u8>, u64)> = None;
        for (at, name) in names.iter().enumerate() {
            if let Some(share) = shares.pop_if(|(child, _)| *child == at).map(|(_, share)| share) {
                let len = self.path.len();
                self.path.extend_from_slice(name);
                self.path.push(b'/');
                self.directory(name, share, depth + 1)?;
                self.path.truncate(len);
            } else if let Some((first, filename)) = first_name.take_if(|_| self.rng.one_in(HARDLINK)) {
                let target = [&*self.path, &first].concat();
                self.push(|_| Event::Hardlink { name, filename, target: &target })?;
            } else if self.rng.one_in(SYMLINK) {
                self.attributes.clear();
                let stat = self.stat(mode::SYMLINK | 0o777);
                let target = [b"../", &**self.rng.pick(&names)].concat();
                self.push(|attributes| Event::Symlink {
                    node: Node { name, stat: &stat, attributes },
                    target: &target,
                })?;
            } else {
                let size = self.file_size();
                first_name = Some((name.clone(), self.file(name, size)?));
            }
        }
        if last > 0 {
            let rest = self.size.contents.saturating_sub(self.made.contents);
            self.file(b"vm-100-disk-0.raw", rest)?;
        }
        self.push(|_| Event::Leave)?;
        // An end is no entry.
        self.made.entries -= 1;
        Ok(())
    }

    fn file_size(&mut self) -> u64 {
        if self.rng.one_in(BIG) {
            // On a machine of 32 bits big files are smaller.
            self.big / 2 + self.rng.below(usize::try_from(self.big).unwrap_or(usize::MAX)) as u64
        } else {
            self.rng.below(SMALL) as u64
        }
    }

    fn file(&mut self, name: &[u8], size: u64) -> Result<u64> {
        self.attributes.clear();
        if self.rng.one_in(ATTRIBUTE) {
            let value = self.rng.bytes(24);
            self.attributes.push(Attribute::Xattr { name: b"user.origin", value: &value })?;
        }
        let permissions = *self.rng.pick(&[0o644, 0o644, 0o640, 0o600, 0o755]);
        let stat = self.stat(mode::REGULAR | permissions);
        let filename =
            self.push(|attributes| Event::File { node: Node { name, stat: &stat, attributes }, size })?;
        self.flush()?;
        match &mut self.payload {
            Some(payload) => payload.hole(size)?,
            None => self.meta.hole(size)?,
        }
        self.encoder.contents(size)?;
        self.made.files += 1;
        self.made.contents += size;
        Ok(filename)
    }

    fn push<'e>(&'e mut self, event: impl FnOnce(&'e Attributes) -> Event<'e>) -> Result<u64> {
        let event = event(&self.attributes);
        let filename = self.encoder.push(&event, &mut self.meta_bytes, &mut self.payload_bytes)?;
        self.made.entries += 1;
        Ok(filename)
    }

    /// Hands on what was encoded, so that contents can follow.
    fn flush(&mut self) -> Result<()> {
        self.meta.bytes(&self.meta_bytes).context("cannot write metadata")?;
        self.meta_bytes.clear();
        if let Some(payload) = &mut self.payload {
            payload.bytes(&self.payload_bytes).context("cannot write payloads")?;
            self.payload_bytes.clear();
        }
        Ok(())
    }

    /// Which of the names are those of directories, the last first, and how many of `below` entries each holds.
    fn shares(&mut self, names: &[Vec<u8>], below: usize) -> Vec<(usize, usize)> {
        if below == 0 {
            return Vec::new();
        }
        let mut directories: Vec<usize> = (0..names.len()).filter(|&at| !names[at].contains(&b'.')).collect();
        if directories.is_empty() {
            directories.push(0);
        }
        directories.truncate(below);
        let share = below / directories.len();
        let mut shares: Vec<(usize, usize)> = directories.iter().map(|&at| (at, share)).collect();
        shares[0].1 += below % directories.len();
        // Unequal, since trees are.
        for at in 1..shares.len() {
            let moved = self.rng.below(shares[at].1 + 1);
            let to = self.rng.below(at);
            shares[at].1 -= moved;
            shares[to].1 += moved;
        }
        shares.reverse();
        shares
    }

    /// Different names of about 12 bytes, in order.
    fn names(&mut self, count: usize) -> Vec<Vec<u8>> {
        const WORDS: [&str; 16] = [
            "index", "report", "lib", "photo", "data", "mail", "test", "main", "cache", "user", "log",
            "module", "session", "table", "icon", "note",
        ];
        const ENDS: [&str; 12] =
            ["", "", ".so.1", ".jpg", ".json", ".txt", ".log", ".html", ".c", ".py", ".gz", ".conf"];
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let missing = count - names.len();
            names.extend((0..missing).map(|_| {
                let (word, end) = (*self.rng.pick(&WORDS), *self.rng.pick(&ENDS));
                format!("{word}-{:04x}{end}", self.rng.below(1 << 16)).into_bytes()
            }));
            names.sort_unstable();
            names.dedup();
        }
        names
    }

    fn stat(&mut self, mode: u64) -> Stat {
        /// 2024-01-01; times lie in the two years after.
        const FIRST: i64 = 1_704_067_200;
        let owner = *self.rng.pick(&[0, 0, 33, 1000, 1001]);
        let secs = FIRST + self.rng.below(2 * 365 * 86_400) as i64;
        let nanos = self.rng.below(1_000_000_000) as u32;
        Stat { mode, flags: 0, uid: owner, gid: owner, mtime: Timestamp { secs, nanos } }
    }
}
