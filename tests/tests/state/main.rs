//! The state file of change detection: what it saves, what it finds, and that losing it costs nothing but time. The tests of `table` are the
//! rows of the table of failure modes in change detection 10.2.

mod files;
mod generations;
mod history;
mod images;
mod kept;
mod table;
mod unread;

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use pxkit::backup::{Mode, Options, StatePolicy, States};
use pxkit_core::reuse::state::Sharpness;
use pxkit_core::reuse::{Budget, Optimal, Policy};
use pxkit_tests::churn::set_time;
use pxkit_tests::describe;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Made, Snapshots, options};

const AUTO: StatePolicy = StatePolicy::Auto;
const STRICT: StatePolicy = StatePolicy::Sharp(Sharpness::Strict);
const LOOSE: StatePolicy = StatePolicy::Sharp(Sharpness::Loose);
const COMPAT: StatePolicy = StatePolicy::Sharp(Sharpness::Compatible);

/// A tree, its snapshots, and their states.
struct World {
    tree: Scratch,
    states: Scratch,
    snapshots: Snapshots,
    policy: StatePolicy,
    append: bool,
}

impl World {
    /// A tree of these files, all from long ago: path and size.
    fn new(policy: StatePolicy, files: &[(&str, usize)]) -> Self {
        let world = Self {
            tree: Scratch::new(),
            states: Scratch::new(),
            snapshots: Snapshots::new(),
            policy,
            append: false,
        };
        for (number, (path, size)) in files.iter().enumerate() {
            world.write(path, number as u64, *size);
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree.join(name)
    }

    /// Writes a file from long ago; contents and time follow from the seed.
    fn write(&self, path: &str, seed: u64, size: usize) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, Rng::new(seed).bytes(size)).expect("written");
        set_time(&path, 1_000_000_000 + seed as i64, 7);
    }

    /// Whatever is unchanged is used again.
    fn options(&self, mode: Mode) -> Options {
        let policy = Policy::Optimal(Optimal { budget: Budget::percent(1000), fragment: 0 });
        let states = States {
            policy: self.policy,
            directory: self.states.path().to_owned(),
            repository: "a repository".into(),
        };
        Options { policy, state: Some(states), append: self.append, ..options(mode) }
    }

    /// A backup some time after the last change, which it finds settled.
    #[track_caller]
    fn backup(&mut self) -> Made {
        settle();
        self.backup_at_once()
    }

    #[track_caller]
    fn backup_at_once(&mut self) -> Made {
        let options = self.options(Mode::Metadata);
        let made = self.snapshots.backup(self.tree.path(), &options);
        self.snapshots.check(&made.id);
        made
    }

    /// The last snapshot restores to the tree as it is.
    #[track_caller]
    fn is_whole(&self, made: &Made) {
        let restored = self.snapshots.restore(&made.id);
        describe::assert_same(self.tree.path(), restored.path());
    }

    /// The only state file.
    #[track_caller]
    fn state(&self) -> PathBuf {
        let all: Vec<PathBuf> = fs::read_dir(self.states.path())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().expect("one")
    }
}

/// Waits until what was done is past for certain.
fn settle() {
    sleep(Duration::from_millis(130));
}

/// Another byte in place; size and time stay.
fn edit_behind_time(path: &Path) {
    let metadata = fs::metadata(path).expect("a file");
    let file = fs::File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], 5).expect("a byte");
    drop(file);
    set_time(path, metadata.mtime(), metadata.mtime_nsec());
}

/// A number of the summary.
#[track_caller]
fn number(made: &Made, pointer: &str) -> u64 {
    let found = made.json.pointer(pointer).and_then(serde_json::Value::as_u64);
    found.unwrap_or_else(|| panic!("{pointer} in {}", made.json))
}

/// Files that are not known to be unchanged. Of the others some may be read because of what lies beside them in their chunks.
fn read(made: &Made) -> u64 {
    number(made, "/files/files") - number(made, "/unchanged/files")
}

/// Files and directories whose metadata was read.
fn looked_into(made: &Made) -> u64 {
    number(made, "/metadata_read/by_name") + number(made, "/metadata_read/opened")
}
