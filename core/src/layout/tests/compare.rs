//! Comparisons against a plain account of both trees by path.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec;

use super::super::compare::*;
use super::*;
use crate::format::{Attribute, Device, Timestamp};

/// A node of a tree that is compared.
#[derive(Clone, Debug, PartialEq)]
struct Thing {
    kind: Kind,
    size: u64,
    /// Whose contents a file has; 0 for a file that must be placed anew.
    contents: u64,
    stat: Stat,
    target: String,
    device: u64,
    attribute: Option<u8>,
}

type Things = BTreeMap<Vec<String>, Thing>;

fn thing(random: &mut Random, kind: Kind) -> Thing {
    let mtime = Timestamp { secs: random.below(3) as i64, nanos: random.below(2) as u32 };
    let stat = Stat {
        mode: random.below(3),
        uid: random.below(2) as u32,
        gid: random.below(2) as u32,
        flags: random.below(2),
        mtime,
    };
    Thing {
        kind,
        size: random.below(4) * 50,
        contents: random.below(10),
        stat,
        target: random.below(2).to_string(),
        device: random.below(2),
        attribute: if random.one_in(4) { Some(random.below(2) as u8) } else { None },
    }
}

fn things(random: &mut Random) -> Things {
    let mut things = Things::new();
    let root = thing(random, Kind::Directory);
    things.insert(vec![], root);
    for _ in 0..random.below(60) {
        let directories: Vec<_> = things
            .iter()
            .filter(|(_, thing)| thing.kind == Kind::Directory)
            .map(|(path, _)| path.clone())
            .collect();
        let mut path = directories[random.below(directories.len() as u64) as usize].clone();
        path.push(random.below(12).to_string());
        let kind =
            [Kind::Directory, Kind::File, Kind::File, Kind::File, Kind::Symlink, Kind::Device, Kind::Fifo]
                [random.below(7) as usize];
        things.entry(path).or_insert_with(|| thing(random, kind));
    }
    things
}

/// Another generation: entries vanish, change in one field, appear.
fn change(random: &mut Random, things: &Things) -> Things {
    let mut changed = Things::new();
    for (path, old) in things {
        let has_parent = |path: &[String]| {
            path.split_last().is_none_or(|(_, parent)| {
                changed.get(parent).is_some_and(|thing: &Thing| thing.kind == Kind::Directory)
            })
        };
        if !has_parent(path) || !path.is_empty() && random.one_in(8) {
            continue;
        }
        let mut new = old.clone();
        if random.one_in(3) {
            let other = thing(random, if path.is_empty() { Kind::Directory } else { old.kind });
            match random.below(9) {
                0 => new.stat.mode = other.stat.mode,
                1 => new.stat.uid = other.stat.uid,
                2 => new.stat.gid = other.stat.gid,
                3 => new.stat.flags = other.stat.flags,
                4 => new.stat.mtime = other.stat.mtime,
                5 => (new.size, new.contents) = (other.size, other.contents),
                6 => (new.target, new.device) = (other.target, other.device),
                7 => new.attribute = other.attribute,
                _ if !path.is_empty() => new = thing(random, Kind::File),
                _ => {}
            }
        }
        changed.insert(path.clone(), new);
    }
    for (path, thing) in self::things(random) {
        let has_parent = path.split_last().is_some_and(|(_, parent)| {
            changed.get(parent).is_some_and(|thing| thing.kind == Kind::Directory)
        });
        if has_parent && random.one_in(3) {
            changed.entry(path).or_insert(thing);
        }
    }
    changed
}

/// Makes a tree, its directories sorted or not. Returns the paths of its entries, too.
fn build(random: &mut Random, things: &Things, sorted: bool) -> (Tree, Vec<Vec<String>>) {
    let (mut builder, mut paths) = (TreeBuilder::new(), Vec::new());
    let mut offset = 16;
    let mut todo = vec![(true, Vec::new())];
    while let Some((enters, path)) = todo.pop() {
        if !enters {
            builder.leave();
            continue;
        }
        let thing = &things[&path];
        let name = path.last().map_or(&b""[..], |name| name.as_bytes());
        let content = match thing.kind {
            Kind::File => {
                let reference = PayloadRef { offset, size: thing.size };
                offset += 16 + thing.size;
                Content::Reference(reference)
            }
            Kind::Symlink => Content::Target(thing.target.as_bytes()),
            Kind::Device => Content::Device(Device { major: thing.device, minor: 0 }),
            _ => Content::None,
        };
        let mut attributes = Attributes::new();
        if let Some(value) = thing.attribute {
            attributes.push(Attribute::Xattr { name: b"user.a", value: &[value] }).unwrap();
        }
        add_with(&mut builder, name, thing.kind, &thing.stat, content, &attributes);
        paths.push(path.clone());
        if thing.kind == Kind::Directory {
            todo.push((false, vec![]));
            let is_child =
                |other: &&Vec<String>| other.split_last().is_some_and(|(_, parent)| *parent == path[..]);
            let mut children: Vec<_> = things.keys().filter(is_child).cloned().collect();
            if !sorted {
                for at in (1..children.len()).rev() {
                    children.swap(at, random.below(at as u64 + 1) as usize);
                }
            }
            todo.extend(children.into_iter().rev().map(|child| (true, child)));
        }
    }
    (builder.finish(), paths)
}

