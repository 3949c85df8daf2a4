//! The archives of many entries that measurements take are what they claim to be.

use pxkit_tests::large::{self, Size, Sparse};
use pxkit_tests::tree::{Kind, Node};
use pxkit_tests::{back, observe};

const SIZES: [Size; 5] = [
    Size { entries: 1, contents: 0, seed: 1 },
    Size { entries: 2, contents: 5, seed: 1 },
    Size { entries: 3, contents: 0, seed: 2 },
    Size { entries: 40, contents: 10_000, seed: 3 },
    Size { entries: 20_000, contents: 16 << 20, seed: 4 },
];

#[test]
fn the_wanted_entries_and_nothing_irregular() {
    for size in SIZES {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        let made = large::split(size, &mut meta, &mut payload).expect("a split archive");
        assert_eq!((made.meta, made.payload), (meta.len() as u64, payload.len() as u64));
        let (root, outcome) =
            back::tree(&meta, Some(&payload), &mut observe::one_window()).expect("a legal archive");
        assert_eq!(outcome.findings, vec![], "{size:?}");
        assert_eq!((count(&root), made.entries), (size.entries, size.entries));
        if size.entries != 1 && size.contents >= size.entries as u64 * 400 {
            assert_eq!(made.contents, size.contents);
        }

        let mut unified = Vec::new();
        let same = large::unified(size, &mut unified).expect("a unified archive");
        assert_eq!((same.entries, same.files, same.contents), (made.entries, made.files, made.contents));
        let (again, outcome) =
            back::tree(&unified, None, &mut observe::one_window()).expect("a legal archive");
        assert_eq!(outcome.findings, vec![], "{size:?}");
        assert!(again == root, "{size:?}: another tree in the unified archive");
    }
}

#[test]
fn files_hold_what_memory_holds() {
    for size in SIZES {
        let (mut meta, mut payload) = (Vec::new(), Vec::new());
        large::split(size, &mut meta, &mut payload).expect("a split archive");
        let dir = tempfile::tempdir().expect("a folder");
        let create = |name: &str| {
            let file = std::fs::File::create(dir.path().join(name)).expect("a file");
            Sparse::new(file)
        };
        let (mut meta_file, mut payload_file) = (create("meta"), create("payload"));
        large::split(size, &mut meta_file, &mut payload_file).expect("a split archive");
        meta_file.finish().expect("a written file");
        payload_file.finish().expect("a written file");
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("a file");
        assert!(read("meta") == meta && read("payload") == payload, "{size:?}");
    }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::Directory(children) => 1 + children.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}
