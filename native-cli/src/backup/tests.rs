use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pxkit_core::blob::{BackupType, Catalog, CatalogKind};
use pxkit_core::decode::{Content, Entries, Event};
use pxkit_core::format::{Digest, Header, ItemType, Kind};
use pxkit_core::index::{FixedIndex, WriteDynamic};
use pxkit_core::pattern::{MatchType, Pattern};
use pxkit_core::reuse::Why;
use tempfile::TempDir;

use super::*;
use crate::codec;
use crate::store::{Group, IndexWriter, NewChunk, OpenSnapshot, SnapshotId, Stored};

/// A repository in memory.
#[derive(Debug, Default)]
struct Store {
    chunks: Mutex<BTreeMap<Digest, Vec<u8>>>,
    indexes: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[derive(Debug)]
struct Snapshot {
    id: SnapshotId,
    manifest: Manifest,
    indexes: BTreeMap<String, Vec<u8>>,
    store: Arc<Store>,
}

#[derive(Debug)]
struct Session {
    id: SnapshotId,
    store: Arc<Store>,
    previous: Option<Arc<Snapshot>>,
    finished: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

#[derive(Debug)]
struct Index {
    name: String,
    file: Vec<u8>,
    writer: WriteDynamic,
    store: Arc<Store>,
}

impl OpenSnapshot for Snapshot {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn index(&self, name: &str) -> anyhow::Result<pxkit_core::index::DynamicIndex> {
        let file = self.indexes.get(name).context("no such index")?;
        Ok(pxkit_core::index::DynamicIndex::parse(file)?)
    }

    fn image(&self, _: &str) -> anyhow::Result<FixedIndex> {
        anyhow::bail!("no images here")
    }

    fn encoded_blob(&self, _: &str) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("no blobs here")
    }

    fn encoded_chunk(&self, digest: &Digest, blob: &mut Vec<u8>) -> anyhow::Result<()> {
        let chunks = self.store.chunks.lock().unwrap();
        let plain = chunks.get(digest).context("no such chunk")?;
        *blob = Frame::choose(plain, None)?.to_vec();
        Ok(())
    }
}

impl Backup for Session {
    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn previous(&self) -> Option<Arc<dyn OpenSnapshot>> {
        self.previous.clone().map(|previous| previous as Arc<dyn OpenSnapshot>)
    }

    fn touch(&self, digest: &Digest) -> anyhow::Result<bool> {
        Ok(self.store.chunks.lock().unwrap().contains_key(digest))
    }

    fn insert(&self, chunk: &NewChunk<'_>) -> anyhow::Result<Stored> {
        let (digest, plain) = (chunk.digest(), chunk.bytes());
        // Uneven, so that threads finish in another order than they began.
        std::thread::sleep(Duration::from_micros(u64::from(digest.0[0])));
        assert_eq!(codec::digest(plain), *digest);
        let is_new = self.store.chunks.lock().unwrap().insert(*digest, plain.to_vec()).is_none();
        Ok(Stored { is_new, encoded: if is_new { plain.len() as u64 } else { 0 } })
    }

    fn index(&self, name: &str) -> anyhow::Result<Box<dyn IndexWriter>> {
        let (writer, header) = WriteDynamic::new([1; 16], self.id.time);
        Ok(Box::new(Index { name: name.into(), file: header.to_vec(), writer, store: self.store.clone() }))
    }

    fn image(&self, _: &str, _: Option<u64>) -> anyhow::Result<Box<dyn IndexWriter>> {
        anyhow::bail!("no images here")
    }

