//! Garbage collection.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use pxkit::codec;
use pxkit::store::{Collect, Collected, Local, Namespace, NewChunk, Repository as _, SyncLevel, Verdict};
use pxkit_core::format::Digest;
use pxkit_tests::skip;
use rustix::fs::{Gid, Uid, chown};

use crate::{Store, archive, fill, helper, new_snapshot, noise, refusal, snapshot};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Collects garbage as at `now`; also the warnings.
fn collect_at(store: &Local, now: i64) -> (anyhow::Result<Collected>, Vec<String>) {
    let warnings = Mutex::new(Vec::new());
    let warn = |what: &str| warnings.lock().expect("no panic").push(what.to_owned());
    let result = store.collect_garbage(&Collect::new(now, &warn));
    (result, warnings.into_inner().expect("no panic"))
}

#[track_caller]
fn collect(store: &Local) -> Collected {
    let (result, warnings) = collect_at(store, now());
    assert!(warnings.is_empty(), "{warnings:?}");
    result.expect("a collection")
}

/// Sets when a file was used last, and changed.
fn age(path: &Path, seconds: i64) {
    let then = UNIX_EPOCH + Duration::from_secs((now() - seconds) as u64);
    let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
    fs::File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("times");
}

impl Store {
    /// A chunk that nothing refers to, used last so many seconds ago.
    fn stray(&self, seed: u64, seconds: i64) -> Digest {
        let data = noise(seed, 3000);
        let digest = codec::digest(&data);
        let backup = self.local.begin(&new_snapshot(1 << 40)).expect("a new snapshot");
        backup.insert(&NewChunk::plain(&data)).expect("stored");
        drop(backup);
        age(&self.chunk(&digest), seconds);
        digest
    }

    fn has(&self, digest: &Digest) -> bool {
        self.chunk(digest).exists()
    }

    /// Lets all chunks seem unused for a month.
    fn age_all(&self) {
        for name in self.tree() {
            if name.starts_with(".chunks/") {
                age(&self.root.join(name), 30 * DAY);
            }
        }
    }
}

/// Behaviour 59.
#[test]
fn b59_what_nobody_uses_goes_in_time() {
    let store = Store::new();
    let kept = noise(1, 1000);
    let id = store.backup(1, &[&kept, &kept, b"small"]);
    store.age_all();
    let (old, young, new) = (store.stray(10, DAY + 360), store.stray(11, DAY + 240), store.stray(12, -60));
    let dry = Collect { dry_run: true, ..Collect::new(now(), &|_| {}) };
    let would = store.local.collect_garbage(&dry).expect("a collection");
    assert_eq!((would.removed_chunks, store.has(&old)), (1, true));
    let collected = collect(&store.local);
    assert!(!store.has(&old) && store.has(&young) && store.has(&new));
    assert_eq!((collected.removed_chunks, collected.removed_bytes), (1, 3012));
    assert_eq!((collected.pending_chunks, collected.pending_bytes), (1, 3012));
    // Two of the snapshot, the new one, and that of zeros with which the file system was tried.
    assert_eq!(collected.disk_chunks, 4);
    assert_eq!((collected.index_file_count, collected.index_data_bytes), (1, 2005));
    let status = fs::read_to_string(store.root.join(".gc-status")).expect("a status file");
    assert!(status.contains("\"removed-chunks\":1"), "{status}");
    assert_eq!(store.local.last_collection(), Some(collected));
    // Without the snapshot its chunks go, too, when they are old enough.
    store.local.forget(&Namespace::default(), &id).expect("removed");
    assert_eq!(collect(&store.local).removed_chunks, 0);
    store.age_all();
    assert_eq!(collect(&store.local).removed_chunks, 4);
}

/// Behaviour 60: a writer of this process began three days ago.
#[test]
fn b60_writers_keep_what_they_may_have_seen() {
    let store = Store::new();
    let (before, shortly) = (store.stray(1, 600), store.stray(2, 120));
    let backup = store.local.begin(&new_snapshot(5)).expect("a new snapshot");
    let (result, _) = collect_at(&store.local, now() + 3 * DAY);
    result.expect("a collection beside a writer");
    assert!(!store.has(&before) && store.has(&shortly));
    drop(backup);
    collect_at(&store.local, now() + 3 * DAY).0.expect("a collection");
    assert!(!store.has(&shortly));
}

