//! Backups over time. Numbers in names are those of the checklist (11) and of the open points (9) in the specification of change detection.

mod changes;
mod files;
mod generations;
mod reference;
mod streams;

use std::fs;
use std::path::Path;

use pxkit::backup::{Mode, Options};
use pxkit_core::reuse::{Budget, Optimal, Policy};
use pxkit_tests::churn::set_time;
use pxkit_tests::disk::Scratch;
use pxkit_tests::random::Rng;
use pxkit_tests::snapshots::{Made, options};

/// Whatever is unchanged is used again.
fn keeping(mode: Mode) -> Options {
    let policy = Policy::Optimal(Optimal { budget: Budget::percent(1000), fragment: 0 });
    Options { policy, ..options(mode) }
}

/// A tree of these files, all from long ago: path and size.
fn tree(files: &[(&str, usize)]) -> Scratch {
    let tree = Scratch::new();
    for (number, (path, size)) in files.iter().enumerate() {
        write(tree.path(), path, number as u64, *size);
    }
    tree
}

/// Writes a file from long ago; contents and time follow from the seed.
fn write(tree: &Path, path: &str, seed: u64, size: usize) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(&path, Rng::new(seed).bytes(size)).expect("written");
    set_time(&path, 1_000_000_000 + seed as i64, 7);
}

/// A number of the summary.
#[track_caller]
fn number(made: &Made, pointer: &str) -> u64 {
    let found = made.json.pointer(pointer).and_then(serde_json::Value::as_u64);
    found.unwrap_or_else(|| panic!("{pointer} in {}", made.json))
}