    fn blob(&self, _: &str, _: &[u8]) -> anyhow::Result<()> {
        anyhow::bail!("no blobs here")
    }
    fn finish(self: Box<Self>, manifest: &Manifest) -> anyhow::Result<()> {
        let indexes = std::mem::take(&mut *self.store.indexes.lock().unwrap());
        let (id, store) = (self.id.clone(), self.store.clone());
        *self.finished.lock().unwrap() =
            Some(Arc::new(Snapshot { id, manifest: manifest.clone(), indexes, store }));
        Ok(())
    }
}

impl IndexWriter for Index {
    fn push(&mut self, digest: Digest, len: u64) -> anyhow::Result<()> {
        self.file.extend_from_slice(&self.writer.push(digest, len)?.to_bytes());
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<FileEntry> {
        let written = self.writer.finish()?;
        self.store.indexes.lock().unwrap().insert(self.name.clone(), self.file);
        let (size, csum) = (written.size, written.checksum);
        Ok(FileEntry { filename: self.name, crypt_mode: CryptMode::None, size, csum })
    }
}

/// A group of snapshots in memory.
struct Bench {
    store: Arc<Store>,
    last: Option<Arc<Snapshot>>,
    time: i64,
}

impl Bench {
    fn new() -> Self {
        Self { store: Arc::default(), last: None, time: 1_700_000_000 }
    }

    fn backup(&mut self, tree: &Path, options: &Options) -> Summary {
        self.time += 1;
        let id = SnapshotId { group: Group::new(BackupType::Host, "test").unwrap(), time: self.time };
        let finished = Arc::default();
        let (store, previous) = (self.store.clone(), self.last.clone());
        let session = Session { id, store, previous, finished: Arc::clone(&finished) };
        let root = walk::open_source(tree).unwrap();
        let source = Source { name: "root".into(), root, path: tree.display().to_string() };
        let contents = Contents { archives: vec![source], ..Contents::default() };
        let summary = run(Box::new(session), contents, options, &Report::new(true)).unwrap();
        self.last = finished.lock().unwrap().take();
        summary
    }

    fn last(&self) -> &Snapshot {
        self.last.as_ref().unwrap()
    }

    fn stream(&self, name: &str) -> Vec<u8> {
        let index = self.last().index(name).unwrap();
        let chunks = self.store.chunks.lock().unwrap();
        index.chunks().iter().flat_map(|chunk| chunks[&chunk.digest].clone()).collect()
    }

    /// Path, kind and contents of everything in the last snapshot.
    fn entries(&self) -> BTreeMap<String, (Kind, Vec<u8>)> {
        let is_split = self.last().indexes.contains_key("root.mpxar.didx");
        let meta = self.stream(if is_split { "root.mpxar.didx" } else { "root.pxar.didx" });
        let payload = if is_split { self.stream("root.ppxar.didx") } else { Vec::new() };
        let mut all = BTreeMap::new();
        let (mut entries, mut at, mut least) = (Entries::new(), 0, 16);
        loop {
            let progress = entries.step(&meta[at..]).unwrap();
            at += progress.used;
            match progress.event {
                Event::Entry(entry) => {
                    let path = String::from_utf8(entry.path.to_vec()).unwrap();
                    let bytes = match entry.content {
                        Content::Reference(reference) => {
                            assert!(reference.offset >= least, "{path}: references increase");
                            least = reference.end().unwrap();
                            let start = reference.offset as usize;
                            let header = Header::new(ItemType::Payload, reference.size).to_bytes();
                            assert_eq!(payload[start..start + 16], header, "{path}");
                            payload[start + 16..least as usize].to_vec()
                        }
                        Content::Inline { offset, size } => {
                            meta[offset as usize..(offset + size) as usize].to_vec()
                        }
                        Content::Target(target) => target.to_vec(),
                        _ => Vec::new(),
                    };
                    all.insert(path, (entry.kind, bytes));
                }
                Event::Skip(bytes) => at += bytes as usize,
                Event::End => return all,
                _ => {}
            }
        }
    }
}

fn options(mode: Mode, threads: usize) -> Options {
    Options {
        mode,
        walk: walk::Options { threads: Some(threads), ..walk::Options::default() },
        policy: Policy::default(),
        cuts: Cuts::Files,
        sizes: Sizes::new(64 << 10).unwrap(),
        append: false,
        trust_mtime_size: false,
        state: None,
        dry_run: false,
        verify_reused: None,
        threads,
        verbose: false,
        quiet: true,
        crypt: Crypt::NONE,
    }
}

/// Bytes that do not compress and differ from file to file.
fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(next).collect()
}

/// A tree of old files, so that none is modified when a backup runs.
fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..300 {
        let folder = dir.path().join(format!("d{}/e{}", number % 7, number % 3));
        fs::create_dir_all(&folder).unwrap();
        let len = [0, 10, 3000, 20_000, 300_000][number % 5] + number;
        write(&folder.join(format!("f{number:03}")), &noise(number, len), 1_000_000 + number as u64);
    }
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    fs::hard_link(dir.path().join("d0/e0/f000"), dir.path().join("d1/hard")).unwrap();
    fs::hard_link(dir.path().join("d1/e1/f001"), dir.path().join("d1/e1/hard")).unwrap();
    dir
}