/// Behaviour 61: every index protects its chunks, wherever it lies.
#[test]
fn b61_every_index_counts() {
    let store = Store::new();
    store.backup(1, &[b"finished"]);
    let chunks: [&[u8]; 4] = [b"unfinished", b"strange", b"moved", b"hidden"];
    let digests = chunks.map(codec::digest);
    for (at, chunk) in chunks.iter().enumerate() {
        store.backup(at as i64 + 2, &[chunk]);
    }
    let index = |time: i64| store.path(&snapshot(time)).join("x.pxar.didx");
    fs::remove_file(store.path(&snapshot(2)).join("index.json.blob")).expect("unfinished");
    for place in ["some/where", ".moved", ".hidden"] {
        fs::create_dir_all(store.root.join(place)).expect("a directory");
    }
    fs::rename(index(3), store.root.join("some/where/y.didx")).expect("moved");
    fs::rename(index(4), store.root.join(".moved/x.didx")).expect("moved");
    fs::rename(index(5), store.root.join(".hidden/x.didx")).expect("moved");
    let journal = store.root.join(".pxkit-locks/move-journal");
    let lines = format!("{}/.moved/x.didx\n/nowhere/x.didx\n", store.root.display());
    fs::write(&journal, lines).expect("written");
    store.age_all();
    let (result, warnings) = collect_at(&store.local, now());
    result.expect("a collection");
    assert_eq!(digests.map(|digest| store.has(&digest)), [true, true, true, false]);
    assert!(store.has(&codec::digest(b"finished")));
    assert!(
        matches!(&warnings[..], [one] if one.contains("unexpected index file") && one.contains("y.didx")),
        "{warnings:?}"
    );
    assert_eq!(fs::read(&journal).expect("a journal"), b"");
}

/// Behaviour 62: what cannot be read ends the collection before anything is removed.
#[test]
fn b62_doubt_ends_the_collection() {
    type Damage = fn(&Store);
    let broken: [(&str, Damage); 5] = [
        ("x.pxar.didx", |store| {
            let path = store.path(&snapshot(1)).join("x.pxar.didx");
            fs::File::options().write(true).open(path).and_then(|file| file.set_len(4100)).expect("cut");
        }),
        ("empty.fidx", |store| fs::write(store.root.join("empty.fidx"), "").expect("written")),
        ("d.didx", |store| fs::create_dir(store.root.join("d.didx")).expect("a directory")),
        ("is no namespace", |store| fs::create_dir_all(store.root.join("ns/-bad")).expect("a directory")),
        ("x.pxar.didx", |store| {
            // Ends that do not increase.
            let path = store.path(&snapshot(1)).join("x.pxar.didx");
            let mut bytes = fs::read(&path).expect("an index");
            bytes[4096 + 40..4096 + 48].copy_from_slice(&1_u64.to_le_bytes());
            fs::write(path, bytes).expect("written");
        }),
    ];
    for (words, damage) in broken {
        let store = Store::new();
        store.backup(1, &[b"one", b"two"]);
        let stray = store.stray(1, 30 * DAY);
        damage(&store);
        let error = refusal(collect_at(&store.local, now()).0);
        assert!(error.contains("garbage is not collected") && error.contains(words), "{words}: {error}");
        assert!(store.has(&stray));
    }
    // Harmless: a dangling link, and what is hidden.
    let store = Store::new();
    let stray = store.stray(1, 30 * DAY);
    std::os::unix::fs::symlink("nowhere", store.root.join("x.didx")).expect("a link");
    fs::create_dir(store.root.join(".hidden")).expect("a directory");
    fs::write(store.root.join(".hidden/x.didx"), "rubbish").expect("written");
    collect(&store.local);
    assert!(!store.has(&stray));
}

/// Behaviour 62, with a directory that may not be read.
#[test]
fn b62_unreadable_directories_end_the_collection() {
    if !rustix::process::geteuid().is_root() {
        skip::skip("b62_unreadable_directories_end_the_collection", "needs root");
        return;
    }
    let nobody = 65534;
    let store = Store::new();
    let stray = store.stray(1, 30 * DAY);
    for name in ["lost+found", "secret"] {
        fs::create_dir(store.root.join(name)).expect("a directory");
        rustix::fs::chmod(store.root.join(name), rustix::fs::Mode::empty()).expect("a mode");
    }
    let (user, group) = (Uid::from_raw(nobody), Gid::from_raw(nobody));
    let give = |path: &Path| chown(path, Some(user), Some(group)).expect("an owner");
    for name in store.tree() {
        for path in store.root.join(name).ancestors().take_while(|path| path.starts_with(&store.root)) {
            give(path);
        }
    }
    for name in [".lock", ".pxkit-locks", ".."] {
        give(&store.root.join(name));
    }
    let run = helper::run("gc", &store.root, None, Some(nobody));
    if run.code == Some(126)
        || run.err.contains("Permission denied (os error 13)") && !run.err.contains("garbage")
    {
        skip::skip("b62_unreadable_directories_end_the_collection", "the test program is not for everybody");
        return;
    }
    let said = run.err.clone() + &String::from_utf8_lossy(&run.out);
    assert!(run.code == Some(101) && said.contains("secret"), "{said}");
    assert!(store.has(&stray));
    fs::remove_dir(store.root.join("secret")).expect("removed");
    let run = helper::run("gc", &store.root, None, Some(nobody));
    assert_eq!(run.code, Some(0), "{}{}", run.err, String::from_utf8_lossy(&run.out));
    assert!(!store.has(&stray));
}

