//! Encode, decode, encode is the identity: random trees with every kind of metadata, unified and split, and split with
//! references given from outside, with padding between them.
//!
//! 150 trees, 5,000 with PXKIT_SOAK=1, any number with PXKIT_CASES; a tree follows from its number (PXKIT_CASE=n for one).

use std::collections::HashMap;

use pxkit_core::encode::{Encoder, Event, Node as Metadata};
use pxkit_core::format::{HEADER_SIZE, Header, ItemType, PAYLOAD_TAIL_MARKER, PayloadRef};
use pxkit_tests::random::{self, Rng, Shape};
use pxkit_tests::tree::{Kind, Node, Visit};
use pxkit_tests::{archive, back, cases, observe, recode};

fn trees() -> impl Iterator<Item = (u64, Node)> {
    let numbers = match cases::only() {
        Some(only) => only..only + 1,
        None => 0..cases::count(150, 5000),
    };
    numbers.map(|number| {
        let nodes = [1, 2, 5, 20, 60, 400][number as usize % 6];
        (number, random::tree(number, Shape { nodes, on_disk: number % 4 == 0 }))
    })
}

/// The tree of an archive, which must have neither findings nor faulty tables.
fn decoded(meta: &[u8], payload: Option<&[u8]>, number: u64) -> Node {
    let mut rng = Rng::new(number);
    let mut windows = || 1 + rng.below(1000);
    let (tree, outcome) = back::tree(meta, payload, &mut windows).expect("our own archive");
    assert_eq!((outcome.findings, outcome.end), (vec![], meta.len() as u64), "tree {number}");
    let items = observe::items(meta, &mut (), &mut observe::one_window());
    assert_eq!((items.result, items.findings), (Ok(()), vec![]), "tree {number}");
    tree
}

#[test]
fn unified() {
    for (number, tree) in trees() {
        let bytes = archive::unified(&tree);
        let again = decoded(&bytes, None, number);
        assert!(again == back::spelled_out(&tree), "tree {number}");
        assert!(archive::unified(&again) == bytes, "tree {number}");
        assert!(recode::recode(&bytes).expect("it decodes") == bytes, "tree {number} entry by entry");
    }
}

#[test]
fn split() {
    for (number, tree) in trees() {
        let prelude = [None, Some(&b""[..]), Some(b"{\"exclude-patterns\":\"x\\n\"}")][number as usize % 3];
        let (meta, payload) = archive::split(&tree, prelude);
        let again = decoded(&meta, Some(&payload), number);
        assert!(again == back::spelled_out(&tree), "tree {number}");
        assert!(archive::split(&again, prelude) == (meta, payload), "tree {number}");
    }
}

#[test]
fn both_kinds_hold_the_same() {
    for (number, tree) in trees().take(60) {
        let (meta, payload) = archive::split(&tree, None);
        let from_split = decoded(&meta, Some(&payload), number);
        assert!(archive::unified(&from_split) == archive::unified(&tree), "tree {number}");
    }
}

/// What becomes of a file's contents.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Written right after its entry, its header being at this position of the payload stream.
    Fresh(u64),
    /// In the payload stream before its entry is: chunks injected before.
    Reference(PayloadRef),
}

