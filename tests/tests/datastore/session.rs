//! The life of a snapshot.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Barrier;
use std::thread;

use pxkit::codec;
use pxkit::crypt::Crypt;
use pxkit::store::{
    Namespace, NewChunk, NewSnapshot, Repository as _, Snapshot, Stored, SyncLevel, encode_blob,
};
use pxkit_core::blob::{CryptMode, Manifest};
use pxkit_core::index::DynamicIndex;
use serde_json::json;

use crate::{Store, archive, fill, new_snapshot, noise, refusal, snapshot};

const ROOT: fn() -> Namespace = Namespace::default;

#[test]
fn what_is_stored_can_be_read() {
    let store = Store::new();
    let (a, b) = (noise(1, 70_000), vec![7; 50_000]);
    let backup = store.local.begin(&new_snapshot(1_600_000_000)).expect("a new snapshot");
    assert!(backup.previous().is_none());
    let mut index = backup.index("x.pxar.didx").expect("an index");
    let (digest_a, digest_b) = (codec::digest(&a), codec::digest(&b));
    assert!(!backup.touch(&digest_a).expect("readable"));
    let stored = backup.insert(&NewChunk::plain(&a)).expect("stored");
    assert_eq!(stored, Stored { is_new: true, encoded: 70_012 });
    assert!(backup.touch(&digest_a).expect("readable"));
    assert!(backup.insert(&NewChunk::plain(&b)).expect("stored").encoded < 100);
    for (digest, len) in [(digest_a, 70_000), (digest_b, 50_000), (digest_a, 70_000)] {
        index.push(digest, len).expect("written");
    }
    assert_eq!(backup.insert(&NewChunk::plain(&a)).expect("stored"), Stored { is_new: false, encoded: 0 });
    let archive = index.finish().expect("written");
    assert_eq!(archive.size, 190_000);
    let (encoded, blob) = encode_blob("x.conf.blob", b"settings", &Crypt::NONE).expect("encoded");
    backup.blob("x.conf.blob", &encoded).expect("written");
    let id = snapshot(1_600_000_000);
    let mut manifest = Manifest::new(id.group.backup_type, "a", id.time);
    manifest.files = vec![archive, blob];
    // Nobody sees it before it is finished.
    let infos = store.local.snapshots(&ROOT(), &id.group).expect("a group");
    assert!(infos.len() == 1 && !infos[0].finished && infos[0].size.is_none());
    assert!(refusal(store.local.open(&ROOT(), &id)).contains("in use"));
    backup.finish(&manifest).expect("finished");

    let open = Snapshot::from(store.local.open(&ROOT(), &id).expect("a finished snapshot"));
    let index = open.index("x.pxar.didx").expect("an index");
    assert_eq!((index.count(), index.header().ctime > 1_600_000_000), (3, true));
    // Behaviour 31: the same digest at two places.
    for (at, expected) in [(0, &a), (1, &b), (2, &a)] {
        let digest = index.chunks()[at].digest;
        assert_eq!(&open.chunk(&digest, expected.len() as u64, CryptMode::None).expect("a chunk"), expected);
    }
    assert_eq!(open.blob("x.conf.blob").expect("a blob"), b"settings");
    let stats = &open.manifest().unprotected["chunk_upload_stats"];
    assert_eq!(stats["count"], json!(3));
    assert_eq!((&stats["size"], &stats["duplicates"]), (&json!(190_000), &json!(1)));
    assert!(stats["compressed_size"].as_u64().expect("a number") < 2 * 70_012 + 100);
    let info = &store.local.groups(&ROOT()).expect("readable")[0];
    assert_eq!((info.group.to_string().as_str(), info.owner.as_str()), ("host/a", "root@pam"));
}

