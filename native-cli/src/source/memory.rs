//! Bytes that are in memory already.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::ByteSource;

/// Bytes in memory, with a name.
#[derive(Debug)]
pub struct Memory {
    bytes: Arc<[u8]>,
    name: String,
}

impl Memory {
    /// These bytes.
    pub const fn new(bytes: Arc<[u8]>, name: String) -> Self {
        Self { bytes, name }
    }

    /// Those from `offset`; none behind the end.
    fn from(&self, offset: u64) -> &[u8] {
        usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..)).unwrap_or_default()
    }
}

impl ByteSource for Memory {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.from(offset);
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn pass(
        &self,
        range: Range<u64>,
        _block: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let len = range.end.saturating_sub(range.start);
        let piece = usize::try_from(len).ok().and_then(|len| self.from(range.start).get(..len));
        match piece {
            Some(piece) => take(piece),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}
