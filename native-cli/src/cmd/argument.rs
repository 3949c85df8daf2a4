//! What an ARCHIVE argument names: a file, standard input, or an archive of a snapshot; and snapshots with their keys.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::cli::{OpenArgs, RepositoryArgs};
use crate::crypt::{Keyring, WithoutKey};
use crate::input::Opened;
use crate::report::Report;
use crate::source::ChunkReader;
use crate::store::{ArchiveName, Snapshot, SnapshotName, locate, split_archive};

/// Which streams of a split archive of a snapshot a command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Metadata only.
    Metadata,
    /// Both.
    Contents,
}

/// Opens an archive. A path of something that exists is a file, whatever it looks like; so is everything that does not look like
/// `TYPE/ID/TIME/ARCHIVE` (`./` in front is enough for that).
///
/// # Errors
/// There is no such file, snapshot or archive; it cannot be opened, or not with this key; a payload file was named for an archive of a
/// snapshot.
pub fn open(
    argument: &Path,
    payload_input: Option<&Path>,
    repository: &RepositoryArgs,
    key: &OpenArgs,
    needs: Needs,
) -> anyhow::Result<Opened> {
    let is_file = || argument.symlink_metadata().is_ok();
    let Some(names) = argument.to_str().and_then(split_archive).filter(|_| !is_file()) else {
        return Opened::file(argument, payload_input);
    };
    let text = argument.display();
    let (snapshot, archive) = names.with_context(|| format!("there is no file {text}"))?;
    if payload_input.is_some() {
        bail!("{text} is an archive of a snapshot: its payload archive is found without --payload-input");
    }
    let snapshot = open_snapshot(&snapshot, repository, key, WithoutKey::Refuse)?;
    let archive = ArchiveName::find(snapshot.manifest(), archive)?;
    Opened::stored(&Arc::new(ChunkReader::new(snapshot)), &archive, needs == Needs::Contents)
}

/// Opens a snapshot with its key, if its signature is what it should be.
///
/// # Errors
/// There is no such snapshot, it is refused, or the key cannot be opened.
pub fn open_snapshot(
    name: &SnapshotName,
    repository: &RepositoryArgs,
    key: &OpenArgs,
    without: WithoutKey,
) -> anyhow::Result<Snapshot> {
    let keyring = Keyring::for_reading(key)?;
    let stored = name.open(&*locate::open(repository)?, &repository.ns)?;
    keyring.open(stored, without, &Report::new(true))
}
