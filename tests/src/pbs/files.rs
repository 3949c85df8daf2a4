//! Files of snapshots as they are on disk.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use pxkit_core::index::{DynamicIndex, FixedIndex};

use super::params::{Refusal, Reply, bad};
use super::store::{self, HEADERS};

/// Checks a blob as it came.
pub fn check_blob(blob: &[u8]) -> Reply<()> {
    let (_, sealed) = store::kind(blob)?;
    let crc = crc32fast::hash(&blob[HEADERS[usize::from(sealed)]..]);
    if blob[8..12] != crc.to_le_bytes() {
        return Err(bad("Data blob has wrong CRC checksum."));
    }
    Ok(())
}

/// A file of a snapshot, as it is.
pub fn read_file(path: &Path, name: &str) -> Reply<Bytes> {
    let kind = if name.ends_with(".didx") {
        "dynamic"
    } else if name.ends_with(".fidx") {
        "fixed"
    } else if name.ends_with(".blob") {
        let absent = |_| Refusal::new(404, format!("open file \"{}\" failed - not found", path.display()));
        return fs::read(path).map(Bytes::from).map_err(absent);
    } else {
        return Err(bad(format!("unknown archive type: \"{name}\"")));
    };
    let failed = |error| bad(format!("Unable to open {kind} index \"{}\" - {error}", path.display()));
    fs::read(path).map(Bytes::from).map_err(failed)
}

/// Reads an index.
pub fn dynamic(path: &Path) -> Reply<DynamicIndex> {
    let file = read_file(path, ".didx")?;
    DynamicIndex::parse(&file)
        .map_err(|error| bad(format!("Unable to open dynamic index \"{}\" - {error}", path.display())))
}

/// Reads the index of an image.
pub fn fixed(path: &Path) -> Reply<FixedIndex> {
    let file = read_file(path, ".fidx")?;
    FixedIndex::parse(&file)
        .map_err(|error| bad(format!("Unable to open fixed index \"{}\" - {error}", path.display())))
}
