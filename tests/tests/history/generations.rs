//! Random histories: every snapshot restores to the tree of its time, whatever came before and after.

use std::sync::Arc;

use pxkit::backup::{Mode, Options};
use pxkit::crypt::{Crypt, EncryptionKey};
use pxkit_core::chunk::Cuts;
use pxkit_core::reuse::{Budget, Optimal, Policy};
use pxkit_tests::churn::Churn;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Snapshots, options};
use pxkit_tests::{cases, describe, skip};

const GENERATIONS: usize = 30;

/// Percent of padding, `None` for the policy of the reference.
const BUDGETS: [Option<u32>; 6] = [Some(0), Some(1), Some(5), Some(10), Some(50), None];

fn history(case: u64) {
    let mut rng = Rng::new(case);
    let budget = BUDGETS[case as usize % BUDGETS.len()];
    let is_odd = (case as usize + case as usize / BUDGETS.len()) % 2 == 1;
    let cuts = if is_odd { Cuts::Reference } else { Cuts::Files };
    let policy = match budget {
        Some(percent) => Policy::Optimal(Optimal { budget: Budget::percent(percent), ..Optimal::default() }),
        None => Policy::Threshold { limit: 1 << 20 },
    };
    let tree = Scratch::new();
    let mut churn = Churn::plant(case, tree.path(), 90);
    // Some are encrypted or signed.
    let key = Arc::new(EncryptionKey::generate().expect("random numbers"));
    let crypt = match case % 5 {
        1 => Crypt::encrypt(key.clone()),
        3 => Crypt::sign_only(key.clone()),
        _ => Crypt::NONE,
    };
    let mut snapshots = Snapshots::new().with_key(&key);
    let (mut made, mut reused) = (Vec::new(), 0);
    // Removed in the end: ext4 is slow to make files where some were removed within the last seconds.
    let mut kept = Vec::new();
    for generation in 0..GENERATIONS {
        let mode = match rng.below(10) {
            0 => Mode::Legacy,
            1 => Mode::Data,
            _ => Mode::Metadata,
        };
        // Rule 96: some histories go to and fro between the orders.
        let append = case.is_multiple_of(3) && mode != Mode::Legacy && !rng.one_in(3);
        let context = || format!("case {case}, generation {generation}, {mode:?}: {:?}", churn.log);
        let snapshot = snapshots
            .backup(tree.path(), &Options { policy, cuts, append, crypt: crypt.clone(), ..options(mode) });
        assert_eq!(snapshot.warnings, 0, "{}", context());
        let number =
            |pointer: &str| snapshot.json.pointer(pointer).and_then(|value| value.as_u64()).unwrap_or(0);
        if mode != Mode::Legacy {
            let padding = snapshots.check(&snapshot.id);
            assert_eq!(padding, number("/padding/bytes"), "{}", context());
            if let Some(percent) = budget {
                assert!(padding * 100 <= number("/padding/live") * u64::from(percent), "{}", context());
            }
        }
        reused += number("/reused/files");
        let (expected, restored) = (describe::tree(tree.path()), snapshots.restore(&snapshot.id));
        compare(&expected, &describe::tree(restored.path()), &context());
        made.push((snapshot.id, expected));
        kept.push(restored);
        churn.step();
    }
    snapshots.verify();
    // A history without re-use shows nothing.
    assert!(reused > 100, "case {case}: {reused} files were re-used");
    for (id, expected) in made.iter().step_by(5) {
        let restored = snapshots.restore(id);
        compare(expected, &describe::tree(restored.path()), &format!("case {case}, {id} in the end"));
        kept.push(restored);
    }
}

type Tree = std::collections::BTreeMap<Vec<u8>, Vec<String>>;

#[track_caller]
fn compare(expected: &Tree, restored: &Tree, context: &str) {
    for (path, description) in expected {
        assert_eq!(Some(description), restored.get(path), "{}: {context}", path.escape_ascii());
    }
    assert_eq!(expected.len(), restored.len(), "{context}");
}

/// Half of the cases, so that two cores have something to do.
fn histories(part: u64) {
    if !skip::needs_root_and_ext4("history") {
        return;
    }
    if let Some(only) = cases::only() {
        if only % 2 == part {
            history(only);
        }
        return;
    }
    (0..cases::count(6, 600)).filter(|case| case % 2 == part).for_each(history);
}

#[test]
fn rule_82_random_histories_even() {
    histories(0);
}

#[test]
fn rule_82_random_histories_odd() {
    histories(1);
}
