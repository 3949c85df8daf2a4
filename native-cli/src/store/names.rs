//! Names that people use: of snapshots, and of what is in them (datastore specification 2.1, change detection 8.1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use pxkit_core::blob::{BackupType, Manifest};

use super::id::error;
use super::{Group, Namespace, OpenSnapshot, ParseError, Repository, SnapshotId};
use crate::remote::Lost;

/// What stands for the time of a group's last snapshot.
const LATEST: &str = "latest";
/// The name of the manifest itself, which it does not list.
const MANIFEST: &str = "index.json.blob";

/// A snapshot as it is asked for: `TYPE/ID/TIME`, or `TYPE/ID/latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotName {
    group: Group,
    /// Seconds since 1970; `None` for the last one.
    time: Option<i64>,
}

impl SnapshotName {
    /// Which snapshot that is.
    ///
    /// # Errors
    /// The group has no finished snapshot, or cannot be read. A given time is not looked up.
    pub fn resolve(&self, repository: &dyn Repository, namespace: &Namespace) -> anyhow::Result<SnapshotId> {
        let group = self.group.clone();
        if let Some(time) = self.time {
            return Ok(SnapshotId { group, time });
        }
        let all = repository.snapshots(namespace, &group);
        let all = all.map_err(|error| other_groups(error, repository, namespace, &group))?;
        let last = all.into_iter().rev().find(|snapshot| snapshot.finished);
        last.map(|snapshot| snapshot.id).ok_or_else(|| anyhow!("{group} has no finished snapshot"))
    }

    /// Opens the snapshot.
    ///
    /// # Errors
    /// Those of [`SnapshotName::resolve`] and [`Repository::open`].
    pub fn open(
        &self,
        repository: &dyn Repository,
        namespace: &Namespace,
    ) -> anyhow::Result<Arc<dyn OpenSnapshot>> {
        let id = self.resolve(repository, namespace)?;
        repository.open(namespace, &id).map_err(|error| other_snapshots(error, repository, namespace, &id))
    }
}

/// Says of a snapshot that is not there which ones are. Whatever else is wrong stays as it is.
fn other_snapshots(
    error: anyhow::Error,
    repository: &dyn Repository,
    namespace: &Namespace,
    id: &SnapshotId,
) -> anyhow::Error {
    // Nobody waits for a server that is gone once more.
    if error.is::<Lost>() {
        return error;
    }
    match repository.snapshots(namespace, &id.group) {
        Ok(all) if all.iter().all(|info| info.id != *id) => {
            let times: Vec<String> = all.iter().map(|info| info.id.time_text()).collect();
            let times = shortened(&times);
            anyhow!("there is no snapshot {id} in {}; the group has {times}", place(repository, namespace))
        }
        Ok(_) => error,
        Err(_) => other_groups(error, repository, namespace, &id.group),
    }
}

/// Says of a group that is not there which ones are.
fn other_groups(
    error: anyhow::Error,
    repository: &dyn Repository,
    namespace: &Namespace,
    group: &Group,
) -> anyhow::Error {
    if error.is::<Lost>() {
        return error;
    }
    match repository.groups(namespace) {
        Ok(all) if all.iter().all(|info| info.group != *group) => {
            let names: Vec<String> = all.iter().map(|info| info.group.to_string()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { shortened(&names) };
            anyhow!("there is no group {group} in {}; it has {names}", place(repository, namespace))
        }
        _ => error,
    }
}

/// How messages name a namespace.
fn place(repository: &dyn Repository, namespace: &Namespace) -> String {
    let name = repository.name();
    if namespace.is_root() { name } else { format!("namespace `{namespace}` of {name}") }
}

/// The last few names of a list.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    let last = names[names.len().saturating_sub(MOST)..].join(", ");
    match names.len().saturating_sub(MOST) {
        0 => last,
        more => format!("{last} and {more} before"),
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time {
            Some(time) => SnapshotId { group: self.group.clone(), time }.fmt(f),
            None => write!(f, "{}/{LATEST}", self.group),
        }
    }
}

impl FromStr for SnapshotName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if split_archive(text).is_some() {
            return Err(error("snapshot", text, "TYPE/ID/TIME, without the name of an archive"));
        }
        if text.split('/').count() != 3 {
            let rule = "TYPE/ID/TIME with a time like 2026-11-22T21:15:52Z, or TYPE/ID/latest";
            return Err(error("snapshot", text, rule));
        }
        if let Some((group, LATEST)) = text.rsplit_once('/') {
            return Ok(Self { group: group.parse()?, time: None });
        }
        let SnapshotId { group, time } = text.parse()?;
        Ok(Self { group, time: Some(time) })
    }
}

