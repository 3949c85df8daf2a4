//! Items cover their streams without gaps, whatever the stream; they are those that the decoder of streams meets.

use std::rc::Rc;

use pxkit_core::decode::{Decoder, Findings, GoodbyeCheck, Irregularity, Step};
use pxkit_core::format::{HEADER_SIZE, ItemType, RECORD_SIZE};

use crate::protocol::structure::{Goodbye, Item, Items, Query};
use crate::protocol::{Reply, Request, Stream};
use crate::worker::Document;
use crate::worker::testing::{Bench, golden};

fn ask(bench: &Bench, document: &Document, stream: Stream, at: u64, before: u32, count: u32) -> Items {
    match bench.ask(Request::Items(document.id(), Query { stream, at, before, count })) {
        Ok(Reply::Items(items)) => items,
        other => panic!("{other:?}"),
    }
}

/// All items, asked for page by page, each checked by itself.
fn all(bench: &Bench, document: &Document, stream: Stream, page: u32) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut at = 0;
    loop {
        let got = ask(bench, document, stream, at, 0, page);
        assert_eq!((got.at, got.first), (0, at == 0));
        assert!(got.items.len() <= page as usize && (!got.items.is_empty() || got.size == 0));
        for item in got.items {
            assert_eq!(item.offset, at, "no gap: {item:?}");
            assert!(item.size > 0, "{item:?}");
            at += item.size;
            check(&item);
            items.push(item);
        }
        assert_eq!(got.last, at == got.size, "{at} of {}", got.size);
        if got.last {
            return items;
        }
    }
}

fn check(item: &Item) {
    assert!(!item.about.is_empty(), "{}", item.name);
    for field in &item.fields {
        let end = field.offset + u64::from(field.size);
        assert!(field.offset >= item.offset && end <= item.offset + item.size, "{field:?} of {item:?}");
    }
}

/// Pages from anywhere are parts of the whole.
fn check_pages(bench: &Bench, document: &Document, stream: Stream, items: &[Item]) {
    let size = items.last().map_or(0, |item| item.offset + item.size);
    for step in 0..40 {
        let at = size * step / 39 + step % 3;
        let (before, count) = ((step % 7) as u32, (1 + step % 11) as u32);
        let got = ask(bench, document, stream, at, before, count);
        let place = items.iter().position(|item| item.offset + item.size > at).unwrap_or(items.len() - 1);
        let from = place.saturating_sub(before as usize);
        let to = items.len().min(place + count as usize);
        assert_eq!(got.items, items[from..to], "around {at}");
        assert_eq!((got.at as usize, got.first, got.last), (place - from, from == 0, to == items.len()));
    }
}

fn open(bench: &Bench, files: Vec<(&str, Vec<u8>)>) -> Rc<Document> {
    let opened = bench.open(files);
    bench
        .worker
        .document(opened.documents.first().unwrap_or_else(|| panic!("{opened:?}")).id)
        .expect("it is open")
}

/// Offset and type of all items that the decoder meets.
fn decoded(archive: &[u8]) -> Vec<(u64, ItemType)> {
    let (mut decoder, mut at, mut items) = (Decoder::new(), 0, Vec::new());
    loop {
        match decoder.step(&archive[at..]).expect("a golden archive") {
            Step::Item { offset, used, .. } => {
                let htype = archive[at..at + 8].try_into().map(u64::from_le_bytes).expect("8 bytes");
                items.push((offset, ItemType::from_htype(htype).expect("it was decoded")));
                at += used;
            }
            Step::Skip(bytes) => at += bytes as usize,
            Step::Known(_) => {}
            Step::Need(_) => panic!("truncated"),
            Step::End => return items,
        }
    }
}

