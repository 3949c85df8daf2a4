//! Images: files and devices that are stored as they are (datastore specification 9).

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use pxkit::backup::{Contents, Image, Mode, run};
use pxkit::report::Report;
use pxkit::store::{Namespace, NewSnapshot, Repository as _, SnapshotId};
use pxkit_core::index::FixedIndex;
use pxkit_tests::cli::{Run, shell};
use pxkit_tests::disk::Scratch;
use pxkit_tests::skip::skip;
use pxkit_tests::snapshots::options;

use crate::{Store, noise};

const CHUNK: usize = 4 << 20;

struct Place {
    scratch: Scratch,
    store: Store,
}

impl Place {
    fn new() -> Self {
        Self { scratch: Scratch::new(), store: Store::new() }
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = pxkit_tests::cli::command();
        command.current_dir(self.scratch.path()).args(args).arg("--repository").arg(&self.store.root);
        Run::of(command)
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.scratch.join("disk"), bytes).expect("written");
    }

    /// A snapshot; what it says of the image.
    #[track_caller]
    fn backup(&self, time: u32, more: &[&str]) -> serde_json::Value {
        let time = time.to_string();
        let args = ["backup", "disk.img:disk", "--backup-id", "a", "--backup-time", &time, "--json"];
        let run = self.run(&[&args[..], more].concat()).exits(0);
        run.json()[0]["images"][0]["payload"].clone()
    }

    #[track_caller]
    fn restores(&self, bytes: &[u8], more: &[&str]) {
        let out = self.scratch.join("out");
        let _ = fs::remove_file(&out);
        self.run(&[&["restore", "host/a/latest", "disk.img", "out", "--quiet"], more].concat()).exits(0);
        assert!(fs::read(out).expect("an image") == bytes);
        self.run(&[&["verify"], more].concat()).exits(0);
    }
}

/// Behaviour 46 of servers, which the local store shares: no short chunk, one of a byte, only a short one, none at all.
#[test]
fn images_of_all_sizes_come_back() {
    let place = Place::new();
    for (at, size) in [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 77].into_iter().enumerate() {
        let bytes = noise(at as u64, size);
        place.write(&bytes);
        let time = 1_600_000_000 + at as u32;
        let counters = place.backup(time, &[]);
        assert_eq!((&counters["bytes"], &counters["chunks"]), (&size.into(), &size.div_ceil(CHUNK).into()));
        place.restores(&bytes, &[]);
    }
    place.write(b"");
    let run = place.run(&["backup", "disk.img:disk", "--backup-id", "a"]);
    run.fails(2, &["the image disk is empty"]);
}

/// What the index says is what the specification says of it; only what changed is stored again, and zeros once.
#[test]
fn what_changed_is_stored() {
    let place = Place::new();
    let mut bytes = noise(1, CHUNK);
    bytes.resize(4 * CHUNK, 0);
    bytes.extend(noise(2, 1000));
    place.write(&bytes);
    let counters = place.backup(1_600_000_000, &[]);
    assert_eq!((&counters["chunks"], &counters["new_chunks"]), (&5.into(), &3.into()));
    let path = place.store.root.join("host/a/2020-09-13T12:26:40Z/disk.img.fidx");
    let index = FixedIndex::parse(&fs::read(path).expect("an index")).expect("an index");
    assert_eq!((index.size(), index.chunk_size()), (bytes.len() as u64, CHUNK as u64));
    assert_eq!(index.header().checksum, index.checksum());
    // The vector of the specification: 4 MiB of zeros.
    let zeros = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8";
    assert_eq!(index.digests()[1].to_string(), zeros);
    assert_eq!(index.digests()[1..4], [index.digests()[1]; 3]);
    bytes[2 * CHUNK + 5] = 1;
    place.write(&bytes);
    // A rehearsal says the same and does nothing.
    for more in [&["--dry-run"][..], &[]] {
        let counters = place.backup(1_600_000_100, more);
        assert_eq!((&counters["chunks"], &counters["new_chunks"]), (&5.into(), &1.into()), "{more:?}");
    }
    place.restores(&bytes, &[]);
}

/// Holes are not read: nobody would wait for a TiB of zeros.
#[test]
fn holes_are_zeros_that_nobody_reads() {
    let place = Place::new();
    let size = (1_u64 << 40) + 9;
    let path = place.scratch.join("disk");
    let file = File::create(&path).expect("a file");
    file.set_len(size).expect("a hole");
    let contents = noise(8, 5000);
    file.write_all_at(&contents, 700 << 30).expect("written");
    drop(file);
    let counters = place.backup(1_600_000_000, &[]);
    let chunks = size.div_ceil(CHUNK as u64);
    // Zeros, contents, and nine zeros at the end.
    assert_eq!((&counters["chunks"], &counters["new_chunks"]), (&chunks.into(), &3.into()));
    assert_eq!(counters["bytes"], size);
    let path = place.store.root.join("host/a/2020-09-13T12:26:40Z/disk.img.fidx");
    let index = FixedIndex::parse(&fs::read(path).expect("an index")).expect("an index");
    let zeros = index.digests()[0];
    let others: Vec<usize> = (0..index.digests().len()).filter(|&at| index.digests()[at] != zeros).collect();
    assert_eq!(others, [(700 << 30) / CHUNK, chunks as usize - 1]);
    // A small one is compared as a whole: holes at the start, of odd lengths, and at the end.
    let mut bytes = vec![0; 5 * CHUNK];
    bytes.extend(noise(9, 3 * CHUNK + 5));
    bytes.resize(20 * CHUNK + 77, 0);
    let file = File::create(place.scratch.join("disk")).expect("a file");
    file.set_len(bytes.len() as u64).expect("a hole");
    file.write_all_at(&bytes[5 * CHUNK..8 * CHUNK + 5], 5 * CHUNK as u64).expect("written");
    let counters = place.backup(1_600_000_001, &[]);
    assert_eq!(counters["chunks"], 21);
    place.restores(&bytes, &[]);
}

