//! SIGINT and SIGTERM in the middle of the work.

use pxkit_tests::cases;
use pxkit_tests::cli::{self, Run};
use pxkit_tests::random::Rng;
use rustix::process::Signal;

use crate::Job;
use crate::store::Store;

/// Operations at the end of a backup, from the one that makes it durable on; who comes then comes too late.
const FINISH: u64 = 7;

fn interrupted(job: Job) {
    let operations = job.operations();
    for case in cases::only().map_or(0..cases::count(5, 100), |only| only..only + 1) {
        let (signal, code) = [(Signal::INT, 130), (Signal::TERM, 143)][case as usize % 2];
        let n = 1 + Rng::new(case).below(operations as usize) as u64;
        let store = Store::new();
        let before = store.names();
        let run = store.stopped_at(job.command(&store), n);
        cli::send(&run, signal);
        cli::send(&run, Signal::CONT);
        let run = Run::from(run.wait_with_output().expect("the program ends"));
        let what = format!("case {case}: operation {n} of {operations}: {:?}, {}", run.code, run.err);
        let finished = store.finished();
        if job.is_backup() {
            if n <= operations - FINISH {
                assert_eq!(run.code, Some(code), "{what}");
            }
            assert!(
                matches!(run.code, Some(0)) || store.names() == before && run.code == Some(code),
                "{what}"
            );
        } else {
            assert!(run.code == Some(0) || run.code == Some(code), "{what}");
            assert!(finished.is_superset(&job.leaves()), "{what}");
        }
        assert!(!run.err.contains("error"), "{what}");
        assert!(store.temporary().is_empty(), "{what}");
        store.check(&finished);
        store.check_next_backup(&finished, 5000);
    }
}

#[test]
fn backup() {
    interrupted(Job::Backup);
}

#[test]
fn backup_of_everything() {
    interrupted(Job::Legacy);
}

#[test]
fn gc() {
    interrupted(Job::Gc);
}

#[test]
fn prune() {
    interrupted(Job::Prune);
}
