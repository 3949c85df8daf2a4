//! Every irregularity that decoders tolerate, once, at its place. Those that belong to a rule of the checklist are there.

use pxkit_core::decode::{Findings, Irregularity};
use pxkit_core::format::{ItemType, Kind};
use pxkit_tests::handmade::{Maker, item, stat, words};

use super::{FIRST, accepted, clean, finding};

fn put(archive: &mut [u8], at: u64, value: u64) {
    archive[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn an_explicit_version_1() {
    let mut maker = Maker::new();
    maker.item(ItemType::FormatVersion, &words(&[1]));
    maker.root();
    maker.file(b"f", b"x");
    assert_eq!(accepted(&maker.finish()), [finding(0, Irregularity::ExplicitVersion1)]);
}

#[test]
fn names_of_attributes() {
    let mut maker = Maker::new();
    maker.entry(0o40755);
    let empty = maker.item(ItemType::Xattr, b"\0value");
    let long = maker.item(ItemType::Xattr, &[&[b'n'; 256][..], b"\0"].concat());
    maker.enter();
    let expected = [empty, long].map(|offset| finding(offset, Irregularity::AttributeName));
    assert_eq!(accepted(&maker.finish()), expected);
}

#[test]
fn padding_of_entries() {
    let mut content = stat(0o40755);
    content[36] = 9;
    let mut maker = Maker::new();
    maker.item(ItemType::Entry, &content);
    maker.enter();
    assert_eq!(accepted(&maker.finish()), [finding(0, Irregularity::EntryPadding { got: 9 })]);
}

#[test]
fn nanoseconds() {
    let mut content = stat(0o100_644);
    let mut archive = |nanos: u32| {
        content[32..36].copy_from_slice(&nanos.to_le_bytes());
        let mut maker = Maker::rooted();
        maker.name(b"f");
        maker.item(ItemType::Entry, &content);
        maker.item(ItemType::Payload, b"");
        maker.finish()
    };
    clean(&archive(999_999_999));
    let expected = finding(FIRST + 18, Irregularity::Nanoseconds { got: 1_000_000_000 });
    assert_eq!(accepted(&archive(1_000_000_000)), [expected]);
}

#[test]
fn modes_that_contradict_the_items() {
    let mut maker = Maker::rooted();
    let mut expected = Vec::new();
    let mut add = |maker: &mut Maker, name: &[u8], mode, kind| {
        let filename = maker.name(name);
        maker.entry(mode);
        expected.push(finding(filename, Irregularity::Mode { mode, kind }));
    };
    add(&mut maker, b"a", 0o40755, Kind::File);
    maker.item(ItemType::Payload, b"");
    add(&mut maker, b"b", 0, Kind::Symlink);
    maker.item(ItemType::Symlink, b"t\0");
    add(&mut maker, b"c", 0o100_644, Kind::Device);
    maker.item(ItemType::Device, &words(&[1, 3]));
    add(&mut maker, b"d", 0o120_777, Kind::Directory);
    maker.enter();
    maker.leave();
    add(&mut maker, b"e", 0o10_644, Kind::File);
    maker.item(ItemType::PayloadRef, &words(&[16, 0]));
    let archive = maker.finish();
    let modes: Vec<_> = accepted(&archive)
        .into_iter()
        .filter(|finding| finding.what != Irregularity::ReferenceWithoutVersion)
        .collect();
    assert_eq!(modes, expected);
}

#[test]
fn the_mode_of_the_root() {
    // The place of the root is that of its ENTRY, also behind a version.
    let mut maker = Maker::new();
    maker.item(ItemType::FormatVersion, &words(&[2]));
    maker.entry(0o10_644);
    maker.enter();
    let mode = Irregularity::Mode { mode: 0o10_644, kind: Kind::Directory };
    assert_eq!(accepted(&maker.finish()), [finding(24, mode)]);
}

#[test]
fn order_and_repetition_of_names() {
    let mut maker = Maker::rooted();
    maker.file(b"b", b"");
    let before = maker.file(b"a", b"");
    let twice = maker.file(b"a", b"");
    maker.directory(b"c");
    // Siblings count, not what lies in between.
    maker.file(b"a", b"");
    maker.leave();
    let directory_twice = maker.file(b"c", b"");
    maker.file(b"c-", b"");
    let prefix = maker.file(b"c", b"");
    let expected = [
        finding(before, Irregularity::NameOrder),
        finding(twice, Irregularity::DuplicateName),
        finding(directory_twice, Irregularity::DuplicateName),
        finding(prefix, Irregularity::NameOrder),
    ];
    assert_eq!(accepted(&maker.finish()), expected);
}

#[test]
fn exclude_lists_come_last_in_the_root_only() {
    let mut maker = Maker::rooted();
    maker.directory(b"d");
    maker.file(b"a", b"");
    let inside = maker.file(b".pxarexclude-cli", b"");
    maker.leave();
    maker.file(b".pxarexclude-cli", b"");
    assert_eq!(accepted(&maker.finish()), [finding(inside, Irregularity::NameOrder)]);
}

#[test]
fn sizes_and_counts_of_tables() {
    for (content, what) in [
        (vec![], Irregularity::TableSize { got: 0 }),
        (vec![0; 23], Irregularity::TableSize { got: 23 }),
        (vec![0; 49], Irregularity::TableSize { got: 49 }),
        (vec![0; 24], Irregularity::TableCount { expected: 1, got: 0 }),
        (vec![0; 96], Irregularity::TableCount { expected: 1, got: 3 }),
    ] {
        let mut maker = Maker::rooted();
        maker.file(b"f", b"");
        let at = maker.append(&item(ItemType::Goodbye, &content));
        assert_eq!(accepted(&maker.bytes), [finding(at, what)]);
    }
}

/// Root with files a, b, c; where its table is, and which slot each hash is in.
fn three() -> (Vec<u8>, u64) {
    let mut maker = Maker::rooted();
    for name in [b"a", b"b", b"c"] {
        maker.file(name, b"contents");
    }
    let table = maker.leave() + 16;
    clean(&maker.bytes);
    (maker.bytes, table)
}

#[test]
fn records_of_no_child() {
    let (archive, table) = three();
    for slot in 0..3 {
        let at = table + 24 * slot;
        let mut moved = archive.clone();
        put(&mut moved, at + 8, 1);
        assert_eq!(accepted(&moved), [finding(at, Irregularity::TableRecord { slot })]);
    }
}

#[test]
fn records_of_the_same_child() {
    // The record of another child is gone: no lookup would find it.
    let (mut archive, table) = three();
    let first: Vec<u8> = archive[table as usize..table as usize + 24].to_vec();
    archive[table as usize + 48..table as usize + 72].copy_from_slice(&first);
    let expected = [finding(table + 48, Irregularity::TableRecord { slot: 2 })];
    assert_eq!(accepted(&archive), expected);
}

#[test]
fn sizes_of_children() {
    let (mut archive, table) = three();
    put(&mut archive, table + 24 + 16, 5);
    let expected = 18 + 56 + 16 + 8;
    let what = Irregularity::TableChildSize { slot: 1, expected, got: 5 };
    assert_eq!(accepted(&archive), [finding(table + 24, what)]);
}

#[test]
fn tables_that_are_no_search_tree() {
    let (mut archive, table) = three();
    let table = table as usize;
    let (left, right) = (table + 24..table + 48, table + 48..table + 72);
    let first = archive[left.clone()].to_vec();
    archive.copy_within(right.clone(), left.start);
    archive[right].copy_from_slice(&first);
    // In order: the largest, the middle, the smallest.
    let at = |slot| finding((table + 24 * slot as usize) as u64, Irregularity::TableOrder { slot });
    assert_eq!(accepted(&archive), [at(0), at(2)]);
}

#[test]
fn tails() {
    let (archive, _) = three();
    let tail = archive.len() as u64 - 24;
    for field in [0, 8, 16] {
        let mut archive = archive.clone();
        put(&mut archive, tail + field, 77);
        assert_eq!(accepted(&archive), [finding(tail, Irregularity::TableTail)]);
    }
}

#[test]
fn only_the_first_are_kept_but_all_are_counted() {
    let mut findings = Findings::default();
    for offset in 0..Findings::KEPT as u64 + 10 {
        findings.add(offset, Irregularity::TableTail);
    }
    assert_eq!((findings.kept().len(), findings.total()), (Findings::KEPT, 1010));
    assert_eq!(findings.drain().count(), Findings::KEPT);
    findings.add(5, Irregularity::NameOrder);
    assert_eq!(findings.kept(), [finding(5, Irregularity::NameOrder)]);
}

#[test]
fn messages_name_what_was_found() {
    for (what, words) in [
        (Irregularity::EntryPadding { got: 9 }, "expected 0, got 9"),
        (Irregularity::ReferenceOrder { least: 7, got: 5 }, "expected 7 or more, got 5"),
        (Irregularity::TableCount { expected: 1, got: 3 }, "expected 1 records, got 3"),
        (Irregularity::Mode { mode: 0o644, kind: Kind::File }, "0o644"),
        (Irregularity::AttributeOrder { item: ItemType::Xattr }, "XATTR"),
    ] {
        assert!(what.to_string().contains(words), "{what}");
    }
}