/// What is gone is no hole: a file that is cut off while it is read is no image of zeros.
#[test]
fn what_became_shorter_is_refused() {
    let (place, size) = (Place::new(), 3 * CHUNK as u64);
    for left in [0, CHUNK as u64, size - 1] {
        place.write(&noise(9, size as usize));
        let path = place.scratch.join("disk");
        let image = Image::new("disk.img".into(), "disk".into(), File::open(&path).expect("there"));
        File::options().write(true).open(&path).and_then(|file| file.set_len(left)).expect("shorter");
        let snapshot = SnapshotId { group: "host/a".parse().expect("a group"), time: 1 };
        let new = NewSnapshot { namespace: Namespace::default(), snapshot };
        let backup = place.store.local.begin(&new).expect("a new snapshot");
        let contents = Contents { images: vec![image.expect("a file")], ..Contents::default() };
        let error = run(backup, contents, &options(Mode::Data), &Report::new(true)).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(&format!("became shorter while it was read: {left} of")), "{left}: {error}");
    }
}

#[test]
fn images_are_encrypted_and_stand_beside_archives() {
    let place = Place::new();
    let bytes = noise(3, CHUNK + 9);
    place.write(&bytes);
    fs::create_dir(place.scratch.join("tree")).expect("a directory");
    fs::write(place.scratch.join("tree/file"), b"contents").expect("written");
    let mut command = pxkit_tests::cli::command();
    command.current_dir(place.scratch.path()).args(["key", "create", "--kdf", "none", "key.json"]);
    Run::of(command).exits(0);
    let key = ["--keyfile", "key.json"];
    for (at, mode) in ["legacy", "data", "metadata"].into_iter().enumerate() {
        let more = ["tree.pxar:tree", "--change-detection-mode", mode, key[0], key[1]];
        place.backup(1_600_000_000 + at as u32, &more);
        place.restores(&bytes, &key);
        let files = place.run(&["files", "host/a/latest", "--json"]).exits(0).json();
        let image = files.iter().find(|file| file["filename"] == "disk.img.fidx").expect("an image");
        assert_eq!(image["crypt-mode"], "encrypt");
    }
}

/// Behaviour 47: nobody knows how long a pipe is.
#[test]
fn pipes_are_images_too() {
    let place = Place::new();
    let bytes = noise(4, 2 * CHUNK + 5);
    place.write(&bytes);
    let script = r#"cd "$1" && cat disk | "$PXKIT" backup disk.img:/dev/stdin --backup-id a --quiet --repository "$2""#;
    Run::of(shell(script, &[&place.scratch.path(), &place.store.root])).exits(0);
    place.restores(&bytes, &[]);
    let script =
        r#"cd "$1" && : | "$PXKIT" backup disk.img:/dev/stdin --backup-id b --quiet --repository "$2""#;
    Run::of(shell(script, &[&place.scratch.path(), &place.store.root])).fails(2, &["nothing came through"]);
    assert!(!place.store.root.join("host/b").exists());
}

#[test]
fn what_is_no_image_is_refused() {
    let place = Place::new();
    fs::create_dir(place.scratch.join("tree")).expect("a directory");
    for (path, why) in [("tree", "neither a file nor"), ("nothing", "cannot open"), ("/dev/null", "neither")]
    {
        let source = format!("disk.img:{path}");
        place.run(&["backup", &source, "--backup-id", "a"]).fails(2, &[path, why]);
    }
    assert!(!place.store.root.join("host/a").exists());
}

#[test]
fn block_devices_are_images() {
    let place = Place::new();
    let bytes = noise(5, CHUNK + 512);
    place.write(&bytes);
    let made = Command::new("losetup")
        .args(["--find", "--show", "--read-only"])
        .arg(place.scratch.join("disk"))
        .output();
    let device = match made {
        Ok(made) if made.status.success() => String::from_utf8_lossy(&made.stdout).trim().to_owned(),
        _ => return skip("block_devices_are_images", "no loop device can be had"),
    };
    let source = format!("disk.img:{device}");
    let run = place.run(&["backup", &source, "--backup-id", "a", "--quiet"]);
    let _ = Command::new("losetup").args(["--detach", &device]).status();
    run.exits(0);
    place.restores(&bytes, &[]);
}
