use alloc::vec::Vec;

use super::catalog::{CATALOG_MAGIC, CatalogEntry, CatalogKind, MAX_CATALOG_NAME};
use super::varint;
use crate::format::{Error, Problem};

/// Writes a catalog: the archives, their directories and names, in the order of the archives.
///
/// Each call appends to the caller's buffer what is ready; tables of children come before those of their parents. In memory stay the
/// tables of open directories.
#[derive(Clone, Debug)]
pub struct WriteCatalog {
    position: u64,
    /// The root table and those of open directories.
    open: Vec<OpenTable>,
}

#[derive(Clone, Debug, Default)]
struct OpenTable {
    name: Vec<u8>,
    count: u64,
    /// The entries, without the distances to the tables of directories.
    entries: Vec<u8>,
    /// Where in `entries` a distance is missing, and where that table starts.
    tables: Vec<(usize, u64)>,
}

impl WriteCatalog {
    /// Starts a catalog.
    pub fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&CATALOG_MAGIC);
        Self { position: CATALOG_MAGIC.len() as u64, open: [OpenTable::default()].into() }
    }

    /// Enters a directory; on the first level, an archive by its name on the server (`root.pxar.didx`).
    ///
    /// # Errors
    /// Not a name.
    pub fn enter(&mut self, name: &[u8]) -> Result<(), Error> {
        self.check(name)?;
        self.open.push(OpenTable { name: name.into(), ..OpenTable::default() });
        Ok(())
    }

    /// Leaves the innermost directory or the archive.
    ///
    /// # Errors
    /// None is open.
    pub fn leave(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.open.len() < 2 {
            return Err(Error::misuse(self.position, "no directory is open"));
        }
        let Some(table) = self.open.pop() else { return Ok(()) };
        let start = self.table(&table, out);
        if let Some(parent) = self.open.last_mut() {
            parent.entry(b'd', &table.name);
            parent.tables.push((parent.entries.len(), start));
        }
        Ok(())
    }

    /// Adds a name that is no directory.
    ///
    /// # Errors
    /// Not a name, no archive is open, or a directory, which has [`WriteCatalog::enter`].
    pub fn add(&mut self, entry: CatalogEntry<'_>) -> Result<(), Error> {
        self.check(entry.name)?;
        if self.open.len() < 2 {
            return Err(Error::misuse(self.position, "only archives stand on the first level of a catalog"));
        }
        let letter = match entry.kind {
            CatalogKind::Directory { .. } => {
                return Err(Error::misuse(self.position, "directories are entered and left"));
            }
            CatalogKind::File { .. } => b'f',
            CatalogKind::Symlink => b'l',
            CatalogKind::Hardlink => b'h',
            CatalogKind::BlockDevice => b'b',
            CatalogKind::CharDevice => b'c',
            CatalogKind::Fifo => b'p',
            CatalogKind::Socket => b's',
        };
        if let Some(table) = self.open.last_mut() {
            table.entry(letter, entry.name);
            if let CatalogKind::File { size, mtime } = entry.kind {
                varint::write(size, &mut table.entries);
                varint::write_signed(mtime, &mut table.entries);
            }
        }
        Ok(())
    }

    /// Ends the catalog.
    ///
    /// # Errors
    /// An archive or a directory is open.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.open.len() > 1 {
            return Err(Error::misuse(self.position, "every directory that was entered is left"));
        }
        let root = self.open.pop().unwrap_or_default();
        let start = self.table(&root, out);
        out.extend_from_slice(&start.to_le_bytes());
        Ok(())
    }

    /// Appends a table; returns its start.
    fn table(&mut self, table: &OpenTable, out: &mut Vec<u8>) -> u64 {
        let (start, before) = (self.position, out.len());
        let mut body = Vec::with_capacity(table.entries.len() + 4 * table.tables.len() + varint::MAX_LEN);
        varint::write(table.count, &mut body);
        let mut done = 0;
        for &(at, child) in &table.tables {
            body.extend_from_slice(&table.entries[done..at]);
            varint::write(start - child, &mut body);
            done = at;
        }
        body.extend_from_slice(&table.entries[done..]);
        varint::write(body.len() as u64, out);
        out.extend_from_slice(&body);
        self.position += (out.len() - before) as u64;
        start
    }

    fn check(&self, name: &[u8]) -> Result<(), Error> {
        if name.is_empty() || name.len() > MAX_CATALOG_NAME || name.contains(&0) || name.contains(&b'/') {
            let expected = "a name of 1 to 4095 bytes without NUL and slash";
            return Err(Error::new(self.position, None, Problem::Content { expected }));
        }
        Ok(())
    }
}

impl OpenTable {
    fn entry(&mut self, letter: u8, name: &[u8]) {
        self.count += 1;
        self.entries.push(letter);
        varint::write(name.len() as u64, &mut self.entries);
        self.entries.extend_from_slice(name);
    }
}
