//! Rules 33 to 39: hard links.

use pxkit_core::access::NodeContent;
use pxkit_core::decode::Irregularity;
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, ItemType, Problem, Stat};
use pxkit_tests::handmade::{Maker, item, terminated, words};
use pxkit_tests::streams::Streams;

use super::{accepted, clean, error, finding, lines, refused};

/// Opens a hand-made archive and follows the link of this name in its root.
fn follow(archive: &[u8], name: &[u8]) -> Result<Vec<u8>, pxkit_core::format::Error> {
    let streams = Streams::unified(archive);
    let open = streams.open()?;
    let link = streams.lookup(&open, &open.root, name)?.expect("the link is there").0;
    assert!(matches!(link.content, NodeContent::Hardlink { .. }));
    let file = streams.follow(&open, &link)?;
    streams.contents(&open, &file).map(<[u8]>::to_vec)
}

#[test]
fn rule_33_a_link_follows_its_name_and_ends_the_child() {
    let mut maker = Maker::rooted();
    let file = maker.file(b"f", b"data");
    let link = maker.hardlink(b"l", file, b"f");
    maker.file(b"m", b"");
    clean(&maker.finish());
    // Within an entry it is out of place.
    let mut maker = Maker::rooted();
    maker.name(b"f");
    maker.entry(0o100_644);
    let content = [words(&[link]), terminated(b"f")].concat();
    let at = maker.item(ItemType::Hardlink, &content);
    let expected = "an attribute, SYMLINK, DEVICE, PAYLOAD, PAYLOAD_REF, FILENAME or GOODBYE";
    assert_eq!(refused(&maker.bytes), error(at, ItemType::Hardlink, Problem::Order { expected }));
    // And so is metadata after it.
    let mut maker = Maker::rooted();
    let file = maker.file(b"f", b"data");
    maker.hardlink(b"l", file, b"f");
    let at = maker.entry(0o100_644);
    let expected = "FILENAME or GOODBYE";
    assert_eq!(refused(&maker.bytes), error(at, ItemType::Entry, Problem::Order { expected }));
}

#[test]
fn rule_34_distances_are_from_name_to_name() {
    let mut maker = Maker::rooted();
    maker.directory(b"d");
    let file = maker.file(b"f", b"data");
    maker.leave();
    let link = maker.hardlink(b"l", file, b"d/f");
    let archive = maker.finish();
    clean(&archive);
    assert_eq!(follow(&archive, b"l").unwrap(), b"data");
    let distance = format!("distance: {}", link - file);
    assert!(lines(&archive).iter().any(|line| line.contains(&distance)));
}

#[test]
fn rule_34_distances_lead_backwards_and_stay_in_the_archive() {
    for distance in [0, 1 << 20, u64::MAX] {
        let mut maker = Maker::rooted();
        maker.file(b"f", b"data");
        maker.name(b"l");
        let at = maker.item(ItemType::Hardlink, &[words(&[distance]), terminated(b"f")].concat());
        let archive = maker.finish();
        // Whoever lists it can still do so; whoever follows it cannot.
        assert_eq!(accepted(&archive), [finding(at, Irregularity::LinkOffset { got: distance })]);
        let error = follow(&archive, b"l").unwrap_err();
        let problem = Problem::Range { expected: "an earlier FILENAME", got: distance };
        assert_eq!((error.item, error.problem), (Some(ItemType::Hardlink), problem));
    }
}

#[test]
fn rule_35_targets_are_paths_from_the_root() {
    let (mut encoder, mut out) = (Encoder::unified(), Vec::new());
    let (stat, none) = (Stat { mode: 0o40755, ..Stat::default() }, Attributes::new());
    let node = Node { name: b"", stat: &stat, attributes: &none };
    encoder.push(&Event::Directory(node), &mut out, &mut Vec::new()).unwrap();
    let mut push = |target: &[u8]| {
        encoder.push(&Event::Hardlink { name: b"l", filename: 1, target }, &mut out, &mut Vec::new())
    };
    for target in [&b""[..], b"/abs", b"nul\0", &[b't'; 4097]] {
        assert!(push(target).is_err(), "{}", target.escape_ascii());
    }
    push(b"dir/f").unwrap();
    let end = [words(&[16 + 10 + 24, 55]), b"dir/f\0".to_vec()].concat();
    assert_eq!(out[out.len() - 14..], end[end.len() - 14..]);
}

#[test]
fn rule_36_and_37_links_to_links_and_to_directories_cannot_be_followed() {
    let mut maker = Maker::rooted();
    let file = maker.file(b"a", b"data");
    let second = maker.hardlink(b"b", file, b"a");
    maker.hardlink(b"c", file, b"a");
    let chain = maker.hardlink(b"d", second, b"b");
    let directory = maker.directory(b"e");
    maker.leave();
    let wrong = maker.hardlink(b"f", directory, b"e");
    let archive = maker.finish();
    clean(&archive);
    assert_eq!(follow(&archive, b"b").unwrap(), b"data");
    assert_eq!(follow(&archive, b"c").unwrap(), b"data");
    let problem = Problem::Order { expected: "a regular file as target" };
    assert_eq!(follow(&archive, b"d"), Err(error(chain, ItemType::Hardlink, problem)));
    assert_eq!(follow(&archive, b"f"), Err(error(wrong, ItemType::Hardlink, problem)));
}

#[test]
fn rule_38_a_name_must_be_where_the_link_leads() {
    let mut maker = Maker::rooted();
    let file = maker.file(b"f", b"data");
    maker.hardlink(b"l", file + 18, b"f");
    maker.hardlink(b"m", file + 1, b"f");
    maker.hardlink(b"n", 0, b"f");
    let archive = maker.finish();
    clean(&archive);
    let entry = follow(&archive, b"l").unwrap_err();
    assert_eq!(entry, error(file + 18, ItemType::Entry, Problem::Order { expected: "FILENAME" }));
    let nowhere = follow(&archive, b"m").unwrap_err();
    assert!(matches!(nowhere.problem, Problem::UnknownType { .. }), "{nowhere}");
    assert_eq!(nowhere.offset, file + 1);
    assert_eq!(follow(&archive, b"n").unwrap_err().offset, 0);
}

#[test]
fn rule_39_links_are_not_shorter_than_their_offset_and_a_nul() {
    for (content, got) in [(words(&[5]), 8), (vec![], 0), (vec![0; 4106], 4106)] {
        let mut maker = Maker::rooted();
        maker.file(b"f", b"");
        maker.name(b"l");
        let at = maker.append(&item(ItemType::Hardlink, &content));
        let problem = Problem::ContentSize { least: 9, most: 4105, got };
        assert_eq!(refused(&maker.bytes), error(at, ItemType::Hardlink, problem));
    }
    for (text, expected) in [(&b"f"[..], "a NUL as last byte"), (b"\0\0", "no NUL but the last byte")] {
        let mut maker = Maker::rooted();
        maker.file(b"f", b"");
        maker.name(b"l");
        let at = maker.item(ItemType::Hardlink, &[&words(&[5])[..], text].concat());
        let problem = Problem::Content { expected };
        assert_eq!(refused(&maker.bytes), error(at, ItemType::Hardlink, problem));
    }
}