/// The bytes of the index are those of the specification but for the random ones.
#[test]
fn b27_b28_b32_indexes_are_as_specified() {
    let store = Store::new();
    let backup = store.local.begin(&new_snapshot(1)).expect("a new snapshot");
    let mut index = backup.index("x.pxar.didx").expect("an index");
    let temp = store.path(&snapshot(1)).join("x.pxar.tmp_didx");
    assert!(temp.exists(), "{:?}", store.tree());
    for (byte, len) in [(b'A', 1000), (b'B', 2000), (b'C', 500)] {
        index.push(codec::digest(&vec![byte; len]), len as u64).expect("written");
    }
    let entry = index.finish().expect("written");
    assert_eq!(entry.csum.to_string(), "96fe96075df0c42620f56dfb99b43bfb539317d8ca1473441d11d6516747cefd");
    let file = fs::read(store.path(&snapshot(1)).join("x.pxar.didx")).expect("an index");
    assert_eq!((file.len(), temp.exists()), (4216, false));
    let read = DynamicIndex::parse(&file).expect("an index");
    assert_eq!(read.header().checksum, entry.csum);
    assert_ne!(read.header().uuid, [0; 16]);
    assert!(file[64..4096].iter().all(|&byte| byte == 0));
    // One that is given up leaves nothing, one without chunks cannot be finished.
    drop(backup.index("y.pxar.didx").expect("an index"));
    assert!(refusal(backup.index("z.pxar.didx").expect("an index").finish()).contains("at least one chunk"));
    let names: Vec<_> = fs::read_dir(store.path(&snapshot(1))).expect("readable").flatten().collect();
    assert_eq!(names.len(), 1);
    assert!(refusal(backup.index("x.pxar.didx").map(drop)).contains("already"));
    for bad in ["x.fidx", ".didx", "../x.didx", "a/b.didx", "-x.didx"] {
        assert!(refusal(backup.index(bad).map(drop)).contains("no name of an index"), "{bad}");
    }
    for bad in ["index.json.blob", "x.didx", "../x.blob", ".blob"] {
        assert!(refusal(backup.blob(bad, b"x")).contains("no name of a blob"), "{bad}");
    }
}

#[test]
fn what_is_dropped_leaves_only_chunks() {
    let store = Store::new();
    let data = noise(1, 1000);
    let (backup, _) = fill(&store.local, 1, &[&data]).expect("a backup");
    assert!(store.tree().iter().any(|name| name.ends_with("x.pxar.didx")));
    drop(backup);
    let digest = codec::digest(&data).to_string();
    assert_eq!(store.tree(), [format!(".chunks/{}/{digest}", &digest[..4]), "host/".to_owned()]);
    // Beside a finished one the group stays, and so do its notes.
    store.backup(2, &[&data]);
    store.local.set_group_notes(&ROOT(), &snapshot(2).group, "keep").expect("written");
    let before = store.tree();
    drop(fill(&store.local, 3, &[&data]).expect("a backup"));
    assert_eq!(store.tree(), before);
}

/// The next backup has the last finished snapshot, unless its verification failed; its time must be later.
#[test]
fn the_previous_snapshot() {
    let store = Store::new();
    store.backup(10, &[b"one"]);
    for time in [9, 10] {
        assert!(refusal(store.local.begin(&new_snapshot(time)).map(drop)).contains("not after host/a/1970"));
    }
    let backup = store.local.begin(&new_snapshot(20)).expect("a new snapshot");
    let previous = backup.previous().expect("the first");
    assert_eq!(previous.id(), &snapshot(10));
    // It cannot go away meanwhile.
    assert!(refusal(store.local.forget(&ROOT(), &snapshot(10))).contains("in use"));
    drop((backup, previous));
    // An unfinished one does not count, be it left behind by a crash; of the same time, it is replaced.
    fs::create_dir(store.path(&snapshot(15))).expect("a directory");
    fs::create_dir(store.path(&snapshot(20))).expect("a directory");
    fs::write(store.path(&snapshot(20)).join("x.pxar.tmp_didx"), "half").expect("written");
    let backup = store.local.begin(&new_snapshot(20)).expect("a new snapshot");
    assert_eq!(backup.previous().expect("the first").id(), &snapshot(10));
    drop(backup);
    // A manifest that cannot be read is no base, and no obstacle.
    let manifest = store.path(&snapshot(10)).join("index.json.blob");
    let bytes = fs::read(&manifest).expect("a manifest");
    fs::write(&manifest, b"rubbish").expect("written");
    let backup = store.local.begin(&new_snapshot(30)).expect("a new snapshot");
    assert!(backup.previous().is_none());
    drop(backup);
    fs::write(&manifest, bytes).expect("written");
}

#[test]
fn b53_one_backup_of_a_group_at_a_time() {
    let store = Store::new();
    let first = store.local.begin(&new_snapshot(1)).expect("a new snapshot");
    let before = store.tree();
    assert!(refusal(store.local.begin(&new_snapshot(2)).map(drop)).contains("host/a is locked"));
    assert!(refusal(store.with(SyncLevel::None, None).begin(&new_snapshot(2)).map(drop)).contains("locked"));
    assert_eq!(store.tree(), before);
    let mut other = new_snapshot(1);
    other.snapshot.group.id = "b".to_owned();
    drop(store.local.begin(&other).expect("another group"));
    drop(first);
    store.local.begin(&new_snapshot(2)).expect("the group is free");
}

