//! The catalog of a snapshot.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::blob::{Catalog, CatalogKind, Table};

use crate::source::{ByteSource as _, ChunkReader, ChunkedArchive};

/// The names of a directory, in the order of the archive.
pub type CatalogNames = Vec<(Vec<u8>, CatalogKind)>;

/// A catalog whose tables are read one by one.
#[derive(Debug)]
pub struct CatalogReader {
    source: ChunkedArchive,
    catalog: Catalog,
}

impl CatalogReader {
    /// The catalog in a manifest.
    pub const NAME: &str = "catalog.pcat1.didx";

    /// Opens the catalog of a snapshot, which has one.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(reader: Arc<ChunkReader>) -> anyhow::Result<Self> {
        let source = ChunkedArchive::open(reader, Self::NAME)?;
        let (mut first, mut last) = ([0; 8], [0; 8]);
        source.read_exact_at(&mut first, 0)?;
        source.read_exact_at(&mut last, source.size().saturating_sub(8))?;
        let catalog = Catalog::open(source.size(), &first, &last)?;
        Ok(Self { source, catalog })
    }

    /// Bytes that all tables have together in a catalog that is what it should be.
    pub fn budget(&self) -> u64 {
        self.source.size()
    }

    /// Start of the root table, which names the archives.
    pub const fn root(&self) -> u64 {
        self.catalog.root
    }

    /// The names in the table at `start`. Tables do not overlap in a catalog; in one that was made to be read for ever they do, so each takes its bytes
    /// from a budget.
    ///
    /// # Errors
    /// It cannot be read or is damaged, or nothing is left for it.
    pub fn table(&self, start: u64, budget: &mut u64) -> anyhow::Result<CatalogNames> {
        let body = self.catalog.extent(start, &self.read(self.catalog.head(start))?)?;
        match budget.checked_sub(body.end - body.start) {
            Some(rest) => *budget = rest,
            None => bail!("offset {start}: tables of the catalog overlap"),
        }
        let bytes = self.read(body.clone())?;
        let entries = Table::parse(start, body.start, &bytes)?.entries();
        Ok(entries.map(|entry| (entry.name.to_vec(), entry.kind)).collect())
    }

    fn read(&self, range: Range<u64>) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.source
            .pass(range, &mut Vec::new(), &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .context("cannot read the catalog")?;
        Ok(bytes)
    }
}
