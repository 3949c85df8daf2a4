//! `pxkit notes`: the notes of a snapshot or group.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::cli::Notes;
use crate::report::Outcome;
use crate::store::{Group, SnapshotName, locate};

/// Shows or changes notes.
///
/// # Errors
/// What is named does not exist or is in use, or notes cannot be read, written or printed.
pub fn run(args: &Notes) -> anyhow::Result<Outcome> {
    let store = locate::open(&args.repository)?;
    let namespace = &args.repository.ns;
    let notes = if let Ok(name) = args.what.parse::<SnapshotName>() {
        let id = name.resolve(&*store, namespace)?;
        match &args.text {
            Some(text) => return store.set_notes(namespace, &id, text).map(|()| Outcome::Complete),
            None => store.notes(namespace, &id)?,
        }
    } else {
        let group: Group = args
            .what
            .parse()
            .with_context(|| format!("`{}` is neither a snapshot nor a group", args.what))?;
        match &args.text {
            Some(text) => return store.set_group_notes(namespace, &group, text).map(|()| Outcome::Complete),
            None => store.group_notes(namespace, &group)?,
        }
    };
    if !notes.is_empty() {
        writeln!(io::stdout(), "{}", notes.trim_end()).context("cannot write to standard output")?;
    }
    Ok(Outcome::Complete)
}
