//! Archives as input: windows over files, pipes and chunks, decoders over them, random access, and what kind of file it is.

mod catalog;
mod laid_out;
mod payload;
mod readers;
mod stream;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::format::ItemType;

pub use catalog::{CatalogNames, CatalogReader};
pub use laid_out::LaidOut;
pub use payload::{Payload, RandomAccess};
pub use readers::{EntryReader, ItemReader};
pub use stream::Stream;

use crate::source::{ChunkReader, ChunkedArchive};
use crate::store::ArchiveName;
use crate::text::input_name;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A metadata or unified archive.
    Archive,
    /// The payload file of a split archive.
    Payload,
}

/// An archive that was opened.
#[derive(Debug)]
pub struct Opened {
    /// How messages name it.
    pub name: String,
    /// The metadata or unified archive; or a payload file, as long as nobody asked with [`Opened::detect`].
    pub stream: Stream,
    /// The payload stream of a split archive, if it is there.
    pub payload: Option<Payload>,
    /// What to do about a payload stream that is not.
    pub payload_hint: &'static str,
}

impl Opened {
    /// Opens a file, or standard input if the path is `-`, and the payload file that belongs to it.
    ///
    /// # Errors
    /// One of them cannot be opened, or the latter is something else.
    pub fn file(path: &Path, payload: Option<&Path>) -> anyhow::Result<Self> {
        let payload = payload.map(Payload::open).transpose()?;
        let (name, stream) = (input_name(path).to_string(), Stream::open(path)?);
        Ok(Self {
            name,
            stream,
            payload,
            payload_hint: "name its payload file (.ppxar) with --payload-input",
        })
    }

    /// Opens a file archive of a snapshot. Without `contents` the payload stream of a split archive is left alone.
    ///
    /// # Errors
    /// It is no file archive; its indexes are not there or cannot be read; it is encrypted.
    pub fn stored(reader: &Arc<ChunkReader>, archive: &ArchiveName, contents: bool) -> anyhow::Result<Self> {
        Self::stored_apart(reader, reader, archive, contents)
    }

    /// As [`Opened::stored`]; `contents_reader` reads the payload stream of a split archive, so that contents do not drive metadata out of
    /// a cache.
    ///
    /// # Errors
    /// Those of [`Opened::stored`].
    pub fn stored_apart(
        reader: &Arc<ChunkReader>,
        contents_reader: &Arc<ChunkReader>,
        archive: &ArchiveName,
        contents: bool,
    ) -> anyhow::Result<Self> {
        let open = |reader: &Arc<ChunkReader>, name: &str| ChunkedArchive::open(reader.clone(), name);
        let (meta, payload) = match archive {
            ArchiveName::Unified(name) => (name, None),
            ArchiveName::Split { meta, payload } => (meta, contents.then_some(payload)),
            ArchiveName::Image(name) | ArchiveName::Stream(name) | ArchiveName::Blob(name) => {
                bail!("{name} is no file archive")
            }
            ArchiveName::Manifest => bail!("the manifest is no file archive"),
        };
        let stream = Stream::over(Arc::new(open(reader, meta)?));
        let payload = payload
            .map(|name| anyhow::Ok(Payload::over(Arc::new(open(contents_reader, name)?))))
            .transpose()?;
        let name = format!("{}/{meta}", reader.snapshot().id());
        Ok(Self { name, stream, payload, payload_hint: "its payload archive (.ppxar) was not opened" })
    }

    /// Tells archives and payload files apart, and from everything else.
    ///
    /// # Errors
    /// Neither of them, with what it looks like; or those of reading.
    pub fn detect(&mut self) -> anyhow::Result<FileType> {
        let Self { name, stream, .. } = self;
        if !stream.fill(8).with_context(|| format!("cannot read {name}"))? {
            bail!("{name} is not a pxar archive: it has only {} bytes", stream.window().len());
        }
        let head = &stream.window()[..8];
        let mut htype = [0; 8];
        htype.copy_from_slice(head);
        match ItemType::from_htype(u64::from_le_bytes(htype)) {
            Some(ItemType::Entry | ItemType::EntryV1 | ItemType::FormatVersion) => Ok(FileType::Archive),
            Some(ItemType::PayloadStartMarker) => Ok(FileType::Payload),
            Some(item) => bail!("{name} is not a pxar archive: it starts with a {item} item"),
            None => bail!("{name} is not a pxar archive: it starts with the bytes {}", head.escape_ascii()),
        }
    }

    /// Requires a metadata or unified archive.
    ///
    /// # Errors
    /// Those of [`Opened::detect`]; it is a payload file.
    pub fn archive(mut self) -> anyhow::Result<Self> {
        match self.detect()? {
            FileType::Archive => Ok(self),
            FileType::Payload => bail!(
                "{} is the payload file of a split archive; name the metadata archive (.mpxar) here and the payload file \
                 with --payload-input",
                self.name
            ),
        }
    }
}