/// How a path changed, without what was moved and as far as size and time tell.
fn expected(old: Option<&Thing>, new: Option<&Thing>) -> (Change, Fields) {
    let (a, b) = match (old, new) {
        (None, _) => return (Change::Added, Fields::NONE),
        (_, None) => return (Change::Removed, Fields::NONE),
        (Some(a), Some(b)) => (a, b),
    };
    if a.kind != b.kind {
        return (Change::Kind, Fields::NONE);
    }
    let is_file = a.kind == Kind::File;
    let mut fields = Fields::NONE;
    let mut note =
        |differs: bool, field: Fields| fields = fields | if differs { field } else { Fields::NONE };
    note(is_file && a.size != b.size, Fields::SIZE);
    note(a.stat.mtime != b.stat.mtime, Fields::MTIME);
    note(a.stat.mode != b.stat.mode, Fields::MODE);
    note(a.stat.uid != b.stat.uid, Fields::OWNER);
    note(a.stat.gid != b.stat.gid, Fields::GROUP);
    note(a.stat.flags != b.stat.flags, Fields::FLAGS);
    note(a.attribute != b.attribute, Fields::ATTRIBUTES);
    note(a.kind == Kind::Symlink && a.target != b.target, Fields::TARGET);
    note(a.kind == Kind::Device && a.device != b.device, Fields::DEVICE);
    let is_read = a.size != b.size || a.stat.mtime != b.stat.mtime && a.size > 0;
    let change = match fields {
        _ if is_file && is_read => Change::Contents,
        Fields::NONE => Change::Unchanged,
        _ => Change::Metadata,
    };
    (change, fields)
}

#[test]
fn trees_are_compared_by_path() {
    let mut random = Random(12);
    for round in 0..1500 {
        let old = things(&mut random);
        let new = change(&mut random, &old);
        let sorted = [random.one_in(2), random.one_in(2)];
        let (old_tree, old_paths) = build(&mut random, &old, sorted[0]);
        let (new_tree, new_paths) = build(&mut random, &new, sorted[1]);
        let maps = [&old_tree, &new_tree].map(|tree| Map::new(tree, Source::Payload, Map::least_size(tree)));
        let (a, b) = (Layout::new(&old_tree, &maps[0], None), Layout::new(&new_tree, &maps[1], None));
        let mut comparison = compare(&a, &b);
        let (mut comparing, most) = (Comparing::new(&a, &b), 1 + random.below(5) as usize);
        while comparing.step(most) {}
        let (steps, whole) = (comparing.finish(), &comparison);
        assert!(steps.changes().eq(whole.changes()) && steps.pending().eq(whole.pending()));
        for id in comparison.pending().collect::<Vec<_>>() {
            let before = &old_paths[comparison.before(id).unwrap() as usize];
            let (before, after) = (&old[before].attribute, &new[&new_paths[id as usize]].attribute);
            assert!(before.is_some() && after.is_some());
            comparison.attributes(id, before == after);
        }
        assert_eq!(comparison.pending().count(), 0);
        let mut moved = 0;
        for (id, path) in new_paths.iter().enumerate() {
            let id = id as u32;
            let (change, fields) = expected(old.get(path), new.get(path));
            if comparison.change(id) == Change::Moved {
                assert_eq!(change, Change::Added, "round {round}: {path:?}");
                let before = comparison.before(id).unwrap();
                let from = &old_paths[before as usize];
                assert!(!new.contains_key(from));
                let (a, b) = (&old[from], &new[path]);
                assert_eq!((a.kind, a.size, a.stat.mtime), (Kind::File, b.size, b.stat.mtime));
                assert_eq!(comparison.fields(id), expected(Some(a), Some(b)).1);
                moved += 1;
            } else {
                assert_eq!(
                    (comparison.change(id), comparison.fields(id)),
                    (change, fields),
                    "round {round}: {path:?}"
                );
            }
            if let Some(before) = comparison.before(id) {
                assert_eq!(comparison.after(before), Some(id));
            }
        }
        let removed = (0..old_paths.len() as u32).filter(|&id| comparison.after(id).is_none());
        let gone: BTreeSet<_> = old.keys().filter(|path| !new.contains_key(*path)).collect();
        assert_eq!(removed.clone().count(), gone.len() - moved);
        assert!(removed.clone().all(|id| gone.contains(&old_paths[id as usize])));
        let sums = comparison.sums(&old_tree, &new_tree);
        assert_eq!(sums.entries.iter().sum::<u64>(), (new.len() + gone.len() - moved) as u64);
        assert_eq!(sums.of(Change::Moved).0, moved as u64);
        let listed = comparison.changes().count() as u64;
        assert_eq!(listed + sums.of(Change::Unchanged).0, sums.entries.iter().sum::<u64>());
        assert_eq!(comparison.memory(), old.len() * 4 + new.len() * 7);
    }
}

