//! What is in an archive: directories from the catalog or the metadata, entries from the metadata.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::access::{self, Children, ReadNode, Resolve, Resolved};
use pxkit_core::blob::CatalogKind;
use pxkit_core::decode::Event;
use pxkit_core::format::Kind;

use super::path::shown;
use crate::input::{CatalogReader, EntryReader, Opened, Payload, RandomAccess, Stream};
use crate::report::{Report, check_signals};
use crate::source::ByteSource;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Without slashes.
    pub name: Vec<u8>,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// An archive that can be read anywhere.
#[derive(Debug)]
pub struct Archive {
    name: String,
    /// Its directory among other archives, such as `root.pxar`; empty if it is alone.
    label: String,
    meta: Arc<dyn ByteSource>,
    payload: Option<Payload>,
    payload_hint: &'static str,
    archive: access::Archive,
    /// The catalog and the table in it that is this archive's root.
    catalog: Option<(Arc<CatalogReader>, u64)>,
}

impl Archive {
    /// Takes an archive that was opened, the name of its directory among others (empty if there are none), and the catalog of its snapshot with the
    /// name that the archive has in it.
    ///
    /// # Errors
    /// It is none, damaged, or a pipe.
    pub fn open(
        opened: Opened,
        label: String,
        catalog: Option<(Arc<CatalogReader>, String)>,
    ) -> anyhow::Result<Self> {
        let Opened { name, stream, payload, payload_hint } = opened.archive()?;
        let Some(meta) = stream.source().cloned() else {
            bail!("{name} is a pipe; one can only look around in files and snapshots");
        };
        let archive = RandomAccess::open(&*meta, payload.as_ref())?.archive;
        let catalog = catalog.and_then(|(reader, name)| {
            let names = reader.table(reader.root(), &mut reader.budget()).ok()?;
            let root = names.into_iter().find(|(other, _)| other == name.as_bytes());
            match root {
                Some((_, CatalogKind::Directory { table })) => Some((reader, table)),
                // The catalog is about other archives.
                _ => None,
            }
        });
        Ok(Self { name, label, meta, payload, payload_hint, archive, catalog })
    }

    /// Its directory among other archives; empty if it is alone.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A path in it as people see it.
    fn shown(&self, path: &[u8]) -> String {
        if self.label.is_empty() {
            return shown(&[b"/", path].concat());
        }
        let full = [b"/", self.label.as_bytes(), b"/", path].concat();
        shown(full.strip_suffix(b"/").unwrap_or(&full))
    }

    /// Whether names come from a catalog.
    pub const fn has_catalog(&self) -> bool {
        self.catalog.is_some()
    }

    /// The archive, to be read as a whole.
    pub fn opened(&self) -> Opened {
        Opened {
            name: self.name.clone(),
            stream: Stream::over(self.meta.clone()),
            payload: self.payload.clone(),
            payload_hint: self.payload_hint,
        }
    }

