//! Where bytes come from.

#[cfg(target_arch = "wasm32")]
pub mod blob;
pub mod blocks;
pub mod chunked;
pub mod directory;
#[cfg(target_arch = "wasm32")]
pub mod folder;
pub mod memory;
#[cfg(target_arch = "wasm32")]
pub mod url;
pub mod window;

use std::ops::Range;

use futures::future::LocalBoxFuture;

use crate::protocol::{Problem, ProblemKind};

/// What reading gives.
pub type Reading<'a> = LocalBoxFuture<'a, Result<(), Problem>>;

/// Bytes that can be read anywhere.
pub trait Source {
    /// How messages name it.
    fn name(&self) -> &str;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`; fails if there are not so many.
    fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a>;

    /// Says that exactly this range will be read next, behind those that were announced and not read yet, so that it can be on its way while
    /// other bytes are worked on.
    fn will_read(&self, _range: Range<u64>) {}

    /// How many announced ranges can be on their way at once.
    fn ahead(&self) -> usize {
        1
    }

    /// Bytes around `offset` that are read together at the price of one (a chunk).
    fn unit(&self, _offset: u64) -> Option<Range<u64>> {
        None
    }

    /// The chunks that hold it, if chunks do.
    fn chunks(&self) -> Option<&chunked::Chunked> {
        None
    }
}

impl dyn Source + '_ {
    /// The bytes of a range. It must be bounded by the caller.
    ///
    /// # Errors
    /// They cannot be read, or there are not so many.
    pub async fn bytes(&self, offset: u64, len: usize) -> Result<Vec<u8>, Problem> {
        check_range(self, offset, len)?;
        let mut bytes = vec![0; len];
        self.read(offset, &mut bytes).await?;
        Ok(bytes)
    }
}

/// Refuses what leads out of a source, before anything is allocated for it.
pub(super) fn check_range(source: &(impl Source + ?Sized), offset: u64, len: usize) -> Result<(), Problem> {
    let (name, size) = (source.name(), source.size());
    if offset.checked_add(len as u64).is_some_and(|end| end <= size) {
        return Ok(());
    }
    Err(Problem {
        kind: ProblemKind::Truncated,
        message: format!("{name} ends at {size}; {len} bytes at {offset} were expected."),
        about: Some(name.to_owned()),
        offset: Some(offset),
    })
}
