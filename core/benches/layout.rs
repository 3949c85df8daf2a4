//! The layout of a large archive: the map, pictures of it, chunks, sums, treemaps and comparisons, on one core.
//!
//! `cargo bench -p pxkit-core --bench layout [-- ENTRIES]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pxkit_core::access::{Source, Tree, TreeBuilder};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attributes, Digest, Kind, PayloadRef, Stat, Timestamp};
use pxkit_core::index::{ChunkId, DynamicIndex, ReadDynamic, WriteDynamic};
use pxkit_core::layout::compare::compare;
use pxkit_core::layout::{
    Canvas, ChunkTable, DigestOrder, DirectoryTotals, History, Layout, Map, curve, treemap, write_ranges,
};

/// Files in a directory, near what source trees have.
const FAN_OUT: u64 = 20;
const ROUNDS: usize = 7;
/// Columns of a picture on a wide screen.
const COLUMNS: usize = 2000;

fn main() {
    let entries = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let tree = tree(entries, 0);
    let size = Map::least_size(&tree);
    let index = index(size);
    println!("{} entries, {} chunks, {} MiB of payloads", tree.len(), index.count(), size >> 20);
    report("map", || Map::new(&tree, Source::Payload, size).files());
    let map = Map::new(&tree, Source::Payload, size);
    let layout = Layout::new(&tree, &map, Some(&index));
    report("totals", || layout.totals().padding.total() as usize);
    let kinds = |id: u32| (id % 16) as u8;
    report("columns", || layout.columns(0..size, COLUMNS, kinds).len());
    let part = size / 3..size / 3 + size / 1000;
    report("zoomed", || layout.columns(part.clone(), COLUMNS, kinds).len());
    report("lookups", || (0..100_000).filter_map(|at| layout.at(size / 100_000 * at)).count());
    report("chunks", || ChunkTable::new(&layout).len());
    let chunks = ChunkTable::new(&layout);
    report("curve", || curve(&layout, &chunks).len());
    report("findings", || layout.anomalies(&chunks).total() as usize);
    report("needs", || layout.needs(0..u32::MAX).chunks as usize);
    report("ranges", || {
        let mut text = String::new();
        write_ranges(&layout, 0..size / 100, pxkit_core::layout::Format::Csv, &mut text)
            .map_or(0, |()| text.len())
    });
    report("sums", || DirectoryTotals::new(&tree).directories().len());
    let sums = DirectoryTotals::new(&tree);
    let canvas = Canvas { width: 1600.0, height: 900.0, ..Canvas::default() };
    report("treemap", || treemap(&tree, &sums, 0, &layout.totals().padding, &canvas).len());
    let older = self::tree(entries, 7);
    let older_map = Map::new(&older, Source::Payload, Map::least_size(&older));
    let older_index = self::index(older_map.size());
    let old = Layout::new(&older, &older_map, Some(&older_index));
    report("compare", || compare(&old, &layout).memory());
    let order = DigestOrder::new(&older_index);
    let mut history = History::new();
    history.push(old, &order);
    report("history", || history.padding(&layout).len());
    let bytes = map.memory() + chunks.memory() + sums.memory() + order.memory();
    println!(
        "memory: tree {:.1}, map {:.1}, comparison {:.1}, all but tree and comparison {:.1} bytes an entry",
        tree.memory() as f64 / tree.len() as f64,
        map.memory() as f64 / tree.len() as f64,
        compare(&old, &layout).memory() as f64 / tree.len() as f64,
        bytes as f64 / tree.len() as f64,
    );
}

fn report(what: &str, run: impl Fn() -> usize) {
    let mut times = [Duration::ZERO; ROUNDS];
    let mut count = 0;
    for time in &mut times {
        let start = Instant::now();
        count = black_box(run());
        *time = start.elapsed();
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what:9} {:8.2} ms (median of {ROUNDS}; {:.2} to {:.2}), {count}",
        ms(times[ROUNDS / 2]),
        ms(times[0]),
        ms(times[ROUNDS - 1])
    );
}

/// Directories of `FAN_OUT` files; every `gone`-th file is missing, with its payload left as padding.
fn tree(entries: u64, gone: u64) -> Tree {
    let mut builder = TreeBuilder::new();
    let attributes = Attributes::new();
    let mut offset = 16;
    let add = |builder: &mut TreeBuilder, number: u64, name: &str, kind: Kind, content: Content<'_>| {
        let mtime = Timestamp { secs: 1_700_000_000 + number as i64 % 1000, nanos: 0 };
        let stat = Stat { mtime, ..Stat::default() };
        let entry = Entry {
            path: name.as_bytes(),
            name_start: 0,
            kind,
            stat: &stat,
            attributes: &attributes,
            content,
            filename: number * 128,
            end: number * 128 + 100,
            depth: 0,
        };
        builder.add(&entry).expect("few entries");
    };
    add(&mut builder, 0, "", Kind::Directory, Content::None);
    for number in 1..entries {
        if number % (FAN_OUT + 1) == 1 {
            if number > 1 {
                builder.leave();
            }
            add(&mut builder, number, &format!("dir-{number:08}"), Kind::Directory, Content::None);
            continue;
        }
        // Small files mostly, and some large ones.
        let size = 500 + number.wrapping_mul(0x9e37_79b9) % 20_000 * (1 + 30 * u64::from(number % 50 == 0));
        if gone == 0 && number % 11 == 0 || gone > 0 && number % gone == 0 {
            offset += 16 + size;
            continue;
        }
        let content = Content::Reference(PayloadRef { offset, size });
        add(&mut builder, number, &format!("file-{number:08}.rs"), Kind::File, content);
        offset += 16 + size;
    }
    builder.finish()
}

/// Chunks of 2 MiB on average.
fn index(size: u64) -> DynamicIndex {
    let mut chunks = Vec::new();
    let mut end = 0;
    while end < size {
        end = size.min(end + (1 << 20) + end.wrapping_mul(0x9e37_79b9) % (2 << 20));
        let mut digest = Digest::default();
        digest.0[..8].copy_from_slice(&end.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        chunks.push(ChunkId { end, digest });
    }
    let (_, header) = WriteDynamic::new([0; 16], 0);
    let mut reader = ReadDynamic::new(4096 + 40 * chunks.len() as u64).expect("a size");
    reader.push(&header).expect("a header");
    for chunk in chunks {
        reader.push(&chunk.to_bytes()).expect("a chunk");
    }
    reader.finish().expect("all of it")
}
