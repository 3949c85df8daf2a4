use alloc::vec::Vec;

use super::*;
use crate::format::Timestamp;

const MTIME: Timestamp = Timestamp { secs: 1_700_000_000, nanos: 123_456_789 };
const ROOT: Stat = Stat { mode: 0o40755, flags: 0, uid: 1000, gid: 1001, mtime: MTIME };
const FILE: Stat = Stat { mode: 0o100644, ..ROOT };
const NONE: &Attributes = &Attributes::new();

fn node<'a>(name: &'a [u8], stat: &'a Stat) -> Node<'a> {
    Node { name, stat, attributes: NONE }
}

/// The example of the specification's appendix A.
fn example(split: bool) -> (Vec<u8>, Vec<u8>) {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = if split { Encoder::split(None, &mut meta, &mut payload) } else { Encoder::unified() };
    encoder.push(&Event::Directory(node(b"", &ROOT)), &mut meta, &mut payload).unwrap();
    let file = Event::File { node: node(b"a", &FILE), size: 2 };
    encoder.push(&file, &mut meta, &mut payload).unwrap();
    if split { &mut payload } else { &mut meta }.extend_from_slice(b"hi");
    encoder.contents(2).unwrap();
    encoder.push(&Event::Leave, &mut meta, &mut payload).unwrap();
    let (position, payload_position) = encoder.finish(&mut payload).unwrap();
    assert_eq!((position, payload_position), (meta.len() as u64, payload.len() as u64));
    (meta, payload)
}

#[test]
fn unified_example_of_the_specification() {
    let (archive, _) = example(false);
    assert_eq!(archive.len(), 212);
    assert_eq!(archive[..8], [0xef, 0xac, 0x88, 0xe5, 0x74, 0x64, 0x95, 0xd5]);
    assert_eq!(archive[0xa4..0xb4], [0xcf, 0x7b, 0x2c, 0x7c, 6, 0xe9, 0x26, 0x0c, 0x5c, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((archive[0xb4], archive[0xc4], archive[0xcc]), (0x5c, 0x94, 0x40));
}

#[test]
fn split_example_of_the_specification() {
    let (meta, payload) = example(true);
    assert_eq!((meta.len(), payload.len()), (250, 50));
    assert_eq!((meta[0xaa], meta[0xb2]), (0x10, 2), "reference");
    assert_eq!((meta[0xd2], meta[0xda], meta[0xea]), (0x6a, 0x6c, 0xba), "table");
    assert_eq!(&payload[0x20..0x22], b"hi");
}

#[test]
fn misuse_is_refused_and_appends_nothing() {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let mut refused = |encoder: &mut Encoder, event: Event<'_>| {
        let before = (meta.len(), payload.len());
        let error = encoder.push(&event, &mut meta, &mut payload).unwrap_err();
        assert_eq!((meta.len(), payload.len()), before, "{error}");
        error
    };
    refused(&mut encoder, Event::Fifo(node(b"a", &ROOT)));
    refused(&mut encoder, Event::Directory(node(b"name", &ROOT)));
    refused(&mut encoder, Event::Directory(node(b"", &FILE)));
    refused(&mut encoder, Event::Leave);
    encoder.push(&Event::Directory(node(b"", &ROOT)), &mut Vec::new(), &mut Vec::new()).unwrap();
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 4097]] {
        refused(&mut encoder, Event::Directory(node(name, &ROOT)));
    }
    refused(&mut encoder, Event::Directory(node(b"file", &FILE)));
    let link = |filename, target| Event::Hardlink { name: b"l", filename, target };
    refused(&mut encoder, link(u64::MAX, b"a"));
    refused(&mut encoder, link(0, b"/a"));
    let reference =
        |offset, size| Event::Reference { node: node(b"r", &FILE), payload: PayloadRef { offset, size } };
    refused(&mut encoder, reference(15, 0));
    refused(&mut encoder, reference(u64::MAX - 16, 1));
    let mut sink = Vec::new();
    encoder.push(&reference(16, 4), &mut sink, &mut Vec::new()).unwrap();
    refused(&mut encoder, reference(16, 4));
    encoder.inject(100).unwrap();
    let before_stream = refused(&mut encoder, reference(60, 4));
    assert_eq!(before_stream.problem, Problem::Backwards { least: 116, got: 60 });
    let file = Event::File { node: node(b"z", &FILE), size: 3 };
    encoder.push(&file, &mut sink, &mut Vec::new()).unwrap();
    assert!(encoder.contents(4).is_err());
    refused(&mut encoder, Event::Leave);
    assert!(encoder.inject(1).is_err());
    encoder.contents(3).unwrap();
    assert!(encoder.clone().finish(&mut Vec::new()).is_err());
    encoder.push(&Event::Leave, &mut sink, &mut Vec::new()).unwrap();
    encoder.finish(&mut Vec::new()).unwrap();
}
