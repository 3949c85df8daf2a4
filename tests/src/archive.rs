//! Trees in memory to archives in memory, through core's encoder alone.

use std::collections::HashMap;

use pxkit_core::encode::{self, Encoder, Event};
use pxkit_core::format::NameHash;

use crate::tree::{Kind, Node, Visit};

/// The tree as a unified archive.
pub fn unified(root: &Node) -> Vec<u8> {
    let mut archive = Vec::new();
    encode(Encoder::unified(), root, &mut archive, None);
    archive
}

/// The tree as a unified archive with another hash of names, for tests of colliding names.
pub fn unified_with_hash(root: &Node, hash: NameHash) -> Vec<u8> {
    let mut archive = Vec::new();
    encode(Encoder::unified().with_hash(hash), root, &mut archive, None);
    archive
}

/// The tree as a split archive: metadata stream and payload stream.
pub fn split(root: &Node, prelude: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let encoder = Encoder::split(prelude, &mut meta, &mut payload);
    encode(encoder, root, &mut meta, Some(&mut payload));
    (meta, payload)
}

fn encode(mut encoder: Encoder, root: &Node, meta: &mut Vec<u8>, mut payload: Option<&mut Vec<u8>>) {
    let mut none = Vec::new();
    // What the encoder said of each file, by path.
    let mut files: HashMap<Vec<u8>, u64> = HashMap::new();
    root.walk(&mut |path, visit| {
        let payload_headers = payload.as_deref_mut().unwrap_or(&mut none);
        let mut push = |event: Event<'_>| {
            let result = encoder.push(&event, meta, payload_headers);
            result.unwrap_or_else(|error| panic!("{}: {error}", path.escape_ascii()))
        };
        let Visit::Node(node) = visit else {
            push(Event::Leave);
            return;
        };
        let metadata = encode::Node { name: &node.name, stat: &node.stat, attributes: &node.attributes };
        match &node.kind {
            Kind::Directory(_) => _ = push(Event::Directory(metadata)),
            Kind::Symlink { target } => _ = push(Event::Symlink { node: metadata, target }),
            &Kind::Device(device) => _ = push(Event::Device { node: metadata, device }),
            Kind::Fifo => _ = push(Event::Fifo(metadata)),
            Kind::Socket => _ = push(Event::Socket(metadata)),
            Kind::Hardlink { target } => {
                let filename = files[target];
                push(Event::Hardlink { name: &node.name, filename, target });
            }
            Kind::File(contents) => {
                let bytes = contents.bytes();
                let filename = push(Event::File { node: metadata, size: bytes.len() as u64 });
                files.insert(path.to_vec(), filename);
                payload.as_deref_mut().unwrap_or(meta).extend_from_slice(&bytes);
                encoder.contents(bytes.len() as u64).expect("contents of the announced size");
            }
        }
    });
    let out = payload.unwrap_or(&mut none);
    let (meta_end, payload_end) = encoder.finish(out).expect("a complete archive");
    assert_eq!(meta_end, meta.len() as u64, "positions of the encoder and of the metadata stream");
    assert_eq!(payload_end, out.len() as u64, "positions of the encoder and of the payload stream");
}
