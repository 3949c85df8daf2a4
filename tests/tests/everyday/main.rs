//! Commands for the days between making backups and needing them.

mod compare;
mod count;
mod find;
mod recheck;
mod several;
mod shell;
mod snapshots;
mod terminal;
mod transcripts;

use std::path::PathBuf;

use pxkit_tests::cli::{self, Run};
use pxkit_tests::golden;

/// A snapshot with a catalog, one without, and one that is encrypted, of one tree.
const LEGACY: &str = "host/legacy/2026-11-22T21:15:58Z";
const META: &str = "host/meta/2026-11-22T21:15:58Z";
const ENCRYPTED: &str = "host/enc/2026-11-22T21:15:58Z";

/// Runs the program with the golden datastore as its repository, and `input` on its standard input.
fn run_with(args: &[&str], input: &str) -> Run {
    let mut command = cli::command();
    command.env("PBS_REPOSITORY", golden::path("datastore")).args(args);
    Run::with_input(command, input.as_bytes())
}

fn run(args: &[&str]) -> Run {
    run_with(args, "")
}

fn key() -> PathBuf {
    golden::path("key.json")
}
