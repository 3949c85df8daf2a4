//! Rules 51 to 68: versions, preludes, payload streams.

use pxkit_core::access::{NodeContent, Source};
use pxkit_core::decode::Irregularity;
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{
    Attributes, Class, Error, HEADER_SIZE, ItemType, PAYLOAD_TAIL_MARKER, PayloadCursor, PayloadRef, Problem,
    START_MARKER, Stat,
};
use pxkit_core::pattern::decode_prelude;
use pxkit_tests::handmade::{Maker, item, words};
use pxkit_tests::observe;
use pxkit_tests::streams::Streams;

use super::{accepted, clean, error, finding, lines, refused};

/// A payload stream of these files, and where each begins.
fn payload(files: &[&[u8]]) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = item(ItemType::PayloadStartMarker, &[]);
    let mut starts = Vec::new();
    for file in files {
        starts.push(bytes.len() as u64);
        bytes.extend(item(ItemType::Payload, file));
    }
    bytes.extend(item(ItemType::PayloadTailMarker, &[]));
    (bytes, starts)
}

/// A metadata stream of files a, b, ... with these references.
fn referring(references: &[(u64, u64)]) -> Vec<u8> {
    let mut maker = Maker::split();
    for (name, &(offset, size)) in (b'a'..).zip(references) {
        maker.reference(&[name], offset, size);
    }
    maker.finish()
}

fn read(meta: &[u8], payload: Option<&[u8]>, name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut streams = Streams::unified(meta);
    streams.payload = payload;
    let archive = streams.open()?;
    let (node, _) = streams.lookup(&archive, &archive.root, name)?.expect("the file is there");
    streams.contents(&archive, &node).map(<[u8]>::to_vec)
}

#[test]
fn rule_51_version_2_says_so_first() {
    let archive = Maker::split().finish();
    clean(&archive);
    assert_eq!(archive[..8], [0x0d, 0xa4, 0x16, 0xdf, 0x75, 0x6c, 0x0f, 0x73]);
    assert_eq!(archive[8..24], words(&[24, 2]));
    let (mut meta, mut stream) = (Vec::new(), Vec::new());
    let _ = Encoder::split(None, &mut meta, &mut stream);
    assert_eq!((meta, stream), (archive[..24].to_vec(), START_MARKER.to_vec()));
    // A second one, or one later, is out of place.
    let twice = [&archive[..24], &archive].concat();
    let expected = "PRELUDE or the root's ENTRY";
    assert_eq!(refused(&twice), error(24, ItemType::FormatVersion, Problem::Order { expected }));
}

#[test]
fn rule_52_other_versions_are_refused() {
    for got in [0, 3, u64::MAX] {
        let archive = item(ItemType::FormatVersion, &words(&[got]));
        let problem = Problem::Value { expected: "version 1 or 2", got };
        assert_eq!(refused(&archive), error(0, ItemType::FormatVersion, problem));
        let padded = [archive, vec![0; 100]].concat();
        assert_eq!(Streams::unified(&padded).open().unwrap_err().problem, problem);
    }
}

#[test]
fn rule_53_preludes_stand_after_the_version_once() {
    let prelude = item(ItemType::Prelude, b"anything");
    let rest = &Maker::split().finish()[24..];
    let version = item(ItemType::FormatVersion, &words(&[2]));
    let refuse = |parts: &[&[u8]], offset, expected| {
        let problem = Problem::Order { expected };
        assert_eq!(refused(&parts.concat()), error(offset, ItemType::Prelude, problem));
    };
    refuse(&[&prelude, rest], 0, "FORMAT_VERSION or the root's ENTRY");
    refuse(&[&version, &prelude, &prelude, rest], 24 + 24, "the root's ENTRY");
    let mut maker = Maker::split();
    let at = maker.append(&prelude);
    refuse(&[&maker.bytes], at, "an attribute, SYMLINK, DEVICE, PAYLOAD, PAYLOAD_REF, FILENAME or GOODBYE");
}

