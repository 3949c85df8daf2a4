use core::ops::Range;

use super::varint;
use crate::format::{Error, Problem, u64_at};

/// Start of SHA-256 of "Proxmox Backup Catalog file v1.0".
pub const CATALOG_MAGIC: [u8; 8] = [0x91, 0xfd, 0x60, 0xf9, 0xc4, 0x67, 0x58, 0xd5];
/// Longest name that readers take, in bytes.
pub const MAX_CATALOG_NAME: usize = 4095;
/// Bytes of a body's length, at most.
const LENGTH: u64 = varint::MAX_LEN as u64;

/// What a name in a catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CatalogKind {
    /// A directory, or an archive in the root table.
    Directory {
        /// Start of its table.
        table: u64,
    },
    /// A regular file.
    File {
        /// In bytes.
        size: u64,
        /// In seconds since 1970.
        mtime: i64,
    },
    /// A symbolic link.
    Symlink,
    /// A further name of a file.
    Hardlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// One name of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogEntry<'a> {
    /// 1 to [`MAX_CATALOG_NAME`] bytes without NUL and `/`.
    pub name: &'a [u8],
    /// What it is.
    pub kind: CatalogKind,
}

/// The frame of a catalog: where its tables lie in its stream.
///
/// [`Catalog::open`] wants the ends of the stream, [`Catalog::extent`] the first bytes of a table, [`Table::parse`] a table. Whoever has
/// the whole stream uses [`Catalog::table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Start of the root table, which names the archives.
    pub root: u64,
    /// Where the tables end.
    end: u64,
}

impl Catalog {
    /// Opens a catalog of `size` bytes by its first and last 8 bytes.
    ///
    /// # Errors
    /// Another magic number, or a root table outside of the stream.
    pub fn open(size: u64, first: &[u8; 8], last: &[u8; 8]) -> Result<Self, Error> {
        if *first != CATALOG_MAGIC {
            let expected = "the magic number of a catalog";
            return Err(Error::new(0, None, Problem::Value { expected, got: u64_at(first, 0) }));
        }
        let Some(end) = size.checked_sub(8).filter(|&end| end >= 10) else {
            return Err(Error::new(0, None, Problem::Truncated { expected: 18, got: size }));
        };
        let root = u64::from_le_bytes(*last);
        if root < 8 || root >= end {
            let problem = Problem::Range { expected: "the root table between both ends", got: root };
            return Err(Error::new(end, None, problem));
        }
        Ok(Self { root, end })
    }

    /// The bytes at whose front the length of the table at `start` stands, for [`Catalog::extent`]; at most 10.
    pub fn head(&self, start: u64) -> Range<u64> {
        start..self.end.min(start.saturating_add(LENGTH)).max(start)
    }

    /// Where the body of the table at `start` lies, from the bytes of [`Catalog::head`].
    ///
    /// # Errors
    /// The body is empty or leads out of the stream.
    pub fn extent(&self, start: u64, head: &[u8]) -> Result<Range<u64>, Error> {
        let mut rest = head;
        let len = varint::read(&mut rest, start)?;
        let body = start + (head.len() - rest.len()) as u64;
        match body.checked_add(len) {
            Some(end) if len > 0 && start >= 8 && end <= self.end => Ok(body..end),
            _ => {
                let expected = "a table of at least one byte within the catalog";
                Err(Error::new(start, None, Problem::Value { expected, got: len }))
            }
        }
    }

    /// The table at `start` of a stream that is there as a whole.
    ///
    /// # Errors
    /// Those of [`Catalog::extent`] and [`Table::parse`]; or `stream` is another one.
    pub fn table<'a>(&self, stream: &'a [u8], start: u64) -> Result<Table<'a>, Error> {
        let slice = |range: Range<u64>| {
            let bytes = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let bytes = bytes.and_then(|(start, end)| stream.get(start..end));
            bytes.ok_or(Error::misuse(start, "a table is read from its own catalog"))
        };
        let body = self.extent(start, slice(self.head(start))?)?;
        Table::parse(start, body.start, slice(body)?)
    }
}

/// A directory's names in the order of the archive. All entries were checked.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    start: u64,
    body_at: u64,
    body: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table at `start` with a body at `body_at`, as [`Catalog::extent`] says.
    ///
    /// # Errors
    /// The entries do not fill the body, an unknown type, a name that is none, or a directory whose table does not lie before this
    /// one (so that whoever descends comes to an end).
    pub fn parse(start: u64, body_at: u64, body: &'a [u8]) -> Result<Self, Error> {
        let table = Self { start, body_at, body };
        let mut entries = table.walk()?;
        while entries.left > 0 {
            entries.entry()?;
        }
        if !entries.rest.is_empty() {
            let problem = Problem::Content { expected: "the end of the table" };
            return Err(Error::new(entries.offset(), None, problem));
        }
        Ok(table)
    }

    /// The names.
    pub fn entries(&self) -> Entries<'a> {
        self.walk().unwrap_or(Entries { table: *self, rest: &[], left: 0 })
    }

    fn walk(&self) -> Result<Entries<'a>, Error> {
        let mut rest = self.body;
        let left = varint::read(&mut rest, self.body_at)?;
        Ok(Entries { table: *self, rest, left })
    }
}

/// The names of a [`Table`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    table: Table<'a>,
    rest: &'a [u8],
    left: u64,
}

impl<'a> Entries<'a> {
    fn offset(&self) -> u64 {
        self.table.body_at + (self.table.body.len() - self.rest.len()) as u64
    }

    fn entry(&mut self) -> Result<CatalogEntry<'a>, Error> {
        let offset = self.offset();
        let fail = |problem| Err(Error::new(offset, None, problem));
        let Some((&letter, rest)) = self.rest.split_first() else {
            return fail(Problem::Truncated { expected: 1, got: 0 });
        };
        self.rest = rest;
        let len = varint::read(&mut self.rest, offset)?;
        if len == 0 || len > MAX_CATALOG_NAME as u64 {
            return fail(Problem::Value { expected: "a name of 1 to 4095 bytes", got: len });
        }
        let Some((name, rest)) = self.rest.split_at_checked(len as usize) else {
            return fail(Problem::Truncated { expected: len, got: self.rest.len() as u64 });
        };
        if name.contains(&0) || name.contains(&b'/') {
            return fail(Problem::Content { expected: "a name without NUL and slash" });
        }
        self.rest = rest;
        let kind = match letter {
            b'd' => {
                let delta = varint::read(&mut self.rest, offset)?;
                match self.table.start.checked_sub(delta) {
                    Some(table) if delta > 0 && table >= 8 => CatalogKind::Directory { table },
                    _ => return fail(Problem::Range { expected: "a table before this one", got: delta }),
                }
            }
            b'f' => CatalogKind::File {
                size: varint::read(&mut self.rest, offset)?,
                mtime: varint::read_signed(&mut self.rest, offset)?,
            },
            b'l' => CatalogKind::Symlink,
            b'h' => CatalogKind::Hardlink,
            b'b' => CatalogKind::BlockDevice,
            b'c' => CatalogKind::CharDevice,
            b'p' => CatalogKind::Fifo,
            b's' => CatalogKind::Socket,
            _ => return fail(Problem::Value { expected: "one of the types dflhbcps", got: letter.into() }),
        };
        self.left -= 1;
        Ok(CatalogEntry { name, kind })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = CatalogEntry<'a>;

    fn next(&mut self) -> Option<CatalogEntry<'a>> {
        if self.left == 0 { None } else { self.entry().ok() }
    }
}
