//! Regular files: created, filled, finished.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::format::{Attributes, HEADER_SIZE, PayloadRef, Stat, mode};
use rustix::fs::{AtFlags, Mode, OFlags, ftruncate, openat, unlinkat};
use rustix::io::{Errno, pwrite};

use super::dir::Dir;
use super::pool::Shared;
use super::replace::{take_place, under_free_name};
use crate::linux::{Applier, Known, Target};
use crate::report::check_signals;

/// Blocks of zeros of this size, aligned, become holes.
const HOLE: usize = 4096;

/// A file to be written.
#[derive(Debug)]
pub struct FileJob {
    pub dir: Arc<Dir>,
    pub name: CString,
    pub stat: Stat,
    pub attributes: Attributes,
    pub contents: Contents,
}

/// Where a file's contents are.
#[derive(Debug)]
pub enum Contents {
    /// In the archive.
    Inline { offset: u64, size: u64 },
    /// In the payload file.
    Payload(PayloadRef),
    /// Here.
    Bytes(Vec<u8>),
}

impl FileJob {
    /// Path in the archive.
    pub fn path(&self) -> Vec<u8> {
        self.dir.path_of(&self.name)
    }
}

/// A file that was created and is to be filled.
struct Created {
    file: OwnedFd,
    /// Its name until it is complete, where it is to replace what exists.
    temporary: Option<CString>,
    /// What is known of its metadata.
    known: Known,
}

/// Writes files; one for each thread.
#[derive(Debug)]
pub struct Writer<'s, 'a> {
    shared: &'s Shared<'a>,
    pub applier: Applier,
    block: Vec<u8>,
}

impl<'s, 'a> Writer<'s, 'a> {
    pub fn new(shared: &'s Shared<'a>) -> Self {
        Self { shared, applier: Applier::new(shared.options.features), block: Vec::new() }
    }

    /// Writes a file and lets go of its directory. A file that cannot be completed is removed.
    pub fn write(&mut self, job: FileJob) {
        if !self.shared.is_ended() {
            let result = self.write_or_remove(&job);
            self.report(&job, result);
        }
        Dir::release(job.dir, &mut self.applier, self.shared);
    }

    /// Writes a file whose contents come through `read`, see [`super::Extractor::contents`].
    pub fn stream(
        &mut self,
        job: FileJob,
        read: impl FnOnce(&mut dyn io::Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (result, passed) = match self.create(&job).context("cannot create the file") {
            // The bytes must be passed, whether there is a file for them or not.
            Err(error) => (Err(error), read(&mut io::sink())),
            Ok(created) => {
                let file = &created.file;
                self.before_data(&job, file);
                let mut sink = Sink { file, sparse: Sparse::default(), result: Ok(()) };
                let passed = read(&mut sink);
                let Sink { sparse, result, .. } = sink;
                let result = match &passed {
                    Ok(()) => result.and_then(|()| sparse.finish(file)),
                    Err(_) => Err(anyhow::anyhow!("the archive ends before the contents do")),
                };
                (self.finish(&job, &created, result), passed)
            }
        };
        self.report(&job, result);
        Dir::release(job.dir, &mut self.applier, self.shared);
        passed
    }

    fn write_or_remove(&mut self, job: &FileJob) -> anyhow::Result<()> {
        let created = self.create(job).context("cannot create the file")?;
        self.before_data(job, &created.file);
        let result = self.fill(job, &created.file);
        self.finish(job, &created, result)
    }

    fn before_data(&mut self, job: &FileJob, file: &OwnedFd) {
        let shared = self.shared;
        let _ = self
            .applier
            .before_data(file.as_fd(), &job.stat, &mut |error| shared.step_failed(&job.path(), error));
    }

    /// Gives a file its name, if it has another so far, and its metadata, if its contents are complete; else removes it.
    fn finish(
        &mut self,
        job: &FileJob,
        created: &Created,
        contents: anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if contents.is_err() {
            // What is there is not what it should be; the error says why.
            let name = created.temporary.as_ref().unwrap_or(&job.name);
            let _ = unlinkat(&job.dir.fd, name, AtFlags::empty());
            return contents;
        }
        if let Some(temporary) = &created.temporary {
            take_place(&job.dir.fd, temporary, &job.name).context("cannot replace what exists")?;
        }
        let (target, shared) = (Target::Open(created.file.as_fd()), self.shared);
        let known = created.known;
        let _ = self.applier.apply(target, &job.stat, &job.attributes, known, &mut |error| {
            shared.step_failed(&job.path(), error)
        });
        Ok(())
    }

    fn report(&self, job: &FileJob, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.shared.not_made(&job.path(), error, false);
        }
    }