/// A file of a handmade archive: path below the root, bytes, time.
type Spec<'a> = (&'a str, u64, i64);

fn archive(files: &[Spec<'_>], chunks: &[(u64, u8)]) -> (Tree, Map, DynamicIndex) {
    let mut builder = TreeBuilder::new();
    add(&mut builder, b"", Kind::Directory, &Stat::default(), Content::None);
    let mut offset = 16;
    for &(name, size, secs) in files {
        let stat = Stat { mtime: Timestamp { secs, nanos: 0 }, ..Stat::default() };
        let content = Content::Reference(PayloadRef { offset, size });
        add(&mut builder, name.as_bytes(), Kind::File, &stat, content);
        offset += 16 + size;
    }
    let tree = builder.finish();
    let mut end = 0;
    let index = index_of(chunks.iter().map(|&(len, digest)| {
        end += len;
        (end, Digest([digest; 32]))
    }));
    let map = Map::new(&tree, Source::Payload, index.size());
    (tree, map, index)
}

type Changed = (Change, Option<Evidence>, Option<u32>);

fn changes(old: &(Tree, Map, DynamicIndex), new: &(Tree, Map, DynamicIndex)) -> (Vec<Changed>, StoredAgain) {
    let a = Layout::new(&old.0, &old.1, Some(&old.2));
    let b = Layout::new(&new.0, &new.1, Some(&new.2));
    let comparison = compare(&a, &b);
    let mut visited = (0, 0);
    let again =
        stored_again(&a, &b, &comparison, &mut |_, bytes| visited = (visited.0 + 1, visited.1 + bytes));
    let all = [again.unchanged, again.metadata, again.moved];
    assert_eq!(visited, all.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)));
    let change = |id| (comparison.change(id), comparison.evidence(&new.0, id), comparison.before(id));
    ((1..new.0.len() as u32).map(change).collect(), again)
}

#[test]
fn chunks_prove_that_contents_are_the_same() {
    use Change::{Contents, Metadata, Moved, Unchanged};
    use Evidence::{Certain, Likely};
    // Payloads of 100 bytes each.
    let old = archive(
        &[("a", 84, 1), ("b", 84, 1), ("c", 84, 1), ("d", 84, 1)],
        &[(16, 1), (200, 2), (100, 3), (100, 4), (16, 5)],
    );
    // In injected chunks: touched and moved. In new ones: the same time, another time.
    let new = archive(
        &[("a", 84, 2), ("b2", 84, 3), ("c", 84, 1), ("d", 84, 2)],
        &[(16, 1), (200, 2), (50, 6), (150, 7), (16, 5)],
    );
    let (changes_, again) = changes(&old, &new);
    let expected = [
        (Metadata, Some(Certain), Some(1)),
        (Moved, Some(Certain), Some(2)),
        (Unchanged, Some(Likely), Some(3)),
        (Contents, None, Some(4)),
    ];
    assert_eq!(changes_, expected);
    assert_eq!(again, StoredAgain { unchanged: (1, 100), metadata: (0, 0), moved: (0, 0) });
    // Whole chunks with other digests: changed, whatever the time says, and not moved.
    let new = archive(
        &[("a", 84, 1), ("b", 84, 1), ("c", 84, 1), ("x", 84, 1)],
        &[(16, 1), (200, 2), (100, 6), (100, 7), (16, 5)],
    );
    let (changes_, again) = changes(&old, &new);
    let expected = [
        (Unchanged, Some(Certain), Some(1)),
        (Unchanged, Some(Certain), Some(2)),
        (Contents, None, Some(3)),
        (Change::Added, None, None),
    ];
    assert_eq!(changes_, expected);
    assert_eq!(again, StoredAgain::default());
}

