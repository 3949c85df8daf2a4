//! The program is killed: at a random operation, and at random times.

use std::thread;
use std::time::{Duration, Instant};

use pxkit_tests::cases;
use pxkit_tests::random::Rng;

use crate::Job;
use crate::store::Store;

/// Points at which a job is killed.
fn points() -> impl Iterator<Item = u64> {
    cases::only().map_or(0..cases::count(8, 200), |only| only..only + 1)
}

/// What must hold after a job was cut short; `clean` is a store in which it was not.
#[track_caller]
fn check(job: Job, store: &Store, clean: &Store, case: u64) {
    let finished = store.finished();
    if job.is_backup() {
        // The new one is there as a whole or does not count; the others are there in any case.
        let rest: Vec<_> = finished.iter().copied().filter(|&time| time < 4000).collect();
        assert_eq!(rest, [1000, 2000, 3000], "case {case}");
    } else {
        assert!(finished.is_superset(&job.leaves()), "case {case}: {finished:?}");
    }
    store.check(&finished);
    if job.is_backup() {
        // Of the same time, the unfinished one is replaced.
        let time = if case.is_multiple_of(2) && !finished.contains(&4000) { 4000 } else { 5000 };
        store.check_next_backup(&finished, time);
    } else if case.is_multiple_of(2) {
        store.check_next_backup(&finished, 5000);
    } else {
        // What was begun can be completed.
        job.run(store).exits(0);
        store.check(&job.leaves());
        if job == Job::Gc {
            assert_eq!(store.whole_chunks(), clean.whole_chunks(), "case {case}");
        }
    }
    store.check_housekeeping();
}

fn killed_at_operations(job: Job) {
    let (operations, clean) = (job.operations(), Store::new());
    job.run(&clean).exits(0);
    for case in points() {
        // Of a few, all.
        let at = if operations <= 10 {
            case % operations
        } else {
            Rng::new(case).below(operations as usize) as u64
        };
        let n = 1 + at;
        let store = Store::new();
        let run = store.run_with(job, &format!("kill:{n}"));
        assert_eq!(run.code, None, "case {case}: killed before operation {n} of {operations}: {}", run.err);
        check(job, &store, &clean, case);
    }
}

fn killed_at_times(job: Job) {
    let (clean, start) = (Store::new(), Instant::now());
    job.run(&clean).exits(0);
    let whole = start.elapsed().as_micros() as usize;
    for case in points() {
        let store = Store::new();
        let mut child = job.command(&store).spawn().expect("the program runs");
        thread::sleep(Duration::from_micros(Rng::new(case).below(whole) as u64));
        child.kill().expect("a child");
        child.wait().expect("a child");
        check(job, &store, &clean, case);
    }
}

#[test]
fn backup_at_operations() {
    killed_at_operations(Job::Backup);
}

#[test]
fn backup_of_everything_at_operations() {
    killed_at_operations(Job::Legacy);
}

#[test]
fn gc_at_operations() {
    killed_at_operations(Job::Gc);
}

#[test]
fn prune_at_operations() {
    killed_at_operations(Job::Prune);
}

#[test]
fn backup_at_times() {
    killed_at_times(Job::Backup);
}

#[test]
fn gc_at_times() {
    killed_at_times(Job::Gc);
}

#[test]
fn prune_at_times() {
    killed_at_times(Job::Prune);
}

/// The backup that makes the store as well.
#[test]
fn the_first_backup() {
    for n in 1..=12 {
        let store = Store::absent();
        let mut command = store.backup_of("a", 4000);
        command.env("PXKIT_FAULT", format!("kill:{n}"));
        assert_eq!(pxkit_tests::cli::Run::of(command).code, None);
        store.check_next_backup(&[].into(), 5000);
    }
}
