//! The second phase: chunks that were not used for long enough are removed.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use pxkit_core::format::Digest;

use super::super::Store;
use super::super::disk::is_missing;
use super::Collected;
use crate::report::check_signals;

/// Age from which an unfinished file is a remnant of a crash, in seconds.
const TEMPORARY: i64 = 24 * 3600;

/// What stays.
pub(super) struct Limits {
    /// What was used at this time or later, in seconds since 1970.
    pub least_atime: i64,
    /// When the oldest writer, or this collection, began: what was used before may go next time.
    pub oldest: i64,
    /// Everything; it is only counted.
    pub dry_run: bool,
    /// The time now.
    pub now: i64,
}

/// What a name in a directory of chunks says. Everything else is left alone.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Chunk,
    Bad,
    /// A marker of the cache of an S3 store.
    Using,
    /// A chunk that is being written, or was when the machine went down.
    Temporary,
}

fn parse(name: &str) -> Option<(Digest, Kind)> {
    let (digest, rest) = name.split_at_checked(64)?;
    let digest = Digest::from_hex(digest.as_bytes())?;
    let kind = match rest.as_bytes() {
        b"" => Kind::Chunk,
        [b'.', b'0'..=b'9', b'.', b'b', b'a', b'd'] => Kind::Bad,
        b".using" => Kind::Using,
        [b'.', b't', b'm', b'p', b'_', random @ ..]
            if random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric) =>
        {
            Kind::Temporary
        }
        _ => return None,
    };
    Some((digest, kind))
}

/// Removes what is not used.
pub(super) fn run(
    store: &Store,
    limits: &Limits,
    atime: fn(&Metadata) -> i64,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    for number in 0..=0xffff_u32 {
        if number % 0x100 == 0 {
            check_signals()?;
        }
        let directory = store.chunks.directory.join(format!("{number:04x}"));
        let entries = match fs::read_dir(&directory) {
            Err(error) if is_missing(&error) => continue,
            result => result.with_context(|| format!("cannot read {}", directory.display()))?,
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
            let name = entry.file_name();
            let Some((digest, kind)) = name.to_str().and_then(parse) else { continue };
            let path = entry.path();
            // Who touches a chunk and relies on it must not come between the look and the end.
            let _alone = store.process.chunk_mutex(&digest);
            let metadata = match path.symlink_metadata() {
                Err(error) if is_missing(&error) => continue,
                result => result.with_context(|| format!("cannot look at {}", path.display()))?,
            };
            if metadata.is_file() {
                file(store, limits, atime(&metadata), &path, &kind, &metadata, collected)?;
            }
        }
    }
    Ok(())
}

fn file(
    store: &Store,
    limits: &Limits,
    atime: i64,
    path: &Path,
    kind: &Kind,
    metadata: &Metadata,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let remove = || match limits.dry_run {
        true => Ok(()),
        false => store.disk.remove_file(path).with_context(|| format!("cannot remove {}", path.display())),
    };
    let is_old = atime < limits.least_atime;
    match kind {
        Kind::Chunk if is_old => {
            remove()?;
            collected.removed_chunks += 1;
            collected.removed_bytes += metadata.len();
        }
        Kind::Chunk if atime < limits.oldest => {
            collected.pending_chunks += 1;
            collected.pending_bytes += metadata.len();
        }
        Kind::Chunk => {
            collected.disk_chunks += 1;
            collected.disk_bytes += metadata.len();
        }
        Kind::Bad if is_old => {
            remove()?;
            collected.removed_bad += 1;
        }
        Kind::Bad => collected.still_bad += 1,
        Kind::Using => remove()?,
        Kind::Temporary => {
            if metadata.mtime() < limits.now - TEMPORARY && atime < limits.now - TEMPORARY {
                remove()?;
                collected.removed_temporary += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_understood_count() {
        let hex = "ab".repeat(32);
        let kind = |rest: &str| parse(&format!("{hex}{rest}")).map(|(_, kind)| kind);
        assert_eq!(kind(""), Some(Kind::Chunk));
        assert_eq!(kind(".0.bad"), Some(Kind::Bad));
        assert_eq!(kind(".9.bad"), Some(Kind::Bad));
        assert_eq!(kind(".using"), Some(Kind::Using));
        assert_eq!(kind(".tmp_aB3xyz"), Some(Kind::Temporary));
        for rest in
            [".bad", ".10.bad", ".a.bad", ".tmp_", ".tmp_abc", ".tmp_abcdefg", ".tmp_abc-ef", "0", ".x"]
        {
            assert_eq!(kind(rest), None, "{rest}");
        }
        assert_eq!(parse(&hex.to_uppercase()).map(|(_, kind)| kind), Some(Kind::Chunk));
        assert_eq!(parse(&hex[1..]), None);
        assert_eq!(parse(&hex.replace('a', "g")), None);
        assert_eq!(parse("ä".repeat(33).as_str()), None);
    }
}
