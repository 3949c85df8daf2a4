//! Encodes and decodes an archive with core. Built for WebAssembly, the module must import nothing: then core calls
//! nothing outside of itself. `cargo xtask test` looks at its import section.

use std::hint::black_box;

use pxkit_core::{
    decode::{Entries, Event as Met},
    encode::{Encoder, Event, Node},
    format::{Attributes, Error, Stat, mode},
};

fn main() {
    // The result leaves through the hint, so nothing of the work can be left out.
    black_box(round_trip(black_box(b"name")).is_ok());
}

fn round_trip(name: &[u8]) -> Result<u64, Error> {
    let (mut archive, mut payload) = (Vec::new(), Vec::new());
    let attributes = Attributes::new();
    let directory = Stat { mode: mode::DIRECTORY | 0o755, ..Stat::default() };
    let link = Stat { mode: mode::SYMLINK | 0o777, ..Stat::default() };

    let mut encoder = Encoder::unified();
    let root = Node { name: b"", stat: &directory, attributes: &attributes };
    encoder.push(&Event::Directory(root), &mut archive, &mut payload)?;
    let node = Node { name, stat: &link, attributes: &attributes };
    encoder.push(&Event::Symlink { node, target: b"target" }, &mut archive, &mut payload)?;
    encoder.push(&Event::Leave, &mut archive, &mut payload)?;
    encoder.finish(&mut payload)?;

    count_entries(black_box(&archive))
}

/// The number of entries of an archive that lies in memory; the root counts.
fn count_entries(archive: &[u8]) -> Result<u64, Error> {
    let mut entries = Entries::new();
    let mut rest = archive;
    let mut count = 0;
    loop {
        let progress = entries.step(rest)?;
        rest = &rest[progress.used..];
        match progress.event {
            Met::Entry(_) => count += 1,
            Met::Need(bytes) => return Err(entries.truncated(bytes, rest.len() as u64)),
            Met::Skip(bytes) => match usize::try_from(bytes).ok().and_then(|bytes| rest.get(bytes..)) {
                Some(after) => rest = after,
                None => return Err(entries.truncated(usize::try_from(bytes).unwrap_or(usize::MAX), 0)),
            },
            Met::End => return Ok(count),
            Met::Version(_) | Met::Prelude { .. } | Met::Leave { .. } => {}
        }
    }
}