/// Other owners' groups are theirs.
#[test]
fn groups_belong_to_somebody() {
    let store = Store::new();
    store.backup(1, &[b"x"]);
    let owner = store.root.join("host/a/owner");
    assert_eq!(fs::read(&owner).expect("a file"), b"root@pam\n");
    fs::write(&owner, "joe@pbs\n").expect("written");
    assert!(refusal(store.local.begin(&new_snapshot(2)).map(drop)).contains("belongs to joe@pbs"));
    // Behaviour 9.
    fs::write(&owner, "nonsense\n").expect("written");
    assert!(refusal(store.local.begin(&new_snapshot(2)).map(drop)).contains("belongs to nobody"));
    assert!(store.local.groups(&ROOT()).expect("readable").is_empty());
    assert_eq!(store.local.snapshots(&ROOT(), &snapshot(1).group).expect("by name").len(), 1);
    store.local.open(&ROOT(), &snapshot(1)).expect("by name");
}

#[test]
fn owners_change() {
    let store = Store::new();
    let group = store.backup(1, &[b"x"]).group;
    for bad in ["", "joe", "joe@pbs!", "a b@pbs", "joe@pbs\nroot@pam"] {
        let said = refusal(store.local.change_owner(&ROOT(), &group, bad));
        assert!(said.contains("is no user"), "{said}");
    }
    let running = store.local.begin(&new_snapshot(2)).expect("begun");
    assert!(refusal(store.local.change_owner(&ROOT(), &group, "joe@pbs")).contains("is locked"));
    drop(running);
    store.local.change_owner(&ROOT(), &group, "joe@pbs!tok").expect("changed");
    assert_eq!(store.local.groups(&ROOT()).expect("readable")[0].owner, "joe@pbs!tok");
    assert!(refusal(store.local.begin(&new_snapshot(2)).map(drop)).contains("belongs to joe@pbs!tok"));
    let none = "host/none".parse().expect("a group");
    assert!(refusal(store.local.change_owner(&ROOT(), &none, "joe@pbs")).contains("no group host/none"));
}

/// All or nothing, as far as it can be known before.
#[test]
fn namespaces_are_removed() {
    let store = Store::new();
    let namespace = |text: &str| text.parse::<Namespace>().expect("a name");
    for name in ["a", "a/b", "c"] {
        store.local.create_namespace(&namespace(name)).expect("made");
    }
    let new = NewSnapshot { namespace: namespace("a/b"), ..new_snapshot(1) };
    let backup = store.local.begin(&new).expect("begun");
    let mut manifest = Manifest::new(new.snapshot.group.backup_type, "a", 1);
    manifest.files.push(archive(&*backup, &[b"x"]).expect("written"));
    backup.finish(&manifest).expect("finished");

    let before = store.tree();
    let delete = |name: &str, groups| store.local.delete_namespace(&namespace(name), groups);
    assert!(refusal(delete("", true)).contains("root"));
    assert!(refusal(delete("none", true)).contains("no namespace `none`"));
    let said = refusal(delete("a", false));
    assert!(said.contains("it has 1 group, such as") && said.contains("host/a in `a/b`"), "{said}");
    store.local.set_protected(&new.namespace, &new.snapshot, true).expect("protected");
    assert!(refusal(delete("a", true)).contains("is protected"));
    store.local.set_protected(&new.namespace, &new.snapshot, false).expect("unprotected");
    let open = store.local.open(&new.namespace, &new.snapshot).expect("a snapshot");
    assert!(refusal(delete("a", true)).contains("in use"));
    drop(open);
    assert_eq!(store.tree(), before);

    delete("c", false).expect("it is empty");
    assert_eq!(store.local.namespaces(&ROOT()).expect("readable").len(), 3);
    delete("a", true).expect("removed");
    assert_eq!(store.local.namespaces(&ROOT()).expect("readable"), [ROOT()]);
    assert!(store.tree().iter().all(|path| path.starts_with(".chunks")), "{:?}", store.tree());
}

