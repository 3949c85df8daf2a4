//! Entries and bytes a second of the decoder, from memory, on one core.
//!
//! `cargo bench -p pxkit-core --bench decode [-- ENTRIES]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pxkit_core::decode::{Decoder, Entries, Event as Met, Step};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Stat, Timestamp};

/// Files in a directory, near what source trees have.
const FAN_OUT: usize = 20;
const ROUNDS: usize = 7;

fn main() {
    let entries = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let (meta, encode) = archive(entries);
    println!("archive of {entries} entries, {} bytes of metadata, encoded in {encode:?}", meta.len());
    let report = |what: &str, run: fn(&[u8]) -> usize| {
        let mut times = [Duration::ZERO; ROUNDS];
        for time in &mut times {
            let start = Instant::now();
            let count = black_box(run(black_box(&meta)));
            *time = start.elapsed();
            assert_eq!(count, entries);
        }
        times.sort_unstable();
        let rate = |time: Duration| entries as f64 / time.as_secs_f64() / 1e6;
        println!(
            "{what:8} {:6.1} million entries/s (median of {ROUNDS}; {:.1} to {:.1}), {:.0} MB/s",
            rate(times[ROUNDS / 2]),
            rate(times[ROUNDS - 1]),
            rate(times[0]),
            meta.len() as f64 / times[ROUNDS / 2].as_secs_f64() / 1e6,
        );
    };
    report("items", items);
    report("entries", joined);
}

/// Counts entries at the level of items.
fn items(meta: &[u8]) -> usize {
    let mut decoder = Decoder::new();
    let (mut at, mut names) = (0, 1);
    loop {
        match decoder.step(&meta[at..]).expect("our own archive") {
            Step::Item { used, item, .. } => {
                names += usize::from(matches!(item, pxkit_core::decode::Item::Filename(_)));
                at += used;
            }
            Step::Skip(bytes) => at += bytes as usize,
            Step::Known(_) => {}
            Step::Need(_) => panic!("truncated"),
            Step::End => return names,
        }
    }
}

/// Counts joined entries and looks at every path.
fn joined(meta: &[u8]) -> usize {
    let mut entries = Entries::new();
    let (mut at, mut count, mut bytes) = (0, 0, 0);
    loop {
        let progress = entries.step(&meta[at..]).expect("our own archive");
        at += progress.used;
        match progress.event {
            Met::Entry(entry) => {
                count += 1;
                bytes += entry.path.len() as u64 + entry.size();
            }
            Met::Skip(skipped) => at += skipped as usize,
            Met::Need(_) => panic!("truncated"),
            Met::End => {
                black_box(bytes);
                return count;
            }
            _ => {}
        }
    }
}

/// A split archive's metadata: directories of `FAN_OUT` files each, names of 12 bytes.
fn archive(entries: usize) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let attributes = Attributes::new();
    let mtime = Timestamp { secs: 1_700_000_000, nanos: 1 };
    let dir = Stat { mode: 0o40755, flags: 0, uid: 0, gid: 0, mtime };
    let file = Stat { mode: 0o100644, ..dir };
    let mut push = |event: Event<'_>| {
        payload.clear();
        encoder.push(&event, &mut meta, &mut payload).expect("legal events");
        if let Event::File { size, .. } = event {
            encoder.contents(size).expect("as announced");
        }
    };
    push(Event::Directory(Node { name: b"", stat: &dir, attributes: &attributes }));
    let mut left = entries - 1;
    while left > 0 {
        let name = format!("dir-{left:08}");
        push(Event::Directory(Node { name: name.as_bytes(), stat: &dir, attributes: &attributes }));
        left -= 1;
        for number in 0..left.min(FAN_OUT) {
            let name = format!("file-{number:04}.rs");
            let node = Node { name: name.as_bytes(), stat: &file, attributes: &attributes };
            push(Event::File { node, size: 1000 + number as u64 });
        }
        left -= left.min(FAN_OUT);
        push(Event::Leave);
    }
    push(Event::Leave);
    (meta, start.elapsed())
}
