//! Verification.

use std::fs;
use std::path::Path;

use pxkit::codec;
use pxkit::store::{Local, Namespace, Options, Repository as _, SnapshotId, Verdict, Verified};
use pxkit_core::blob::{CryptMode, Frame, Manifest};
use pxkit_core::format::{Digest, ItemType};
use pxkit_core::index::{DynamicIndex, WriteDynamic};
use pxkit_tests::golden;

use crate::{Store, noise, snapshot};

const NOW: i64 = 1_700_000_000;

/// Verifies everything, as in one run; results by name.
fn all(store: &Local) -> Vec<Verified> {
    let root = Namespace::default();
    let verification = store.verification(2, NOW);
    let groups = store.groups(&root).expect("readable");
    let infos = groups.iter().flat_map(|info| store.snapshots(&root, &info.group).expect("readable"));
    infos.map(|info| verification.snapshot(&root, &info.id).expect("no signal")).collect()
}

fn one(store: &Store, id: &SnapshotId) -> Verified {
    store.local.verification(2, NOW).snapshot(&Namespace::default(), id).expect("no signal")
}

/// What a server wrote, where it can be written.
fn golden_copy() -> (tempfile::TempDir, Local) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a directory");
        for entry in fs::read_dir(from).expect("readable").flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::write(target, fs::read(entry.path()).expect("readable")).expect("written");
            }
        }
    }
    let temp = tempfile::tempdir().expect("a directory");
    copy(&golden::path("datastore"), &temp.path().join("store"));
    let store = Local::open(&temp.path().join("store"), Options::default()).expect("a store");
    (temp, store)
}

fn manifest(directory: &Path) -> Manifest {
    let mut blob = fs::read(directory.join("index.json.blob")).expect("a manifest");
    Manifest::parse(&codec::decode_blob(&mut blob, None).expect("a blob")).expect("a manifest")
}

fn write_manifest(directory: &Path, manifest: &Manifest) {
    let blob = codec::encode(manifest.to_json().as_bytes(), |frame| Ok(frame.to_vec())).expect("a blob");
    fs::write(directory.join("index.json.blob"), blob).expect("written");
}

#[test]
fn what_a_server_wrote_is_sound() {
    let (_temp, store) = golden_copy();
    for round in 0..2 {
        let results = all(&store);
        assert_eq!(results.len(), 8);
        for verified in &results {
            assert_eq!(
                (verified.verdict, &verified.errors, &verified.notes),
                (Verdict::Ok, &vec![], &vec![]),
                "{round}"
            );
        }
    }
    // The result stands in the manifests; nothing else in them has changed.
    let id: SnapshotId = "host/meta/2026-11-22T21:15:58Z".parse().expect("a name");
    let path = golden::path(&format!("datastore/{id}"));
    let mut expected = manifest(&path);
    let open = store.open(&Namespace::default(), &id).expect("a snapshot");
    let state = open.manifest().unprotected["verify_state"].clone();
    assert_eq!(state["state"], "ok");
    let upid = state["upid"].as_str().expect("text");
    let end = ":6553F100:verify:store\\x3ahost-meta-2026\\x2d11\\x2d22T21\\x3a15\\x3a58Z:root@pam:";
    assert!(upid.starts_with("UPID:") && upid.ends_with(end), "{upid}");
    expected.unprotected.insert("verify_state".to_owned(), state);
    assert_eq!(*open.manifest(), expected);
}

