//! Where things lie in a datastore, how one is made, and whose it is (datastore specification 1, 3).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pxkit_core::blob::BackupType;
use pxkit_core::format::Digest;
use rustix::fs::{Gid, Uid};

use super::disk::{Disk, random_name};
use super::fault::Faults;
use crate::store::{Group, Namespace, SnapshotId};

/// Types of groups, which are directories.
pub(super) const TYPES: [BackupType; 3] = [BackupType::Ct, BackupType::Host, BackupType::Vm];
/// The manifest; a snapshot that has it is finished.
pub(super) const MANIFEST: &str = "index.json.blob";
/// An empty file that says that the snapshot must not be removed.
pub(super) const PROTECTED: &str = ".protected";
/// User and group of a server.
const SERVER_USER: &str = "backup";

/// Paths in a datastore.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The store's directory.
    pub root: PathBuf,
}

impl Layout {
    pub fn chunks(&self) -> PathBuf {
        self.root.join(".chunks")
    }

    pub fn namespace(&self, namespace: &Namespace) -> PathBuf {
        namespace.components().iter().fold(self.root.clone(), |path, name| path.join("ns").join(name))
    }

    pub fn group(&self, namespace: &Namespace, group: &Group) -> PathBuf {
        self.namespace(namespace).join(group.backup_type.word()).join(&group.id)
    }

    pub fn snapshot(&self, namespace: &Namespace, snapshot: &SnapshotId) -> PathBuf {
        self.group(namespace, &snapshot.group).join(snapshot.time_text())
    }
}

/// The subdirectory of a chunk, and its name there.
pub(super) fn chunk_path(digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    Path::new(&name[..4]).join(&name)
}

/// Where a server on this machine keeps what belongs to its datastores.
#[derive(Clone, Debug)]
pub struct Server {
    /// Directory of the locks of all its stores.
    pub locks: PathBuf,
    /// If this file exists, groups and snapshots are locked by their directories.
    pub old_locking: PathBuf,
    /// Names and paths of its stores.
    pub config: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            locks: "/run/proxmox-backup/locks".into(),
            old_locking: "/run/proxmox-backup/old-locking".into(),
            config: "/etc/proxmox-backup/datastore.cfg".into(),
        }
    }
}

impl Server {
    /// The name under which a server has the store in a directory, if the file system's user says that it is a server's.
    ///
    /// # Errors
    /// The server keeps the store's contents elsewhere.
    pub(super) fn store_name(&self, root: &Path) -> anyhow::Result<Option<String>> {
        let owner = fs::metadata(root).with_context(|| format!("cannot look at {}", root.display()))?.uid();
        if server_user().is_none_or(|(user, _)| user.as_raw() != owner) {
            return Ok(None);
        }
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let config = fs::read_to_string(&self.config).unwrap_or_default();
        for section in sections(&config) {
            let is_here = |path: &str| Path::new(path).canonicalize().is_ok_and(|path| path == root);
            if section.get("path").is_some_and(is_here) {
                if section.get("backend").is_some_and(|backend| backend.contains("type=s3")) {
                    bail!(
                        "{} is the local cache of the S3 datastore `{}` and not complete: use the server",
                        root.display(),
                        section.name
                    );
                }
                return Ok(Some(section.name.to_owned()));
            }
        }
        // A store that no server is told of is locked by the name of its directory.
        Ok(Some(root.file_name().map_or_else(|| "store".into(), |name| name.to_string_lossy().into_owned())))
    }
}

/// A datastore in the server's configuration.
struct Section<'a> {
    name: &'a str,
    body: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.body
            .iter()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(char::is_whitespace))
            .map(str::trim)
    }
}

fn sections(config: &str) -> Vec<Section<'_>> {
    let mut out: Vec<Section<'_>> = Vec::new();
    for line in config.lines() {
        if let Some(name) = line.strip_prefix("datastore:") {
            out.push(Section { name: name.trim(), body: Vec::new() });
        } else if let Some(section) = out.last_mut().filter(|_| line.starts_with(char::is_whitespace)) {
            section.body.push(line.trim());
        }
    }
    out
}

/// User and group of a server, if this machine knows them.
fn server_user() -> Option<(Uid, Gid)> {
    let number = |file: &str, field: usize| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.split(':').next() == Some(SERVER_USER))?;
        line.split(':').nth(field)?.parse::<u32>().ok()
    };
    let user = Uid::from_raw(number("/etc/passwd", 2)?);
    Some((user, Gid::from_raw(number("/etc/group", 2)?)))
}

/// To whom things belong that are made below a directory: root gives them to the directory's owner.
pub(super) fn owner_below(directory: &Path) -> io::Result<Option<(Uid, Gid)>> {
    let metadata = fs::metadata(directory)?;
    let is_foreign = rustix::process::geteuid().is_root() && (metadata.uid(), metadata.gid()) != (0, 0);
    Ok(is_foreign.then(|| (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()))))
}