#[test]
fn items_of_golden_archives_are_those_of_the_decoder() {
    for name in ["kinds", "names", "attributes", "goodbye", "wide"] {
        for names in [vec![format!("{name}.pxar")], vec![format!("{name}.mpxar"), format!("{name}.ppxar")]] {
            let bench = Bench::new();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let document = bench.golden(&names);
            let archive = golden(&format!("archives/{}", names[0]));
            let items = all(&bench, &document, Stream::Meta, 97);
            let expected = decoded(&archive);
            let got: Vec<(u64, &str)> = items.iter().map(|item| (item.offset, item.name.as_str())).collect();
            assert_eq!(got, expected.iter().map(|(offset, kind)| (*offset, kind.name())).collect::<Vec<_>>());
            check_pages(&bench, &document, Stream::Meta, &items);
            for item in &items {
                assert_eq!(item.error, None);
                assert_eq!(item.fields[1].value, item.size.to_string());
                // Numbers of 8 bytes stand there as they are shown.
                for field in
                    item.fields.iter().filter(|field| field.size == 8 && field.value.parse::<i128>().is_ok())
                {
                    let at = field.offset as usize;
                    let stored = archive[at..at + 8].try_into().map(u64::from_le_bytes).expect("8 bytes");
                    assert!(
                        [stored.to_string(), (stored as i64).to_string()].contains(&field.value),
                        "{field:?}"
                    );
                }
            }
            if names.len() == 2 {
                let items = all(&bench, &document, Stream::Payload, 50);
                check_pages(&bench, &document, Stream::Payload, &items);
                let files = items.iter().filter(|item| item.name == "PAYLOAD").count();
                assert_eq!(files as u32, document.describe().files);
                assert!(items.iter().all(|item| item.findings.is_empty()));
                assert_eq!(
                    (items[0].name.as_str(), items[items.len() - 1].name.as_str()),
                    ("PAYLOAD_START_MARKER", "PAYLOAD_TAIL_MARKER")
                );
            }
        }
    }
}

#[test]
fn depths_and_entries_follow_the_tree() {
    let bench = Bench::new();
    let document = bench.golden(&["kinds.mpxar"]);
    let (mut open, mut last) = (0, 0);
    for item in all(&bench, &document, Stream::Meta, 500) {
        let tree = document.tree();
        match item.name.as_str() {
            "FILENAME" => {
                last = item.entry.expect("a child");
                assert_eq!(tree.filename(last), item.offset);
                assert_eq!(item.summary, crate::worker::text::escape(tree.name(last)));
                open = item.depth;
            }
            "GOODBYE" => {
                let directory = item.entry.expect("a directory");
                assert_eq!(tree.end(directory), last + 1);
                assert!(item.depth <= open);
            }
            "FORMAT_VERSION" | "PRELUDE" => assert_eq!(item.entry, None),
            _ => assert_eq!(item.entry, Some(last)),
        }
    }
}

/// Streams that end anywhere, and that go on behind their end.
#[test]
fn odd_archives_are_covered_too() {
    for (name, payload) in
        [("kinds.pxar", None), ("attributes.mpxar", Some("attributes.ppxar")), ("names.mpxar", None)]
    {
        let whole = golden(&format!("archives/{name}"));
        let payload = payload.map(|name| golden(&format!("archives/{name}")));
        let mut variants = vec![[&whole[..], b"behind the end of the archive"].concat()];
        for part in 1..40 {
            let mut end = (whole.len() * part / 40).max(17);
            variants.push(whole[..end].to_vec());
            end += part % 5;
            let mut damaged = whole.clone();
            damaged[end] ^= 1 << (part % 8);
            variants.push(damaged.clone());
            damaged[end..(end + 40).min(whole.len())].fill(0xa5);
            variants.push(damaged);
        }
        for variant in variants {
            let bench = Bench::new();
            let mut files = vec![(name, variant)];
            files.extend(payload.clone().map(|payload| ("a.ppxar", payload)));
            let document = open(&bench, files);
            let items = all(&bench, &document, Stream::Meta, 60);
            check_pages(&bench, &document, Stream::Meta, &items);
            let errors = items.iter().filter(|item| item.error.is_some()).count();
            let is_damaged = matches!(*document.state.borrow(), crate::protocol::open::State::Damaged(_));
            assert_eq!(errors, usize::from(is_damaged), "{:?} {:#?}", document.state.borrow(), items.last());
            if payload.is_some() && document.is_archive() && document.stream(Stream::Payload).is_ok() {
                let items = all(&bench, &document, Stream::Payload, 60);
                check_pages(&bench, &document, Stream::Payload, &items);
            }
        }
    }
}