/// Behaviour 65: damage is found, set aside, and healed by the next backup.
#[test]
fn b65_a_damaged_chunk_is_set_aside_and_comes_again() {
    let store = Store::new();
    let (good, bad) = (noise(1, 2000), noise(2, 3000));
    let (first, second) = (store.backup(1, &[&good]), store.backup(2, &[&good, &bad]));
    let third = store.backup(3, &[&bad]);
    let chunk = store.chunk(&codec::digest(&bad));
    for round in 0..2 {
        let mut bytes = fs::read(&chunk).expect("a chunk");
        bytes[100] ^= 1;
        fs::write(&chunk, bytes).expect("written");
        let results = all(&store.local);
        let verdicts: Vec<_> = results.iter().map(|verified| verified.verdict).collect();
        assert_eq!(verdicts[..3], [Verdict::Ok, Verdict::Failed, Verdict::Failed]);
        let aside = format!("{round}.bad");
        assert!(!chunk.exists() && chunk.with_extension(&aside).exists());
        assert!(results[1].errors[0].contains("CRC") && results[1].errors[0].contains(&aside), "{results:?}");
        assert!(results[1].errors[0].starts_with("x.pxar.didx: chunk "), "{results:?}");
        // Of a snapshot that failed nothing is taken over.
        let time = 10 + round;
        let backup = store.local.begin(&crate::new_snapshot(time)).expect("a new snapshot");
        assert!(backup.previous().is_none());
        assert!(!backup.touch(&codec::digest(&bad)).expect("readable"));
        drop(backup);
        let healed = store.backup(time, &[&bad]);
        assert_eq!(one(&store, &healed).verdict, Verdict::Ok);
        // And the others are whole again.
        assert!([&first, &second, &third].iter().all(|id| one(&store, id).verdict == Verdict::Ok));
        assert!(store.local.begin(&crate::new_snapshot(100)).expect("a new snapshot").previous().is_some());
    }
}

/// Rows of table 14.2 that a reader of the disk can tell; each on a store of its own with the chunks `one` and 3000 bytes.
#[test]
fn b71_what_deviates() {
    type Change = fn(&Store, &Path);
    let failed = |change: Change, words: &str, aside: bool| {
        let store = Store::new();
        let id = store.backup(1, &[b"one", &noise(2, 3000)]);
        change(&store, &store.path(&id));
        let verified = one(&store, &id);
        let text = verified.errors.join("\n");
        assert!(verified.verdict == Verdict::Failed && text.contains(words), "{words}: {verified:?}");
        assert_eq!(store.tree().iter().any(|name| name.ends_with(".bad")), aside, "{words}");
        assert_eq!(store.local.snapshots(&Namespace::default(), &id.group).expect("listed").len(), 1);
    };
    let fine = |change: Change| {
        let store = Store::new();
        let id = store.backup(1, &[b"one", &noise(2, 3000)]);
        change(&store, &store.path(&id));
        let verified = one(&store, &id);
        assert_eq!((verified.verdict, &verified.errors), (Verdict::Ok, &vec![]));
    };
    fn change_manifest(directory: &Path, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = manifest(directory);
        change(&mut manifest);
        write_manifest(directory, &manifest);
    }
    fn second_chunk(store: &Store) -> std::path::PathBuf {
        store.chunk(&codec::digest(&noise(2, 3000)))
    }

    fine(|_, path| {
        // Whatever stands in the header of an index.
        let path = path.join("x.pxar.didx");
        let mut bytes = fs::read(&path).expect("an index");
        bytes[8..4096].fill(0xee);
        fs::write(path, bytes).expect("written");
    });
    fine(|_, path| {
        let text = manifest(path).to_json().replace(['\n', ' '], "");
        let frame = Frame { compressed: false, seal: None, data: text.as_bytes() };
        fs::write(path.join("index.json.blob"), frame.to_vec()).expect("written");
    });
    fine(|_, path| change_manifest(path, |manifest| manifest.backup_id = "other".to_owned()));
    fine(|_, path| {
        for name in ["x.blob", "README", ".protected", "y.tmp_abc"] {
            fs::write(path.join(name), "foreign").expect("written");
        }
    });
    fine(|store, _| fs::remove_file(store.root.join("host/a/owner")).expect("removed"));

    failed(
        |_, path| fs::remove_file(path.join("index.json.blob")).expect("removed"),
        "manifest load error",
        false,
    );
    failed(
        |_, path| fs::write(path.join("index.json.blob"), "{}").expect("written"),
        "manifest load error",
        false,
    );
    failed(
        |_, path| change_manifest(path, |manifest| manifest.files[0].size += 1),
        "as in the manifest",
        false,
    );
    failed(
        |_, path| change_manifest(path, |manifest| manifest.files[0].csum = Digest::default()),
        "checksum",
        false,
    );
    failed(|_, path| fs::remove_file(path.join("x.pxar.didx")).expect("removed"), "x.pxar.didx", false);
    failed(|_, path| fs::write(path.join("x.pxar.didx"), [0; 4096]).expect("written"), "x.pxar.didx", false);
    failed(
        |_, path| change_manifest(path, |manifest| manifest.files[0].crypt_mode = CryptMode::Encrypt),
        "not encrypted, although",
        false,
    );
    failed(|store, _| fs::remove_file(second_chunk(store)).expect("removed"), "missing", false);
    failed(|store, _| fs::write(second_chunk(store), "").expect("written"), "file is empty", true);
    failed(
        |store, _| {
            let bytes = fs::read(second_chunk(store)).expect("a chunk");
            fs::write(second_chunk(store), [&bytes[..], b"x"].concat()).expect("written");
        },
        "CRC",
        true,
    );
    failed(
        |store, _| {
            let other = codec::encode(&noise(3, 3000), |frame| Ok(frame.to_vec())).expect("a blob");
            fs::write(second_chunk(store), other).expect("written");
        },
        "expected bytes with digest",
        true,
    );
    // Behaviour 72: an index with wrong lengths does not cost others their chunks.
    failed(
        |store, path| {
            let digests = [codec::digest(b"one"), codec::digest(&noise(2, 3000))];
            rewrite_index(path, "x.pxar.didx", &[(digests[0], 3), (digests[1], 2999)]);
            assert!(second_chunk(store).exists());
        },
        "it has 3000 bytes, and the index says 2999",
        false,
    );
}

