//! Chunks: read, looked up, inserted, set aside (datastore specification 5).

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pxkit_core::blob::{Frame, MAX_ENCODED_SIZE, PLAIN_HEADER_SIZE};
use pxkit_core::format::Digest;

use super::SyncLevel;
use super::disk::{Disk, Temp, is_missing, is_regular, look, open_file};
use super::layout::chunk_path;
use super::process::Process;
use crate::codec::DecodeError;
use crate::store::verify::Chunks;
use crate::store::{NewChunk, Stored};

/// A chunk cannot be had.
#[derive(Debug)]
pub struct ChunkError {
    /// Which.
    pub digest: Digest,
    /// Why.
    pub why: ChunkProblem,
}

/// Why a chunk cannot be had.
#[derive(Debug)]
pub enum ChunkProblem {
    /// There is none.
    Missing,
    /// Its file is empty, a remnant of a crash, or of the cache of an S3 store: that is as good as none.
    Empty,
    /// Its file cannot be read.
    Unreadable(io::Error),
    /// It is not what it should be.
    Wrong(DecodeError),
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk {}: ", self.digest)?;
        match &self.why {
            ChunkProblem::Missing => f.write_str("missing"),
            ChunkProblem::Empty => f.write_str("missing: its file is empty"),
            ChunkProblem::Unreadable(error) => write!(f, "cannot be read: {error}"),
            ChunkProblem::Wrong(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ChunkError {}

/// The chunks of a store.
#[derive(Clone, Debug)]
pub(super) struct ChunkStore {
    /// `.chunks`.
    pub directory: PathBuf,
    pub disk: Disk,
    pub process: &'static Process,
    pub sync: SyncLevel,
}

impl ChunkStore {
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(chunk_path(digest))
    }

    /// Fills `blob` with a chunk as it is stored.
    pub fn read_encoded(&self, digest: &Digest, blob: &mut Vec<u8>) -> Result<(), ChunkError> {
        let wrap = |why| ChunkError { digest: *digest, why };
        match read_encoded(&self.path(digest), blob) {
            Err(error) if is_missing(&error) => Err(wrap(ChunkProblem::Missing)),
            Err(error) => Err(wrap(ChunkProblem::Unreadable(error))),
            Ok(()) if blob.is_empty() => Err(wrap(ChunkProblem::Empty)),
            Ok(()) => Ok(()),
        }
    }

    /// Marks a chunk as used; its encoded length, or `None` if it is not there.
    pub fn touch(&self, digest: &Digest) -> anyhow::Result<Option<u64>> {
        let path = self.path(digest);
        let _alone = self.process.chunk_mutex(digest);
        let touched = self.touch_file(&path).with_context(|| format!("cannot look for chunk {digest}"))?;
        Ok(touched)
    }

    /// Under the mutex: an empty file is no chunk.
    fn touch_file(&self, path: &Path) -> io::Result<Option<u64>> {
        let Some(stat) = look(path)? else { return Ok(None) };
        if !is_regular(&stat) {
            return Err(io::Error::other(format!("{} is not a regular file", path.display())));
        }
        if stat.st_size == 0 {
            return Ok(None);
        }
        match self.disk.touch(path) {
            Err(error) if is_missing(&error) => Ok(None),
            result => result.map(|()| Some(stat.st_size as u64)),
        }
    }

    /// Stores a chunk, unless it is there; what became of it, and how long the file is now.
    pub fn insert_new(&self, chunk: &NewChunk<'_>) -> anyhow::Result<(Stored, u64)> {
        if let Some(len) = self.touch(chunk.digest())? {
            return Ok((Stored { is_new: false, encoded: 0 }, len));
        }
        chunk.encode(|frame| self.insert(chunk.digest(), frame))
    }

    /// Inserts a blob under its digest (5.2); what became of it, and how long the file is now.
    pub fn insert(&self, digest: &Digest, frame: &Frame<'_>) -> anyhow::Result<(Stored, u64)> {
        let path = self.path(digest);
        let header = frame.header();
        let new_len = (header.as_ref().len() + frame.data.len()) as u64;
        let _alone = self.process.chunk_mutex(digest);
        let what = || format!("cannot store chunk {digest}");
        if let Some(stat) = look(&path).with_context(what)? {
            if !is_regular(&stat) {
                bail!("cannot store chunk {digest}: {} is not a regular file", path.display());
            }
            let old_len = stat.st_size as u64;
            let keeps = old_len != 0
                && (old_len == new_len
                    || self.keeps_other(&path, frame, old_len, new_len).with_context(what)?);
            // Whoever removed it since then makes room for the new one.
            if keeps && self.touch_file(&path).with_context(what)?.is_some() {
                return Ok((Stored { is_new: false, encoded: 0 }, old_len));
            }
        }
        self.write(&path, &mut [header.as_ref(), frame.data]).with_context(what)?;
        Ok((Stored { is_new: true, encoded: new_len }, new_len))
    }

    /// Whether a file of another length stays.
    fn keeps_other(
        &self,
        path: &Path,
        frame: &Frame<'_>,
        old_len: u64,
        new_len: u64,
    ) -> anyhow::Result<bool> {
        if frame.seal.is_none() && old_len < new_len {
            return Ok(true);
        }
        let mut start = Vec::new();
        open_file(path)?.0.take(PLAIN_HEADER_SIZE as u64).read_to_end(&mut start)?;
        match (frame.seal.is_some(), Frame::kind(&start)) {
            (true, Some((_, false))) => {
                bail!("there is a plain chunk of that name, and this one is encrypted")
            }
            (true, Some((false, true))) if !frame.compressed => {
                bail!("there is an encrypted chunk of that name with another length")
            }
            (true, _) => Ok(true),
            (false, Some((_, true))) => {
                bail!("there is an encrypted chunk of that name, and this one is plain")
            }
            (false, _) => Ok(false),
        }
    }

    fn write(&self, path: &Path, parts: &mut [&[u8]]) -> io::Result<()> {
        let mut temp = match Temp::beside(&self.disk, path) {
            // Copies of stores may lack directories that were empty.
            Err(error) if is_missing(&error) => {
                let directory = path.parent().unwrap_or(&self.directory);
                self.disk.ensure_dir(directory, 0o750)?;
                Temp::beside(&self.disk, path)?
            }
            result => result?,
        };
        temp.write(parts)?;
        temp.publish(self.sync == SyncLevel::File)
    }

    /// Number of chunks, and bytes of their files.
    pub fn count(&self) -> anyhow::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for number in 0..=0xffff_u32 {
            let directory = self.directory.join(format!("{number:04x}"));
            let what = || format!("cannot list {}", directory.display());
            let entries = match fs::read_dir(&directory) {
                Err(error) if is_missing(&error) => continue,
                result => result.with_context(what)?,
            };
            for entry in entries {
                let entry = entry.with_context(what)?;
                if Digest::from_hex(entry.file_name().as_encoded_bytes()).is_none() {
                    continue;
                }
                // One that vanished meanwhile is none.
                if let Ok(metadata) = entry.metadata() {
                    count += 1;
                    bytes += metadata.len();
                }
            }
        }
        Ok((count, bytes))
    }

    /// Sets a chunk aside that is damaged; its new name, or `None` if it is gone already (5.5).
    pub fn set_aside(&self, digest: &Digest) -> io::Result<Option<PathBuf>> {
        let path = self.path(digest);
        let _alone = self.process.chunk_mutex(digest);
        let name = |number: u8| path.with_extension(format!("{number}.bad"));
        let free = (0..9).find(|&number| matches!(look(&name(number)), Ok(None)));
        let target = name(free.unwrap_or(9));
        match self.disk.rename(&path, &target) {
            Err(error) if is_missing(&error) => Ok(None),
            result => result.map(|()| Some(target)),
        }
    }
}

impl Chunks for ChunkStore {
    fn read_encoded(&self, digest: &Digest, blob: &mut Vec<u8>) -> Result<(), ChunkError> {
        Self::read_encoded(self, digest, blob)
    }

