//! Many readers at once, and what is read for them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use pxkit::backup::Mode;
use pxkit::input::Opened;
use pxkit::mount::log::Log;
use pxkit::mount::{Caches, How, Mounted, MountedArchive, Options, Standing, unmount_at};
use pxkit::store::{ArchiveName, OpenSnapshot as _, Snapshot};
use pxkit_core::format::{Header, ItemType, PayloadRef, START_MARKER};
use pxkit_tests::chunked::Memory;
use pxkit_tests::disk::Scratch;
use pxkit_tests::golden;
use pxkit_tests::handmade::Maker;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Snapshots, options};

use super::support::{Mount, needs_fuse};

/// Eight threads read here and there, and each byte is compared with the digest of its block.
#[test]
fn eight_readers_at_random_places() {
    const BLOCK: usize = 4096;
    if !needs_fuse("eight_readers_at_random_places") {
        return;
    }
    let (scratch, mut rng) = (Scratch::new(), Rng::new(5));
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    // For each file the digest of each block.
    let mut files = Vec::new();
    for number in 0..40 {
        let bytes = rng.bytes(if number == 0 { 12 << 20 } else { 1 + 9000 * number });
        fs::write(tree.join(format!("file{number:02}")), &bytes).unwrap();
        let digests: Vec<String> = bytes.chunks(BLOCK).map(golden::sha256).collect();
        files.push((format!("file{number:02}"), bytes.len(), digests));
    }
    for mode in [Mode::Legacy, Mode::Data] {
        let mut snapshots = Snapshots::new();
        let made = snapshots.backup(&tree, &options(mode));
        let root = snapshots.root();
        let mount =
            Mount::new(format!("{}/root.pxar", made.id), &[OsStr::new("--repository"), root.as_os_str()]);
        let (files, path) = (&files, mount.path());
        thread::scope(|scope| {
            for reader in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let mut rng = Rng::new(100 + reader);
                    for _ in 0..400 {
                        let large = rng.one_in(2);
                        let (name, size, digests) = if large { &files[0] } else { rng.pick(files) };
                        let block = rng.below(digests.len());
                        let len = BLOCK.min(size - block * BLOCK);
                        let mut bytes = vec![0; len];
                        let file = File::open(path.join(name)).unwrap();
                        file.read_exact_at(&mut bytes, (block * BLOCK) as u64).unwrap();
                        assert_eq!(golden::sha256(&bytes), digests[block], "block {block} of {name}");
                    }
                });
            }
        });
        assert_eq!(mount.messages(), "");
        mount.end();
    }
}

/// Serves a mount in this process while `look` looks.
fn within<T>(mounted: Mounted, look: impl FnOnce(&Path) -> T) -> T {
    let scratch = Scratch::new();
    let options = Options { name: "test".into(), allow_other: false, threads: 4 };
    let log = Arc::new(Log::to_stderr());
    let standing = Standing::begin(mounted, scratch.path(), &options, log).unwrap();
    let server = thread::spawn(move || standing.serve());
    let looked = look(scratch.path());
    unmount_at(scratch.path(), How::Now).unwrap();
    server.join().unwrap().unwrap();
    looked
}

/// A split archive of files, each with its contents in chunks of its own.
fn split(files: usize, size: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut maker, mut payload) = (Maker::split(), START_MARKER.to_vec());
    for number in 0..files {
        let reference = PayloadRef { offset: payload.len() as u64, size: size as u64 };
        payload.extend_from_slice(&Header::new(ItemType::Payload, size as u64).to_bytes());
        payload.extend_from_slice(&Rng::new(number as u64).bytes(size));
        maker.reference(format!("file{number:03}").as_bytes(), reference.offset, reference.size);
    }
    (maker.finish(), payload)
}

#[test]
fn contents_are_touched_when_a_file_is_read() {
    if !needs_fuse("contents_are_touched_when_a_file_is_read") {
        return;
    }
    const SIZE: usize = 100_000;
    let (meta, payload) = split(50, SIZE);
    let mut memory = Memory::default();
    let of_metadata: BTreeSet<_> = memory.stream("a.mpxar.didx", &meta, || 1000).into_iter().collect();
    memory.stream("a.ppxar.didx", &payload, || SIZE / 4);
    let memory = memory.share();
    let snapshot = Snapshot::from(memory.clone());
    let name = ArchiveName::find(memory.manifest(), "a.pxar").unwrap();
    let archive = Caches::default().open(&snapshot, &name).unwrap();
    within(Mounted::Archive(Box::new(archive)), |path| {
        let names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 50);
        for name in &names {
            assert_eq!(fs::symlink_metadata(name).unwrap().len(), SIZE as u64);
        }
        assert!(!path.join("none").exists());
        // Neither listing nor `stat` nor the count of names.
        let read = memory.take_reads();
        assert!(read.iter().all(|digest| of_metadata.contains(digest)));
        assert_eq!(read.len(), read.iter().collect::<BTreeSet<_>>().len(), "each chunk once");
        let file = File::open(path.join("file020")).unwrap();
        let mut bytes = [0; 10];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, Rng::new(20).bytes(SIZE)[..10]);
        let read = memory.take_reads();
        // The one with the header and the first byte, and as much as the kernel reads ahead: no other file.
        assert!((1..=6).contains(&read.len()), "{}", read.len());
        assert!(fs::read(path.join("file033")).unwrap() == Rng::new(33).bytes(SIZE));
        assert!(memory.take_reads().len() <= 6);
    });
}

#[test]
fn names_in_large_directories_are_looked_up() {
    if !needs_fuse("names_in_large_directories_are_looked_up") {
        return;
    }
    const FILES: usize = 60_000;
    let mut maker = Maker::split();
    for number in 0..FILES {
        maker.reference(format!("file{number:06}").as_bytes(), 16, 0);
    }
    let scratch = Scratch::new();
    fs::write(scratch.join("a.mpxar"), maker.finish()).unwrap();
    let mut payload = START_MARKER.to_vec();
    payload.extend_from_slice(&Header::new(ItemType::Payload, 0).to_bytes());
    fs::write(scratch.join("a.ppxar"), payload).unwrap();
    let opened = Opened::file(&scratch.join("a.mpxar"), Some(&scratch.join("a.ppxar"))).unwrap();
    let archive = MountedArchive::open(opened).unwrap();
    within(Mounted::Archive(Box::new(archive)), |path| {
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let number = rng.below(FILES);
            assert_eq!(fs::read(path.join(format!("file{number:06}"))).unwrap(), b"");
            assert!(!path.join(format!("File{number:06}")).exists());
        }
        let names: BTreeSet<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), FILES);
    });
}