#[test]
fn b46_a_known_chunk_is_touched_only() {
    let store = Store::new();
    let data = noise(1, 1000);
    store.backup(1, &[&data]);
    let path = store.chunk(&codec::digest(&data));
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago);
    fs::File::options().write(true).open(&path).and_then(|file| file.set_times(times)).expect("times");
    let inode = fs::metadata(&path).expect("a chunk").ino();
    store.backup(2, &[&data]);
    let metadata = fs::metadata(&path).expect("a chunk");
    assert_eq!((metadata.ino(), metadata.mtime()), (inode, 1_000_000_000));
    assert!(metadata.atime() > 1_600_000_000);
    assert_eq!(metadata.mode() & 0o7777, 0o644);
}

#[test]
fn b47_an_empty_file_is_no_chunk() {
    let store = Store::new();
    let data = noise(1, 1000);
    let digest = codec::digest(&data);
    let id = store.backup(1, &[&data]);
    fs::write(store.chunk(&digest), "").expect("written");
    let open = Snapshot::from(store.local.open(&ROOT(), &id).expect("a snapshot"));
    assert!(refusal(open.chunk(&digest, 1000, CryptMode::None)).contains("missing"));
    let backup = store.local.begin(&new_snapshot(2)).expect("a new snapshot");
    assert!(!backup.touch(&digest).expect("readable"));
    assert!(backup.insert(&NewChunk::plain(&data)).expect("stored").is_new);
    assert_eq!(open.chunk(&digest, 1000, CryptMode::None).expect("there again"), data);
    // Something else in its place is an error, not overwritten.
    fs::remove_file(store.chunk(&digest)).expect("removed");
    fs::create_dir(store.chunk(&digest)).expect("a directory");
    assert!(refusal(backup.insert(&NewChunk::plain(&data))).contains("not a regular file"));
}

