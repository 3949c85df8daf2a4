//! Several at work on one store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pxkit::store::{Local, Namespace, Options, Repository as _, Snapshot};
use pxkit_core::blob::CryptMode;
use pxkit_tests::cases;
use pxkit_tests::cli::{self, Run};
use rustix::process::Signal;

use crate::Job;
use crate::store::{Store, snapshot};

/// Two backups of different groups, and garbage collections all the time, each in its own process.
#[test]
fn backups_and_collections() {
    for _ in 0..cases::count(4, 40) {
        let store = Store::new();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let collector = scope.spawn(|| {
                let mut collected = 0;
                while !done.load(Ordering::Relaxed) || collected == 0 {
                    let run = Job::Gc.run(&store);
                    match run.code {
                        Some(0) => collected += 1,
                        _ => {
                            _ = run.fails(2, &["is busy: another process makes a backup or collects garbage"])
                        }
                    }
                }
            });
            let backups = ["a", "b"].map(|id| {
                let store = &store;
                scope.spawn(move || {
                    for time in 4000..4003 {
                        // While garbage is collected nothing begins.
                        loop {
                            let run = Run::of(store.backup_of(id, time));
                            match run.code {
                                Some(0) => break,
                                _ => _ = run.fails(2, &["is busy: another process collects garbage"]),
                            }
                        }
                    }
                })
            });
            let results = backups.map(thread::ScopedJoinHandle::join);
            done.store(true, Ordering::Relaxed);
            collector.join().expect("collections work");
            assert!(results.iter().all(Result::is_ok));
        });
        let verified = store.run(&["verify"]).exits(0);
        assert_eq!(verified.text().matches("ok ").count(), 9, "{}", verified.text());
        store.check_restore("host/b/latest", 2);
        store.check_restore("host/b/1970-01-01T01:06:40Z", 2);
        for time in 4000..4003 {
            store.check_restore(&snapshot(time), 2);
        }
        store.check_housekeeping();
    }
}

/// A collection that is in the middle of its work lets nobody begin a backup, and a backup no collection.
#[test]
fn a_collection_and_a_backup_exclude_each_other() {
    let store = Store::new();
    for (first, second, words) in [
        (Job::Gc, Job::Backup, "another process collects garbage; try again later"),
        (Job::Backup, Job::Gc, "another process makes a backup or collects garbage; try again later"),
        (Job::Gc, Job::Gc, "another process makes a backup or collects garbage; try again later"),
    ] {
        let before = store.names();
        let stopped = store.stopped_at(first.command(&store), first.operations() / 2);
        second.run(&store).fails(2, &["is busy", words]);
        if first == Job::Gc {
            assert_eq!(store.names(), before);
        }
        cli::send(&stopped, Signal::CONT);
        Run::from(stopped.wait_with_output().expect("the program ends")).exits(0);
        store.check(&store.finished());
        store.age();
    }
    assert_eq!(store.finished(), Job::Backup.leaves());
}

#[test]
fn a_second_backup_of_the_group_fails_at_once() {
    let operations = Job::Backup.operations();
    for (n, time) in [(operations / 3, 5000), (operations / 2, 4000), (operations - 8, 6000)] {
        let store = Store::new();
        let first = store.stopped_at(store.backup_of("a", 4000), n);
        let during = store.names();
        let second = Run::of(store.backup_of("a", time));
        second.fails(
            2,
            &["the group host/a is locked: another backup or a removal is running; try again later"],
        );
        assert_eq!(store.names(), during);
        // Another group is free, and finished snapshots can be read and verified.
        Run::of(store.backup_of("b", time)).exits(0);
        store.check_restore(&snapshot(2000), 1);
        store.run(&["verify", &snapshot(2000)]).exits(0);
        cli::send(&first, Signal::CONT);
        Run::from(first.wait_with_output().expect("the program ends")).exits(0);
        assert_eq!(store.finished(), Job::Backup.leaves());
        store.check_restore("host/a/latest", 2);
        store.check_housekeeping();
    }
}

/// Who reads a snapshot has it to the end.
#[test]
fn what_is_read_is_not_removed() {
    let store = Store::new();
    let local = Local::open(&store.root, Options::default()).expect("a store");
    let (root, id) = (Namespace::default(), snapshot(2000).parse().expect("a snapshot"));
    let open = Snapshot::from(local.open(&root, &id).expect("a snapshot"));
    let index = open.index("root.ppxar.didx").expect("an index");
    Job::Forget.run(&store).fails(2, &["in use: a backup, a restore, a verification or a mount holds it"]);
    Job::Prune.run(&store).fails(1, &[&format!("{id} stays"), "in use"]);
    assert_eq!(store.finished(), [2000, 3000].into());
    Job::Gc.run(&store).exits(0);
    for at in 0..index.count() {
        let extent = index.extent(at).expect("a chunk");
        let digest = index.chunks()[at].digest;
        open.chunk(&digest, extent.end - extent.start, CryptMode::None).expect("a chunk");
    }
    drop(open);
    Job::Forget.run(&store).exits(0);
    store.check(&[3000].into());
}

/// Restores and removals that race: a restore is complete, or says why it is not.
#[test]
fn restores_beside_removals() {
    for round in 0..cases::count(10, 200) {
        let store = Store::new();
        let restore = store.command(&["restore", &snapshot(2000), "root.pxar", &store.target()]).spawn();
        let removal = [Job::Prune, Job::Forget][round as usize % 2];
        let mut removed = removal.run(&store);
        let code = cli::wait(restore.expect("the program runs"));
        if code == Some(0) {
            store.check_target(1, "a restore beside a removal");
        } else {
            assert_eq!(code, Some(2));
            // Then the removal was first.
            removed = removed.exits(0);
        }
        assert!(matches!(removed.code, Some(0..=2)), "{}", removed.err);
        assert!(removed.code == Some(0) || removed.err.contains("in use"), "{}", removed.err);
        removal.run(&store);
        store.check(&removal.leaves());
    }
}
