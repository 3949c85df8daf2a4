//! Sets as a whole: what preparing makes, and moves between generations.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::manifest::{Manifest, Node, pairs};
use super::prepare::grow;
use super::set::Set;
use super::{Prepare, Source, prepare};

fn small(target: &Path, seed: u64) {
    let source = Source::Small { files: 600, generations: 4, seed };
    prepare(&Prepare { source, target: target.to_owned() }).unwrap();
}

fn prepared(seed: u64) -> (TempDir, Set) {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path(), seed);
    let set = Set::open(dir.path()).unwrap();
    (dir, set)
}

fn manifests(set: &Set) -> Vec<Manifest> {
    (0..set.generations().len()).map(|at| set.manifest(at).unwrap()).collect()
}

/// All of it: paths, contents, modes and times.
#[track_caller]
fn assert_tree(set: &Set, at: usize) {
    assert_eq!(Manifest::scan(&set.tree()).unwrap(), set.manifest(at).unwrap(), "generation {at}");
}

#[test]
fn a_seed_determines_all_generations() {
    let ((_a, a), (_b, b), (_c, c)) = (prepared(7), prepared(7), prepared(8));
    assert_eq!(manifests(&a), manifests(&b));
    assert_eq!(a.generations(), b.generations());
    let different = manifests(&a).iter().zip(&manifests(&c)).all(|(a, c)| a.digest() != c.digest());
    assert!(different);
    // Another preparation leaves them alone, and other sets are not mixed in.
    drop(a);
    small(_a.path(), 7);
    let source = Source::Small { files: 600, generations: 4, seed: 8 };
    let error = prepare(&Prepare { source, target: _a.path().to_owned() }).unwrap_err().to_string();
    assert!(error.contains("holds another set"), "{error}");
}

#[test]
fn generations_differ_as_asked() {
    let (_dir, set) = prepared(1);
    let manifests = manifests(&set);
    assert_eq!(manifests[0].files().count(), 600);
    let sizes: Vec<u64> = manifests[0].files().map(|file| file.size()).collect();
    assert!(sizes.iter().all(|size| (512..=6144).contains(size)));
    for (at, step) in manifests.windows(2).enumerate() {
        let pairs = pairs(&step[0], &step[1]);
        let count = |is: fn(&super::manifest::Pair) -> bool| pairs.iter().filter(|pair| is(pair)).count();
        let (added, removed) = (count(|pair| pair.old.is_none()), count(|pair| pair.new.is_none()));
        assert!((added, removed) == (2, 2) || (added, removed) == (2, 1), "{added} {removed}");
        let changed = count(|pair| pair.old.is_some() && pair.changed_file().is_some());
        assert!((4..=7).contains(&changed), "{changed}");
        assert_eq!(set.generations()[at + 1].changed_files, (added + changed) as u64);
        let directories: BTreeSet<_> =
            pairs.iter().filter_map(|pair| pair.changed_file()?.parent()).collect();
        assert_eq!(directories.len(), 1);
        // What stays the same keeps its time; what changes has a later one.
        for (old, new) in pairs.iter().filter_map(|pair| pair.old.zip(pair.new)) {
            if !matches!(new.node, Node::Directory) {
                assert_eq!(old.mtime == new.mtime, old.node == new.node);
            }
        }
    }
}

#[test]
fn the_tree_moves_between_all_generations() {
    let (_dir, set) = prepared(2);
    assert_tree(&set, 0);
    for at in [1, 3, 0, 2, 2, 1, 0] {
        set.move_to(at).unwrap();
        assert_tree(&set, at);
    }
}

#[test]
fn an_interrupted_move_is_finished() {
    let (dir, set) = prepared(3);
    let kept = set.manifest(0).unwrap();
    drop(set);
    // As if it had begun: one file is gone to the pool, one new directory and file are there in part.
    let next = Set::open(dir.path()).unwrap().manifest(3).unwrap();
    let gone =
        pairs(&kept, &next).into_iter().find(|pair| pair.old.is_some() && pair.changed_file().is_some());
    let came = pairs(&kept, &next).into_iter().find(|pair| pair.old.is_none()).unwrap().new.unwrap();
    let tree = dir.path().join("tree");
    let (gone, Node::File { digest, .. }) = (gone.unwrap().old.unwrap(), &gone.unwrap().old.unwrap().node)
    else {
        panic!("a file")
    };
    Set::open(dir.path()).unwrap().pool().take(&gone.place(&tree), digest).unwrap();
    fs::write(came.place(&tree), "half").unwrap();
    fs::write(dir.path().join("position"), "0 3").unwrap();
    let set = Set::open(dir.path()).unwrap();
    assert_tree(&set, 3);
    set.move_to(0).unwrap();
    assert_tree(&set, 0);
}

#[test]
fn sets_grow_the_same_way_at_once_or_later() {
    let (_a, mut a) = prepared(4);
    let (_b, mut b) = prepared(4);
    grow(&mut a, 7).unwrap();
    grow(&mut b, 5).unwrap();
    b.move_to(1).unwrap();
    grow(&mut b, 7).unwrap();
    assert_eq!(manifests(&a), manifests(&b));
    assert_eq!(a.generations().len(), 7);
}

#[test]
fn one_process_uses_a_set() {
    let (dir, _set) = prepared(5);
    let error = Set::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("another process uses the set"), "{error}");
}

#[test]
fn nothing_of_others_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "x").unwrap();
    let source = Source::Coco { scale: 0.0001, generations: 2, seed: 0 };
    let wanted = Prepare { source, target: dir.path().to_owned() };
    assert!(prepare(&wanted).unwrap_err().to_string().contains("is not empty"));
    fs::remove_file(dir.path().join("mine")).unwrap();
    prepare(&wanted).unwrap();
    let set = Set::open(dir.path()).unwrap();
    let sizes: Vec<u64> = set.manifest(0).unwrap().files().map(|file| file.size()).collect();
    assert_eq!(sizes.len(), 12);
    assert!(sizes.iter().all(|size| (10_000..=500_000).contains(size)), "{sizes:?}");
}
