//! The order of steps, whatever the threads and bounds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use tempfile::TempDir;

use super::*;

/// Numbers that are random enough for trees.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn random_tree(random: &mut Random, dir: &Path, depth: u64) {
    for _ in 0..random.below(if depth == 0 { 40 } else { 9 }) {
        let len = random.below(12) + 1;
        let name: Vec<u8> = (0..len).map(|_| b"ab.-\xffZ~\x01"[random.below(8) as usize]).collect();
        let path = dir.join(OsStr::from_bytes(&name));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match random.below(8) {
            0..3 if depth < 4 => {
                std::fs::create_dir(&path).unwrap();
                random_tree(random, &path, depth + 1);
            }
            3 => std::os::unix::fs::symlink("somewhere", &path).unwrap(),
            4 => std::fs::write(&path, vec![len as u8; random.below(200_000) as usize]).unwrap(),
            _ => std::fs::write(&path, &name[..random.below(len) as usize]).unwrap(),
        }
    }
}

/// What a plain recursion gives.
fn expected(dir: &Path, path: &str, out: &mut Vec<String>) {
    let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for name in names {
        let shown = DisplayPath(name.as_bytes()).to_string();
        let path = if path.is_empty() { shown } else { format!("{path}/{shown}") };
        let on_disk = dir.join(&name);
        if on_disk.symlink_metadata().unwrap().is_dir() {
            out.push(format!("{path}/"));
            expected(&on_disk, &path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn neither_threads_nor_bounds_change_the_steps() {
    for seed in 0..12 {
        let dir = TempDir::new().unwrap();
        random_tree(&mut Random(seed), dir.path(), 0);
        if seed % 2 == 0 {
            write(dir.path(), ".pxarexclude", b"a*\n[bad\n/b/**\n!ab\n");
        }
        let alone = lines(dir.path(), with_threads(0));
        if seed % 2 == 1 {
            let mut simple = vec!["./".to_owned()];
            expected(dir.path(), "", &mut simple);
            assert_eq!(outline(dir.path(), with_threads(3)), simple);
        }
        for threads in [1, 2, 8] {
            assert_eq!(lines(dir.path(), with_threads(threads)), alone, "seed {seed}, {threads} threads");
        }
        for bounds in [
            Bounds { entries: 1, bytes: 1, directories: 1, ..Bounds::default() },
            Bounds { entries: 0, bytes: 0, directories: 0, small_file: 0 },
            Bounds { entries: 7, bytes: 100_000, directories: 3, small_file: 1_000_000 },
        ] {
            assert_eq!(
                lines(dir.path(), Options { bounds, ..with_threads(4) }),
                alone,
                "seed {seed}, {bounds:?}"
            );
        }
    }
}

#[test]
fn many_entries_come_in_order() {
    let dir = TempDir::new().unwrap();
    for n in 0..5_000 {
        std::fs::write(dir.path().join(format!("{n}")), []).unwrap();
        if n % 3 == 0 {
            std::fs::create_dir(dir.path().join(format!("{n}d"))).unwrap();
        }
    }
    let bounds = Bounds { entries: 100, ..Bounds::default() };
    let steps = outline(dir.path(), Options { bounds, ..with_threads(2) });
    let mut simple = vec!["./".to_owned()];
    expected(dir.path(), "", &mut simple);
    assert_eq!(steps, simple);
}

#[test]
fn a_tree_may_be_deeper_than_paths_are_long() {
    const DEPTH: usize = 3_000;
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join(".pxarexclude"), b"nothing\n").unwrap();
    let mut at = open_source(dir.path()).unwrap();
    for _ in 0..DEPTH {
        mkdirat(&at, "level", Mode::RWXU).unwrap();
        at = openat(&at, "level", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .unwrap();
        // A sibling after the directory keeps work pending on every level.
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&at, "zz", flags, Mode::RUSR).unwrap();
    }
    drop(at);
    for threads in [0, 2] {
        let mut walk = start(dir.path(), with_threads(threads));
        let (mut depth, mut deepest, mut longest) = (0, 0, 0);
        while let Some(step) = walk.next().unwrap() {
            match step {
                Step::Enter(node) => {
                    depth += 1;
                    deepest = deepest.max(depth);
                    longest = longest.max(node.path.len());
                }
                Step::Leave => depth -= 1,
                Step::Node(_) => {}
                Step::Warning(warning) => panic!("{warning}"),
            }
        }
        assert_eq!((depth, deepest, longest), (0, DEPTH + 1, DEPTH * 6 - 1));
        assert_eq!(walk.counts(), Counts { nodes: 2 * DEPTH as u64 + 2, losses: 0 });
    }
    // An end in the middle must not overflow the stack either.
    let mut walk = start(dir.path(), with_threads(1));
    for _ in 0..DEPTH {
        walk.next().unwrap();
    }
    drop(walk);
    // `rm` copes with the depth, the removal of the temporary directory does not have to.
    assert!(Command::new("rm").arg("-rf").arg(dir.path().join("level")).status().unwrap().success());
}