/// Makes a datastore: in a directory that does not exist, or that is empty but for hidden files and `lost+found`. It belongs to whom
/// the directory belongs. Directories of chunks are made when a chunk comes; [`complete`] makes all.
pub(super) fn create(root: &Path, faults: Option<Arc<Faults>>) -> anyhow::Result<()> {
    let what = || format!("cannot make a datastore in {}", root.display());
    let Some(name) = root.file_name().filter(|_| root.symlink_metadata().is_err()) else {
        return fill(root, faults);
    };
    // It appears as a whole: an empty directory could as well be a place where a disk should be mounted.
    let mut begun = OsString::from(".");
    begun.extend([name, OsStr::new(".tmp_"), OsStr::new(&random_name())]);
    let begun = root.with_file_name(begun);
    fs::create_dir_all(&begun).with_context(what)?;
    let disk = Disk { owner: None, faults: faults.clone() };
    let made = fill(&begun, faults).and_then(|()| disk.rename(&begun, root).with_context(what));
    if made.is_err() {
        let _ = fs::remove_dir_all(&begun);
    }
    made
}

/// Makes a datastore in a directory that exists.
fn fill(root: &Path, faults: Option<Arc<Faults>>) -> anyhow::Result<()> {
    let what = || format!("cannot make a datastore in {}", root.display());
    for entry in fs::read_dir(root).with_context(what)? {
        let name = entry.with_context(what)?.file_name();
        let is_tolerated = name.as_encoded_bytes().starts_with(b".") || name == "lost+found";
        if !is_tolerated || name == ".chunks" {
            bail!("cannot make a datastore in {}: it is not empty", root.display());
        }
    }
    let disk = Disk { owner: owner_below(root).with_context(what)?, faults };
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).with_context(what)?;
    if !root.join(".lock").exists() {
        disk.create(&root.join(".lock"), 0o644).with_context(what)?;
    }
    disk.make_dir(&root.join(".chunks"), 0o750).with_context(what)
}

/// Makes what is missing of the 65,536 directories of chunks, without which a server does not take a store over. That takes some
/// file systems several seconds.
pub(super) fn complete(chunks: &Path, disk: &Disk) -> anyhow::Result<()> {
    for number in 0..=0xffff_u32 {
        if number % 0x100 == 0 {
            crate::report::check_signals()?;
        }
        let path = chunks.join(format!("{number:04x}"));
        disk.ensure_dir(&path, 0o750).with_context(|| format!("cannot make {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::chown;

    /// Behaviours 1 and 69.
    #[test]
    fn a_new_store_is_complete() {
        // Some file systems take minutes to remove so many directories.
        let memory = Path::new("/dev/shm");
        let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let root = temp.path().join("some/store");
        fs::create_dir_all(&root).unwrap();
        let owner = server_user().filter(|_| rustix::process::geteuid().is_root());
        if let Some((user, group)) = owner {
            chown(&root, Some(user), Some(group)).unwrap();
        }
        create(&root, None).unwrap();
        let disk = Disk { owner: owner_below(&root).unwrap(), faults: None };
        // What is there already stays.
        disk.make_dir(&root.join(".chunks/bb9f"), 0o750).unwrap();
        complete(&root.join(".chunks"), &disk).unwrap();
        let check = |path: &Path, mode: u32| {
            let metadata = fs::symlink_metadata(path).unwrap();
            assert_eq!(metadata.mode() & 0o7777, mode, "{}", path.display());
            if let Some((user, group)) = owner {
                assert_eq!(
                    (metadata.uid(), metadata.gid()),
                    (user.as_raw(), group.as_raw()),
                    "{}",
                    path.display()
                );
            }
        };
        check(&root, 0o755);
        check(&root.join(".lock"), 0o644);
        check(&root.join(".chunks"), 0o750);
        for number in 0..=0xffff {
            check(&root.join(format!(".chunks/{number:04x}")), 0o750);
        }
        assert_eq!(fs::read_dir(root.join(".chunks")).unwrap().count(), 65_536);
        assert!(create(&root, None).unwrap_err().to_string().contains("not empty"));
    }

    #[test]
    fn strangers_are_not_made_stores() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("letter"), "dear").unwrap();
        assert!(create(temp.path(), None).unwrap_err().to_string().contains("not empty"));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    /// Behaviour 2.
    #[test]
    fn paths() {
        let layout = Layout { root: "/s".into() };
        let id: SnapshotId = "vm/100/2026-11-22T22:06:00Z".parse().unwrap();
        let path = layout.snapshot(&"a/b".parse().unwrap(), &id);
        assert_eq!(path, Path::new("/s/ns/a/ns/b/vm/100/2026-11-22T22:06:00Z"));
        let digest = Digest([0xbb; 32]);
        assert_eq!(chunk_path(&digest), Path::new("bbbb").join("bb".repeat(32)));
    }

    #[test]
    fn servers_name_their_stores() {
        if !rustix::process::geteuid().is_root() || server_user().is_none() {
            crate::testing::skip("servers_name_their_stores", "needs root and a user `backup`");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("here");
        fs::create_dir(&root).unwrap();
        let config = temp.path().join("datastore.cfg");
        let server = Server { config: config.clone(), ..Server::default() };
        assert_eq!(server.store_name(&root).unwrap(), None);
        let (user, group) = server_user().unwrap();
        chown(&root, Some(user), Some(group)).unwrap();
        assert_eq!(server.store_name(&root).unwrap().as_deref(), Some("here"));
        let path = root.display();
        let text =
            format!("datastore: other\n\tpath /nowhere\n\ndatastore: mine\n\tcomment x\n\tpath {path}\n");
        fs::write(&config, &text).unwrap();
        assert_eq!(server.store_name(&root).unwrap().as_deref(), Some("mine"));
        fs::write(&config, text + "\tbackend type=s3,client=x\n").unwrap();
        assert!(server.store_name(&root).unwrap_err().to_string().contains("S3"));
    }
}
