//! Random access: lookups against listings for directories of all sizes and with colliding hashes, huge tables, paths, links,
//! contents, and damage. The streams check every read: within the sizes, within the bound, and only so many of them.

use std::sync::Arc;

use pxkit_core::access::{Archive, Directory, NodeContent, Source, TOP_SIZE};
use pxkit_core::format::{Class, Kind, NameHash, Problem, RECORD_SIZE, hash_name};
use pxkit_tests::handmade::Maker;
use pxkit_tests::manifest::Contents;
use pxkit_tests::random::{self, Rng, Shape};
use pxkit_tests::streams::Streams;
use pxkit_tests::tree::{self, Node, Visit};
use pxkit_tests::{archive, cases};

/// Few bits: most names collide with some.
fn sum(name: &[u8]) -> u64 {
    name.iter().map(|&byte| u64::from(byte)).sum::<u64>() % 7
}

/// All names collide.
fn constant(_: &[u8]) -> u64 {
    0x8000_0000_0000_0000
}

/// Pairs and triples collide.
fn third(name: &[u8]) -> u64 {
    hash_name(name) / 3 % 1000
}

/// One directory with these files, each holding its own name.
fn flat(names: &[Vec<u8>], hash: NameHash) -> Vec<u8> {
    let file = |name: &Vec<u8>| Node {
        name: name.clone(),
        kind: tree::Kind::File(Contents::Bytes(name.clone())),
        ..node(0o100_644)
    };
    let mut root = Node { kind: tree::Kind::Directory(names.iter().map(file).collect()), ..node(0o40755) };
    root.settle();
    archive::unified_with_hash(&root, hash)
}

fn node(mode: u64) -> Node {
    let stat = pxkit_core::format::Stat { mode, ..Default::default() };
    Node { name: Vec::new(), stat, attributes: Default::default(), kind: tree::Kind::Fifo }
}

fn names(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(seed);
    (0..count).map(|number| format!("{:x}-{number}", rng.below(1000)).into_bytes()).collect()
}

/// Every name of the listing is found, as the same entry; no other name is.
fn lookup_finds_what_is_listed(
    streams: &Streams<'_>,
    directory: &Arc<Directory>,
    archive: &Archive,
) -> usize {
    let listed = streams.list(archive, directory).expect("no damage");
    for (node, end) in &listed {
        let found = streams.lookup(archive, directory, &node.name).expect("no damage");
        assert_eq!(found, Some((node.clone(), *end)), "{}", node.name.escape_ascii());
        for strange in [&node.name[1..], &[&node.name[..], b"x"].concat()] {
            if !listed.iter().any(|(other, _)| other.name == strange) {
                assert_eq!(streams.lookup(archive, directory, strange).expect("no damage"), None);
            }
        }
    }
    assert_eq!(streams.lookup(archive, directory, b"no such name").expect("no damage"), None);
    listed.len()
}

fn check(count: usize, hash: NameHash) {
    let names = names(count, count as u64);
    let bytes = flat(&names, hash);
    let streams = Streams::unified(&bytes).with_hash(hash);
    let archive = streams.open().expect("our own archive");
    assert_eq!(archive.root.len, count as u64);
    assert_eq!(lookup_finds_what_is_listed(&streams, &archive.root, &archive), count);
    for name in names {
        let (node, _) = streams.lookup(&archive, &archive.root, &name).expect("no damage").expect("there");
        assert_eq!(streams.contents(&archive, &node), Ok(&name[..]));
    }
    // A table of the same search tree whose equal hashes are in the opposite order.
    let mut maker = Maker::with_hash(hash);
    maker.root();
    for number in 0..count {
        maker.file(format!("{number:05}").as_bytes(), b"");
    }
    let bytes = maker.finish();
    let streams = Streams::unified(&bytes).with_hash(hash);
    let archive = streams.open().expect("a good archive");
    assert_eq!(lookup_finds_what_is_listed(&streams, &archive.root, &archive), count);
}

#[test]
fn lookup_in_directories_of_every_small_size() {
    for count in 0..=40 {
        check(count, hash_name);
    }
}

#[test]
fn lookup_in_large_directories() {
    for count in [100, 1000, 5000] {
        check(count, hash_name);
    }
}

#[test]
fn lookup_with_colliding_hashes() {
    for hash in [sum, constant, third as NameHash] {
        for count in (0..=40).chain([100, 300]) {
            check(count, hash);
        }
    }
    check(5000, third);
}

