//! The catalog of a snapshot with unified archives, written beside them.

use pxkit_core::blob::{CatalogEntry, CatalogKind, FileEntry, WriteCatalog};
use pxkit_core::encode::Event;
use pxkit_core::format::mode;

use crate::pipeline::{ChunkStream, Counters};

/// Bytes that are gathered before they go on.
const BLOCK: usize = 64 << 10;

/// Writes a catalog.
#[derive(Debug)]
pub struct CatalogStream<'p, 'env> {
    writer: WriteCatalog,
    stream: ChunkStream<'p, 'env>,
    buffer: Vec<u8>,
}

impl<'p, 'env> CatalogStream<'p, 'env> {
    /// Starts a catalog.
    pub fn new(stream: ChunkStream<'p, 'env>) -> Self {
        let mut buffer = Vec::new();
        Self { writer: WriteCatalog::new(&mut buffer), stream, buffer }
    }

    /// Enters an archive or a directory.
    ///
    /// # Errors
    /// This is no name.
    pub fn enter(&mut self, name: &[u8]) -> anyhow::Result<()> {
        Ok(self.writer.enter(name)?)
    }

    /// Leaves the innermost directory, or the archive.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn leave(&mut self) -> anyhow::Result<()> {
        self.writer.leave(&mut self.buffer)?;
        if self.buffer.len() >= BLOCK {
            self.stream.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// This is no name.
    pub fn file(&mut self, name: &[u8], size: u64, mtime: i64) -> anyhow::Result<()> {
        self.add(name, CatalogKind::File { size, mtime })
    }

    /// Adds a further name of a file.
    ///
    /// # Errors
    /// This is no name.
    pub fn hardlink(&mut self, name: &[u8]) -> anyhow::Result<()> {
        self.add(name, CatalogKind::Hardlink)
    }

    /// Adds anything that is neither file nor directory.
    ///
    /// # Errors
    /// This is no name.
    pub fn node(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        match event {
            Event::Symlink { node, .. } => self.add(node.name, CatalogKind::Symlink),
            Event::Device { node, .. } if node.stat.mode & mode::TYPE == mode::BLOCK => {
                self.add(node.name, CatalogKind::BlockDevice)
            }
            Event::Device { node, .. } => self.add(node.name, CatalogKind::CharDevice),
            Event::Fifo(node) => self.add(node.name, CatalogKind::Fifo),
            Event::Socket(node) => self.add(node.name, CatalogKind::Socket),
            _ => Ok(()),
        }
    }

    /// Ends the catalog.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn finish(mut self) -> anyhow::Result<(FileEntry, Counters)> {
        self.writer.finish(&mut self.buffer)?;
        self.stream.write(&self.buffer)?;
        self.stream.finish()
    }

    fn add(&mut self, name: &[u8], kind: CatalogKind) -> anyhow::Result<()> {
        Ok(self.writer.add(CatalogEntry { name, kind })?)
    }
}