#[test]
fn moved_files_are_found_by_name_or_where_there_is_one() {
    use Change::{Added, Moved};
    let chunks = |count: u64, digest| [(16 + count * 116 + 16, digest)];
    let moved = |old: &[Spec<'_>], new: &[Spec<'_>]| {
        let old = archive(old, &chunks(old.len() as u64, 1));
        let new = archive(new, &chunks(new.len() as u64, 2));
        changes(&old, &new).0.into_iter().map(|(change, _, before)| (change, before)).collect::<Vec<_>>()
    };
    // The names differ, there is one.
    assert_eq!(moved(&[("a", 100, 7)], &[("b", 100, 7)]), [(Moved, Some(1))]);
    assert_eq!(moved(&[("a", 100, 7)], &[("b", 100, 8)]), [(Added, None)]);
    assert_eq!(moved(&[("a", 100, 7), ("b", 100, 7)], &[("c", 100, 7)]), [(Added, None)]);
    // Nothing is said of empty files.
    assert_eq!(moved(&[("a", 0, 7)], &[("b", 0, 7)]), [(Added, None)]);
}

#[test]
fn equal_files_move_by_name() {
    let mut builders = [TreeBuilder::new(), TreeBuilder::new()];
    for (builder, directory) in builders.iter_mut().zip(["old", "other"]) {
        add(builder, b"", Kind::Directory, &Stat::default(), Content::None);
        add(builder, directory.as_bytes(), Kind::Directory, &Stat::default(), Content::None);
        for number in 0..50 {
            let content = Content::Reference(PayloadRef { offset: 16 + number * 116, size: 100 });
            let name = (number * 7 % 50).to_string();
            add(builder, name.as_bytes(), Kind::File, &Stat::default(), content);
        }
    }
    let trees = builders.map(TreeBuilder::finish);
    let maps = [0, 1].map(|at| Map::new(&trees[at], Source::Payload, 16 + 50 * 116 + 16));
    let (a, b) = (Layout::new(&trees[0], &maps[0], None), Layout::new(&trees[1], &maps[1], None));
    let comparison = compare(&a, &b);
    for id in 2..52 {
        assert_eq!((comparison.change(id), comparison.before(id)), (Change::Moved, Some(id)));
    }
    // With indexes of equal chunks, too, in which each lies where others do.
    let index = index_of(
        (0..51u64).map(|number| ((number + 1) * 116 - 100, Digest([1; 32]))).collect::<Vec<_>>().into_iter(),
    );
    let (a, b) =
        (Layout::new(&trees[0], &maps[0], Some(&index)), Layout::new(&trees[1], &maps[1], Some(&index)));
    let comparison = compare(&a, &b);
    for id in 2..52 {
        assert_eq!((comparison.change(id), comparison.before(id)), (Change::Moved, Some(id)));
        assert_eq!(comparison.evidence(&trees[1], id), Some(Evidence::Certain));
    }
}

#[test]
fn hard_links_are_compared_as_their_files() {
    let make = |first: &str, second: &str, mtime: i64| {
        let mut builder = TreeBuilder::new();
        let stat = Stat { mtime: Timestamp { secs: mtime, nanos: 0 }, ..Stat::default() };
        add(&mut builder, b"", Kind::Directory, &Stat::default(), Content::None);
        let content = Content::Reference(PayloadRef { offset: 16, size: 10 });
        add(&mut builder, first.as_bytes(), Kind::File, &stat, content);
        let content = Content::Hardlink { distance: 100, target: first.as_bytes() };
        add(&mut builder, second.as_bytes(), Kind::Hardlink, &Stat::default(), content);
        builder.finish()
    };
    let compared = |old: &Tree, new: &Tree| {
        let maps = [old, new].map(|tree| Map::new(tree, Source::Payload, 58));
        let comparison = compare(&Layout::new(old, &maps[0], None), &Layout::new(new, &maps[1], None));
        [1, 2].map(|id| (comparison.change(id), comparison.fields(id)))
    };
    let same = compared(&make("a", "b", 1), &make("a", "b", 1));
    assert_eq!(same, [(Change::Unchanged, Fields::NONE); 2]);
    // Another name comes first.
    let swapped = compared(&make("a", "b", 1), &make("b", "a", 1));
    assert_eq!(swapped, [(Change::Metadata, Fields::LINK); 2]);
    let touched = compared(&make("a", "b", 1), &make("a", "b", 2));
    assert_eq!(touched, [(Change::Contents, Fields::MTIME); 2]);
}

#[test]
fn names_may_repeat() {
    let payloads = [(16, 5), (37, 6)];
    let (old, new) = (references(&payloads[..1]), references(&payloads));
    let maps = [&old, &new].map(|tree| Map::new(tree, Source::Payload, Map::least_size(tree)));
    let comparison = compare(&Layout::new(&old, &maps[0], None), &Layout::new(&new, &maps[1], None));
    assert_eq!([1, 2].map(|id| comparison.change(id)), [Change::Unchanged, Change::Added]);
    let nothing = Tree::default();
    let map = Map::new(&nothing, Source::Payload, 32);
    let comparison = compare(&Layout::new(&nothing, &map, None), &Layout::new(&new, &maps[1], None));
    assert_eq!(comparison.changes().count(), 3);
}
