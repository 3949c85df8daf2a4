//! What an ARCHIVE argument names: a file, standard input, or an archive of a snapshot.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::cli::RepositoryArgs;
use crate::input::Opened;
use crate::source::ChunkReader;
use crate::store::{ArchiveName, locate, split_archive};

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
/// There is no such file, snapshot or archive; it cannot be opened; a payload file was named for an archive of a snapshot.
pub fn open(
    argument: &Path,
    payload_input: Option<&Path>,
    repository: &RepositoryArgs,
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
    let store = locate::open(repository)?;
    let snapshot = snapshot.open(&store, &repository.ns)?;
    let archive = ArchiveName::find(snapshot.manifest(), archive)?;
    Opened::stored(&Arc::new(ChunkReader::new(snapshot)), &archive, needs == Needs::Contents)
}
