mod findings;
mod ghosts;
mod history;
mod map;

use alloc::vec::Vec;
use core::ops::Range;

use super::*;
use crate::access::{Machine, Source, Tree, TreeBuilder, drive};
use crate::decode::{Content, Entry};
use crate::format::{Attributes, Digest, Error, Header, ItemType, Kind, PayloadRef, Stat};
use crate::index::{ChunkId, DynamicIndex, ReadDynamic, WriteDynamic};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// An index of chunks with these ends and digests.
fn index_of(chunks: impl ExactSizeIterator<Item = (u64, Digest)>) -> DynamicIndex {
    let (_, header) = WriteDynamic::new([0; 16], 0);
    let mut reader = ReadDynamic::new(4096 + 40 * chunks.len() as u64).unwrap();
    reader.push(&header).unwrap();
    for (end, digest) in chunks {
        reader.push(&ChunkId { end, digest }.to_bytes()).unwrap();
    }
    reader.finish().unwrap()
}

/// Adds an entry to a tree; of a directory, the caller leaves it.
fn add(builder: &mut TreeBuilder, name: &[u8], kind: Kind, stat: &Stat, content: Content<'_>) {
    let attributes = Attributes::new();
    let filename = builder.tree().len() as u64 * 100;
    let entry = Entry {
        path: name,
        name_start: 0,
        kind,
        stat,
        attributes: &attributes,
        content,
        filename,
        end: filename + 100,
        depth: 0,
    };
    builder.add(&entry).unwrap();
}

/// A root with files that have these contents.
fn tree<'c>(contents: impl IntoIterator<Item = Content<'c>>) -> Tree {
    let mut builder = TreeBuilder::new();
    add(&mut builder, b"", Kind::Directory, &Stat::default(), Content::None);
    for content in contents {
        add(&mut builder, b"f", Kind::File, &Stat::default(), content);
    }
    builder.finish()
}

/// A root with files that refer to these payloads.
fn references(payloads: &[(u64, u64)]) -> Tree {
    tree(payloads.iter().map(|&(offset, size)| Content::Reference(PayloadRef { offset, size })))
}

/// A payload stream with these items, each a header and as many bytes.
fn stream(items: &[(ItemType, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(item, content) in items {
        bytes.extend(Header::new(item, content).to_bytes());
        bytes.resize(bytes.len() + content as usize, 0xaa);
    }
    bytes
}

/// Runs a machine over a payload stream. Returns the wants, too.
fn run<M: Machine>(machine: M, stream: &[u8]) -> (M::Output, Vec<Range<u64>>) {
    let mut wants = Vec::new();
    let output = drive(machine, |want, buffer| {
        wants.push(want.offset..want.offset + want.len as u64);
        let start = want.offset as usize;
        buffer.copy_from_slice(&stream[start..start + want.len]);
        Ok::<_, Error>(())
    });
    (output.unwrap(), wants)
}