/// Takes `SNAPSHOT/ARCHIVE` apart. `None` if a text has another form: it has four components, and the first is a type of backup.
///
/// # Errors
/// It has that form, but there are no such names.
pub fn split_archive(text: &str) -> Option<Result<(SnapshotName, &str), ParseError>> {
    let (snapshot, archive) = text.rsplit_once('/')?;
    let is_one = text.split('/').count() == 4 && BackupType::from_word(text.split('/').next()?).is_some();
    is_one.then(|| Ok((snapshot.parse()?, archive)))
}

/// What a name means in a snapshot; with names as the manifest has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveName {
    /// A file archive of one stream.
    Unified(String),
    /// A file archive of two streams. Whether both are there was not looked at.
    Split {
        /// Metadata.
        meta: String,
        /// Contents.
        payload: String,
    },
    /// An image.
    Image(String),
    /// Another stream: the catalog.
    Stream(String),
    /// A small file.
    Blob(String),
    /// The manifest.
    Manifest,
}

impl ArchiveName {
    /// Finds what `name` means: a name of the manifest, with or without `.didx`, `.fidx` or `.blob`; of a split archive that of either
    /// half, or with `.pxar`.
    ///
    /// # Errors
    /// There is nothing of that name; it says what there is.
    pub fn find(manifest: &Manifest, name: &str) -> anyhow::Result<Self> {
        let full = full_name(name)?;
        if full == MANIFEST {
            return Ok(Self::Manifest);
        }
        let halves = |base: &str| Self::Split {
            meta: format!("{base}.mpxar.didx"),
            payload: format!("{base}.ppxar.didx"),
        };
        let base = |suffix: &str| full.strip_suffix(suffix);
        if manifest.file(&full).is_some() {
            return Ok(if let Some(base) = base(".mpxar.didx").or(base(".ppxar.didx")) {
                halves(base)
            } else if full.ends_with(".pxar.didx") {
                Self::Unified(full)
            } else if full.ends_with(".fidx") {
                Self::Image(full)
            } else if full.ends_with(".didx") {
                Self::Stream(full)
            } else {
                Self::Blob(full)
            });
        }
        if let Some(base) = base(".pxar.didx")
            && manifest.file(&format!("{base}.mpxar.didx")).is_some()
        {
            return Ok(halves(base));
        }
        let names: Vec<&str> = manifest.files.iter().map(|file| &*file.filename).collect();
        bail!("{name} is not in the snapshot, which has {}", names.join(", "));
    }