#[test]
fn lookup_in_random_trees() {
    for seed in 0..cases::count(30, 1000) {
        let tree = random::tree(seed, Shape { nodes: 200, on_disk: false });
        let bytes = archive::unified(&tree);
        let streams = Streams::unified(&bytes);
        let archive = streams.open().expect("our own archive");
        let mut seen = 1;
        let mut open = vec![archive.root.clone()];
        while let Some(directory) = open.pop() {
            seen += lookup_finds_what_is_listed(&streams, &directory, &archive);
            for (node, end) in streams.list(&archive, &directory).expect("no damage") {
                if node.kind == Kind::Directory {
                    open.push(streams.directory(&node, end).expect("no damage"));
                }
            }
        }
        assert_eq!(seen, tree.count());
        tree.walk(&mut |path, visit| {
            let Visit::Node(node) = visit else { return };
            let found = streams.resolve(&archive, path).expect("no damage").expect("there").node;
            assert_eq!((&found.name, found.stat), (&node.name, node.stat));
            if let tree::Kind::Hardlink { target } = &node.kind {
                let first = streams.resolve(&archive, target).expect("no damage").expect("there").node;
                assert_eq!(streams.follow(&archive, &found), Ok(first));
            }
        });
    }
}

/// Two names with the same hash of 64 bits: found by walking about 2^33 hashes of names of 16 letters, each letter four bits of the
/// hash before, until two walks met.
const COLLIDING: [&[u8]; 2] = [b"cahpbamjnachdmnc", b"eiepipehikfifkhb"];

#[test]
fn names_that_really_collide() {
    assert_eq!(COLLIDING.map(hash_name), [0xbf92_2df9_87af_57c3; 2]);
    // With others before and behind, so that the two are in every position of the tree.
    for others in 0..40 {
        let mut all = names(others, 3);
        all.extend(COLLIDING.map(<[u8]>::to_vec));
        let bytes = flat(&all, hash_name);
        let streams = Streams::unified(&bytes);
        let archive = streams.open().expect("our own archive");
        assert_eq!(lookup_finds_what_is_listed(&streams, &archive.root, &archive), others + 2);
        for name in COLLIDING {
            let found = streams.resolve(&archive, name).expect("no damage").expect("there").node;
            assert_eq!(streams.contents(&archive, &found), Ok(name));
        }
        // One alone is found, and the other is not.
        all.pop();
        let bytes = flat(&all, hash_name);
        let streams = Streams::unified(&bytes);
        let archive = streams.open().expect("our own archive");
        assert!(streams.resolve(&archive, COLLIDING[0]).expect("no damage").is_some());
        assert!(streams.resolve(&archive, COLLIDING[1]).expect("no damage").is_none());
    }
}

/// A name that no directory is likely to hold, cheap to make.
fn numbered(number: usize) -> Vec<u8> {
    format!("{number:06}").into_bytes()
}

#[test]
fn huge_directories_are_read_in_parts() {
    const COUNT: usize = 100_000;
    let names: Vec<_> = (0..COUNT).map(numbered).collect();
    for hash in [hash_name as NameHash, |name: &[u8]| hash_name(name) % 65_536] {
        let bytes = flat(&names, hash);
        let streams = Streams::unified(&bytes).with_hash(hash);
        let archive = streams.open().expect("our own archive");
        let kept = TOP_SIZE / RECORD_SIZE;
        assert!(archive.root.len as usize > 2 * kept, "the table is longer than what is kept of it");
        let before = streams.reads();
        let mut rng = Rng::new(1);
        for _ in 0..2000 {
            let name = rng.pick(&names);
            let (node, _) = streams.lookup(&archive, &archive.root, name).expect("no damage").expect("there");
            assert_eq!(node.name, *name);
            let absent = [&name[..], b"x"].concat();
            assert_eq!(streams.lookup(&archive, &archive.root, &absent).expect("no damage"), None);
        }
        // Only the lowest levels of the tree are not kept; collisions cost a few more.
        assert!(streams.reads() - before < 4000 * 20, "{} reads", streams.reads() - before);
        let listed = streams.list(&archive, &archive.root).expect("no damage");
        assert!(listed.iter().map(|(node, _)| &node.name).eq(&names));
    }
}

/// Root with `dir/sub/file`, a link to it, a symlink and an empty file.
fn small() -> Vec<u8> {
    let mut maker = Maker::rooted();
    maker.directory(b"dir");
    maker.directory(b"sub");
    let file = maker.file(b"file", b"contents");
    maker.leave();
    maker.leave();
    maker.file(b"empty", b"");
    maker.hardlink(b"link", file, b"dir/sub/file");
    maker.symlink(b"symlink", b"dir/sub");
    maker.finish()
}

