//! Damaged inputs of every kind: whatever is asked about them, the worker answers, in sentences.

use crate::protocol::compare::{self, Pair};
use crate::protocol::entry::Part;
use crate::protocol::export::{Archive, Format, List, Save};
use crate::protocol::files::{Filter, Span, Syntax, Toggle, View};
use crate::protocol::findings::{Check, CheckKind, Query as Found};
use crate::protocol::layout::{Colouring, Lane, MapQuery, TreemapQuery};
use crate::protocol::open::{Document, Kind, OpenSnapshot, SnapshotRef, State, StoreQuery};
use crate::protocol::{Reply, Request, Stream, chunks, structure};
use crate::worker::testing::{Bench, golden, golden_folder};

/// Damages of each input.
const ROUNDS: u64 = 12;
const SNAPSHOT: &str = "host/meta/2026-11-22T21:15:58Z";

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Does one to three things to some bytes that disks, programs and people do to files.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let some = 1 + random.below(64);
        let end = bytes.len().min(at + some);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at..end].fill(0),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.next() as u8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            // A number, as large as there is one, or off by a bit.
            5 if at + 8 <= bytes.len() => {
                let number = [u64::MAX, 1 << 63, u64::from(u32::MAX), 0, 15][random.below(5)];
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// Asks everything there is to ask about a document. Returns how many answers were problems.
fn ask_everything(bench: &Bench, document: &Document, sound: Option<u32>) -> usize {
    let id = document.id;
    let view = |text: &str, syntax, flat| {
        let filter = Filter { text: text.to_owned(), syntax, ..Filter::default() };
        Request::View(id, View { flat, filter, ..View::default() })
    };
    let mut requests = vec![
        Request::Toggle(id, Toggle { entry: 0, open: true, deep: true }),
        Request::Rows(id, Span { start: 0, count: 1000 }),
        view("a", Syntax::Text, true),
        view("/", Syntax::Text, false),
        view("*a*", Syntax::Glob, true),
        view("[0-9]$", Syntax::Regex, true),
        Request::Rows(id, Span { start: 3, count: u32::MAX }),
        Request::View(id, View::default()),
        Request::Find(id, b"a/b".to_vec()),
        Request::Layout(id),
        Request::ChunkSummary(id),
        Request::Findings(id, Found { start: 0, count: 1000 }),
        Request::Goodbye(id, document.size / 2),
    ];
    for entry in (0..document.entries.min(60)).chain([document.entries, u32::MAX]) {
        requests.push(Request::Entry(id, entry));
        requests.push(Request::Reveal(id, entry));
        requests.push(Request::ChunksOf(id, entry));
        requests.push(Request::Contents(id, entry, Part { offset: 0, len: 4096 }));
        if entry % 7 == 0 {
            requests.push(Request::Save(id, Save::File(entry)));
        }
    }
    for stream in [Stream::Meta, Stream::Payload] {
        for at in [0, 100, document.size / 2, document.size.saturating_sub(1), u64::MAX] {
            let query = structure::Query { stream, at, before: 20, count: 60 };
            requests.push(Request::Items(id, query));
            requests.push(Request::Bytes(id, stream, Part { offset: at, len: 512 }));
            requests.push(Request::Spot(id, at));
        }
    }
    for colouring in [Colouring::FileType, Colouring::Directory, Colouring::ChunkUse, Colouring::Age] {
        requests.push(Request::Legend(id, colouring));
        requests.push(Request::Map(
            id,
            MapQuery {
                start: 0,
                end: u64::MAX,
                width: 120,
                scale: 1.0,
                lanes: vec![
                    (Lane::Overview, 20),
                    (Lane::Chunks, 20),
                    (Lane::Payloads, 20),
                    (Lane::Padding, 20),
                ],
                colouring,
                hidden: vec![1, 17],
                marked: Some(1),
                dark: false,
                ranges: 100,
            },
        ));
        requests.push(Request::Treemap(
            id,
            TreemapQuery {
                root: 0,
                width: 160,
                height: 90,
                scale: 1.0,
                colouring,
                hidden: Vec::new(),
                marked: Some(2),
                dark: true,
            },
        ));
    }
    for sort in [chunks::Sort::Index, chunks::Sort::Use, chunks::Sort::Digest] {
        let query =
            chunks::Query { sort, descending: true, padded: false, shared: None, start: 0, count: 50 };
        requests.push(Request::Chunks(id, query));
    }
    requests.extend((0..3).map(|chunk| Request::Chunk(id, chunk)));
    for what in [CheckKind::Headers, CheckKind::Ghosts, CheckKind::Digests, CheckKind::Tables] {
        requests.push(Request::Check(id, Check { what, range: None }));
        requests.push(Request::Check(id, Check { what, range: Some((5, u64::MAX)) }));
    }
    for save in [Save::Folder(0, Archive::Tar), Save::Folder(0, Archive::Zip), Save::Layout] {
        requests.push(Request::Save(id, save));
    }
    for list in [List::Files, List::Ranges, List::Chunks, List::Findings] {
        requests.push(Request::Save(id, Save::List(list, Format::Csv)));
    }
    for pair in sound.into_iter().flat_map(|sound| [Pair { a: sound, b: id }, Pair { a: id, b: sound }]) {
        requests.push(Request::Compare(pair));
        requests.push(Request::Differences(compare::Query {
            pair,
            kinds: Vec::new(),
            needless: false,
            text: String::new(),
            by_size: true,
            start: 0,
            count: 1000,
        }));
        requests.push(Request::Save(id, Save::Differences(pair, Format::Json)));
    }
    requests.push(Request::Close(id));
    let problems = requests.into_iter().filter_map(|request| {
        let problem = bench.ask(request.clone()).err()?;
        assert!(is_sentence(&problem.message), "{request:?}: {problem:?}");
        Some(())
    });
    problems.count()
}

fn is_sentence(text: &str) -> bool {
    text.len() > 10 && text.contains(' ') && !text.contains("panicked") && !text.contains("unwrap")
}

/// Opens damaged files and asks everything. Returns whether the damage was noticed.
fn survive(files: Vec<(String, Vec<u8>)>, sound: &[&str]) -> bool {
    let bench = Bench::new();
    let sound = (!sound.is_empty()).then(|| bench.golden(sound).id());
    let opened = bench.open(files);
    assert!(!opened.documents.is_empty() || !opened.problems.is_empty(), "it says nothing");
    let mut is_noticed = !opened.problems.is_empty();
    for problem in &opened.problems {
        assert!(is_sentence(&problem.message), "{problem:?}");
    }
    for document in &opened.documents {
        let document = bench.worker.document(document.id).unwrap().describe();
        match &document.state {
            State::Damaged(problem) => {
                is_noticed = true;
                assert!(is_sentence(&problem.message), "{problem:?}");
                assert!(problem.offset.is_some() || document.kind == Kind::Foreign, "{problem:?}");
            }
            state => assert_eq!(*state, State::Complete),
        }
        is_noticed |= document.findings > 0;
        ask_everything(&bench, &document, sound);
    }
    is_noticed
}

/// One file after the other of those that make an input is damaged. Returns how often that was noticed.
fn survive_all(names: &[&str], sound: &[&str], seed: u64) -> u64 {
    let mut random = Random(seed);
    let mut noticed = 0;
    for round in 0..ROUNDS {
        let mut files: Vec<(String, Vec<u8>)> =
            names.iter().map(|name| (name.rsplit('/').next().unwrap().to_owned(), golden(name))).collect();
        let which = round as usize % files.len();
        damage(&mut files[which].1, &mut random);
        noticed += u64::from(survive(files, sound));
    }
    noticed
}

#[test]
fn damaged_archives() {
    let mut noticed = 0;
    for (seed, name) in ["kinds", "names", "attributes", "goodbye"].into_iter().enumerate() {
        let (seed, sound) = (seed as u64, ["attributes.mpxar", "attributes.ppxar"]);
        let of = |ending: &str| format!("archives/{name}.{ending}");
        noticed += survive_all(&[&of("pxar")], &sound, seed);
        survive_all(&[&of("mpxar"), &of("ppxar")], &sound, seed + 100);
        survive_all(&[&of("mpxar")], &sound, seed + 200);
        survive_all(&[&of("ppxar")], &[], seed + 300);
    }
    // Nobody notices other contents of a file where there are no digests.
    assert!(noticed > ROUNDS, "{noticed}");
}

#[test]
fn damaged_indexes_blobs_and_manifests() {
    for (seed, name) in ["tree.mpxar.didx", "tree.ppxar.didx", "index.json.blob"].into_iter().enumerate() {
        survive_all(&[&format!("datastore/{SNAPSHOT}/{name}")], &[], 400 + seed as u64);
    }
    // Metadata beside an index without its chunks; an image's index, made of one of an archive.
    survive_all(&["archives/names.mpxar", &format!("datastore/{SNAPSHOT}/tree.ppxar.didx")], &[], 500);
    survive_all(&["key.json"], &[], 600);
}

#[test]
fn damaged_datastores() {
    let sound = golden_folder("datastore", "store");
    let mut random = Random(7);
    for _ in 0..2 * ROUNDS {
        let mut files = sound.clone();
        let is_meant = |path: &str| path.contains(SNAPSHOT) || path.contains(".chunks");
        let meant: Vec<usize> = (0..files.len()).filter(|&at| is_meant(&files[at].0)).collect();
        for _ in 0..4 {
            let at = meant[random.below(meant.len())];
            damage(&mut files[at].1, &mut random);
        }
        let bench = Bench::new();
        let opened = bench.open(files);
        let Some(store) = opened.stores.first().map(|store| store.id) else { continue };
        let query = StoreQuery { store, namespace: String::new(), group: Some("host/meta".to_owned()) };
        bench.ask(Request::Store(query)).unwrap();
        let snapshot = SnapshotRef { snapshot: SNAPSHOT.to_owned(), ..SnapshotRef::default() };
        match bench.ask(Request::OpenSnapshot(OpenSnapshot { store, snapshot })) {
            Ok(Reply::Opened(opened)) => {
                for document in &opened.documents {
                    let document = bench.worker.document(document.id).unwrap().describe();
                    ask_everything(&bench, &document, None);
                }
            }
            Ok(other) => panic!("{other:?}"),
            Err(problem) => assert!(is_sentence(&problem.message), "{problem:?}"),
        }
    }
}
