//! What an ARCHIVE argument names: a file, standard input, or an archive of a snapshot; and snapshots with their keys.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use crate::cli::{OpenArgs, RepositoryArgs};
use crate::crypt::{Keyring, WithoutKey};
use crate::input::Opened;
use crate::report::Report;
use crate::source::ChunkReader;
use crate::store::{ArchiveName, Group, Snapshot, SnapshotName, locate, split_archive};

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
    Ok(open_with_reader(argument, payload_input, repository, key, needs)?.opened)
}

fn open_with_reader(
    argument: &Path,
    payload_input: Option<&Path>,
    repository: &RepositoryArgs,
    key: &OpenArgs,
    needs: Needs,
) -> anyhow::Result<Single> {
    // What nobody may look at is told as that, not as something that is not there.
    let is_file = || match argument.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    let Some(names) = argument.to_str().and_then(split_archive).filter(|_| !is_file()) else {
        let opened = Opened::file(argument, payload_input)
            .map_err(|error| if is_file() { error } else { with_hint(argument, error) })?;
        return Ok(Single { opened, label: String::new(), stored: None });
    };
    let text = argument.display();
    let (snapshot, archive) = names.with_context(|| format!("there is no file {text}"))?;
    if payload_input.is_some() {
        bail!("{text} is an archive of a snapshot: its payload archive is found without --payload-input");
    }
    let snapshot = open_snapshot(&snapshot, repository, key, WithoutKey::Refuse)?;
    let archive = ArchiveName::find(snapshot.manifest(), archive)?;
    let reader = Arc::new(ChunkReader::new(snapshot));
    let opened = Opened::stored(&reader, &archive, needs == Needs::Contents)?;
    Ok(Single { opened, label: String::new(), stored: Some((reader, archive)) })
}

/// Says of something that is no file what it looks like, if that is less than an archive.
fn with_hint(argument: &Path, error: anyhow::Error) -> anyhow::Error {
    let text = argument.display();
    let names =
        argument.to_str().map(|text| (text.parse::<Group>().is_ok(), text.parse::<SnapshotName>().is_ok()));
    match names {
        Some((true, _)) => {
            anyhow!("there is no file {text}; if it is a group, name an archive: {text}/latest/NAME.pxar")
        }
        Some((_, true)) => {
            anyhow!("there is no file {text}; if it is a snapshot, name an archive: {text}/NAME.pxar")
        }
        _ => error,
    }
}

/// As [`open()`], but of a snapshot all its file archives, by name; at least one.
///
/// # Errors
/// Those of [`open()`]; it has none.
pub fn open_all(
    argument: &Path,
    payload_input: Option<&Path>,
    repository: &RepositoryArgs,
    key: &OpenArgs,
    needs: Needs,
) -> anyhow::Result<Vec<Single>> {
    let name = argument.to_str().and_then(|text| text.parse::<SnapshotName>().ok());
    let Some(name) = name.filter(|_| argument.symlink_metadata().is_err()) else {
        return Ok(vec![open_with_reader(argument, payload_input, repository, key, needs)?]);
    };
    let snapshot = open_snapshot(&name, repository, key, WithoutKey::Refuse)?;
    if payload_input.is_some() {
        bail!("{name} is a snapshot: its payload archives are found without --payload-input");
    }
    let mut archives = ArchiveName::labelled(snapshot.manifest());
    archives.retain(|(_, name)| matches!(name, ArchiveName::Unified(_) | ArchiveName::Split { .. }));
    if archives.is_empty() {
        bail!("{} has no file archive", snapshot.id());
    }
    let is_alone = archives.len() == 1;
    let reader = Arc::new(ChunkReader::new(snapshot));
    let open = |(label, archive): (String, ArchiveName)| {
        let opened = Opened::stored(&reader, &archive, needs == Needs::Contents)?;
        let label = if is_alone { String::new() } else { label };
        Ok(Single { opened, label, stored: Some((reader.clone(), archive)) })
    };
    archives.into_iter().map(open).collect()
}

/// An archive that was opened, and where it comes from if that is a snapshot.
#[derive(Debug)]
pub struct Single {
    /// The archive.
    pub opened: Opened,
    /// What it is called among the others that were opened with it, such as `root.pxar`; empty if there are none.
    pub label: String,
    /// The snapshot, and which archive of it that is.
    pub stored: Option<(Arc<ChunkReader>, ArchiveName)>,
}

/// The only file archive of a snapshot.
///
/// # Errors
/// It has none, or several: then one must be named.
pub fn single_archive(snapshot: &Snapshot) -> anyhow::Result<ArchiveName> {
    let (manifest, id) = (snapshot.manifest(), snapshot.id());
    let names = manifest.files.iter().map(|file| &*file.filename);
    let mut names = names.filter(|name| name.ends_with(".mpxar.didx") || name.ends_with(".pxar.didx"));
    match (names.next(), names.next()) {
        (Some(name), None) => ArchiveName::find(manifest, name),
        (None, _) => bail!("{id} has no file archive"),
        (Some(first), Some(_)) => {
            let base = first.split_once('.').map_or(first, |(base, _)| base);
            bail!("{id} has several archives: name one, such as {id}/{base}.pxar")
        }
    }
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
