//! The columnar tree: it says what the entries say, and takes at most 120 bytes for an entry with a name of 12 bytes.
//!
//! A single test, because the allocator counts for the whole process.

use peak_alloc::PeakAlloc;
use pxkit_core::access::{Tree, TreeBuilder};
use pxkit_core::decode::{Content, Entry};
use pxkit_core::encode::{Encoder, Event, Node};
use pxkit_core::format::{Attributes, Kind, Stat, Timestamp};
use pxkit_tests::observe;
use pxkit_tests::random::{self, Shape};
use pxkit_tests::{archive, golden, odd};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The bound of the issue, for names of 12 bytes.
const BYTES_AN_ENTRY: usize = 120;

/// What an entry says, to compare.
#[derive(Debug, PartialEq)]
struct Said {
    path: Vec<u8>,
    name: Vec<u8>,
    kind: Kind,
    stat: Stat,
    attributes: bool,
    content: String,
    size: u64,
    filename: u64,
    depth: usize,
}

fn build(archive: &[u8]) -> (Tree, Vec<Said>) {
    let (mut builder, mut said) = (TreeBuilder::new(), Vec::new());
    let mut see = |entry: Option<&Entry<'_>>| {
        let Some(entry) = entry else { return builder.leave() };
        builder.add(entry).expect("few entries");
        assert_eq!(builder.tree().len(), said.len() + 1, "the tree can be looked at while it grows");
        said.push(Said {
            path: entry.path.to_vec(),
            name: entry.name().to_vec(),
            kind: entry.kind,
            stat: *entry.stat,
            attributes: !entry.attributes.is_empty(),
            content: format!("{:?}", entry.content),
            size: entry.size(),
            filename: entry.filename,
            depth: entry.depth,
        });
    };
    let outcome = observe::entries(archive, &mut (), &mut observe::one_window(), &mut see);
    assert_eq!(outcome.result, Ok(()));
    (builder.finish(), said)
}

fn tree_says_what_entries_say(archive: &[u8]) {
    let (tree, said) = build(archive);
    assert_eq!(tree.len(), said.len());
    let mut parents: Vec<u32> = Vec::new();
    for (id, said) in (0..).zip(&said) {
        let mut path = b"before ".to_vec();
        tree.path(id, &mut path);
        assert_eq!(path[7..], said.path);
        assert_eq!((tree.name(id), tree.kind(id)), (&said.name[..], said.kind));
        assert_eq!(tree.mode(id), said.stat.mode as u32);
        assert_eq!(tree.owner(id), (said.stat.uid, said.stat.gid));
        assert_eq!((tree.mtime(id), tree.flags(id)), (said.stat.mtime, said.stat.flags));
        assert_eq!(tree.has_attributes(id), said.attributes);
        assert_eq!(format!("{:?}", tree.content(id)), said.content);
        assert_eq!((tree.size(id), tree.filename(id)), (said.size, said.filename));
        parents.truncate(said.depth);
        assert_eq!(tree.parent(id), parents.last().copied().unwrap_or(0));
        parents.push(id);
    }
    // Names by their place among all names, sought from any entry before.
    for at in 0..tree.names().len() {
        let expected = (0..tree.len() as u32).find(|&id| tree.name_range(id).contains(&at)).expect("a name");
        for from in [0, expected / 2, expected.saturating_sub(1), expected] {
            assert_eq!(tree.name_at(at, from), expected);
        }
    }
    assert_eq!(tree.name_at(tree.names().len(), 0) as usize, tree.len());
    // Children by number against children by path.
    for id in 0..tree.len() as u32 {
        let children: Vec<u32> = tree.children(id).collect();
        let expected: Vec<u32> = (1..tree.len() as u32).filter(|&child| tree.parent(child) == id).collect();
        assert_eq!(children, expected);
        let below = said[id as usize + 1..].iter().take_while(|other| other.depth > said[id as usize].depth);
        assert_eq!(tree.end(id) as usize, id as usize + 1 + below.count());
    }
}