fn write(path: &Path, bytes: &[u8], mtime: u64) {
    fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(mtime)).unwrap();
}

/// Compares the last snapshot with the tree.
fn assert_holds(bench: &Bench, tree: &Path) {
    let entries = bench.entries();
    let mut paths = vec![tree.to_path_buf()];
    let mut count = 0;
    while let Some(path) = paths.pop() {
        count += 1;
        let name = path.strip_prefix(tree).unwrap().to_str().unwrap();
        let (kind, bytes) = entries.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            assert_eq!(*kind, Kind::Directory, "{name}");
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() && *kind == Kind::Hardlink {
            assert!(metadata.nlink() > 1, "{name}");
        } else if metadata.is_file() {
            assert_eq!(*bytes, fs::read(&path).unwrap(), "{name}");
        }
    }
    assert_eq!(count, entries.len());
}

#[test]
fn threads_do_not_show() {
    let tree = tree();
    for mode in [Mode::Legacy, Mode::Data] {
        let mut files = Vec::new();
        for threads in [0, 1, 2, 16] {
            let mut bench = Bench::new();
            bench.backup(tree.path(), &options(mode, threads));
            assert_holds(&bench, tree.path());
            files.push(bench.last().manifest.files.clone());
        }
        assert!(files.windows(2).all(|pair| pair[0] == pair[1]), "{mode:?}");
    }
}

#[test]
fn an_unchanged_tree_is_not_read() {
    let tree = tree();
    let mut bench = Bench::new();
    let options = options(Mode::Metadata, 2);
    let first = bench.backup(tree.path(), &options);
    assert!(!first.archives[0].has_reference);
    let meta = bench.stream("root.mpxar.didx");
    let second = bench.backup(tree.path(), &options);
    assert_holds(&bench, tree.path());
    let archive = &second.archives[0];
    assert_eq!(archive.seen.files, archive.seen.unchanged);
    let json = second.to_json();
    let json = &json["archives"][0];
    assert_eq!(json["read"]["files"], 0, "{json}");
    assert_eq!(json["payload"]["new_bytes"], 0, "{json}");
    assert_eq!(json["padding"]["bytes"], 0, "{json}");
    assert_eq!(bench.stream("root.mpxar.didx").len(), meta.len());
    // From here on nothing is new, not even metadata: before, the sizes in goodbye tables counted contents that were read.
    let third = bench.backup(tree.path(), &options).to_json();
    assert_eq!(third["archives"][0]["metadata"]["new_bytes"], 0, "{third}");
}

