//! Archives in files.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use anyhow::Context as _;

use super::ByteSource;

/// Bytes that are read at once.
const BLOCK: u64 = 1 << 20;

/// A regular file.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
    name: String,
}

impl FileSource {
    /// A file that is open and has `size` bytes.
    pub const fn new(file: File, size: u64, name: String) -> Self {
        Self { file, size, name }
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn pass(
        &self,
        range: Range<u64>,
        block: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(BLOCK) as usize;
            if block.len() < len {
                block.resize(len, 0);
            }
            let piece = &mut block[..len];
            self.file
                .read_exact_at(piece, at)
                .with_context(|| format!("cannot read {len} bytes at {at} of {}", self.name))?;
            take(piece)?;
            at += len as u64;
        }
        Ok(())
    }
}