    fn access(&self) -> RandomAccess<'_> {
        RandomAccess::reopen(&*self.meta, self.payload.as_ref(), self.archive.clone())
    }

    /// The entry at a path; `None` if there is none.
    ///
    /// # Errors
    /// The archive cannot be read or is damaged.
    pub fn find(&self, path: &[u8]) -> anyhow::Result<Option<Resolved>> {
        self.access().run(Resolve::new(&self.archive, path))
    }

    /// The entry at a path.
    ///
    /// # Errors
    /// There is none; those of [`Archive::find`].
    pub fn entry(&self, path: &[u8]) -> anyhow::Result<Resolved> {
        let found = self.find(path)?;
        found.with_context(|| format!("there is no {}", self.shown(path)))
    }

    /// Whether there is a directory at a path.
    ///
    /// # Errors
    /// There is nothing; those of [`Archive::find`].
    pub fn is_directory(&self, path: &[u8]) -> anyhow::Result<bool> {
        Ok(self.list_from_catalog(path).is_some() || self.entry(path)?.directory.is_some())
    }

    /// The names of a directory, in the order of the archive.
    ///
    /// # Errors
    /// There is no such directory; it cannot be read or is damaged.
    pub fn list(&self, path: &[u8]) -> anyhow::Result<Vec<Name>> {
        if let Some(names) = self.list_from_catalog(path) {
            return Ok(names);
        }
        let Some(directory) = self.entry(path)?.directory else {
            bail!("{} is no directory", self.shown(path));
        };
        let access = self.access();
        let mut names = Vec::new();
        for (filename, _) in access.run(Children::new(directory))? {
            check_signals()?;
            let node = access.run(ReadNode::new(&self.archive, filename))?;
            names.push(Name { name: node.name, is_dir: node.kind == Kind::Directory });
        }
        Ok(names)
    }

    /// The same from the catalog, if there is one and it knows the directory. What is wrong with it does not matter: the archive knows all that it knows.
    fn list_from_catalog(&self, path: &[u8]) -> Option<Vec<Name>> {
        let (catalog, root) = self.catalog.as_ref()?;
        let mut table = *root;
        let mut budget = catalog.budget();
        for component in path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
            let names = catalog.table(table, &mut budget).ok()?;
            match names.into_iter().find(|(name, _)| name == component)?.1 {
                CatalogKind::Directory { table: below } => table = below,
                _ => return None,
            }
        }
        let names = catalog.table(table, &mut budget).ok()?;
        let names = names.into_iter().map(|(name, kind)| {
            let is_dir = matches!(kind, CatalogKind::Directory { .. });
            Name { name, is_dir }
        });
        Some(names.collect())
    }

    /// Calls `visit` with the path of everything below a directory, which is not among it.
    ///
    /// # Errors
    /// There is no such directory; it cannot be read or is damaged; those of `visit`.
    pub fn walk(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(&[u8], bool) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.catalog.is_some() {
            return self.walk_lists(path, visit);
        }
        let found = self.entry(path)?;
        let stream = Stream::over(self.meta.clone());
        let mut reader = if path.is_empty() {
            EntryReader::new(stream)
        } else {
            let parent = &path[..path.iter().rposition(|&byte| byte == b'/').unwrap_or_default()];
            EntryReader::child(stream, found.node.filename, parent)?
        };
        loop {
            match reader.step()? {
                Event::Entry(entry) if entry.path == path => {}
                Event::Entry(entry) => {
                    check_signals()?;
                    visit(entry.path, entry.kind == Kind::Directory)?;
                }
                Event::Skip(bytes) => reader.skip(bytes)?,
                Event::End => return Ok(()),
                Event::Need(_) | Event::Leave { .. } | Event::Version(_) | Event::Prelude { .. } => {}
            }
        }
    }

    /// As [`Archive::walk`], directory by directory: with a catalog, the contents in a unified archive need not be passed.
    fn walk_lists(
        &self,
        path: &[u8],
        visit: &mut dyn FnMut(&[u8], bool) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut levels = vec![(path.to_vec(), self.list(path)?.into_iter())];
        while let Some((above, names)) = levels.last_mut() {
            let Some(Name { name, is_dir }) = names.next() else {
                levels.pop();
                continue;
            };
            check_signals()?;
            let path = if above.is_empty() { name } else { [&**above, b"/", &name].concat() };
            visit(&path, is_dir)?;
            if is_dir {
                let names = self.list(&path)?;
                levels.push((path, names.into_iter()));
            }
        }
        Ok(())
    }

    /// Restores what patterns select, everything if there are none.
    ///
    /// # Errors
    /// Those of [`Extraction::run`](crate::cmd::extraction::Extraction::run).
    pub fn restore(
        &self,
        target: &std::path::Path,
        patterns: &[std::ffi::OsString],
        overwrite: bool,
    ) -> anyhow::Result<crate::report::Outcome> {
        let how = crate::cli::Extracting {
            allow_existing_dirs: true,
            overwrite,
            ..crate::cli::Extracting::default()
        };
        crate::cmd::extraction::Extraction { opened: self.opened(), target, patterns, how: &how }.run()
    }
}

/// Opens the catalog that a snapshot has, if it can be read; else one is told, and does without.
pub fn open_catalog(reader: &Arc<crate::source::ChunkReader>) -> Option<CatalogReader> {
    reader.snapshot().manifest().file(CatalogReader::NAME)?;
    match CatalogReader::open(reader.clone()) {
        Ok(catalog) => Some(catalog),
        Err(error) => {
            Report::new(true).caution(format_args!("the catalog is not used: {error:#}"));
            None
        }
    }
}