#[test]
fn rule_53_and_54_preludes_are_found_and_empty_ones_are_legal() {
    let json: &[u8] = br#"{"exclude-patterns":"sub/deep/\n!keep\n/lost\nq\"\\\\x\n"}"#;
    assert_eq!(decode_prelude(json).unwrap(), b"sub/deep/\n!keep\n/lost\nq\"\\\\x\n");
    for content in [json, b"", b"no JSON"] {
        let mut maker = Maker::new();
        maker.item(ItemType::FormatVersion, &words(&[2]));
        maker.item(ItemType::Prelude, content);
        maker.root();
        let archive = maker.finish();
        clean(&archive);
        let size = format!("Prelude {{ size: {} }}", content.len());
        assert!(lines(&archive)[1].contains(&size));
        let streams = Streams::split(&archive, &START_MARKER);
        let open = streams.open().unwrap();
        assert_eq!((open.version, open.prelude), (2, Some((40, content.len() as u64))));
        assert_eq!(open.root_entry, 40 + content.len() as u64);
        assert_eq!(streams.root(&open).unwrap().stat.mode, 0o40755);
    }
}

#[test]
fn rule_53_preludes_end_within_the_archive() {
    let mut archive = item(ItemType::FormatVersion, &words(&[2]));
    archive.extend(words(&[ItemType::Prelude.htype(), 16 + 1000]));
    archive.extend([0; 100]);
    let expected = Problem::Truncated { expected: 1000, got: 100 };
    assert_eq!(refused(&archive).problem, expected);
    let problem = Problem::Range { expected: "an end within the archive", got: 1000 };
    assert_eq!(Streams::unified(&archive).open().unwrap_err(), error(24, ItemType::Prelude, problem));
}

#[test]
fn rule_55_markers_of_payload_streams() {
    let (stream, _) = payload(&[]);
    assert_eq!(stream, [START_MARKER, PAYLOAD_TAIL_MARKER].concat());
    assert_eq!(stream[8..16], words(&[16]));
    let problem = Problem::Order { expected: "PAYLOAD_START_MARKER" };
    let no_stream = PayloadCursor::open(&PAYLOAD_TAIL_MARKER);
    assert_eq!(no_stream, Err(error(0, ItemType::PayloadTailMarker, problem)));
    assert_eq!(PayloadCursor::open(&[7; 16]), Err(Error::new(0, None, problem)));
}

#[test]
fn rule_56_and_57_references_lead_to_headers() {
    let (stream, starts) = payload(&[b"one", b"", b"", b"four"]);
    assert_eq!(starts, [16, 35, 51, 67]);
    let meta = referring(&[(16, 3), (35, 0), (51, 0), (67, 4)]);
    clean(&meta);
    for (name, expected) in [(b"a", &b"one"[..]), (b"b", b""), (b"c", b""), (b"d", b"four")] {
        assert_eq!(read(&meta, Some(&stream), name).unwrap(), expected);
    }
}

#[test]
fn rule_58_to_60_sizes_in_tables() {
    let (file, dir) =
        (Stat { mode: 0o100_644, ..Stat::default() }, Stat { mode: 0o40755, ..Stat::default() });
    let none = Attributes::new();
    let node = |name, stat| Node { name, stat, attributes: &none };
    let (mut meta, mut stream) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut stream);
    encoder.push(&Event::Directory(node(b"", &dir)), &mut meta, &mut stream).unwrap();
    encoder.push(&Event::Directory(node(b"d", &dir)), &mut meta, &mut stream).unwrap();
    let fresh = Event::File { node: node(b"file_0", &file), size: 1 << 20 };
    encoder.push(&fresh, &mut meta, &mut stream).unwrap();
    encoder.contents(1 << 20).unwrap();
    encoder.push(&Event::Leave, &mut meta, &mut stream).unwrap();
    let payload = PayloadRef { offset: 2 << 20, size: 1 << 20 };
    let pure = Event::Reference { node: node(b"file_1", &file), payload };
    encoder.push(&pure, &mut meta, &mut stream).unwrap();
    encoder.push(&Event::Leave, &mut meta, &mut stream).unwrap();
    clean(&meta);
    let has = |size: u64| meta.windows(8).any(|bytes| bytes == size.to_le_bytes());
    assert!(has(1_048_687), "fresh: with the contents");
    assert!(has(111), "a reference: without");
    let directory = 18 + 56 + 111 + 16 + 48;
    assert!(has(directory), "a directory: its bytes in this stream");
}

