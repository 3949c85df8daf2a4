//! Crashes and failing disks (decision 26). Whatever happens where, what was finished stays, and the next backup works.

use std::fs;
use std::process::Command;

use pxkit::codec;
use pxkit::store::{Fault, Faults, Namespace, Repository as _, Snapshot, SyncLevel, Verdict};
use pxkit_tests::skip;
use rustix::io::Errno;

use crate::{Store, fill, helper, new_snapshot, noise, refusal, snapshot};

impl Store {
    /// Every finished snapshot is sound.
    #[track_caller]
    fn is_sound(&self, finished: usize) {
        let verification = self.local.verification(2, 1_700_000_000);
        let root = Namespace::default();
        let infos = match self.root.join("host/a").exists() {
            true => self.local.snapshots(&root, &snapshot(1).group).expect("readable"),
            false => Vec::new(),
        };
        let mut count = 0;
        for info in infos.iter().filter(|info| info.finished) {
            let verified = verification.snapshot(&root, &info.id).expect("no signal");
            assert_eq!(verified.verdict, Verdict::Ok, "{:?}", verified.errors);
            count += 1;
        }
        assert_eq!(count, finished);
    }
}

/// Behaviours 49 and 50: one failure at each call, and a disk that stays full from there on.
#[test]
fn b50_whatever_fails_leaves_no_trace() {
    for (errno, lasting) in [(Errno::IO, false), (Errno::NOSPC, false), (Errno::NOSPC, true)] {
        let store = Store::new();
        store.backup(1, &[b"before"]);
        let before: Vec<_> = store.tree().into_iter().filter(|name| !name.starts_with(".chunks")).collect();
        let chunks: [&[u8]; 3] = [b"before", &noise(1, 5000), b"new"];
        let mut failures = 0;
        for call in 1.. {
            let faults = Faults::new(Fault::Error(errno), call, lasting);
            let local = store.with(SyncLevel::File, Some(faults.clone()));
            let result = fill(&local, 1000, &chunks).and_then(|(backup, manifest)| backup.finish(&manifest));
            if faults.calls() < call {
                result.expect("nothing failed");
                break;
            }
            // What needs no space does not fail for want of it.
            if result.is_ok() {
                store.is_sound(2);
                store.local.forget(&Namespace::default(), &snapshot(1000)).expect("removed");
                continue;
            }
            failures += 1;
            let after = store.tree();
            assert!(!after.iter().any(|name| name.contains("tmp")), "call {call}: {after:?}");
            let rest: Vec<_> = after.into_iter().filter(|name| !name.starts_with(".chunks")).collect();
            assert_eq!(rest, before, "call {call} fails with {errno}");
            store.is_sound(1);
        }
        assert!(failures > 6, "{failures}");
        store.is_sound(2);
    }
}

/// A group that could not be begun is no group.
#[test]
fn a_new_group_that_fails_leaves_no_trace() {
    let mut failures = 0;
    for call in 1..10 {
        let store = Store::new();
        let faults = Faults::new(Fault::Error(Errno::NOSPC), call, false);
        let local = store.with(SyncLevel::None, Some(faults.clone()));
        failures += u32::from(local.begin(&new_snapshot(1)).is_err());
        assert!(!store.root.join("host/a").exists(), "call {call}");
    }
    // The directories of locks, type, group and snapshot; the owner, made and written.
    assert_eq!(failures, 6);
}

/// Behaviour 49: SIGKILL at each call of a backup.
#[test]
fn b49_killed_at_any_call() {
    let store = Store::new();
    store.backup(1, &[b"one", b"before"]);
    let mut finished = 1;
    for call in 1.. {
        // A time of its own each; what was killed leaves its unfinished directory.
        let time = 1000 + call;
        let run = helper::run(&format!("backup:{time}"), &store.root, Some(&format!("kill:{call}")), None);
        let killed = run.code.is_none();
        assert!(killed || run.code == Some(0), "call {call}: {}", String::from_utf8_lossy(&run.out));
        let is_there = store.path(&snapshot(time)).join("index.json.blob").exists();
        assert!(is_there || killed);
        finished += usize::from(is_there);
        store.is_sound(finished);
        if !killed {
            break;
        }
        assert!(call < 200, "it never ends");
    }
    // One that has the time of a killed one takes its place.
    assert!(
        store.local.snapshots(&Namespace::default(), &snapshot(1).group).expect("a group").len() > finished
    );
    store.backup(5000, &[b"one", b"two", b"three"]);
    store.is_sound(finished + 1);
}

/// SIGKILL at each call of a removal.
#[test]
fn killed_while_removing() {
    let chunks: [&[u8]; 2] = [b"one", b"two"];
    for call in 1.. {
        let store = Store::new();
        store.backup(1, &chunks);
        store.backup(2, &chunks);
        let mut command = pxkit_tests::cli::command();
        command.arg("forget").arg("host/a/1970-01-01T00:00:01Z").arg("--repository").arg(&store.root);
        command.env("PXKIT_FAULT", format!("kill:{call}"));
        let run = pxkit_tests::cli::Run::of(command);
        let left = store.local.snapshots(&Namespace::default(), &snapshot(1).group).expect("a group");
        store.is_sound(left.iter().filter(|info| info.finished).count());
        assert!(left.last().is_some_and(|info| info.finished && info.id == snapshot(2)));
        store.backup(3, &chunks);
        if run.code == Some(0) {
            assert_eq!(left.len(), 1);
            assert!(call > 3, "{call}");
            break;
        }
        assert_eq!(run.code, None, "{}", run.err);
    }
}

/// Behaviour 50 on a file system that is really full.
#[test]
fn b50_a_full_file_system() {
    let store = Store::new();
    let mount = |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(&store.root).output();
    let mounted = mount(&["mount", "-t", "tmpfs", "-o", "size=400k", "none"]);
    if !mounted.is_ok_and(|output| output.status.success()) {
        skip::skip("b50_a_full_file_system", "needs to mount a tmpfs");
        return;
    }
    let check = || {
        fs::create_dir(store.root.join(".chunks")).expect("a directory");
        let local = store.with(SyncLevel::Filesystem, None);
        let chunks: Vec<Vec<u8>> = (0..20).map(|seed| noise(seed, 50_000)).collect();
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        // The earlier one fits.
        let (backup, manifest) = fill(&local, 1, &chunks[..2])?;
        backup.finish(&manifest)?;
        let error = refusal(fill(&local, 2, &chunks).map(drop));
        assert!(error.contains("No space left"), "{error}");
        assert!(!store.tree().iter().any(|name| name.contains("tmp") || name.contains("00:02Z")));
        let open = Snapshot::from(local.open(&Namespace::default(), &snapshot(1))?);
        open.chunk(&codec::digest(chunks[1]), 50_000, pxkit_core::blob::CryptMode::None)?;
        let removed = local.forget(&Namespace::default(), &snapshot(1));
        assert!(refusal(removed).contains("in use"));
        drop(open);
        local.forget(&Namespace::default(), &snapshot(1))
    };
    let result = check();
    // The process lock stays open for ever, so only a lazy end will do.
    let ended = mount(&["umount", "--lazy"]).expect("umount runs");
    assert!(ended.status.success());
    result.expect("all of it");
}