    /// The file archives and images of a snapshot by the names that people use, such as `root.pxar`, in their order.
    pub fn labelled(manifest: &Manifest) -> Vec<(String, Self)> {
        let mut all: Vec<(String, Self)> = Vec::new();
        for file in &manifest.files {
            let Ok(name) = Self::find(manifest, &file.filename) else { continue };
            let label = match &name {
                Self::Unified(name) => name.strip_suffix(".didx"),
                // Once, although it has two files.
                Self::Split { meta, .. } if *meta == file.filename => meta.strip_suffix(".didx"),
                Self::Image(name) => name.strip_suffix(".fidx"),
                _ => None,
            };
            let Some(label) = label else { continue };
            all.push((label.to_owned(), name));
        }
        let taken: Vec<String> = all.iter().map(|(label, _)| label.clone()).collect();
        for (label, _) in &mut all {
            if let Some(base) = label.strip_suffix(".mpxar") {
                let unified = format!("{base}.pxar");
                if !taken.contains(&unified) {
                    *label = unified;
                }
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// The name of a file in the manifest, with the extension that says how it is stored.
fn full_name(name: &str) -> anyhow::Result<String> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let stored = match extension {
        "didx" | "fidx" | "blob" => return Ok(name.to_owned()),
        "pxar" | "mpxar" | "ppxar" | "pcat1" => "didx",
        "img" => "fidx",
        "conf" | "log" | "json" | "key" => "blob",
        _ => bail!(
            "{name} is no name of an archive: they end in .pxar, .mpxar, .ppxar, .img, .conf, .log, .pcat1, .json or .key"
        ),
    };
    Ok(format!("{name}.{stored}"))
}

#[cfg(test)]
mod tests {
    use pxkit_core::blob::{CryptMode, FileEntry};
    use pxkit_core::format::Digest;

    use super::*;

    fn manifest(names: &[&str]) -> Manifest {
        let mut manifest = Manifest::new(BackupType::Host, "elsa", 0);
        manifest.files.extend(names.iter().map(|name| FileEntry {
            filename: (*name).to_owned(),
            crypt_mode: CryptMode::None,
            size: 1,
            csum: Digest::default(),
        }));
        manifest
    }

    #[test]
    fn either_half_and_the_whole_mean_the_split_archive() {
        let manifest = manifest(&["root.mpxar.didx", "root.ppxar.didx", "old.pxar.didx", "x.conf.blob"]);
        let split = ArchiveName::Split { meta: "root.mpxar.didx".into(), payload: "root.ppxar.didx".into() };
        for name in ["root.pxar", "root.mpxar", "root.ppxar"] {
            assert_eq!(ArchiveName::find(&manifest, name).unwrap(), split);
            assert_eq!(ArchiveName::find(&manifest, &format!("{name}.didx")).unwrap(), split);
        }
        assert_eq!(
            ArchiveName::find(&manifest, "old.pxar").unwrap(),
            ArchiveName::Unified("old.pxar.didx".into())
        );
        for name in ["old.mpxar", "old.ppxar", "none.pxar", "x.log", "root", "root.tar", "root.pxar.fidx"] {
            assert!(ArchiveName::find(&manifest, name).is_err(), "{name}");
        }
        let error = ArchiveName::find(&manifest, "none.pxar").unwrap_err().to_string();
        assert!(error.contains("root.mpxar.didx, root.ppxar.didx, old.pxar.didx, x.conf.blob"), "{error}");
    }

    #[test]
    fn a_unified_archive_goes_before_a_split_one_of_its_name() {
        let manifest = manifest(&["root.mpxar.didx", "root.ppxar.didx", "root.pxar.didx"]);
        assert_eq!(
            ArchiveName::find(&manifest, "root.pxar").unwrap(),
            ArchiveName::Unified("root.pxar.didx".into())
        );
    }

    #[test]
    fn what_is_no_archive_is_found_by_its_extension() {
        let manifest = manifest(&["a.img.fidx", "b.conf.blob", "catalog.pcat1.didx", "c.log.blob"]);
        let found = |name| ArchiveName::find(&manifest, name).unwrap();
        assert_eq!(found("a.img"), ArchiveName::Image("a.img.fidx".into()));
        assert_eq!(found("b.conf"), ArchiveName::Blob("b.conf.blob".into()));
        assert_eq!(found("b.conf.blob"), ArchiveName::Blob("b.conf.blob".into()));
        assert_eq!(found("c.log"), ArchiveName::Blob("c.log.blob".into()));
        assert_eq!(found("catalog.pcat1"), ArchiveName::Stream("catalog.pcat1.didx".into()));
        assert_eq!(found("index.json"), ArchiveName::Manifest);
    }

    #[test]
    fn archives_have_the_names_that_people_use() {
        let manifest = manifest(&[
            "root.ppxar.didx",
            "root.mpxar.didx",
            "old.pxar.didx",
            "catalog.pcat1.didx",
            "a.conf.blob",
            "disk.img.fidx",
            "old.mpxar.didx",
            "old.ppxar.didx",
        ]);
        let labels: Vec<String> =
            ArchiveName::labelled(&manifest).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["disk.img", "old.mpxar", "old.pxar", "root.pxar"]);
    }

    #[test]
    fn snapshots_are_named_by_time_or_as_the_last() {
        for text in ["host/elsa/2020-06-26T13:56:05Z", "vm/100/latest"] {
            assert_eq!(text.parse::<SnapshotName>().unwrap().to_string(), text);
        }
        for text in
            ["host/elsa", "latest", "host/latest", "elsa/host/latest", "host/elsa/newest", "host//latest"]
        {
            assert!(text.parse::<SnapshotName>().is_err(), "{text}");
        }
    }

    #[test]
    fn archives_are_told_from_files() {
        let split = |text| split_archive(text).map(|result| result.map(|(s, a)| (s.to_string(), a)));
        let time = "host/elsa/2020-06-26T13:56:05Z";
        let text = format!("{time}/root.pxar");
        assert_eq!(split(&text), Some(Ok((time.into(), "root.pxar"))));
        assert_eq!(split("ct/1/latest/a.conf"), Some(Ok(("ct/1/latest".into(), "a.conf"))));
        assert!(split("host/elsa/yesterday/root.pxar").is_some_and(|result| result.is_err()));
        for text in
            ["root.pxar", "./host/elsa/latest/root.pxar", "/host/elsa/latest", "a/b/c/d", "host/a/b/c/d", "-"]
        {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
