//! Rules 40 to 50: goodbye tables.

use pxkit_core::decode::Irregularity;
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Error, ItemType, Problem, Stat, layout_slots};
use pxkit_tests::handmade::{Maker, item, stat, words};
use pxkit_tests::streams::Streams;

use super::{FIRST, accepted, clean, error, finding};

fn put(archive: &mut [u8], at: u64, value: u64) {
    archive[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
}

fn get(archive: &[u8], at: u64) -> u64 {
    u64::from_le_bytes(archive[at as usize..at as usize + 8].try_into().expect("8 bytes"))
}

/// Root with files a, b, c, and where its GOODBYE is.
fn three_files() -> (Vec<u8>, u64) {
    let mut maker = Maker::rooted();
    maker.file(b"a", b"1");
    maker.file(b"b", b"22");
    maker.file(b"c", b"333");
    let goodbye = maker.leave();
    (maker.bytes, goodbye)
}

fn open(archive: &[u8]) -> Result<(), Error> {
    Streams::unified(archive).open().map(|_| ())
}

#[test]
fn rule_40_and_45_the_table_of_an_empty_directory() {
    let mut maker = Maker::rooted();
    let goodbye = maker.leave();
    assert_eq!((goodbye, maker.position()), (56, 56 + 40));
    clean(&maker.bytes);
    assert_eq!(get(&maker.bytes, 64), 40);
    assert_eq!((get(&maker.bytes, 80), get(&maker.bytes, 88)), (56, 40));
    open(&maker.bytes).unwrap();
}

#[test]
fn rule_40_to_45_encoder_and_hand_agree_for_every_small_directory() {
    let (dir, file) =
        (Stat { mode: 0o40755, ..Stat::default() }, Stat { mode: 0o100_644, ..Stat::default() });
    let none = Attributes::new();
    for children in 0..=40usize {
        let names: Vec<String> = (0..children).map(|n| format!("file_{n:02}")).collect();
        let (mut encoder, mut out, mut payload) = (Encoder::unified(), Vec::new(), Vec::new());
        let mut push = |event: Event<'_>, out: &mut Vec<u8>| {
            encoder.push(&event, out, &mut payload).unwrap();
            if let Event::File { size, .. } = event {
                out.extend(vec![b'x'; size as usize]);
                encoder.contents(size).unwrap();
            }
        };
        let mut maker = Maker::rooted();
        for (name, stat) in [(&b""[..], &dir), (b"sub", &dir)] {
            push(Event::Directory(Node { name, stat, attributes: &none }), &mut out);
        }
        maker.directory(b"sub");
        for (size, name) in names.iter().enumerate() {
            let node = Node { name: name.as_bytes(), stat: &file, attributes: &none };
            push(Event::File { node, size: size as u64 }, &mut out);
            maker.file(name.as_bytes(), &vec![b'x'; size]);
        }
        push(Event::Leave, &mut out);
        push(Event::Leave, &mut out);
        let by_hand = maker.finish();
        clean(&by_hand);
        // The same but for the metadata in ENTRY items, which the one has and the other has not.
        assert_eq!(without_entries(&out), without_entries(&by_hand), "{children} children");
    }
}

fn without_entries(archive: &[u8]) -> Vec<u8> {
    let entry = ItemType::Entry.htype().to_le_bytes();
    let mut archive = archive.to_vec();
    let places: Vec<usize> = (0..archive.len() - 8).filter(|&at| archive[at..at + 8] == entry).collect();
    places.iter().for_each(|at| archive[at + 16..at + 56].fill(0));
    archive
}

#[test]
fn rule_44_permutations_of_the_specification() {
    for (n, expected) in [
        (1, &[0][..]),
        (2, &[1, 0]),
        (7, &[3, 1, 5, 0, 2, 4, 6]),
        (8, &[4, 2, 6, 1, 3, 5, 7, 0]),
        (9, &[5, 3, 7, 1, 4, 6, 8, 0, 2]),
        (11, &[7, 3, 9, 1, 5, 8, 10, 0, 2, 4, 6]),
        (12, &[7, 3, 10, 1, 5, 9, 11, 0, 2, 4, 6, 8]),
        (13, &[7, 3, 11, 1, 5, 9, 12, 0, 2, 4, 6, 8, 10]),
        (14, &[7, 3, 11, 1, 5, 9, 13, 0, 2, 4, 6, 8, 10, 12]),
        (15, &[7, 3, 11, 1, 5, 9, 13, 0, 2, 4, 6, 8, 10, 12, 14]),
        (17, &[9, 5, 13, 3, 7, 11, 15, 1, 4, 6, 8, 10, 12, 14, 16, 0, 2]),
    ] {
        let mut table = vec![0; n];
        layout_slots(n, |slot, rank| table[slot] = rank);
        assert_eq!(table, expected, "n = {n}");
    }
}