/// Behaviours 63 and 64, and what a crash left behind.
#[test]
fn b63_b64_only_what_is_understood_goes() {
    let store = Store::new();
    let (used, unused) = (noise(1, 1000), noise(2, 1000));
    store.backup(1, &[&used]);
    let (used, unused) = (codec::digest(&used), codec::digest(&unused));
    fs::rename(store.chunk(&used), store.chunk(&used).with_extension("0.bad")).expect("set aside");
    let directory = store.root.join(".chunks/abcd");
    fs::create_dir(&directory).expect("a directory");
    let name = unused.to_string();
    let (keep, go) = (
        [format!("{name}.bad"), format!("{name}.10.bad"), format!("{name}x"), "notes.txt".to_owned()],
        [
            format!("{name}.0.bad"),
            name.to_uppercase(),
            format!("{name}.tmp_aBc123"),
            name.clone(),
            format!("{name}.using"),
        ],
    );
    for name in keep.iter().chain(&go) {
        fs::write(directory.join(name), "x").expect("written");
    }
    store.age_all();
    let young = directory.join(format!("{name}.tmp_young0"));
    fs::write(&young, "x").expect("written");
    let (result, warnings) = collect_at(&store.local, now());
    let collected = result.expect("a collection");
    assert!(keep.iter().all(|name| directory.join(name).exists()) && young.exists(), "{:?}", store.tree());
    assert!(!go.iter().any(|name| directory.join(name).exists()), "{:?}", store.tree());
    assert!(store.chunk(&used).with_extension("0.bad").exists());
    assert_eq!((collected.removed_bad, collected.still_bad), (1, 1));
    assert_eq!((collected.removed_chunks, collected.removed_temporary), (2, 1));
    assert!(matches!(&warnings[..], [one] if one.contains("non-existent chunk")), "{warnings:?}");
}

/// Behaviour 51: processes exclude each other, threads of one do not.
#[test]
fn b51_processes_exclude_each_other() {
    let store = Store::new();
    store.backup(1, &[b"one"]);
    let (backup, manifest) = fill(&store.local, 2, &[b"two"]).expect("a backup");
    let busy = |what: &str, words: &str| {
        let run = helper::run(what, &store.root, None, None);
        let said = run.err.clone() + &String::from_utf8_lossy(&run.out);
        assert!(run.code == Some(101) && said.contains("is busy") && said.contains(words), "{what}: {said}");
    };
    busy("gc", "another process makes a backup");
    // Behaviour 52: the lock survives another look at the store, and the file opened and closed... by its only owner.
    let again = store.with(SyncLevel::None, None);
    drop(fill(&again, 3, &[b"x"]).map(drop).expect_err("the group is locked"));
    drop(again);
    busy("gc", "another process makes a backup");
    collect(&store.local);
    // The lock is back to a shared one, not gone.
    busy("gc", "another process makes a backup");
    backup.finish(&manifest).expect("finished");
    // While garbage is collected, nobody else begins anything (behaviour 73: and leaves nothing).
    fs::remove_file(store.chunk(&codec::digest(b"one"))).expect("removed");
    let warn = |_: &str| {
        let before = store.tree();
        busy("gc", "another process makes a backup");
        busy("backup:10", "another process collects garbage");
        assert_eq!(store.tree(), before);
        assert!(refusal(store.local.collect_garbage(&Collect::new(now(), &|_| {}))).contains("already"));
        let (inside, manifest) = fill(&store.local, 4, &[b"inside"]).expect("this process may");
        inside.finish(&manifest).expect("this process may");
    };
    store.local.collect_garbage(&Collect::new(now(), &warn)).expect("a collection");
    let run = helper::run("backup:10", &store.root, None, None);
    assert_eq!(run.code, Some(0), "{}", run.err);
}

/// Backups of the same process go on while garbage is collected; nothing that they use is lost.
#[test]
fn collections_beside_backups() {
    let store = Store::new();
    let chunks: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed, 2000)).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    store.backup(1, &chunks);
    store.local.forget(&Namespace::default(), &snapshot(1)).expect("removed");
    store.age_all();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                collect(&store.local);
                rounds += 1;
            }
        });
        for time in 2..8 {
            let backup = store.local.begin(&new_snapshot(time)).expect("a new snapshot");
            let file = archive(&*backup, &chunks).expect("an archive");
            let id = snapshot(time);
            let mut manifest = pxkit_core::blob::Manifest::new(id.group.backup_type, "a", time);
            manifest.files.push(file);
            backup.finish(&manifest).expect("finished");
        }
        done.store(true, Ordering::Relaxed);
        collector.join().expect("no panic");
    });
    let verification = store.local.verification(2, now());
    for time in 2..8 {
        let verified = verification.snapshot(&Namespace::default(), &snapshot(time)).expect("no signal");
        assert_eq!(verified.verdict, Verdict::Ok, "{:?}", verified.errors);
    }
}

#[test]
fn cut_offs_have_a_least() {
    let store = Store::new();
    let collect = Collect { cutoff: 59, ..Collect::new(now(), &|_| {}) };
    assert!(refusal(store.local.collect_garbage(&collect)).contains("too short"));
}
