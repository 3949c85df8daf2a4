//! Layouts for tests: trees and indexes out of nothing, archives with padding.

use pxkit_core::access::{Tree, TreeBuilder};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Digest, Header, ItemType, Kind, PayloadRef, Stat};
use pxkit_core::index::{ChunkId, DynamicIndex, ReadDynamic, WriteDynamic};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A root with files: name, offset and size of the payload.
pub fn tree(files: &[(String, u64, u64)]) -> Tree {
    let mut builder = TreeBuilder::new();
    let (stat, attributes) = (Stat::default(), Attributes::new());
    let mut add = |path: &[u8], kind, content, filename| {
        let (stat, attributes) = (&stat, &attributes);
        let entry =
            Entry { path, name_start: 0, kind, stat, attributes, content, filename, end: 0, depth: 0 };
        builder.add(&entry).unwrap();
    };
    add(b"", Kind::Directory, Content::None, 0);
    for (number, (name, offset, size)) in files.iter().enumerate() {
        let content = Content::Reference(PayloadRef { offset: *offset, size: *size });
        add(name.as_bytes(), Kind::File, content, number as u64 * 100 + 100);
    }
    builder.finish()
}

/// An index of chunks with these ends; the digest of each is its number.
pub fn index(ends: &[u64]) -> DynamicIndex {
    index_at(ends, 0)
}

/// The same, begun at a time.
pub fn index_at(ends: &[u64], ctime: i64) -> DynamicIndex {
    let (_, header) = WriteDynamic::new([0; 16], ctime);
    let mut reader = ReadDynamic::new(4096 + 40 * ends.len() as u64).unwrap();
    reader.push(&header).unwrap();
    for (number, &end) in ends.iter().enumerate() {
        let mut digest = Digest::default();
        digest.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        reader.push(&ChunkId { end, digest }.to_bytes()).unwrap();
    }
    reader.finish().unwrap()
}

/// A split archive of `directories` directories with `files` files each; before some payloads lies one of a file that is gone.
pub fn padded(random: &mut Random, directories: u32, files: u32) -> (Vec<u8>, Vec<u8>) {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let attributes = Attributes::new();
    let stat = |mode| Stat { mode, ..Stat::default() };
    let (directory, file) = (stat(0o040_755), stat(0o100_644));
    encoder.push(&Event::Directory(node(b"", &directory, &attributes)), &mut meta, &mut payload).unwrap();
    let endings = ["txt", "pdf", "png", "mp3", "zip", "so", "db", "xyz"];
    for outer in 0..directories {
        let name = format!("dir{outer:04}");
        encoder
            .push(&Event::Directory(node(name.as_bytes(), &directory, &attributes)), &mut meta, &mut payload)
            .unwrap();
        for inner in 0..files {
            if random.below(3) == 0 {
                let ghost = random.below(200);
                payload.extend(Header::new(ItemType::Payload, ghost).to_bytes());
                payload.resize(payload.len() + ghost as usize, b'g');
                encoder.inject(16 + ghost).unwrap();
            }
            let (size, ending) = (random.below(300), endings[random.below(8) as usize]);
            let name = format!("file{inner:04}.{ending}");
            let event = Event::File { node: node(name.as_bytes(), &file, &attributes), size };
            encoder.push(&event, &mut meta, &mut payload).unwrap();
            payload.resize(payload.len() + size as usize, b'x');
            encoder.contents(size).unwrap();
        }
        encoder.push(&Event::Leave, &mut meta, &mut payload).unwrap();
    }
    encoder.push(&Event::Leave, &mut meta, &mut payload).unwrap();
    encoder.finish(&mut payload).unwrap();
    (meta, payload)
}

fn node<'a>(name: &'a [u8], stat: &'a Stat, attributes: &'a Attributes) -> Node<'a> {
    Node { name, stat, attributes }
}

/// Random ends of chunks of a stream of `size` bytes, at most `most` each.
pub fn ends(random: &mut Random, size: u64, most: u64) -> Vec<u64> {
    let mut ends = vec![];
    while ends.last().is_none_or(|&end| end < size) {
        ends.push(size.min(ends.last().unwrap_or(&0) + 1 + random.below(most)));
    }
    ends
}