#[test]
fn rule_61_headers_of_contents_are_checked() {
    let (mut stream, _) = payload(&[b"one", b"two"]);
    for size in [2, 4] {
        let wrong_size = referring(&[(16, size)]);
        let problem = Problem::ContentSize { least: size, most: size, got: 3 };
        assert_eq!(read(&wrong_size, Some(&stream), b"a"), Err(error(16, ItemType::Payload, problem)));
    }
    let no_header = referring(&[(17, 3)]);
    assert!(matches!(
        read(&no_header, Some(&stream), b"a").unwrap_err(),
        Error { offset: 17, item: None, problem: Problem::UnknownType { .. } }
    ));
    stream[16..24].copy_from_slice(&ItemType::Goodbye.htype().to_le_bytes());
    let problem = Problem::Order { expected: "the PAYLOAD header of a reference" };
    let meta = referring(&[(16, 3)]);
    assert_eq!(read(&meta, Some(&stream), b"a"), Err(error(16, ItemType::Goodbye, problem)));
}

#[test]
fn rule_62_streaming_passes_padding_and_does_not_go_back() {
    let mut cursor = PayloadCursor::open(&START_MARKER).unwrap();
    assert_eq!(cursor.advance(PayloadRef { offset: 32, size: 100 }), Ok(16));
    assert_eq!(cursor.position(), 32 + 16 + 100);
    let back = cursor.advance(PayloadRef { offset: 147, size: 0 }).unwrap_err();
    let problem = Problem::Backwards { least: 148, got: 147 };
    assert_eq!((back.item, back.problem), (Some(ItemType::PayloadRef), problem));
    assert_eq!(cursor.advance(PayloadRef { offset: 148, size: 0 }), Ok(0));
    // The decoder of metadata goes on and says so.
    let meta = referring(&[(64, 3), (16, 3), (15, 0)]);
    let item_at = |n: u64| 80 + n * (18 + 56 + 32) + 18 + 56;
    let expected = [
        finding(item_at(1), Irregularity::ReferenceOrder { least: 83, got: 16 }),
        finding(item_at(2), Irregularity::ReferenceOrder { least: 35, got: 15 }),
    ];
    assert_eq!(accepted(&meta), expected);
    // And random access reads contents in whatever order.
    let (stream, _) = payload(&[b"one", b"two"]);
    let meta = referring(&[(35, 3), (16, 3)]);
    assert_eq!(read(&meta, Some(&stream), b"a").unwrap(), b"two");
    assert_eq!(read(&meta, Some(&stream), b"b").unwrap(), b"one");
}

#[test]
fn rule_63_and_64_writers_keep_references_in_order() {
    let (file, dir) =
        (Stat { mode: 0o100_644, ..Stat::default() }, Stat { mode: 0o40755, ..Stat::default() });
    let none = Attributes::new();
    let (mut meta, mut stream) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut stream);
    let node = Node { name: b"", stat: &dir, attributes: &none };
    encoder.push(&Event::Directory(node), &mut meta, &mut stream).unwrap();
    let mut push = |encoder: &mut Encoder, offset, size| {
        let node = Node { name: b"f", stat: &file, attributes: &none };
        let payload = PayloadRef { offset, size };
        encoder.push(&Event::Reference { node, payload }, &mut meta, &mut stream)
    };
    let backwards = |least, got| Problem::Backwards { least, got };
    assert_eq!(push(&mut encoder, 15, 0).unwrap_err().problem, backwards(16, 15));
    push(&mut encoder, 20, 0).unwrap();
    assert_eq!(push(&mut encoder, 20, 0).unwrap_err().problem, backwards(21, 20));
    encoder.inject(1000).unwrap();
    assert_eq!(push(&mut encoder, 1015, 0).unwrap_err().problem, backwards(1016, 1015));
    assert_eq!(push(&mut encoder, u64::MAX - 15, 0).unwrap_err().class(), Class::Caller);
    push(&mut encoder, 1016, 0).unwrap();
    assert!(encoder.inject(u64::MAX - 1016).is_err(), "no payload stream is that long");
    assert!(Encoder::unified().inject(1).is_err());
}

#[test]
fn rule_65_contents_in_the_wrong_stream_are_reported() {
    let mut maker = Maker::split();
    maker.name(b"a");
    maker.entry(0o100_644);
    let at = maker.item(ItemType::Payload, b"inline");
    let inline = maker.finish();
    assert_eq!(accepted(&inline), [finding(at, Irregularity::InlinePayload)]);
    assert_eq!(read(&inline, None, b"a").unwrap(), b"inline");
    // A reference is listed without payload stream, but its contents are refused.
    let meta = referring(&[(16, 3)]);
    assert_eq!(read(&meta, None, b"a").unwrap_err().class(), Class::Caller);
    // And in an archive that does not say version 2.
    let mut maker = Maker::rooted();
    maker.reference(b"a", 16, 3);
    let archive = maker.finish();
    let expected = [finding(56 + 18 + 56, Irregularity::ReferenceWithoutVersion)];
    assert_eq!(accepted(&archive), expected);
    assert_eq!(read(&archive, Some(&payload(&[b"one"]).0), b"a").unwrap(), b"one");
}

