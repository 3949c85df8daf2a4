//! The index of an archive or image in the making (datastore specification 8 and 9).

use std::path::Path;

use anyhow::{Context as _, bail};
use pxkit_core::blob::{CryptMode, FileEntry};
use pxkit_core::format::Digest;
use pxkit_core::index::{WriteDynamic, WriteFixed, WriteIndex};

use super::disk::{Disk, Temp, random};
use crate::store::IndexWriter;

/// Bytes that are written at a time.
const BATCH: usize = 160 << 10;

/// An index that is being written, as `<stem>.tmp_didx` or `<stem>.tmp_fidx`.
#[derive(Debug)]
pub(super) struct LocalIndex {
    temp: Temp,
    disk: Disk,
    name: String,
    writer: WriteIndex,
    /// What is not yet written.
    pending: Vec<u8>,
    durable: bool,
}

impl LocalIndex {
    /// Begins the index `name` of this kind, `didx` or `fidx`, in the directory of a snapshot.
    pub fn create(
        disk: &Disk,
        directory: &Path,
        (name, kind): (&str, &str),
        now: i64,
        durable: bool,
    ) -> anyhow::Result<Self> {
        let target = directory.join(name);
        let is_stem = |stem: &str| !stem.is_empty() && crate::store::id::is_safe(stem);
        let Some((stem, _)) = name.rsplit_once('.').filter(|(stem, ending)| is_stem(stem) && *ending == kind)
        else {
            bail!(
                "`{name}` is no name of an index: expected letters, digits, '_', '.' and '-', and .{kind} at the end"
            );
        };
        if target.exists() {
            bail!("the snapshot has an index `{name}` already");
        }
        let temp = Temp::at(disk, directory.join(format!("{stem}.tmp_{kind}")), &target)
            .with_context(|| format!("cannot create {}", target.display()))?;
        let (writer, header) = if kind == "fidx" {
            let (writer, header) = WriteFixed::new(random(), now);
            (WriteIndex::Fixed(writer), header)
        } else {
            let (writer, header) = WriteDynamic::new(random(), now);
            (WriteIndex::Dynamic(writer), header)
        };
        let (disk, name, pending) = (disk.clone(), name.to_owned(), header.to_vec());
        Ok(Self { temp, disk, name, writer, pending, durable })
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.temp.write(&mut [&self.pending]).with_context(|| self.cannot_write())?;
        self.pending.clear();
        Ok(())
    }

    fn cannot_write(&self) -> String {
        format!("cannot write the index {}", self.name)
    }
}

impl IndexWriter for LocalIndex {
    fn push(&mut self, digest: Digest, len: u64) -> anyhow::Result<()> {
        let Self { writer, pending, name, .. } = self;
        writer.push(digest, len, pending).with_context(|| format!("cannot write the index {name}"))?;
        if self.pending.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<FileEntry> {
        self.flush()?;
        let what = self.cannot_write();
        let written = self.writer.finish().with_context(|| what.clone())?;
        self.disk.patch(&self.temp.file, &written.header, 0).with_context(|| what.clone())?;
        self.temp.publish(self.durable).context(what)?;
        let (crypt_mode, csum) = (CryptMode::None, written.checksum);
        Ok(FileEntry { filename: self.name, crypt_mode, size: written.size, csum })
    }
}