#[test]
fn what_changed_is_read_and_says_why() {
    let tree = tree();
    let mut bench = Bench::new();
    let options = options(Mode::Metadata, 2);
    bench.backup(tree.path(), &options);
    let at = |name: &str| tree.path().join(name);
    write(&at("d1/new"), b"new", 5);
    write(&at("d2/e2/f002"), b"other contents, other time", 6);
    let metadata = fs::metadata(at("d3/e0/f003")).unwrap();
    let same_time = metadata.mtime() as u64;
    write(&at("d3/e0/f003"), &vec![7; metadata.len() as usize + 1], same_time);
    fs::set_permissions(at("d4/e1/f004"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(at("d5/e2/f005")).unwrap();
    fs::rename(at("d6/e0/f006"), at("d6/e0/renamed")).unwrap();
    // The first name of two goes, the other becomes the file.
    fs::remove_file(at("d0/e0/f000")).unwrap();
    fs::remove_file(at("link")).unwrap();
    fs::create_dir(at("link")).unwrap();
    write(&at("link/inside"), b"a directory now", 7);
    let summary = bench.backup(tree.path(), &options);
    assert_holds(&bench, tree.path());
    let read = &summary.archives[0].seen.read;
    let files = |why: Why| read.get(&why).map_or(0, |tally| tally.files);
    assert_eq!(files(Why::New), 4, "new, renamed, link/inside, d1/hard");
    assert_eq!(files(Why::Changed), 2);
    assert_eq!(files(Why::Metadata), 1);
    assert_eq!(files(Why::Racy), 0);
    let padding = |summary: &Summary| {
        let json = summary.to_json();
        let field = |name: &str| json["archives"][0]["padding"][name].as_u64().unwrap();
        (field("bytes"), field("new"), field("inherited"))
    };
    let (all, new, inherited) = padding(&summary);
    assert!(all > 0 && new == all && inherited == 0, "{all}, {new}, {inherited}");
    // Nothing changes: what padding there is was there before.
    let summary = bench.backup(tree.path(), &options);
    assert_eq!(padding(&summary), (all, 0, all));
    assert_holds(&bench, tree.path());
}

#[test]
fn files_modified_since_the_last_walk_began_are_read_again() {
    let tree = tree();
    let mut bench = Bench::new();
    let options = options(Mode::Metadata, 1);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    write(&tree.path().join("d1/racy"), b"racy", now + 3600);
    bench.backup(tree.path(), &options);
    for _ in 0..2 {
        // From the future: on every run.
        let summary = bench.backup(tree.path(), &options);
        assert_eq!(summary.archives[0].seen.read[&Why::Racy].files, 1);
        assert_holds(&bench, tree.path());
    }
}

#[test]
fn lost_chunks_are_made_anew() {
    let (tree, mut bench, options) = (tree(), Bench::new(), options(Mode::Metadata, 2));
    bench.backup(tree.path(), &options);
    let index = bench.last().index("root.ppxar.didx").unwrap();
    let lost = index.chunks()[index.count() / 2].digest;
    bench.store.chunks.lock().unwrap().remove(&lost);
    let summary = bench.backup(tree.path(), &options);
    let Tally { files, bytes } = summary.archives[0].missing_chunks;
    let line = format!("{files} unchanged files with {} data, whose", human_bytes(bytes + 16 * files));
    assert!(files > 0 && bytes > 0 && summary.text().contains(&line), "{}", summary.text());
    assert_holds(&bench, tree.path());
}

#[test]
fn a_damaged_reference_ends_no_backup() {
    let tree = tree();
    let options = options(Mode::Metadata, 2);
    let mut bench = Bench::new();
    bench.backup(tree.path(), &options);
    // The metadata archive's chunks are gone, or are others.
    for replacement in [None, Some(b"no archive at all".to_vec())] {
        let index = bench.last().index("root.mpxar.didx").unwrap();
        for chunk in index.chunks() {
            let mut chunks = bench.store.chunks.lock().unwrap();
            let bytes = chunks.remove(&chunk.digest).unwrap();
            if let Some(replacement) = &replacement {
                let mut other = replacement.clone();
                other.resize(bytes.len(), 0);
                chunks.insert(chunk.digest, other);
            }
        }
        let summary = bench.backup(tree.path(), &options);
        assert_eq!(summary.archives[0].seen.unchanged.files, 0);
        // Chunks that hold something else under their digest are this test's own doing.
        let index = bench.last().index("root.mpxar.didx").unwrap();
        let broken = |digest: &Digest| codec::digest(&bench.store.chunks.lock().unwrap()[digest]) != *digest;
        assert!(replacement.is_some() || !index.chunks().iter().any(|chunk| broken(&chunk.digest)));
        bench.store.chunks.lock().unwrap().clear();
        bench.last = None;
        bench.backup(tree.path(), &options);
        assert_holds(&bench, tree.path());
    }
}

#[test]
fn legacy_has_a_catalog_and_the_patterns() {
    let tree = tree();
    let mut bench = Bench::new();
    let mut options = options(Mode::Legacy, 2);
    let exclude = Pattern::parse(b"d6", MatchType::Exclude).unwrap();
    options.walk.patterns.push(exclude);
    bench.backup(tree.path(), &options);
    let names = bench.last().manifest.files.iter().map(|file| file.filename.as_str());
    assert!(names.eq(["root.pxar.didx", "catalog.pcat1.didx"]));
    let entries = bench.entries();
    assert_eq!(entries[".pxarexclude-cli"].1, b"d6\n");
    assert!(!entries.contains_key("d6"));
    let stream = bench.stream("catalog.pcat1.didx");
    let ends = (stream.first_chunk().unwrap(), stream.last_chunk().unwrap());
    let catalog = Catalog::open(stream.len() as u64, ends.0, ends.1).unwrap();
    let root = catalog.table(&stream, catalog.root).unwrap();
    let archive = root.entries().next().unwrap();
    assert_eq!(archive.name, b"root.pxar.didx");
    let CatalogKind::Directory { table } = archive.kind else { panic!("an archive is a directory") };
    let listed: Vec<_> =
        catalog.table(&stream, table).unwrap().entries().map(|entry| entry.name.to_vec()).collect();
    let expected: Vec<_> = entries.keys().filter(|path| !path.is_empty() && !path.contains('/')).collect();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(sorted, expected.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
}

#[test]
fn split_archives_tell_the_patterns_in_every_mode() {
    let tree = tree();
    let mut metas = Vec::new();
    for mode in [Mode::Data, Mode::Metadata] {
        let mut options = options(mode, 1);
        options.walk.patterns.push(Pattern::parse(b"d6", MatchType::Exclude).unwrap());
        let mut bench = Bench::new();
        bench.backup(tree.path(), &options);
        metas.push(bench.stream("root.mpxar.didx"));
        let names = bench.last().manifest.files.iter().map(|file| file.filename.as_str());
        assert!(names.eq(["root.ppxar.didx", "root.mpxar.didx"]));
    }
    assert_eq!(metas[0], metas[1]);
    let text = br#"{"exclude-patterns":"d6"#;
    assert!(metas[0].windows(text.len()).any(|window| window == text));
}

#[test]
fn append_order_holds_the_same_tree_and_goes_on_in_any_order() {
    let tree = tree();
    let at = |name: &str| tree.path().join(name);
    let [append, name] = [true, false].map(|append| Options { append, ..options(Mode::Metadata, 2) });
    let mut bench = Bench::new();
    bench.backup(tree.path(), &append);
    assert_holds(&bench, tree.path());
    for generation in 0..6usize {
        // The first names of directories change, so that they move to the end.
        for folder in ["d0/e0", "d3/e2", "d5/e1"] {
            write(&at(folder).join(format!("0new{generation}")), &noise(generation, 5000), 2_000_000);
        }
        write(&at("d0/e0/f021"), &noise(generation + 1000, 12_000), 2_000_000 + generation as u64);
        write(&at("d1/e1/f001"), &noise(generation + 2000, 100), 2_000_000 + generation as u64);
        if generation == 3 {
            fs::remove_file(at("d0/e0/0new0")).unwrap();
            fs::hard_link(at("d2/e2/f002"), at("d0/a hard link before its file")).unwrap();
        }
        let summary = bench.backup(tree.path(), if generation == 4 { &name } else { &append });
        assert_holds(&bench, tree.path());
        let archive = &summary.archives[0];
        assert!(archive.has_reference);
        // All that did not change is recognised, whatever the order.
        assert!(archive.seen.unchanged.files >= 295, "{:?}", archive.seen);
    }
    let links = bench.entries().values().filter(|(kind, _)| *kind == Kind::Hardlink).count();
    assert_eq!(links, 3);
}