#[test]
fn other_streams_are_covered() {
    let snapshot = "datastore/host/meta/2026-11-22T21:15:58Z";
    let legacy = "datastore/host/legacy/2026-11-22T21:15:58Z";
    let mut fixed = vec![0; 4096];
    fixed[..8].copy_from_slice(&[0x2f, 0x7f, 0x41, 0xed, 0x91, 0xfd, 0x0f, 0xcd]);
    fixed[64..72].copy_from_slice(&(5_u64 << 20).to_le_bytes());
    fixed[72..80].copy_from_slice(&(4_u64 << 20).to_le_bytes());
    fixed.extend([7; 64]);
    let index = golden(&format!("{snapshot}/tree.ppxar.didx"));
    let cut_index = index[..index.len() - 7].to_vec();
    for (name, bytes, first) in [
        ("tree.ppxar.didx", index, "INDEX_HEADER"),
        ("cut.ppxar.didx", cut_index, "INDEX_HEADER"),
        ("drive.fidx", fixed, "INDEX_HEADER"),
        ("index.json.blob", golden(&format!("{snapshot}/index.json.blob")), "BLOB_HEADER"),
        ("catalog.didx", golden(&format!("{legacy}/catalog.pcat1.didx")), "INDEX_HEADER"),
        ("kinds.ppxar", golden("archives/kinds.ppxar"), "PAYLOAD_START_MARKER"),
        ("damaged.ppxar", golden("archives/wide.ppxar")[..20_001].to_vec(), "PAYLOAD_START_MARKER"),
        ("something", b"none of these".repeat(100), "BYTES"),
        ("catalog.pcat1", catalog(), "CATALOG_MAGIC"),
    ] {
        let bench = Bench::new();
        let document = open(&bench, vec![(name, bytes)]);
        let items = all(&bench, &document, Stream::Meta, 13);
        assert_eq!(items[0].name, first, "{name}");
        check_pages(&bench, &document, Stream::Meta, &items);
    }
}

fn catalog() -> Vec<u8> {
    use pxkit_core::blob::{CatalogEntry, CatalogKind, WriteCatalog};
    let mut out = Vec::new();
    let mut writer = WriteCatalog::new(&mut out);
    writer.enter(b"root.pxar.didx").expect("a name");
    for directory in 0..40 {
        writer.enter(format!("directory {directory}").as_bytes()).expect("a name");
        for file in 0..directory {
            let name = format!("file {file}");
            let kind = CatalogKind::File { size: 1000 * file, mtime: -5 };
            writer.add(CatalogEntry { name: name.as_bytes(), kind }).expect("an archive is open");
        }
        writer.leave(&mut out).expect("it is open");
    }
    writer.leave(&mut out).expect("it is open");
    writer.finish(&mut out).expect("all are left");
    out
}

#[test]
fn manifests_say_what_they_hold() {
    let bench = Bench::new();
    let blob = golden("datastore/host/meta/2026-11-22T21:15:58Z/index.json.blob");
    let document = open(&bench, vec![("index.json.blob", blob)]);
    let items = all(&bench, &document, Stream::Meta, 13);
    assert!(items[0].fields[1].meaning.contains("it is right"));
    assert!(
        items[1]
            .fields
            .iter()
            .any(|field| field.value.contains("tree.ppxar.didx") || field.name.contains("tree.ppxar.didx")),
        "{items:#?}"
    );
}

fn table(bench: &Bench, document: &Document, offset: u64) -> Goodbye {
    match bench.ask(Request::Goodbye(document.id(), offset)) {
        Ok(Reply::Goodbye(table)) => table,
        other => panic!("{other:?}"),
    }
}

/// The slots that core finds irregular, and whether the tail is, by table.
fn core_findings(archive: &[u8]) -> Vec<(u64, Vec<u64>, bool)> {
    let (mut decoder, mut check, mut at) = (Decoder::new(), GoodbyeCheck::new(), 0);
    let (mut wanted, mut table, mut out) = (None, 0, Vec::new());
    loop {
        let step = decoder.step(&archive[at..]).expect("a golden archive");
        if let Step::Item { offset, item: pxkit_core::decode::Item::Goodbye { .. }, .. } = step {
            table = offset;
        }
        wanted = check.see(&step).or(wanted);
        match step {
            Step::Item { used, .. } => at += used,
            Step::Skip(bytes) => {
                if wanted.take().is_some() {
                    let mut findings = Findings::default();
                    check.table(&archive[at..at + bytes as usize], &mut findings);
                    let slots = findings.kept().iter().filter_map(|finding| match finding.what {
                        Irregularity::TableRecord { slot }
                        | Irregularity::TableChildSize { slot, .. }
                        | Irregularity::TableOrder { slot } => Some(slot),
                        _ => None,
                    });
                    let mut slots: Vec<u64> = slots.collect();
                    slots.sort_unstable();
                    slots.dedup();
                    let tail = findings.kept().iter().any(|finding| finding.what == Irregularity::TableTail);
                    out.push((table, slots, tail));
                }
                at += bytes as usize;
            }
            Step::Known(_) => {}
            Step::Need(_) => panic!("truncated"),
            Step::End => return out,
        }
    }
}

