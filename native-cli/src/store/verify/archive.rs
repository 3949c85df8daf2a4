//! The metadata of a split archive: decoded, with every reference into the payload.

use pxkit_core::blob::FileEntry;
use pxkit_core::decode::{Content, Entries, Event};
use pxkit_core::format::{HEADER_SIZE, Header, ItemType, PayloadRef, START_MARKER};
use pxkit_core::index::DynamicIndex;

use super::Verified;
use super::chunks::{Checked, Chunks, Form, Key, Part, Wanted};
use crate::report::check_signals;

/// Decodes the metadata, checks that its references lie in the payload and do not overlap, and notes which bytes must stand in
/// which chunk of the payload, which are checked where that chunk is read. Chunks of both have this form.
pub(super) fn check(
    (checked, source): (&Checked, &dyn Chunks),
    form: Form,
    file: &FileEntry,
    meta: &DynamicIndex,
    payload: &DynamicIndex,
    wanted: &mut Wanted,
    out: &mut Verified,
) -> anyhow::Result<()> {
    let name = &file.filename;
    let mut references = Vec::new();
    if let Err(why) = decode((checked, source), form, meta, &mut references)? {
        out.errors.push(format!("{name}: {why}"));
        return Ok(());
    }
    if !references.is_sorted_by_key(|reference| reference.offset) {
        out.notes.push(format!("{name}: contents do not lie in the order of the entries"));
        references.sort_unstable_by_key(|reference| reference.offset);
    }
    expect(payload, form, 0, START_MARKER, wanted);
    let mut end = HEADER_SIZE as u64;
    for reference in references {
        let Some(next) = reference.end().filter(|&next| next <= payload.size()) else {
            let size = payload.size();
            out.errors.push(format!(
                "{name}: a reference leads to {} in a payload of {size} bytes",
                reference.offset
            ));
            return Ok(());
        };
        if reference.offset < end {
            out.errors.push(format!(
                "{name}: contents at {} overlap those before, which end at {end}",
                reference.offset
            ));
            return Ok(());
        }
        end = next;
        let header = Header::new(ItemType::Payload, reference.size).to_bytes();
        expect(payload, form, reference.offset, header, wanted);
    }
    Ok(())
}

/// Notes where the bytes of a header must stand; they may lie in several chunks.
fn expect(payload: &DynamicIndex, form: Form, offset: u64, bytes: [u8; HEADER_SIZE], wanted: &mut Wanted) {
    let Ok(parts) = payload.parts(offset..offset + HEADER_SIZE as u64) else { return };
    let mut skip = 0;
    for part in parts {
        let len = (part.within.end - part.within.start) as u8;
        let key = Key { digest: part.digest, len: part.extent.end - part.extent.start, form };
        // A chunk has at most 16 MiB.
        wanted.expect(key, Part { at: part.within.start as u32, skip, len, bytes });
        skip += len;
    }
}

/// Reads all references; the inner error is what is wrong with the archive.
fn decode(
    (checked, source): (&Checked, &dyn Chunks),
    form: Form,
    meta: &DynamicIndex,
    references: &mut Vec<PayloadRef>,
) -> anyhow::Result<Result<(), String>> {
    let mut entries = Entries::new();
    let (mut window, mut start, mut skip) = (Vec::new(), 0, 0_u64);
    let mut chunks = meta.chunks().iter().enumerate();
    loop {
        check_signals()?;
        // Everything that can be decoded of the window.
        let needed = loop {
            let passed = skip.min((window.len() - start) as u64);
            start += passed as usize;
            skip -= passed;
            if skip > 0 {
                break 1;
            }
            let progress = match entries.step(&window[start..]) {
                Ok(progress) => progress,
                Err(error) => return Ok(Err(error.to_string())),
            };
            start += progress.used;
            match progress.event {
                Event::Need(least) => break least,
                Event::Skip(bytes) => skip = bytes,
                Event::Entry(entry) => {
                    if let Content::Reference(reference) = entry.content {
                        references.push(reference);
                    }
                }
                Event::End => return Ok(Ok(())),
                Event::Version(_) | Event::Prelude { .. } | Event::Leave { .. } => {}
            }
        };
        window.drain(..start);
        start = 0;
        let Some((at, chunk)) = chunks.next() else {
            return Ok(Err(entries.truncated(needed, window.len() as u64).to_string()));
        };
        let extent = meta.extent(at).expect("the chunk is there");
        let key = Key { digest: chunk.digest, len: extent.end - extent.start, form };
        match checked.read(source, key) {
            Ok(plain) => window.extend_from_slice(&plain),
            // The chunk is complained about where all are checked.
            Err(_) => {
                return Ok(Err("cannot be decoded, because a chunk of it is missing or damaged".to_owned()));
            }
        }
    }
}
