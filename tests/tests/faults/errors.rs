//! Operations fail, once or from some point on.

use pxkit_tests::cases;
use pxkit_tests::random::Rng;

use crate::Job;
use crate::store::Store;

const ENOSPC: &str = "No space left on device";
const EIO: &str = "Input/output error";
/// What the last operations of a collection do is only for information: to write down its result.
const STATUS_OF_GC: u64 = 3;
/// The last operations of a backup, from the one that makes its contents durable on.
const FINISH: u64 = 8;

fn fails(job: Job) {
    let (operations, clean) = (job.operations(), Store::new());
    job.run(&clean).exits(0);
    let mut failures = 0;
    for case in cases::only().map_or(0..cases::count(9, 240), |only| only..only + 1) {
        let (plan, cause) = [("EIO:#", EIO), ("ENOSPC:#", ENOSPC), ("ENOSPC:#+", ENOSPC)][case as usize % 3];
        let n = 1 + Rng::new(case).below(operations as usize) as u64;
        let plan = plan.replace('#', &n.to_string());
        let store = Store::new();
        let before = store.names();
        let run = store.run_with(job, &plan);
        let what = format!("case {case}: {plan} of {operations}: {:?}, {}", run.code, run.err);
        // A full disk stops only what needs room. A backup goes on without a reference that it cannot have.
        let may_be_harmless = match (job, cause) {
            (_, ENOSPC) => !job.is_backup() || !plan.ends_with('+') || n > operations - FINISH,
            (Job::Backup, _) => run.err.contains("the previous snapshot cannot be a reference"),
            (Job::Gc, _) => n > operations - STATUS_OF_GC,
            _ => false,
        };
        failures += u64::from(run.code == Some(2));
        if may_be_harmless && run.code == Some(0) {
            assert_eq!(store.finished(), job.leaves(), "{what}");
            assert!(job.is_backup() || store.chunks() == clean.chunks(), "{what}");
        } else {
            assert_eq!(run.code, Some(2), "{what}");
            assert!(run.err.contains(cause) && names_something(&run.err, &store), "{what}");
            assert!(!job.is_backup() || store.names() == before, "{what}");
        }
        assert!(store.temporary().is_empty(), "{what}: {:?}", store.temporary());
        let finished = store.finished();
        store.check(&finished);
        if case.is_multiple_of(2) {
            store.check_next_backup(&finished, 5000);
        } else if finished != job.leaves() || job == Job::Gc {
            // The next attempt completes it.
            let again = job.run(&store);
            assert!(again.code == Some(0) || job == Job::Forget, "{what}; again: {}", again.err);
            store.check(&job.leaves());
        }
        store.check_housekeeping();
    }
    assert!(failures > 0 || cases::only().is_some());
}

/// An error says of what: a path in the store, a chunk, an index, a manifest.
fn names_something(err: &str, store: &Store) -> bool {
    let root = store.root.to_str().expect("text");
    [root, "chunk ", ".didx", "manifest of host/a/"].iter().any(|name| err.contains(name))
}

#[test]
fn backup() {
    fails(Job::Backup);
}

#[test]
fn backup_of_everything() {
    fails(Job::Legacy);
}

#[test]
fn gc() {
    fails(Job::Gc);
}

#[test]
fn prune() {
    fails(Job::Prune);
}

#[test]
fn forget() {
    fails(Job::Forget);
}