/// A split archive of so many entries with names of 12 bytes, 20 files to a directory.
fn large(entries: usize) -> Vec<u8> {
    let (mut meta, mut payload) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::split(None, &mut meta, &mut payload);
    let none = Attributes::new();
    let mtime = Timestamp { secs: 1_700_000_000, nanos: 1 };
    let dir = Stat { mode: 0o40755, flags: 0, uid: 0, gid: 0, mtime };
    let file = Stat { mode: 0o100_644, ..dir };
    let mut push = |event: Event<'_>| {
        payload.clear();
        encoder.push(&event, &mut meta, &mut payload).expect("legal");
        if let Event::File { size, .. } = event {
            encoder.contents(size).expect("as announced");
        }
    };
    push(Event::Directory(Node { name: b"", stat: &dir, attributes: &none }));
    for number in 1..entries {
        let name = format!("{number:012}");
        let directory = number % 21 == 1;
        let node =
            Node { name: name.as_bytes(), stat: if directory { &dir } else { &file }, attributes: &none };
        if directory && number > 1 {
            push(Event::Leave);
        }
        push(if directory { Event::Directory(node) } else { Event::File { node, size: number as u64 } });
    }
    push(Event::Leave);
    push(Event::Leave);
    meta
}

fn memory_is_bounded(entries: usize) {
    let archive = large(entries);
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let mut builder = TreeBuilder::new();
    let mut see = |entry: Option<&Entry<'_>>| match entry {
        Some(entry) => builder.add(entry).expect("few entries"),
        None => builder.leave(),
    };
    let outcome = observe::entries(&archive, &mut (), &mut || 65_536, &mut see);
    assert_eq!(outcome.result, Ok(()));
    let tree = builder.finish();
    let after = ALLOCATED.current_usage() - before;
    let peak = ALLOCATED.peak_usage() - before;
    assert_eq!(tree.len(), entries);
    let an_entry = |bytes: usize| bytes as f64 / entries as f64;
    println!(
        "{entries} entries: {:.1} bytes an entry by its own account, {:.1} by the allocator, {:.1} while it was built",
        an_entry(tree.memory()),
        an_entry(after),
        an_entry(peak)
    );
    assert!(tree.memory() <= BYTES_AN_ENTRY * entries);
    assert!(after <= BYTES_AN_ENTRY * entries, "{after} bytes for {entries} entries");
    // Vectors double while they grow, and the old one lives until its elements have moved.
    assert!(peak <= 2 * BYTES_AN_ENTRY * entries, "{peak} bytes at most for {entries} entries");
    assert!(after.abs_diff(tree.memory()) < 4096, "its own account is the truth: {after} {}", tree.memory());
}

fn an_empty_tree_is_empty() {
    let tree = Tree::default();
    assert!(tree.is_empty());
    assert_eq!((tree.len(), tree.memory()), (0, 0));
    assert!(TreeBuilder::new().finish().is_empty());
}

fn a_tree_that_was_cut_off_can_be_used() {
    let archive = odd::every_kind();
    for end in 0..archive.len() {
        let mut builder = TreeBuilder::new();
        let mut see = |entry: Option<&Entry<'_>>| match entry {
            Some(entry) => builder.add(entry).expect("few entries"),
            None => builder.leave(),
        };
        let _ = observe::entries(&archive[..end], &mut (), &mut observe::one_window(), &mut see);
        let tree = builder.finish();
        for id in 0..tree.len() as u32 {
            assert!(tree.end(id) as usize <= tree.len());
            assert!(tree.children(id).all(|child| tree.parent(child) == id));
            assert!(!matches!(tree.content(id), Content::Target(b"")));
        }
    }
}

#[test]
fn the_columnar_tree() {
    an_empty_tree_is_empty();
    for name in ["kinds", "names", "attributes", "goodbye"] {
        for kind in ["pxar", "mpxar"] {
            tree_says_what_entries_say(&golden::archive(&format!("{name}.{kind}")));
        }
    }
    for (_, archive) in odd::legal() {
        if archive.len() < 60_000 {
            tree_says_what_entries_say(&archive);
        }
    }
    for seed in 0..50 {
        let tree = random::tree(seed, Shape { nodes: 150, on_disk: false });
        tree_says_what_entries_say(&archive::unified(&tree));
        tree_says_what_entries_say(&archive::split(&tree, None).0);
    }
    a_tree_that_was_cut_off_can_be_used();
    for entries in [100_000, 131_073, 300_000] {
        memory_is_bounded(entries);
    }
}