#[test]
fn paths() {
    let bytes = small();
    let streams = Streams::unified(&bytes);
    let archive = streams.open().unwrap();
    let name = |path: &[u8]| {
        let found = streams.resolve(&archive, path).expect("no damage")?;
        assert_eq!(found.directory.is_some(), found.node.kind == Kind::Directory);
        Some(found.node.name)
    };
    for path in [&b""[..], b"/", b".", b"//", b"/./", b"./."] {
        assert_eq!(name(path), Some(Vec::new()), "{}", path.escape_ascii());
    }
    for path in [&b"dir/sub"[..], b"/dir/sub", b"dir/sub/", b"//dir///sub//", b"./dir/./sub/."] {
        assert_eq!(name(path), Some(b"sub".to_vec()), "{}", path.escape_ascii());
    }
    assert_eq!(name(b"dir/sub/file"), Some(b"file".to_vec()));
    for path in [
        &b".."[..],
        b"dir/..",
        b"dir/../dir",
        b"dir/sub/..",
        b"...",
        b"di",
        b"dirx",
        b"dir/sub/file/x",
        b"DIR",
    ] {
        assert_eq!(name(path), None, "{}", path.escape_ascii());
    }
    assert_eq!(name(b"empty/x"), None, "a file has no children");
    assert_eq!(name(b"symlink/file"), None, "symlinks are not followed");
    assert_eq!(name(b"link/x"), None, "links are not followed");
    let long = [b'x'; 5000];
    assert_eq!(name(&long), None);
}

#[test]
fn contents_of_all_sorts() {
    let bytes = small();
    let streams = Streams::unified(&bytes);
    let archive = streams.open().unwrap();
    let node = |path: &[u8]| streams.resolve(&archive, path).unwrap().unwrap().node;
    assert_eq!(streams.contents(&archive, &node(b"dir/sub/file")), Ok(&b"contents"[..]));
    assert_eq!(streams.contents(&archive, &node(b"empty")), Ok(&b""[..]));
    assert_eq!(streams.range(&archive, &node(b"empty")).unwrap().source, Source::Meta);
    let link = node(b"link");
    assert!(matches!(&link.content, NodeContent::Hardlink { target, .. } if target == b"dir/sub/file"));
    assert_eq!(streams.follow(&archive, &link), Ok(node(b"dir/sub/file")));
    for path in [&b""[..], b"dir", b"symlink", b"link"] {
        let error = streams.range(&archive, &node(path)).unwrap_err();
        assert_eq!(error.class(), Class::Caller, "only files have contents");
    }
    assert_eq!(streams.follow(&archive, &node(b"dir")).unwrap_err().class(), Class::Caller);
    // A node whose contents reach beyond the archive.
    let mut damaged = node(b"dir/sub/file");
    damaged.content = NodeContent::Inline { offset: bytes.len() as u64 - 3, size: 4 };
    let error = streams.range(&archive, &damaged).unwrap_err();
    assert_eq!(error.problem, Problem::Truncated { expected: 4, got: 3 });
    damaged.content = NodeContent::Inline { offset: u64::MAX, size: 2 };
    assert!(streams.range(&archive, &damaged).is_err());
}

#[test]
fn entries_longer_than_a_want() {
    // Megabytes of attributes: more than a machine may want at once, and less than a decoder accepts.
    let mut maker = Maker::rooted();
    maker.name(b"big");
    maker.entry(0o100_644);
    for _ in 0..30 {
        maker.item(pxkit_core::format::ItemType::Xattr, &[&b"user.x\0"[..], &[b'v'; 60_000]].concat());
    }
    maker.item(pxkit_core::format::ItemType::Payload, b"x");
    let bytes = maker.finish();
    let streams = Streams::unified(&bytes);
    let archive = streams.open().unwrap();
    let (node, _) = streams.lookup(&archive, &archive.root, b"big").unwrap().unwrap();
    assert_eq!(node.attributes.iter().count(), 30);
    assert!(node.attributes.as_bytes().len() > TOP_SIZE);
    assert_eq!(streams.contents(&archive, &node), Ok(&b"x"[..]));
}

#[test]
fn every_byte_of_a_small_archive_damaged() {
    let bytes = small();
    for at in 0..bytes.len() {
        for value in [0, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            Streams::unified(&damaged).explore(100);
        }
        Streams::unified(&bytes[..at]).explore(100);
        Streams::unified(&bytes[at..]).explore(100);
    }
}

#[test]
fn directories_that_hold_themselves_end() {
    // The record of the child leads to a directory whose own table ends where its parent's does.
    let mut maker = Maker::rooted();
    maker.directory(b"d");
    maker.leave();
    let goodbye = maker.leave();
    let mut bytes = maker.bytes;
    let size = goodbye as usize + 16 + 16;
    bytes[size..size + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    let streams = Streams::unified(&bytes);
    let archive = streams.open().unwrap();
    let listed = streams.list(&archive, &archive.root).unwrap();
    // The child is cut at the parent's table, which is where its own ends.
    assert_eq!(listed[0].1, goodbye);
    assert_eq!(streams.directory(&listed[0].0, listed[0].1).unwrap().len, 0);
    assert!(streams.explore(1000) < 10);
}