/// Of many threads that bring the same chunks, one stores each.
#[test]
fn b51_threads_insert_together() {
    let store = Store::new();
    let chunks: Vec<Vec<u8>> = (0..20).map(|seed| noise(seed, 30_000)).collect();
    let backup = store.local.begin(&new_snapshot(1)).expect("a new snapshot");
    let barrier = Barrier::new(4);
    let new: usize = thread::scope(|scope| {
        let insert = || {
            barrier.wait();
            let insert = |chunk: &Vec<u8>| backup.insert(&NewChunk::plain(chunk)).expect("stored").is_new;
            chunks.iter().filter(|chunk| insert(chunk)).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(new, chunks.len());
    let mut index = backup.index("x.pxar.didx").expect("an index");
    for chunk in &chunks {
        index.push(codec::digest(chunk), 30_000).expect("written");
    }
    let id = snapshot(1);
    let mut manifest = Manifest::new(id.group.backup_type, "a", 1);
    manifest.files.push(index.finish().expect("written"));
    backup.finish(&manifest).expect("finished");
    let open = Snapshot::from(store.local.open(&ROOT(), &id).expect("a snapshot"));
    assert_eq!(open.manifest().unprotected["chunk_upload_stats"]["duplicates"], json!(60));
    for chunk in &chunks {
        assert_eq!(&open.chunk(&codec::digest(chunk), 30_000, CryptMode::None).expect("a chunk"), chunk);
    }
    assert!(!store.tree().iter().any(|name| name.contains("tmp")));
}

#[test]
fn every_sync_level_stores_the_same() {
    for sync in [SyncLevel::None, SyncLevel::Filesystem, SyncLevel::File] {
        let store = Store::new();
        let (backup, manifest) = fill(&store.with(sync, None), 1, &[b"one", b"two"]).expect("a backup");
        backup.finish(&manifest).expect("finished");
        let open = Snapshot::from(store.local.open(&ROOT(), &snapshot(1)).expect("a snapshot"));
        assert_eq!(open.index("x.pxar.didx").expect("an index").size(), 6);
    }
}

#[test]
fn manifests_name_what_is_there() {
    let store = Store::new();
    let (backup, mut manifest) = fill(&store.local, 1, &[b"x"]).expect("a backup");
    manifest.files[0].filename = "y.pxar.didx".to_owned();
    assert!(refusal(backup.finish(&manifest)).contains("`y.pxar.didx`, which is not there"));
    assert!(!store.root.join("host/a").exists());
    // The previous snapshot must still be there in the end (whatever took it away).
    store.backup(1, &[b"x"]);
    let (backup, manifest) = fill(&store.local, 2, &[b"x"]).expect("a backup");
    fs::remove_dir_all(store.path(&snapshot(1))).expect("removed");
    assert!(refusal(backup.finish(&manifest)).contains("removed meanwhile"));
}

/// Behaviour 56, and what protects.
#[test]
fn b56_the_last_snapshot_takes_the_group_with_it() {
    let store = Store::new();
    let (one, two) = (store.backup(1, &[b"x"]), store.backup(2, &[b"x"]));
    store.local.set_group_notes(&ROOT(), &one.group, "first\nsecond").expect("written");
    assert_eq!(store.local.groups(&ROOT()).expect("readable")[0].comment.as_deref(), Some("first"));
    store.local.set_protected(&ROOT(), &two, true).expect("protected");
    assert!(store.local.snapshots(&ROOT(), &one.group).expect("a group")[1].protected);
    store.local.forget(&ROOT(), &one).expect("removed");
    assert!(refusal(store.local.forget(&ROOT(), &two)).contains("protected"));
    assert!(store.path(&two).join("index.json.blob").exists());
    let open = Snapshot::from(store.local.open(&ROOT(), &two).expect("a snapshot"));
    assert!(refusal(store.local.set_protected(&ROOT(), &two, false)).contains("in use"));
    drop(open);
    store.local.set_protected(&ROOT(), &two, false).expect("unprotected");
    store.local.forget(&ROOT(), &two).expect("removed");
    assert!(!store.root.join("host/a").exists() && store.root.join("host").exists());
    assert!(refusal(store.local.forget(&ROOT(), &two)).contains("no snapshot"));
    let locks: Vec<_> = fs::read_dir(store.root.join(".pxkit-locks")).expect("readable").flatten().collect();
    assert!(locks.is_empty(), "{locks:?}");
}

/// Rules 10.4 and 36: what others wrote into the unprotected part survives.
#[test]
fn b36_notes_leave_the_rest_alone() {
    let store = Store::new();
    let (backup, mut manifest) = fill(&store.local, 1, &[b"x"]).expect("a backup");
    manifest.unprotected.insert("stranger".to_owned(), json!({ "z": 1, "a": [2] }));
    backup.finish(&manifest).expect("finished");
    let id = snapshot(1);
    store.local.set_notes(&ROOT(), &id, "first line\nsecond").expect("written");
    let open = Snapshot::from(store.local.open(&ROOT(), &id).expect("a snapshot"));
    assert_eq!(open.manifest().unprotected["notes"], json!("first line\nsecond"));
    assert_eq!(open.manifest().unprotected["stranger"], json!({ "z": 1, "a": [2] }));
    assert_eq!(open.manifest().files, manifest.files);
    store.local.set_notes(&ROOT(), &id, "").expect("written");
    let open = Snapshot::from(store.local.open(&ROOT(), &id).expect("a snapshot"));
    assert!(!open.manifest().unprotected.contains_key("notes"));
}

/// Behaviour 70: what root makes belongs to whom the store belongs.
#[test]
fn b70_what_root_makes_belongs_to_the_owner() {
    if !rustix::process::geteuid().is_root() {
        pxkit_tests::skip::skip("b70_what_root_makes_belongs_to_the_owner", "needs root");
        return;
    }
    let store = Store::new();
    let (user, group) = (rustix::fs::Uid::from_raw(12_345), rustix::fs::Gid::from_raw(54_321));
    for path in [&store.root, &store.root.join(".chunks")] {
        rustix::fs::chown(path, Some(user), Some(group)).expect("an owner");
    }
    let local = store.with(SyncLevel::None, None);
    let (backup, mut manifest) = fill(&local, 1, &[b"one"]).expect("a backup");
    let (encoded, entry) = encode_blob("x.conf.blob", b"x", &Crypt::NONE).expect("encoded");
    backup.blob("x.conf.blob", &encoded).expect("written");
    manifest.files.push(entry);
    backup.finish(&manifest).expect("finished");
    local.set_protected(&ROOT(), &snapshot(1), true).expect("written");
    local.set_notes(&ROOT(), &snapshot(1), "x").expect("written");
    local.set_group_notes(&ROOT(), &snapshot(1).group, "x").expect("written");
    local.create_namespace(&"a".parse().expect("a name")).expect("made");
    local.collect_garbage(&pxkit::store::Collect::new(1_700_000_000, &|_| {})).expect("a collection");
    let mut todo = vec![store.root.clone()];
    let mut seen = 0;
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path).expect("there");
        assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321), "{}", path.display());
        seen += 1;
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path()));
        }
    }
    assert!(seen > 15, "{seen}");
}