/// Writes an index with these chunks, and what the manifest says of it.
fn rewrite_index(directory: &Path, name: &str, chunks: &[(Digest, u64)]) {
    let (mut writer, header) = WriteDynamic::new([1; 16], NOW);
    let mut bytes = header.to_vec();
    for (digest, len) in chunks {
        bytes.extend(writer.push(*digest, *len).expect("a chunk").to_bytes());
    }
    let written = writer.finish().expect("an index");
    bytes[..80].copy_from_slice(&written.header);
    fs::write(directory.join(name), bytes).expect("written");
    let mut manifest = manifest(directory);
    let file = manifest.files.iter_mut().find(|file| file.filename == name).expect("the manifest names it");
    (file.size, file.csum) = (written.size, written.checksum);
    write_manifest(directory, &manifest);
}

/// A payload without a single wrong chunk whose headers are not where the metadata says.
#[test]
fn references_must_hit_their_headers() {
    let (_temp, store) = golden_copy();
    let id: SnapshotId = "host/meta/2026-11-22T21:15:58Z".parse().expect("a name");
    let directory = store.root().join(id.to_string());
    let index = DynamicIndex::parse(&fs::read(directory.join("tree.ppxar.didx")).expect("an index"))
        .expect("an index");
    let chunk = |digest: &Digest| {
        store.root().join(".chunks").join(&digest.to_string()[..4]).join(digest.to_string())
    };
    let plain = |digest: &Digest| {
        codec::decode_blob(&mut fs::read(chunk(digest)).expect("a chunk"), None).expect("plain")
    };
    let mut chunks: Vec<_> = (0..index.count())
        .map(|at| (index.chunks()[at].digest, index.extent(at).expect("a chunk")))
        .map(|(digest, extent)| (digest, extent.end - extent.start))
        .collect();
    // One bit of the size in the last header of the last chunk that has one.
    let htype = ItemType::Payload.htype().to_le_bytes();
    let header = |bytes: &[u8]| bytes.windows(16).rposition(|window| window[..8] == htype);
    let at = (0..chunks.len()).rev().find(|&at| header(&plain(&chunks[at].0)).is_some()).expect("headers");
    let mut bytes = plain(&chunks[at].0);
    let position = header(&bytes).expect("a header");
    bytes[position + 8] ^= 1;
    let digest = codec::digest(&bytes);
    chunks[at].0 = digest;
    fs::create_dir_all(chunk(&digest).parent().expect("a directory")).expect("a directory");
    fs::write(chunk(&digest), codec::encode(&bytes, |frame| Ok(frame.to_vec())).expect("a blob"))
        .expect("written");
    rewrite_index(&directory, "tree.ppxar.didx", &chunks);
    let results = all(&store);
    let wrong: Vec<_> = results.iter().filter(|verified| verified.verdict != Verdict::Ok).collect();
    assert!(matches!(&wrong[..], [one] if one.id == id), "{wrong:?}");
    let expected = format!(
        "1 payload references do not hit the header of their file; one in chunk {digest} at {position}"
    );
    assert!(wrong[0].errors[0].contains(&expected), "{wrong:?}");

    // A payload that ends before the last contents.
    chunks.truncate(at);
    rewrite_index(&directory, "tree.ppxar.didx", &chunks);
    let verified = store.verification(1, NOW).snapshot(&Namespace::default(), &id).expect("no signal");
    assert!(verified.errors.iter().any(|error| error.contains("leads to")), "{verified:?}");
    // Without the half that belongs to it.
    let mut manifest = manifest(&directory);
    manifest.files.retain(|file| file.filename != "tree.ppxar.didx");
    write_manifest(&directory, &manifest);
    let verified = store.verification(1, NOW).snapshot(&Namespace::default(), &id).expect("no signal");
    assert!(verified.errors[0].contains("payload archive that belongs to it is missing"), "{verified:?}");
}

