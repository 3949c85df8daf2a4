//! Whether the file system notes when chunks are used (5.4).

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pxkit_core::format::Digest;

use super::super::Store;
use super::super::disk::look;
use crate::codec;
use crate::store::NewChunk;

/// The chunk that is touched: 4 MiB of zeros.
const ZEROS: usize = 4 << 20;
/// Time between two touches: first for clocks as fine as most are, then for those that count seconds.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(1100)];

/// Inserts a chunk of zeros, touches it twice, and compares.
///
/// # Errors
/// Its access time does not change: nothing could be told about the age of chunks.
pub(super) fn check(store: &Store) -> anyhow::Result<()> {
    let zeros = vec![0; ZEROS];
    let (chunk, digest) = (NewChunk::plain(&zeros), codec::digest(&zeros));
    for pause in PAUSES {
        store.chunks.insert_new(&chunk)?;
        let before = time(store, &digest)?;
        thread::sleep(pause);
        store.chunks.touch(&digest)?;
        if time(store, &digest)? > before {
            return Ok(());
        }
    }
    bail!(
        "the file system of {} does not note access times that are set: it cannot be told which chunks are in use, \
        and garbage is not collected",
        store.layout.root.display()
    )
}

fn time(store: &Store, digest: &Digest) -> anyhow::Result<(i64, u64)> {
    let path = store.chunks.path(digest);
    let stat = look(&path).with_context(|| format!("cannot look at {}", path.display()))?;
    let stat = stat.with_context(|| format!("{} was removed meanwhile", path.display()))?;
    Ok((stat.st_atime, stat.st_atime_nsec as u64))
}
