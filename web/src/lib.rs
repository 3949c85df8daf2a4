//! The browser's face of pxkit. For now it holds only the driver that shows that core decodes there unchanged.

#![forbid(unsafe_code)]

use pxkit_core::{
    decode::{Entries, Event},
    format::Error,
};

/// The number of entries in a unified archive, or in the metadata of a split one, that lies in memory; the root counts.
///
/// # Errors
/// What is wrong with the archive, and where.
pub fn count_entries(archive: &[u8]) -> Result<u64, Error> {
    let mut entries = Entries::new();
    let mut rest = archive;
    let mut count = 0;
    loop {
        let progress = entries.step(rest)?;
        rest = &rest[progress.used..];
        match progress.event {
            Event::Entry(_) => count += 1,
            Event::Need(bytes) => return Err(entries.truncated(bytes, rest.len() as u64)),
            Event::Skip(bytes) => match usize::try_from(bytes).ok().and_then(|bytes| rest.get(bytes..)) {
                Some(after) => rest = after,
                None => return Err(entries.truncated(usize::try_from(bytes).unwrap_or(usize::MAX), 0)),
            },
            Event::End => return Ok(count),
            Event::Version(_) | Event::Prelude { .. } | Event::Leave { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use pxkit_core::{
        encode::{self, Encoder, Node},
        format::{Attributes, Stat},
    };

    fn archive() -> Vec<u8> {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        let attributes = Attributes::new();
        let directory = Stat { mode: 0o040_755, ..Stat::default() };
        let file = Stat { mode: 0o100_644, ..Stat::default() };
        let root = Node { name: b"", stat: &directory, attributes: &attributes };
        let child = Node { name: b"a", stat: &file, attributes: &attributes };
        let mut encoder = Encoder::unified();
        encoder.push(&encode::Event::Directory(root), &mut meta, &mut payload).unwrap();
        encoder.push(&encode::Event::File { node: child, size: 2 }, &mut meta, &mut payload).unwrap();
        meta.extend_from_slice(b"hi");
        encoder.contents(2).unwrap();
        encoder.push(&encode::Event::Leave, &mut meta, &mut payload).unwrap();
        encoder.finish(&mut payload).unwrap();
        meta
    }

    #[test]
    fn counts() {
        assert_eq!(count_entries(&archive()), Ok(2));
    }

    #[test]
    fn an_archive_that_is_cut_off_is_refused() {
        let archive = archive();
        for end in 0..archive.len() {
            assert!(count_entries(&archive[..end]).is_err(), "cut at {end}");
        }
    }
}