#[test]
fn rule_46_the_root_counts_from_the_start_of_the_archive() {
    let mut maker = Maker::split();
    maker.reference(b"f", 16, 5);
    let goodbye = maker.leave();
    assert_eq!(get(&maker.bytes, maker.position() - 16), goodbye);
    clean(&maker.bytes);
    open(&maker.bytes).unwrap();
    // Counting from ENTRY is wrong, for the streaming check and for random access.
    let tail = maker.position() - 24;
    put(&mut maker.bytes, tail + 8, goodbye - 24);
    assert_eq!(accepted(&maker.bytes), [finding(tail, Irregularity::TableTail)]);
    let problem = Problem::Value { expected: "the distance to the directory's ENTRY", got: goodbye - 24 };
    assert_eq!(open(&maker.bytes), Err(error(tail, ItemType::Goodbye, problem)));
}

#[test]
fn rule_48_streaming_ignores_tables_and_trailing_bytes() {
    let (mut archive, goodbye) = three_files();
    let (lines, _) = pxkit_tests::observe::item_lines(&archive);
    let table = goodbye as usize + 16..archive.len();
    archive[table].fill(0xee);
    archive.extend(b"trailing");
    let (after, outcome) = pxkit_tests::observe::item_lines(&archive);
    assert_eq!((outcome.result, outcome.end), (Ok(()), archive.len() as u64 - 8));
    assert_eq!(lines, after);
    assert_eq!(outcome.total, 3 + 1, "each record and the tail");
}

#[test]
fn rule_49_random_access_refuses_wrong_tails() {
    let (archive, goodbye) = three_files();
    let tail = archive.len() as u64 - 24;
    open(&archive).unwrap();
    let refuse = |field: u64, value: u64, problem| {
        let mut archive = archive.clone();
        put(&mut archive, tail + field, value);
        assert_eq!(open(&archive), Err(error(tail, ItemType::Goodbye, problem)));
    };
    refuse(0, 7, Problem::Value { expected: "the tail marker of a goodbye table", got: 7 });
    let distance = "the distance to the directory's ENTRY";
    refuse(8, goodbye + 1, Problem::Value { expected: distance, got: goodbye + 1 });
    refuse(8, u64::MAX, Problem::Value { expected: distance, got: u64::MAX });
    // Tables that begin before the archive.
    let within = "a table within the directory";
    for records in [archive.len() as u64 / 24, 1 << 40] {
        let size = 16 + 24 * records;
        refuse(16, size, Problem::Range { expected: within, got: size });
    }
    assert!(open(&archive[..archive.len() - 1]).is_err());
    assert!(open(&[]).is_err());
}

#[test]
fn rule_49_random_access_refuses_children_outside() {
    let (archive, goodbye) = three_files();
    for offset in [0, goodbye, goodbye + 1, u64::MAX] {
        let mut archive = archive.clone();
        for slot in 0..3 {
            put(&mut archive, goodbye + 16 + 24 * slot + 8, offset);
        }
        let streams = Streams::unified(&archive);
        let open = streams.open().unwrap();
        let problem = Problem::Range { expected: "a child within the directory", got: offset };
        let list = streams.list(&open, &open.root).unwrap_err();
        assert_eq!(list, error(goodbye + 16, ItemType::Goodbye, problem), "the first record");
        assert_eq!(streams.lookup(&open, &open.root, b"a").unwrap_err().problem, problem);
    }
}

#[test]
fn rule_50_tables_are_whole_records() {
    let (archive, _) = three_files();
    let tail = archive.len() as u64 - 24;
    for size in [0, 15, 16, 39, 41, 64 + 8, u64::MAX] {
        let mut archive = archive.clone();
        put(&mut archive, tail + 16, size);
        let expected = "a table of 24 bytes for each child and the tail";
        assert_eq!(
            open(&archive),
            Err(error(tail, ItemType::Goodbye, Problem::Value { expected, got: size }))
        );
    }
}

#[test]
fn rule_49_records_must_lead_to_names() {
    let (mut archive, goodbye) = three_files();
    for slot in 0..3 {
        put(&mut archive, goodbye + 16 + 24 * slot + 8, goodbye - FIRST - 1);
    }
    let streams = Streams::unified(&archive);
    let open = streams.open().unwrap();
    let list = streams.list(&open, &open.root).unwrap_err();
    assert!(matches!(list, Error { offset: 57, problem: Problem::UnknownType { .. }, .. }), "{list}");
    assert!(streams.lookup(&open, &open.root, b"a").is_err());
    assert_eq!(streams.lookup(&open, &open.root, b"x").unwrap(), None, "no such hash");
}

#[test]
fn rule_49_tables_begin_behind_the_entry() {
    // All of it is a table, says its tail, which would be right about the distance to the start.
    for size in [64, 88] {
        let mut archive = item(ItemType::Entry, &stat(0o40755));
        archive.resize(size - 24, 0);
        archive.extend(words(&[0xef5e_ed5b_753e_1555, 0, size as u64]));
        let problem = Problem::Range { expected: "a table within the directory", got: size as u64 };
        assert_eq!(open(&archive), Err(error(size as u64 - 24, ItemType::Goodbye, problem)));
    }
}
