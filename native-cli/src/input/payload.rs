//! Payload streams and random access.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::access::{self, Archive, Machine, Open, Source, Want};
use pxkit_core::format::{PayloadRef, START_MARKER};

use super::stream::Stream;
use crate::source::ByteSource;

/// The payload stream of a split archive.
#[derive(Clone, Debug)]
pub struct Payload {
    source: Arc<dyn ByteSource>,
}

impl Payload {
    /// Opens a payload file and checks its start marker.
    ///
    /// # Errors
    /// It cannot be opened, is a pipe, or is something else.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let stream = Stream::open(path)?;
        let Some(source) = stream.source() else {
            bail!("the payload file {} is a pipe; contents can only be read from a file", path.display());
        };
        let mut head = [0; START_MARKER.len()];
        let read = source.read_exact_at(&mut head, 0);
        if read.is_err() || head[..8] != START_MARKER[..8] {
            bail!("{} is not the payload file of a split archive: it has no start marker", path.display());
        }
        Ok(Self { source: source.clone() })
    }

    /// A payload stream that is known to be one. Its start marker is not looked at: it lies in another chunk than the contents that
    /// are wanted, and each of them has a header of its own.
    pub const fn over(source: Arc<dyn ByteSource>) -> Self {
        Self { source }
    }

    /// Where its bytes come from.
    pub const fn source(&self) -> &Arc<dyn ByteSource> {
        &self.source
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// Checks the header in front of a file's contents, and that they lie within the payload file.
    ///
    /// # Errors
    /// They do not, or the header is another; or those of reading.
    pub fn check(&self, reference: PayloadRef) -> anyhow::Result<()> {
        if reference.end().is_none_or(|end| end > self.size()) {
            bail!(
                "the contents ({} bytes at {}) do not lie within the payload file of {} bytes",
                reference.size,
                reference.offset,
                self.size()
            );
        }
        let mut header = [0; 16];
        let name = self.source.name();
        self.source
            .read_exact_at(&mut header, reference.offset)
            .with_context(|| format!("cannot read {name}"))?;
        reference.check_header(&header).with_context(|| format!("in the payload file {name}"))
    }
}

/// An archive that can be read anywhere.
#[derive(Debug)]
pub struct RandomAccess<'a> {
    meta: &'a dyn ByteSource,
    payload: Option<&'a Payload>,
    /// What is known of it.
    pub archive: Archive,
}

impl<'a> RandomAccess<'a> {
    /// Opens an archive.
    ///
    /// # Errors
    /// Those of reading, or the archive is damaged.
    pub fn open(meta: &'a dyn ByteSource, payload: Option<&'a Payload>) -> anyhow::Result<Self> {
        let open = Open::new(meta.size(), payload.map(Payload::size));
        let archive = access::drive(open, |want, buffer| read_wanted(meta, payload, want, buffer))?;
        Ok(Self { meta, payload, archive })
    }

    /// An archive that was opened before.
    pub const fn reopen(meta: &'a dyn ByteSource, payload: Option<&'a Payload>, archive: Archive) -> Self {
        Self { meta, payload, archive }
    }

    /// Runs an operation.
    ///
    /// # Errors
    /// Those of reading and of the operation.
    pub fn run<M: Machine>(&self, machine: M) -> anyhow::Result<M::Output> {
        access::drive(machine, |want, buffer| read_wanted(self.meta, self.payload, want, buffer))
    }
}

fn read_wanted(
    meta: &dyn ByteSource,
    payload: Option<&Payload>,
    want: Want,
    buffer: &mut [u8],
) -> anyhow::Result<()> {
    let source = match (want.source, payload) {
        (Source::Meta, _) => meta,
        (Source::Payload, Some(payload)) => &**payload.source(),
        (Source::Payload, None) => bail!("the contents are in the payload file, which was not given"),
    };
    source.read_exact_at(buffer, want.offset).context("cannot read the archive")
}
