//! What a crash, a full or broken disk, a signal or somebody else's work at the same time leaves of a local datastore, with the real program:
//! afterwards `verify` finds nothing, finished snapshots restore to what they were, what was not finished does not count, and the next
//! backup works.
//!
//! `PXKIT_FAULT` says at which of the operations that change the store the program fails, dies or stops.

mod errors;
mod full;
mod killed;
mod signals;
mod store;
mod together;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use pxkit_tests::cli::Run;
use store::{Store, snapshot};

/// What is done to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Of generation 2, as `host/a` at 4000, in the mode that finds chunks to use again.
    Backup,
    /// The same with everything read, and a catalog.
    Legacy,
    /// There is garbage.
    Gc,
    /// Of all snapshots but that at 3000.
    Prune,
    /// Of the snapshot at 2000.
    Forget,
}

impl Job {
    fn is_backup(self) -> bool {
        matches!(self, Self::Backup | Self::Legacy)
    }

    /// The times of the finished snapshots when it is done.
    fn leaves(self) -> BTreeSet<i64> {
        match self {
            Self::Backup | Self::Legacy => [1000, 2000, 3000, 4000].into(),
            Self::Gc => [1000, 2000, 3000].into(),
            Self::Prune => [3000].into(),
            Self::Forget => [1000, 3000].into(),
        }
    }

    fn command(self, store: &Store) -> Command {
        match self {
            Self::Backup => store.backup_of("a", 4000),
            Self::Legacy => {
                let mut command = store.backup_of("a", 4000);
                command.arg("--change-detection-mode=legacy");
                command
            }
            Self::Gc => store.command(&["gc", "--cutoff", "1"]),
            Self::Prune => store.command(&["prune", "host/a", "--keep-last", "1"]),
            Self::Forget => store.command(&["forget", &snapshot(2000)]),
        }
    }

    fn run(self, store: &Store) -> Run {
        Run::of(self.command(store))
    }

    /// How many operations it takes, found by letting it die ever later.
    fn operations(self) -> u64 {
        static KNOWN: [OnceLock<u64>; 5] = [const { OnceLock::new() }; 5];
        *KNOWN[self as usize].get_or_init(|| {
            let dies_at = |n: u64| Store::new().run_with(self, &format!("kill:{n}")).code.is_none();
            let mut above = 2;
            while dies_at(above) {
                above *= 2;
            }
            let mut last = above / 2;
            while above - last > 1 {
                let middle = last.midpoint(above);
                if dies_at(middle) { last = middle } else { above = middle }
            }
            last
        })
    }
}