    fn create(&self, job: &FileJob) -> Result<Created, Errno> {
        let owner = job.dir.plain.then_some(self.shared.owner);
        let wanted = (job.stat.mode & mode::PERMISSIONS) as u32;
        // Where the owner is right from the start nobody sees more of the file than in the end.
        let final_mode =
            owner == Some((job.stat.uid, job.stat.gid)) && job.attributes.is_empty() && wanted <= 0o777;
        let permissions = if final_mode { wanted } else { 0o600 };
        let known = Known { owner, permissions: job.dir.plain.then_some(permissions) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = |name: &CStr| openat(&job.dir.fd, name, flags, Mode::from_raw_mode(permissions));
        match create(&job.name) {
            Err(Errno::EXIST) if self.shared.options.overwrite_files => {
                let (temporary, file) = under_free_name(create)?;
                Ok(Created { file, temporary: Some(temporary), known })
            }
            result => Ok(Created { file: result?, temporary: None, known }),
        }
    }

    fn fill(&mut self, job: &FileJob, file: &OwnedFd) -> anyhow::Result<()> {
        let sources = &self.shared.sources;
        let mut sparse = Sparse::default();
        match &job.contents {
            Contents::Bytes(bytes) => sparse.write(file, bytes)?,
            Contents::Inline { offset, size } => {
                let Some(archive) = &sources.archive else {
                    bail!("a defect of pxkit: contents within an archive that cannot be positioned");
                };
                let Some(end) = offset.checked_add(*size).filter(|&end| end <= archive.size()) else {
                    bail!("its contents ({size} bytes at {offset}) do not lie within the archive");
                };
                archive.pass(*offset..end, &mut self.block, &mut |piece| {
                    check_signals()?;
                    sparse.write(file, piece)
                })?;
            }
            Contents::Payload(reference) => {
                let Some(payload) = &sources.payload else {
                    bail!("its contents are in the payload file, which was not given");
                };
                let Some(end) = reference.end().filter(|&end| end <= payload.size()) else {
                    bail!(
                        "its contents ({} bytes at {}) do not lie within the payload file of {} bytes",
                        reference.size,
                        reference.offset,
                        payload.size()
                    );
                };
                // Header and contents of most files come in one piece.
                let (mut header, mut known) = ([0; HEADER_SIZE], 0);
                payload.source().pass(reference.offset..end, &mut self.block, &mut |mut piece| {
                    check_signals()?;
                    if known < HEADER_SIZE {
                        let (first, rest) = piece.split_at(piece.len().min(HEADER_SIZE - known));
                        header[known..known + first.len()].copy_from_slice(first);
                        known += first.len();
                        if known < HEADER_SIZE {
                            return Ok(());
                        }
                        reference.check_header(&header).context("in the payload file")?;
                        piece = rest;
                    }
                    sparse.write(file, piece)
                })?;
            }
        }
        sparse.finish(file)
    }
}

/// Takes the contents of a file that come through a pipe. An error of writing is kept and the rest passed over: the archive is
/// still good.
struct Sink<'f> {
    file: &'f OwnedFd,
    sparse: Sparse,
    result: anyhow::Result<()>,
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.result.is_ok() {
            self.result = check_signals()
                .map_err(anyhow::Error::from)
                .and_then(|()| self.sparse.write(self.file, bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes contents in sequence, with holes for blocks of zeros.
#[derive(Debug, Default)]
struct Sparse {
    position: u64,
    /// Whether the file ends with a hole so far.
    hole: bool,
}

impl Sparse {
    fn write(&mut self, file: &OwnedFd, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let zeros = self.leading_blocks(bytes, true);
            if zeros > 0 {
                self.hole = true;
                self.position += zeros as u64;
                bytes = &bytes[zeros..];
                continue;
            }
            let data = self.leading_blocks(bytes, false);
            self.write_all(file, &bytes[..data])?;
            self.hole = false;
            bytes = &bytes[data..];
        }
        Ok(())
    }

    /// Length of the blocks at the start of `bytes` that are zeros, or are not.
    fn leading_blocks(&self, bytes: &[u8], zeros: bool) -> usize {
        let mut len = 0;
        while len < bytes.len() {
            let aligned = HOLE - (self.position + len as u64) as usize % HOLE;
            let block = &bytes[len..bytes.len().min(len + aligned)];
            let is_hole = is_zero(block);
            if is_hole != zeros {
                break;
            }
            len += block.len();
        }
        len
    }

    fn write_all(&mut self, file: &OwnedFd, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            match pwrite(file, bytes, self.position) {
                Ok(0) => bail!("cannot write: the file takes no more bytes"),
                Ok(written) => {
                    self.position += written as u64;
                    bytes = &bytes[written..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot write"),
            }
        }
        Ok(())
    }

    fn finish(&self, file: &OwnedFd) -> anyhow::Result<()> {
        if self.hole {
            ftruncate(file, self.position).context("cannot set the size")?;
        }
        Ok(())
    }
}

fn is_zero(block: &[u8]) -> bool {
    static ZEROS: [u8; HOLE] = [0; HOLE];
    block.first() == Some(&0) && block == &ZEROS[..block.len()]
}
