//! Rows of an archive with many entries: decoding, filters, orders, opening of directories.
//!
//! `cargo bench -p pxkit-web --bench files [-- ENTRIES | METADATA.mpxar]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pxkit_core::access::{Tree, TreeBuilder};
use pxkit_core::decode::{Entries, Event as Met};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Stat, Timestamp};
use pxkit_web::protocol::files::{Filter, Sort, Syntax, Toggle, View};
use pxkit_web::worker::files::facts::Facts;
use pxkit_web::worker::files::state::{Files, Matches};

/// Files in a directory, near what source trees have.
const FAN_OUT: usize = 20;
/// Files in the one large directory.
const LARGE: usize = 100_000;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with('-')).collect();
    let entries = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    let given = arguments.iter().find(|text| text.ends_with(".mpxar"));
    let meta = given.map_or_else(|| archive(entries), |path| std::fs::read(path).expect("a file"));
    println!("{:>10.1?} decode {} bytes of metadata", median(|| decode(&meta)), meta.len());
    let tree = decode(&meta);
    println!("{} entries, {} bytes of names", tree.len(), tree.names().len());
    for (text, syntax) in [
        ("file", Syntax::Text),
        ("9.rs", Syntax::Text),
        ("qqq", Syntax::Text),
        ("File", Syntax::Text),
        ("e", Syntax::Text),
        ("5/file-0001", Syntax::Text),
        ("*.rs", Syntax::Glob),
        ("*7*.rs", Syntax::Glob),
        ("dir-0*/*7.rs", Syntax::Glob),
        ("[0-9]7\\.rs$", Syntax::Regex),
        ("file.*7", Syntax::Regex),
        ("/dir.*7", Syntax::Regex),
    ] {
        let filter = Filter { text: text.to_owned(), syntax, ..Filter::default() };
        for flat in [false, true] {
            let view = View { flat, filter: filter.clone(), ..View::default() };
            let mut files = Files::default();
            let time = median(|| show(&mut files, &tree, view.clone()));
            let info = files.info(&facts(&tree));
            println!("{time:>10.1?} filter {syntax:?} {text:12} flat {flat:5}: {} matches", info.matches);
        }
    }
    let filter = Filter { least: Some(1010), kinds: vec![1], ..Filter::default() };
    let view = View { flat: true, filter, ..View::default() };
    println!(
        "{:>10.1?} filter by kind and size",
        median(|| show(&mut Files::default(), &tree, view.clone()))
    );
    for sort in [Sort::Archive, Sort::Name, Sort::Size, Sort::Mtime, Sort::Entries] {
        let view = View { flat: true, sort, descending: true, ..View::default() };
        let time = median(|| show(&mut Files::default(), &tree, view.clone()));
        println!("{time:>10.1?} list of all by {sort:?}");
    }
    for sort in [Sort::Archive, Sort::Name, Sort::Size] {
        let mut files = Files::default();
        show(&mut files, &tree, View { sort, descending: true, ..View::default() });
        let all = |open| Toggle { entry: 0, open, deep: true };
        let open = median(|| toggle(&mut files, &tree, all(true)));
        let middle = median(|| files.span(&facts(&tree), files.rows() / 3, 1000).len());
        let close = median(|| toggle(&mut files, &tree, all(false)));
        println!(
            "{open:>10.1?} open all, {middle:.1?} rows of the middle, {close:.1?} close all, by {sort:?}"
        );
        let large = tree.len() as u32 - LARGE as u32 - 1;
        let time = median(|| {
            toggle(&mut files, &tree, Toggle { entry: large, open: false, deep: false });
            show(&mut files, &tree, View { sort, descending: true, ..View::default() });
            let row = files.reveal(&facts(&tree), large).expect("it is there");
            let time = Instant::now();
            toggle(&mut files, &tree, Toggle { entry: large, open: true, deep: false });
            files.span(&facts(&tree), row, 1000).len() + black_box(time.elapsed().as_micros() as usize)
        });
        println!(
            "{time:>10.1?} open a directory of {LARGE} anew, by {sort:?}; {} bytes held",
            files.memory()
        );
    }
}

fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times = [Duration::ZERO; ROUNDS];
    for time in &mut times {
        let start = Instant::now();
        black_box(run());
        *time = start.elapsed();
    }
    times.sort_unstable();
    times[ROUNDS / 2]
}

const fn facts(tree: &Tree) -> Facts<'_> {
    Facts { tree, is_complete: true, layout: None, flagged: &[], earlier: None, stamp: 0 }
}

fn show(files: &mut Files, tree: &Tree, view: View) {
    let mut matches = Matches::new(&view).expect("well-formed");
    while matches.step(&facts(tree)) {}
    files.show(&facts(tree), view, matches);
}

fn toggle(files: &mut Files, tree: &Tree, toggle: Toggle) {
    files.toggle(&facts(tree), toggle);
}

/// Metadata of directories of `FAN_OUT` files each, and one of `LARGE`.
fn archive(entries: usize) -> Vec<u8> {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let attributes = Attributes::new();
    let dir =
        Stat { mode: 0o40755, flags: 0, uid: 0, gid: 0, mtime: Timestamp { secs: 1_700_000_000, nanos: 1 } };
    let mut push = |event: Event<'_>| {
        payload.clear();
        encoder.push(&event, &mut meta, &mut payload).expect("legal events");
        if let Event::File { size, .. } = event {
            encoder.contents(size).expect("as announced");
        }
    };
    let file = |number: usize| {
        let mtime = Timestamp { secs: 1_600_000_000 + (number * 7919 % 100_000_000) as i64, nanos: 0 };
        Stat { mode: 0o100644, mtime, ..dir }
    };
    push(Event::Directory(Node { name: b"", stat: &dir, attributes: &attributes }));
    let mut left = entries - 1;
    while left > 0 {
        let is_last = left <= LARGE + 1;
        let name = format!("dir-{:08}", entries - left);
        push(Event::Directory(Node { name: name.as_bytes(), stat: &dir, attributes: &attributes }));
        left -= 1;
        let files = if is_last { left } else { FAN_OUT.min(left) };
        for number in 0..files {
            let name = format!("file-{number:04}.rs");
            let stat = file(number + left);
            let node = Node { name: name.as_bytes(), stat: &stat, attributes: &attributes };
            push(Event::File { node, size: 1000 + (number * 31 % 97) as u64 });
        }
        left -= files;
        push(Event::Leave);
    }
    push(Event::Leave);
    meta
}

fn decode(meta: &[u8]) -> Tree {
    let (mut entries, mut builder, mut at) = (Entries::new(), TreeBuilder::new(), 0);
    loop {
        let progress = entries.step(&meta[at..]).expect("our own archive");
        at += progress.used;
        match progress.event {
            Met::Entry(entry) => builder.add(&entry).expect("not too many"),
            Met::Leave { .. } => builder.leave(),
            Met::Skip(skipped) => at += skipped as usize,
            Met::End => return builder.finish(),
            _ => {}
        }
    }
}