#[test]
fn tables_are_as_irregular_as_core_finds_them() {
    for name in ["kinds.mpxar", "kinds.pxar", "goodbye.mpxar", "goodbye.pxar"] {
        let whole = golden(&format!("archives/{name}"));
        let mut seed = 1_u64;
        for round in 0..12 {
            let mut archive = whole.clone();
            let tables = core_findings(&archive);
            if round > 0 {
                // Some bits of some records.
                for (offset, ..) in &tables {
                    let start = *offset as usize + HEADER_SIZE;
                    let size = u64::from_le_bytes(archive[start - 8..start].try_into().expect("8 bytes"))
                        as usize
                        - HEADER_SIZE;
                    for _ in 0..=size / RECORD_SIZE / 8 {
                        seed = seed
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        archive[start + (seed >> 33) as usize % size] ^= 1 << (seed >> 20 & 7);
                    }
                }
            }
            let bench = Bench::new();
            let document = open(&bench, vec![(name, archive.clone())]);
            for (offset, slots, is_tail_wrong) in core_findings(&archive) {
                let table = table(&bench, &document, offset);
                assert_eq!((table.offset, table.records.len() as u32), (offset, table.total));
                let wrong = table.records.iter().enumerate().filter(|(_, record)| record.problem.is_some());
                assert_eq!(
                    wrong.map(|(slot, _)| slot as u64).collect::<Vec<_>>(),
                    slots,
                    "{name} {offset} {:#?}",
                    table.records
                );
                assert_eq!(table.tail.is_some_and(|tail| tail.problem.is_some()), is_tail_wrong);
                if round == 0 {
                    assert!(slots.is_empty() && table.records.iter().all(|record| record.child.is_some()));
                }
            }
            assert!(bench.ask(Request::Goodbye(document.id(), 0)).is_err());
        }
    }
}

/// Anywhere in an archive only bytes near the position are read.
#[test]
fn reads_are_near() {
    let bench = Bench::new();
    let document = bench.golden(&["wide.mpxar"]);
    let before = bench.worker.blocks.read();
    for at in (0..document.meta().size()).step_by(10_000) {
        let items = ask(&bench, &document, Stream::Meta, at, 20, 100);
        assert_eq!(items.items.len(), (items.at as usize + 100).min(items.items.len()));
    }
    assert!(bench.worker.blocks.read() - before <= document.meta().size() + (256 << 10));
}

/// The padding of the golden snapshots: pieces add up to it, and files of earlier generations are told.
#[test]
fn padding_is_walked_through() {
    let bench = Bench::new();
    let store = bench.golden_store(|_| {});
    for (time, padding) in [("55", 21_718), ("56", 17_655), ("58", 26_923)] {
        let name = format!("host/meta/2026-11-22T21:15:{time}Z");
        let document = bench.snapshot(store, &name, None).expect("a golden snapshot");
        let items = all(&bench, &document, Stream::Payload, 40);
        let of = |names: &[&str]| {
            let items = items.iter().filter(|item| names.contains(&item.name.as_str()));
            items.map(|item| item.size).sum::<u64>()
        };
        assert_eq!(of(&["PADDING", "GHOST", "OLD_MARKER"]), padding, "{name}");
        assert!(of(&["GHOST"]) > 0 && of(&["OLD_MARKER"]) > 0);
        assert_eq!(of(&["PAYLOAD"]), document.parts().expect("it is decoded").layout().totals().live);
        // References are right; of chunks that nothing needs, the piece with which they begin says so.
        for item in items.iter().filter(|item| !item.findings.is_empty()) {
            assert!(["PADDING", "GHOST", "OLD_MARKER"].contains(&item.name.as_str()), "{item:?}");
            assert!(item.findings.iter().all(|finding| finding.starts_with("chunk ")), "{item:?}");
        }
        let ghost = items.iter().find(|item| item.name == "GHOST").expect("there are some");
        assert!(ghost.summary.contains("that is gone") && ghost.fields.len() == 2, "{ghost:?}");
    }
}