/// Encodes a split archive in which some files are references into chunks, as a backup with reuse does: the chunks of a run of
/// files are injected with padding around them after the files were announced. Returns both streams and the places.
fn with_references(tree: &Node, rng: &mut Rng) -> (Vec<u8>, Vec<u8>, Vec<Place>) {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let mut places = Vec::new();
    let mut files = HashMap::new();
    // Chunks of files that are announced but not injected yet.
    let mut chunk: Vec<u8> = Vec::new();
    tree.walk(&mut |path, visit| {
        let Visit::Node(node) = visit else {
            encoder.push(&Event::Leave, &mut meta, &mut payload).expect("a directory is open");
            return;
        };
        let metadata = Metadata { name: &node.name, stat: &node.stat, attributes: &node.attributes };
        let event = match &node.kind {
            Kind::Directory(_) => Event::Directory(metadata),
            Kind::Symlink { target } => Event::Symlink { node: metadata, target },
            &Kind::Device(device) => Event::Device { node: metadata, device },
            Kind::Fifo => Event::Fifo(metadata),
            Kind::Socket => Event::Socket(metadata),
            Kind::Hardlink { target } => {
                Event::Hardlink { name: &node.name, filename: files[target], target }
            }
            Kind::File(contents) => {
                let bytes = contents.bytes();
                let size = bytes.len() as u64;
                if rng.one_in(2) {
                    inject(&mut encoder, &mut payload, &mut chunk, rng);
                    places.push(Place::Fresh(payload.len() as u64));
                    let event = Event::File { node: metadata, size };
                    let filename = encoder.push(&event, &mut meta, &mut payload).expect("legal");
                    payload.extend_from_slice(&bytes);
                    encoder.contents(size).expect("as announced");
                    files.insert(path.to_vec(), filename);
                    return;
                }
                // Padding before it: stale bytes of the chunk, now and then a stale header.
                let padding = rng.below(50);
                chunk.extend(rng.bytes(padding));
                if rng.one_in(4) {
                    chunk.extend(Header::new(ItemType::Payload, 3).to_bytes());
                }
                let reference = PayloadRef { offset: (payload.len() + chunk.len()) as u64, size };
                chunk.extend(Header::new(ItemType::Payload, size).to_bytes());
                chunk.extend_from_slice(&bytes);
                places.push(Place::Reference(reference));
                Event::Reference { node: metadata, payload: reference }
            }
        };
        let filename = encoder.push(&event, &mut meta, &mut payload).expect("legal");
        if matches!(node.kind, Kind::File(_)) {
            files.insert(path.to_vec(), filename);
            if rng.one_in(3) {
                inject(&mut encoder, &mut payload, &mut chunk, rng);
            }
        }
    });
    inject(&mut encoder, &mut payload, &mut chunk, rng);
    let ends = encoder.finish(&mut payload).expect("complete");
    assert_eq!(ends, (meta.len() as u64, payload.len() as u64));
    (meta, payload, places)
}

/// Puts the chunks into the stream, with padding after them.
fn inject(encoder: &mut Encoder, payload: &mut Vec<u8>, chunk: &mut Vec<u8>, rng: &mut Rng) {
    let padding = rng.below(30);
    chunk.extend(rng.bytes(padding));
    encoder.inject(chunk.len() as u64).expect("between files");
    payload.append(chunk);
    assert_eq!(encoder.payload_position(), payload.len() as u64);
}

/// Encodes the metadata again from the decoded tree, with the same places.
fn again(tree: &Node, places: &[Place]) -> Vec<u8> {
    let (mut meta, mut headers) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut headers);
    let mut places = places.iter();
    let mut files = HashMap::new();
    tree.walk(&mut |path, visit| {
        let Visit::Node(node) = visit else {
            encoder.push(&Event::Leave, &mut meta, &mut headers).expect("a directory is open");
            return;
        };
        let metadata = Metadata { name: &node.name, stat: &node.stat, attributes: &node.attributes };
        let event = match &node.kind {
            Kind::Directory(_) => Event::Directory(metadata),
            Kind::Symlink { target } => Event::Symlink { node: metadata, target },
            &Kind::Device(device) => Event::Device { node: metadata, device },
            Kind::Fifo => Event::Fifo(metadata),
            Kind::Socket => Event::Socket(metadata),
            Kind::Hardlink { target } => {
                Event::Hardlink { name: &node.name, filename: files[target], target }
            }
            Kind::File(contents) => match *places.next().expect("as many as files") {
                Place::Reference(payload) => Event::Reference { node: metadata, payload },
                Place::Fresh(at) => {
                    let size = contents.size() as u64;
                    encoder.inject(at - encoder.payload_position()).expect("between files");
                    let event = Event::File { node: metadata, size };
                    let filename = encoder.push(&event, &mut meta, &mut headers).expect("legal");
                    encoder.contents(size).expect("as announced");
                    files.insert(path.to_vec(), filename);
                    return;
                }
            },
        };
        let filename = encoder.push(&event, &mut meta, &mut headers).expect("legal");
        if matches!(node.kind, Kind::File(_)) {
            files.insert(path.to_vec(), filename);
        }
    });
    meta
}

#[test]
fn split_with_references_from_outside() {
    for (number, tree) in trees() {
        let (meta, payload, places) = with_references(&tree, &mut Rng::new(number));
        let found = decoded(&meta, Some(&payload), number);
        assert!(found == back::spelled_out(&tree), "tree {number}");
        assert!(again(&found, &places) == meta, "tree {number}");
        assert_eq!(payload[payload.len() - HEADER_SIZE..], PAYLOAD_TAIL_MARKER);
    }
}

#[test]
fn references_alone_recode_to_themselves() {
    // Without a payload stream at hand: what a program does that only rewrites metadata.
    for (number, tree) in trees() {
        let (meta, _) = archive::split(&tree, Some(b"prelude"));
        // Tables of fresh files count their contents, those of references do not; after one pass nothing changes any more.
        assert!(recode::check(&meta), "tree {number}");
    }
}
