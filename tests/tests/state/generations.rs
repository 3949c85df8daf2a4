//! Trees that change at random from one backup to the next, also in ways that no change detection by metadata can see.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pxkit_tests::churn::{Churn, set_time};
use pxkit_tests::describe;
use pxkit_tests::random::Rng;
use pxkit_tests::skip::needs_root_and_ext4;

use super::{AUTO, STRICT, World, edit_behind_time, looked_into, number, read};

/// Regular files of some bytes, with one name, that may be written.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let metadata = entry.metadata().expect("metadata");
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() && metadata.size() > 6 {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Something that leaves size and time of modification as they were, if the files may be changed.
fn meddle(rng: &mut Rng, files: &[PathBuf], root: &Path) {
    let (one, other) = (&files[rng.below(files.len())], &files[rng.below(files.len())]);
    let is_writable = |path: &Path| fs::File::options().write(true).open(path).is_ok();
    if !is_writable(one) || !is_writable(other) || one == other {
        return;
    }
    let before = fs::metadata(one).expect("a file");
    let spare = root.join("meddled");
    match rng.below(4) {
        0 | 1 => edit_behind_time(one),
        2 => {
            // Another file takes its place.
            fs::write(&spare, rng.bytes(before.size() as usize)).expect("written");
            set_time(&spare, before.mtime(), before.mtime_nsec());
            if fs::rename(&spare, one).is_err() {
                let _ = fs::remove_file(&spare);
            }
        }
        _ => {
            // Two of one size and time change places.
            if fs::metadata(other).expect("a file").nlink() > 1 || before.nlink() > 1 {
                return;
            }
            fs::write(other, rng.bytes(before.size() as usize)).expect("written");
            set_time(other, before.mtime(), before.mtime_nsec());
            let moved = fs::rename(one, &spare).and_then(|()| fs::rename(other, one));
            if moved.is_ok() {
                fs::rename(&spare, other).expect("renamed");
            } else if spare.exists() {
                fs::rename(&spare, one).expect("renamed");
            }
        }
    }
}

#[test]
fn every_generation_is_what_the_tree_was() {
    if !needs_root_and_ext4("state: every_generation_is_what_the_tree_was") {
        return;
    }
    let soak = std::env::var("PXKIT_SOAK").is_ok_and(|soak| soak == "1");
    for seed in 0..if soak { 60 } else { 4 } {
        let mut world = World::new(if seed % 2 == 0 { STRICT } else { AUTO }, &[]);
        world.append = seed % 4 >= 2;
        let mut churn = Churn::plant(seed, world.tree.path(), 80);
        let mut rng = Rng::new(seed + 1000);
        let mut generations = Vec::new();
        for generation in 0..12 {
            let made = if rng.one_in(3) { world.backup_at_once() } else { world.backup() };
            let truth: BTreeMap<_, _> = describe::tree(world.tree.path());
            let restored = describe::tree(world.snapshots.restore(&made.id).path());
            for (path, description) in &truth {
                let found = restored.get(path);
                assert_eq!(
                    found,
                    Some(description),
                    "seed {seed}, generation {generation}: {} after {:?}",
                    path.escape_ascii(),
                    churn.log
                );
            }
            assert_eq!(truth.len(), restored.len());
            generations.push((made.id, truth));
            // What was changed visibly besides explains why it was touched, so these are others.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as i128;
            churn.step();
            for _ in 0..rng.below(4) {
                let ctime = |file: &fs::Metadata| {
                    i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec())
                };
                let mut left = files(world.tree.path());
                left.retain(|path| fs::metadata(path).is_ok_and(|file| ctime(&file) < now - 20_000_000));
                if left.len() > 1 {
                    meddle(&mut rng, &left, world.tree.path());
                }
            }
        }
        // What came later took nothing from what was there.
        for (id, truth) in generations {
            assert_eq!(describe::tree(world.snapshots.restore(&id).path()), truth, "seed {seed}");
        }
        world.snapshots.verify();
    }
}

#[test]
fn what_is_left_alone_is_left_alone() {
    if !needs_root_and_ext4("state: what_is_left_alone_is_left_alone") {
        return;
    }
    let mut world = World::new(AUTO, &[]);
    let _ = Churn::plant(77, world.tree.path(), 150);
    world.backup();
    for _ in 0..3 {
        let made = world.backup();
        assert_eq!((read(&made), looked_into(&made)), (0, 0), "{}", made.json);
        assert!(number(&made, "/state/untouched") > 100);
    }
}