/// Behaviour 66: of encrypted chunks the CRC is all that can be checked.
#[test]
fn b66_encrypted_chunks() {
    let (_temp, store) = golden_copy();
    let id: SnapshotId = "host/enc/2026-11-22T21:15:58Z".parse().expect("a name");
    let directory = store.root().join(id.to_string());
    let index = DynamicIndex::parse(&fs::read(directory.join("tree.ppxar.didx")).expect("an index"))
        .expect("an index");
    let digest = index.chunks()[0].digest.to_string();
    let path = store.root().join(".chunks").join(&digest[..4]).join(&digest);
    let blob = fs::read(&path).expect("a chunk");
    let verify =
        || store.verification(1, NOW).snapshot(&Namespace::default(), &id).expect("no signal").verdict;
    let frame = Frame::parse(&blob).expect("a blob");
    let mut data = frame.data.to_vec();
    data[5] ^= 1;
    fs::write(&path, Frame { data: &data, ..frame }.to_vec()).expect("written");
    assert_eq!(verify(), Verdict::Ok);
    let mut damaged = blob.clone();
    damaged[60] ^= 1;
    fs::write(&path, damaged).expect("written");
    assert_eq!(verify(), Verdict::Failed);
    assert!(!path.exists());
}

/// Behaviour 67, and snapshots that are gone.
#[test]
fn b67_what_is_in_use_is_skipped() {
    let store = Store::new();
    let backup = store.local.begin(&crate::new_snapshot(1)).expect("a new snapshot");
    let verified = one(&store, &snapshot(1));
    assert!(verified.verdict == Verdict::Skipped && verified.errors[0].contains("in use"), "{verified:?}");
    drop(backup);
    assert_eq!(one(&store, &snapshot(1)).verdict, Verdict::Skipped);
}

/// A chunk that many snapshots use is read once.
#[test]
fn chunks_are_read_once() {
    let store = Store::new();
    for time in 1..5 {
        store.backup(time, &[b"one", b"two", b"one"]);
    }
    let verification = store.local.verification(2, NOW);
    for time in 1..5 {
        verification.snapshot(&Namespace::default(), &snapshot(time)).expect("no signal");
    }
    assert_eq!((verification.chunks(), verification.bytes()), (2, 6));
}