#[test]
fn rule_66_payload_streams_need_no_tail() {
    let (stream, _) = payload(&[b"one"]);
    let meta = referring(&[(16, 3)]);
    assert_eq!(read(&meta, Some(&stream[..stream.len() - HEADER_SIZE]), b"a").unwrap(), b"one");
}

#[test]
fn rule_67_contents_lie_within_their_stream() {
    let (stream, _) = payload(&[b"one"]);
    let stream = &stream[..stream.len() - HEADER_SIZE];
    let expected = "contents within the payload file";
    for (offset, size) in [(17, 3), (16, 4), (1 << 40, 0), (20, 0), (16, u64::MAX - 32)] {
        let meta = referring(&[(offset, size)]);
        let problem = Problem::Range { expected, got: offset };
        assert_eq!(read(&meta, Some(stream), b"a"), Err(error(80, ItemType::PayloadRef, problem)));
    }
    // A reference whose end is no position at all is refused at once.
    let mut maker = Maker::split();
    maker.name(b"a");
    maker.entry(0o100_644);
    let at = maker.item(ItemType::PayloadRef, &words(&[u64::MAX - 16, 1]));
    let problem = Problem::Range { expected: "an end below 2^64", got: u64::MAX - 16 };
    assert_eq!(refused(&maker.finish()), error(at, ItemType::PayloadRef, problem));
}

#[test]
fn rule_68_metadata_is_readable_without_payload() {
    let meta = referring(&[(16, 3), (35, 1 << 50)]);
    let streams = Streams::unified(&meta);
    let archive = streams.open().unwrap();
    let names: Vec<_> = streams.list(&archive, &archive.root).unwrap();
    let content = |n: usize| names[n].0.content.clone();
    assert_eq!(content(1), NodeContent::Reference(PayloadRef { offset: 35, size: 1 << 50 }));
    assert_eq!(observe::entry_lines(&meta).1.result, Ok(()));
    // With a stream, the range says which.
    let (stream, _) = payload(&[b"one"]);
    let streams = Streams::split(&meta, &stream);
    let archive = streams.open().unwrap();
    let range = streams.range(&archive, &names[0].0).unwrap();
    assert_eq!((range.source, range.offset, range.size), (Source::Payload, 32, 3));
}

#[test]
fn writers_stop_at_2_to_the_63() {
    let (file, dir) =
        (Stat { mode: 0o100_644, ..Stat::default() }, Stat { mode: 0o40755, ..Stat::default() });
    let (none, fifo) = (Attributes::new(), Stat { mode: 0o10_644, ..file });
    let node = |name, stat| Node { name, stat, attributes: &none };
    for split in [false, true] {
        let (mut meta, mut stream) = (Vec::new(), Vec::new());
        let mut encoder =
            if split { Encoder::split(None, &mut meta, &mut stream) } else { Encoder::unified() };
        let mut push = |encoder: &mut Encoder, event: Event<'_>| encoder.push(&event, &mut meta, &mut stream);
        push(&mut encoder, Event::Directory(node(b"", &dir))).unwrap();
        let at = if split { encoder.payload_position() } else { encoder.position() };
        let most = (1 << 63) - 1 - at;
        for size in [most + 1, u64::MAX - 16, u64::MAX] {
            let error = push(&mut encoder, Event::File { node: node(b"a", &file), size }).unwrap_err();
            assert_eq!(error.class(), Class::Caller, "{size}");
        }
        push(&mut encoder, Event::File { node: node(b"a", &file), size: most }).unwrap();
        encoder.contents(most).unwrap();
        assert!(push(&mut encoder, Event::File { node: node(b"b", &file), size: 0 }).is_err());
        push(&mut encoder, Event::Fifo(node(b"c", &fifo))).unwrap();
        push(&mut encoder, Event::Leave).unwrap();
        encoder.finish(&mut Vec::new()).unwrap();
    }
}
