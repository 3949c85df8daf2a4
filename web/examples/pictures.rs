//! How long pictures of an archive with a million files take: `cargo run --release -p pxkit-web --example pictures`.

use std::time::Instant;

use pxkit_core::access::{Source, Tree, TreeBuilder};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attributes, Digest, Kind, PayloadRef, Stat};
use pxkit_core::index::{ChunkId, DynamicIndex, ReadDynamic, WriteDynamic};
use pxkit_core::layout::{ChunkTable, DirectoryTotals, Layout, Map};
use pxkit_web::protocol::layout::{Colouring, Lane, MapQuery, TreemapQuery};
use pxkit_web::worker::paint::{self, Colours};

const DIRECTORIES: u32 = 10_000;
const FILES: u32 = 100;

fn main() {
    let (tree, size) = tree();
    let map = Map::new(&tree, Source::Payload, size);
    let index = index(size);
    let layout = Layout::new(&tree, &map, Some(&index));
    println!("{} entries, {} chunks, {} MiB", tree.len(), index.count(), size >> 20);
    let table = timed("table of chunks", || ChunkTable::new(&layout));
    for colouring in [Colouring::FileType, Colouring::Directory, Colouring::ChunkUse] {
        let name = format!("{colouring:?}");
        let colours =
            timed(&format!("categories, {name}"), || Colours::new(&layout, colouring, &table, None));
        let query = |range: (u64, u64), lanes: &[(Lane, u32)]| MapQuery {
            start: range.0,
            end: range.1,
            width: 1600,
            scale: 1.0,
            lanes: lanes.to_vec(),
            colouring,
            hidden: Vec::new(),
            marked: Some(1),
            dark: false,
            ranges: 300,
        };
        let lanes = [(Lane::Chunks, 100), (Lane::Payloads, 240), (Lane::Padding, 160)];
        let strip = [(Lane::Overview, 40)];
        let whole = query((0, size), &strip);
        timed(&format!("overview, {name}"), || paint::draw(&layout, &colours, &[], &whole));
        let whole = query((0, size), &lanes);
        timed(&format!("lanes of the whole, {name}"), || paint::draw(&layout, &colours, &[], &whole));
        let part = query((size / 2, size / 2 + size / 100), &lanes);
        timed(&format!("lanes of a hundredth, {name}"), || paint::draw(&layout, &colours, &[], &part));
        let totals = timed("totals of directories", || DirectoryTotals::new(&tree));
        let query = TreemapQuery {
            root: 0,
            width: 1600,
            height: 900,
            scale: 1.0,
            colouring,
            hidden: Vec::new(),
            marked: None,
            dark: false,
        };
        timed(&format!("areas, {name}"), || paint::areas::draw(&layout, &table, &totals, &colours, &query));
    }
}

/// The best of several runs.
fn timed<T>(what: &str, run: impl Fn() -> T) -> T {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..7 {
        let start = Instant::now();
        result = Some(run());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:40} {:8.1} ms", best * 1000.0);
    result.expect("it ran")
}

/// Directories of files of all kinds, with padding behind every seventh.
fn tree() -> (Tree, u64) {
    let endings = ["txt", "pdf", "png", "mp3", "zip", "so", "db", "xyz"];
    let mut builder = TreeBuilder::new();
    let (stat, attributes) = (Stat::default(), Attributes::new());
    let mut filename = 0;
    let mut add = |builder: &mut TreeBuilder, path: &[u8], kind, content| {
        let (stat, attributes) = (&stat, &attributes);
        filename += 100;
        let entry =
            Entry { path, name_start: 0, kind, stat, attributes, content, filename, end: 0, depth: 0 };
        builder.add(&entry).expect("not too many");
    };
    add(&mut builder, b"", Kind::Directory, Content::None);
    let mut at = 16;
    let mut random = 1_u64;
    for directory in 0..DIRECTORIES {
        add(&mut builder, format!("dir{directory}").as_bytes(), Kind::Directory, Content::None);
        for file in 0..FILES {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = (random >> 33) % 40_000;
            let name = format!("file{file}.{}", endings[(random >> 60) as usize % endings.len()]);
            let content = Content::Reference(PayloadRef { offset: at, size });
            add(&mut builder, name.as_bytes(), Kind::File, content);
            at += 16 + size + if random >> 40 & 7 == 0 { (random >> 20) % 5000 } else { 0 };
        }
        builder.leave();
    }
    (builder.finish(), at + 16)
}

/// Chunks of half a mebibyte.
fn index(size: u64) -> DynamicIndex {
    let ends: Vec<u64> =
        (1..).map(|number| (number << 19).min(size)).take_while(|&end| end < size).chain([size]).collect();
    let (_, header) = WriteDynamic::new([0; 16], 0);
    let mut reader = ReadDynamic::new(4096 + 40 * ends.len() as u64).expect("a size");
    reader.push(&header).expect("a header");
    for (number, end) in ends.into_iter().enumerate() {
        let mut digest = Digest::default();
        digest.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        reader.push(&ChunkId { end, digest }.to_bytes()).expect("ascending");
    }
    reader.finish().expect("complete")
}
