mod chunks;
mod compare;
mod findings;
mod ghosts;
mod history;
mod map;
mod report;
mod treemap;

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
    add_with(builder, name, kind, stat, content, &Attributes::new());
}

fn add_with(
    builder: &mut TreeBuilder,
    name: &[u8],
    kind: Kind,
    stat: &Stat,
    content: Content<'_>,
    attributes: &Attributes,
) {
    let filename = builder.tree().len() as u64 * 100;
    let entry = Entry {
        path: name,
        name_start: 0,
        kind,
        stat,
        attributes,
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

/// A tree of `nodes` entries at most: directories, files with these sizes and references in order, symlinks, hard links.
fn random_tree(random: &mut Random, nodes: u64) -> Tree {
    let mut builder = TreeBuilder::new();
    let stat = Stat::default();
    add(&mut builder, b"", Kind::Directory, &stat, Content::None);
    let (mut depth, mut offset, mut files) = (0, 16, Vec::new());
    for number in 0..random.below(nodes) {
        let name = alloc::format!("{number:05}");
        let filename = builder.tree().len() as u64 * 100;
        match random.below(8) {
            0 | 1 if depth < 30 => {
                add(&mut builder, name.as_bytes(), Kind::Directory, &stat, Content::None);
                depth += 1;
            }
            2 if depth > 0 => {
                builder.leave();
                depth -= 1;
            }
            3 => add(&mut builder, name.as_bytes(), Kind::Symlink, &stat, Content::Target(b"x")),
            4 if !files.is_empty() => {
                let target = files[random.below(files.len() as u64) as usize];
                let content = Content::Hardlink { distance: filename - target, target: b"y" };
                add(&mut builder, name.as_bytes(), Kind::Hardlink, &stat, content);
            }
            _ => {
                offset += if random.one_in(3) { random.below(60) } else { 0 };
                let size = if random.one_in(5) { 0 } else { random.below(200) };
                files.push(filename);
                let content = Content::Reference(PayloadRef { offset, size });
                add(&mut builder, name.as_bytes(), Kind::File, &stat, content);
                offset += 16 + size;
            }
        }
    }
    builder.finish()
}

fn random_index(random: &mut Random, size: u64, largest: u64, digests: u64) -> DynamicIndex {
    let mut ends = Vec::new();
    let mut end = 0;
    while end < size {
        end = (end + 1 + random.below(largest)).min(size);
        ends.push((end, Digest([random.below(digests) as u8; 32])));
    }
    index_of(ends.into_iter())
}