    fn set_aside(&self, digest: &Digest) -> io::Result<Option<PathBuf>> {
        Self::set_aside(self, digest)
    }
}

/// Fills `blob` with a file.
fn read_encoded(path: &Path, blob: &mut Vec<u8>) -> io::Result<()> {
    blob.clear();
    let (file, stat) = open_file(path)?;
    let size = stat.st_size as u64;
    if size > MAX_ENCODED_SIZE {
        return Err(io::Error::other(format!(
            "{size} bytes, more than the {MAX_ENCODED_SIZE} of the largest chunk"
        )));
    }
    blob.reserve(size as usize);
    file.take(MAX_ENCODED_SIZE).read_to_end(blob)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour 48: which of two files of one name stays.
    #[test]
    fn b48_files_of_another_length() {
        let temp = tempfile::tempdir().unwrap();
        let process = Process::of(temp.path()).unwrap();
        let directory = temp.path().to_owned();
        let store = ChunkStore { directory, disk: Disk::default(), process, sync: SyncLevel::None };
        let digest = Digest([7; 32]);
        let plain = |data| Frame { compressed: false, seal: None, data };
        let seal = Some(pxkit_core::blob::Seal { iv: [1; 16], tag: [2; 16] });
        let sealed = |compressed, data| Frame { compressed, seal, data };
        let insert = |frame: Frame<'_>| store.insert(&digest, &frame).map(|(stored, _)| stored.is_new);
        let len = || fs::metadata(store.path(&digest)).unwrap().len();
        let clear = || fs::remove_file(store.path(&digest)).unwrap();

        assert!(insert(plain(b"12345")).unwrap());
        // The smaller one stays, the larger one goes, one of the same length is a duplicate.
        assert!(!insert(plain(b"1234567")).unwrap());
        assert!(!insert(plain(b"54321")).unwrap());
        assert_eq!(len(), 17);
        assert!(insert(plain(b"123")).unwrap());
        assert_eq!(len(), 15);
        // Kinds do not mix.
        let error = insert(sealed(false, b"1")).unwrap_err();
        assert!(format!("{error:#}").contains("there is a plain chunk"), "{error:#}");
        clear();
        assert!(insert(sealed(false, b"12345")).unwrap());
        assert!(insert(sealed(false, b"1234")).is_err());
        assert!(!insert(sealed(true, b"1234")).unwrap());
        assert!(insert(plain(b"1")).is_err());
        assert_eq!(len(), 49);
        assert_eq!(fs::read_dir(temp.path().join("0707")).unwrap().count(), 1);
    }
}
