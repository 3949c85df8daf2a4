//! What a comparison of snapshots reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pxkit::backup::Mode;
use pxkit::compare::{Comparer, Comparison, Side};
use pxkit::input::Opened;
use pxkit::report::Report;
use pxkit::source::ChunkReader;
use pxkit::store::{ArchiveName, OpenSnapshot, Snapshot, SnapshotId};
use pxkit_core::blob::Manifest;
use pxkit_core::compare::Change;
use pxkit_core::format::{Digest, PayloadRef};
use pxkit_core::index::{DynamicIndex, FixedIndex};
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Snapshots, options};

/// A snapshot that notes which chunks are read.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn OpenSnapshot>,
    read: Mutex<Vec<Digest>>,
}

impl OpenSnapshot for Noting {
    fn id(&self) -> &SnapshotId {
        self.inner.id()
    }
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }
    fn index(&self, name: &str) -> anyhow::Result<DynamicIndex> {
        self.inner.index(name)
    }
    fn image(&self, name: &str) -> anyhow::Result<FixedIndex> {
        self.inner.image(name)
    }
    fn encoded_blob(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        self.inner.encoded_blob(name)
    }
    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        self.read.lock().expect("a lock").push(*digest);
        self.inner.encoded_chunk(digest, blob)
    }
}

fn open(snapshots: &Snapshots, id: &SnapshotId) -> (Arc<Noting>, Side) {
    let inner = snapshots.open(id).stored().clone();
    let noting = Arc::new(Noting { inner, read: Mutex::default() });
    let reader = Arc::new(ChunkReader::new(Snapshot::with_key(noting.clone(), None)));
    let archive = ArchiveName::find(noting.manifest(), "root.pxar").expect("an archive");
    let side = Side::archive(Opened::stored(&reader, &archive, true).expect("it opens")).expect("an archive");
    (noting, side)
}

fn write(path: &Path, rng: &mut Rng, size: usize) {
    fs::write(path, rng.bytes(size)).expect("a file");
}

#[test]
fn only_chunks_that_differ_are_read() {
    let (mut snapshots, scratch, mut rng) = (Snapshots::new(), Scratch::new(), Rng::new(7));
    let tree = scratch.join("tree");
    for directory in 0..20 {
        fs::create_dir_all(tree.join(format!("{directory:02}"))).expect("a directory");
        for file in 0..20 {
            write(&tree.join(format!("{directory:02}/{file:02}")), &mut rng, 60_000);
        }
    }
    let first = snapshots.backup(&tree, &options(Mode::Metadata)).id;
    // A twentieth changes, and one file is moved.
    for directory in 0..20 {
        write(&tree.join(format!("{directory:02}/07")), &mut rng, 60_000);
    }
    fs::rename(tree.join("03/03"), tree.join("moved")).expect("renamed");
    let second = snapshots.backup(&tree, &options(Mode::Metadata)).id;

    let ((before, old), (after, new)) = (open(&snapshots, &first), open(&snapshots, &second));
    let report = Report::new(true);
    let mut comparer = Comparer::default();
    let mut found = Vec::new();
    let comparison = Comparison { old: &old, new: &new, patterns: &[], report: &report };
    comparison
        .run(&mut comparer, &mut |difference| {
            if difference.change != Change::Unchanged && difference.change != Change::Metadata {
                let path = difference.new.or(difference.old).expect("an entry").path.clone();
                found.push((difference.change, String::from_utf8(path).expect("text")));
            }
            Ok(())
        })
        .expect("a comparison");
    assert_eq!(report.warnings(), 0);
    let mut expected: Vec<_> =
        (0..20).map(|directory| (Change::Contents, format!("{directory:02}/07"))).collect();
    expected.push((Change::Moved, "moved".to_owned()));
    assert_eq!(found, expected);

    // Where each file lies, and which chunks hold files that do not lie in the same chunks of both.
    let places = |noting: &Noting, id: &SnapshotId| -> BTreeMap<String, Vec<(Digest, Range<u64>)>> {
        let index = noting.index("root.ppxar.didx").expect("an index");
        let of = |reference: PayloadRef| {
            let range = reference.offset + 16..reference.end().expect("an end");
            index.parts(range).expect("a range").map(|part| (part.digest, part.within)).collect()
        };
        snapshots.references(id).into_iter().map(|(path, reference)| (path, of(reference))).collect()
    };
    let (places_before, places_after) = (places(&before, &first), places(&after, &second));
    for (noting, mine, other) in
        [(&before, &places_before, &places_after), (&after, &places_after, &places_before)]
    {
        let elsewhere = mine.iter().filter(|(path, place)| other.get(*path) != Some(place));
        let wanted: BTreeSet<Digest> =
            elsewhere.flat_map(|(_, place)| place.iter().map(|(digest, _)| *digest)).collect();
        let all: BTreeSet<Digest> = mine.values().flatten().map(|(digest, _)| *digest).collect();
        let read: BTreeSet<Digest> = noting.read.lock().expect("a lock").iter().copied().collect();
        let read: BTreeSet<Digest> = read.intersection(&all).copied().collect();
        assert!(read.is_subset(&wanted), "{} chunks that nobody needs", read.difference(&wanted).count());
        assert!(!read.is_empty() && read.len() < all.len() / 4, "{} of {}", read.len(), all.len());
    }
    // Of the 379 files that are the same, nearly all are without a look at them.
    assert!(comparer.by_chunks >= 350, "{}", comparer.by_chunks);

    // Nothing at all is read of the contents of a snapshot that is compared with itself.
    let ((again, old), (_, new)) = (open(&snapshots, &second), open(&snapshots, &second));
    let mut comparer = Comparer::default();
    let comparison = Comparison { old: &old, new: &new, patterns: &[], report: &report };
    comparison
        .run(&mut comparer, &mut |difference| {
            assert_eq!(difference.change, Change::Unchanged);
            Ok(())
        })
        .expect("a comparison");
    let index = again.index("root.ppxar.didx").expect("an index");
    let read = again.read.lock().expect("a lock").clone();
    assert!(read.iter().all(|digest| index.chunks().iter().all(|chunk| chunk.digest != *digest)));
    assert_eq!(comparer.read, 0);
}
