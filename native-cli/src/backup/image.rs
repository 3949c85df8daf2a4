//! Images: files and block devices as one stream of bytes, cut into chunks of one size (datastore specification 9).

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileTypeExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use pxkit_core::blob::FileEntry;
use pxkit_core::index::IMAGE_CHUNK_SIZE;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::pipeline::{ChunkStream, Counters, Cut, Even, Storing};
use crate::report::{Report, check_signals, wait_readable};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// A file or block device to be backed up as it is.
#[derive(Debug)]
pub struct Image {
    /// Its name in the snapshot without `.fidx`: `disk.img`.
    pub name: String,
    /// How messages name it.
    pub path: String,
    file: File,
    /// Bytes of it; nobody knows those of a pipe.
    size: Option<u64>,
}

/// What was done with one image.
#[derive(Clone, Debug)]
pub struct ImageSummary {
    /// Its name in the snapshot without `.fidx`.
    pub name: String,
    /// Its chunks.
    pub counters: Counters,
    /// Time of it.
    pub duration: Duration,
}

impl Image {
    /// Takes a regular file or block device from its start, or a pipe.
    ///
    /// # Errors
    /// It is something else, or empty; its size is not to be had.
    pub fn new(name: String, path: String, mut file: File) -> anyhow::Result<Self> {
        let kind = file.metadata().with_context(|| format!("cannot read {path}"))?.file_type();
        let size = if kind.is_file() || kind.is_block_device() {
            let size = file.seek(io::SeekFrom::End(0)).and_then(|size| file.rewind().map(|()| size));
            Some(size.with_context(|| format!("cannot tell the size of {path}"))?)
        } else if kind.is_fifo() {
            None
        } else {
            bail!("{path} is neither a file nor a block device nor a pipe, so it is no image");
        };
        ensure!(size != Some(0), "the image {path} is empty");
        Ok(Self { name, path, file, size })
    }

    /// The same once more, from its start. A pipe goes on where it is: see [`Image::can_be_read_again`].
    ///
    /// # Errors
    /// There are too many open files.
    pub fn again(&self) -> anyhow::Result<Self> {
        let Self { name, path, file, size } = self;
        let again = || {
            let mut file = file.try_clone()?;
            if size.is_some() {
                file.rewind()?;
            }
            io::Result::Ok(file)
        };
        let file = again().with_context(|| format!("cannot read {path}"))?;
        Ok(Self { name: name.clone(), path: path.clone(), file, size: *size })
    }

    /// Whether it is no pipe.
    pub fn can_be_read_again(&self) -> bool {
        self.size.is_some()
    }

    /// Reads it and stores it.
    pub(super) fn store(
        self,
        storing: &Storing<'_, '_>,
        report: &Report,
    ) -> anyhow::Result<(FileEntry, ImageSummary)> {
        let Self { name, path, file, size } = self;
        let start = Instant::now();
        let writer = storing.backup.image(&format!("{name}.fidx"), size)?;
        let cut = Cut::Even(Even::new(IMAGE_CHUNK_SIZE as usize));
        let mut stream = ChunkStream::new(storing.clone(), cut, writer);
        let mut piece = vec![0; PIECE];
        // A file that grows meanwhile is taken as long as it was.
        let size_or_more = size.unwrap_or(u64::MAX);
        loop {
            if let Some(size) = size {
                skip_hole(&file, size, &mut stream, storing, report)?;
            }
            let most = (size_or_more - stream.position()).min(PIECE as u64) as usize;
            match size {
                Some(_) => check_signals()?,
                // Whoever writes may take his time.
                None => wait_readable(&file).with_context(|| format!("cannot read {path}"))?,
            }
            match (&file).read(&mut piece[..most]) {
                Ok(0) => break,
                Ok(len) => {
                    stream.write(&piece[..len])?;
                    report.count_bytes(len as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        let read = stream.position();
        match size {
            Some(size) if read < size => {
                bail!("{path} became shorter while it was read: {read} of {size} bytes were there")
            }
            None if read == 0 => bail!("nothing came through the pipe {path}"),
            _ => {}
        }
        report.count(0);
        let (entry, counters) = stream.finish()?;
        Ok((entry, ImageSummary { name, counters, duration: start.elapsed() }))
    }
}

/// Goes over the chunks of a hole without reading them, if the file is at the start of one: their zeros are hashed and stored once.
fn skip_hole(
    mut file: &File,
    size: u64,
    stream: &mut ChunkStream<'_, '_>,
    storing: &Storing<'_, '_>,
    report: &Report,
) -> anyhow::Result<()> {
    let at = stream.position();
    if !at.is_multiple_of(IMAGE_CHUNK_SIZE) || at >= size {
        return Ok(());
    }
    let data = match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(size),
        // Behind the last byte of data, or of a file that has become shorter: there is nothing then, and no hole.
        Err(Errno::NXIO) if file.seek(io::SeekFrom::End(0)).is_ok_and(|end| end >= size) => size,
        // The file system does not tell.
        Err(_) => at,
    };
    let holes = (data - at) / IMAGE_CHUNK_SIZE;
    if holes > 1 {
        let zeros = vec![0; IMAGE_CHUNK_SIZE as usize];
        stream.write(&zeros)?;
        stream.repeat(storing.crypt.digest(&zeros), IMAGE_CHUNK_SIZE, holes - 1)?;
        report.count_bytes(holes * IMAGE_CHUNK_SIZE);
    }
    file.seek(io::SeekFrom::Start(stream.position()))?;
    Ok(())
}
