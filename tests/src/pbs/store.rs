//! The datastore of the server on disk, and the locks of its parts. Written apart from the store of pxkit, which is to check it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, FileTimes};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use pxkit_core::format::Digest;

use super::params::{Params, Reply, bad};

/// Magic numbers of blobs: plain, compressed, encrypted, both.
const MAGIC: [[u8; 8]; 4] = [
    [0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1],
    [0x31, 0xb9, 0x58, 0x42, 0x6f, 0xb6, 0xa3, 0x7f],
    [0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0],
    [0xe6, 0x59, 0x1b, 0xbf, 0x0b, 0xbf, 0xd8, 0x0b],
];
/// Bytes of a header without and with a seal.
pub const HEADERS: [usize; 2] = [12, 44];

/// Whether a blob is compressed and whether it is encrypted.
///
/// # Errors
/// It is too short for its header, or has none.
pub fn kind(blob: &[u8]) -> Reply<(bool, bool)> {
    let kind = MAGIC.iter().position(|magic| blob.starts_with(magic));
    let kind = kind.ok_or_else(|| bad("unable to parse raw blob - wrong magic"))?;
    let (compressed, sealed) = (kind % 2 == 1, kind >= 2);
    if sealed && blob.len() < HEADERS[1] {
        return Err(bad(format!("encrypted blob too small ({} bytes).", blob.len())));
    }
    if blob.len() < HEADERS[0] {
        return Err(bad(format!("blob too small ({} bytes).", blob.len())));
    }
    Ok((compressed, sealed))
}

/// The plain bytes of a blob that is not encrypted, at most `limit`.
///
/// # Errors
/// It cannot be decompressed, or is larger.
pub fn plain(blob: &[u8], limit: usize) -> Reply<Vec<u8>> {
    let data = &blob[HEADERS[0]..];
    if !kind(blob)?.0 {
        return Ok(data.to_vec());
    }
    zstd::bulk::decompress(data, limit).map_err(|error| bad(format!("unable to decompress: {error}")))
}

/// A snapshot and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub namespace: String,
    pub kind: String,
    pub id: String,
    pub time: i64,
}

impl Place {
    pub fn of(params: &Params) -> Self {
        Self {
            namespace: params.text("ns").to_owned(),
            kind: params.text("backup-type").to_owned(),
            id: params.text("backup-id").to_owned(),
            time: params.int("backup-time").and_then(|time| i64::try_from(time).ok()).unwrap_or(0),
        }
    }

    /// As messages and paths name it; the year must have four digits.
    pub fn name(&self) -> Reply<String> {
        Ok(format!("{}/{}/{}", self.kind, self.id, time_text(self.time)?))
    }
}

/// A time as directories have it.
pub fn time_text(time: i64) -> Reply<String> {
    let year = |year: i64| bad(format!("epoch_to_rfc3339_utc: wrong year '{year}'"));
    let stamp = Timestamp::from_second(time).map_err(|_| year(10000))?;
    Ok(stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn parse_time(text: &str) -> Option<i64> {
    let time = text.parse::<Timestamp>().ok()?.as_second();
    (time_text(time).ok()? == text).then_some(time)
}

/// A group, and whom it belongs to.
#[derive(Clone, Debug)]
pub struct Group {
    pub kind: String,
    pub id: String,
    pub owner: String,
    pub path: PathBuf,
}

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    store: Arc<Store>,
    path: PathBuf,
    shared: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut locks = self.store.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.shared {
            locks.exclusive.remove(&self.path);
        } else if let Some(count) = locks.shared.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                locks.shared.remove(&self.path);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Locks {
    exclusive: HashSet<PathBuf>,
    shared: HashMap<PathBuf, u64>,
}

/// A datastore.
#[derive(Debug)]
pub struct Store {
    pub root: PathBuf,
    locks: Mutex<Locks>,
    inserting: Mutex<()>,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct Inserted {
    pub duplicate: bool,
    /// Bytes of its file.
    pub stored: u64,
}

impl Store {
    /// Uses a directory, which gets what a store needs; directories of chunks are made when they are needed.
    pub fn open(root: &Path) -> Arc<Self> {
        fs::create_dir_all(root.join(".chunks")).expect("a directory for the store");
        Arc::new(Self { root: root.to_owned(), locks: Mutex::default(), inserting: Mutex::default() })
    }

    pub fn lock(self: &Arc<Self>, path: &Path, shared: bool) -> Option<Lock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.exclusive.contains(path) || (!shared && locks.shared.contains_key(path)) {
            return None;
        }
        if shared {
            *locks.shared.entry(path.to_owned()).or_default() += 1;
        } else {
            locks.exclusive.insert(path.to_owned());
        }
        Some(Lock { store: self.clone(), path: path.to_owned(), shared })
    }

    pub fn namespace(&self, namespace: &str) -> PathBuf {
        let components = namespace.split('/').filter(|component| !component.is_empty());
        components.fold(self.root.clone(), |path, component| path.join("ns").join(component))
    }

    pub fn group(&self, place: &Place) -> PathBuf {
        self.namespace(&place.namespace).join(&place.kind).join(&place.id)
    }

    pub fn snapshot(&self, place: &Place) -> Reply<PathBuf> {
        Ok(self.group(place).join(time_text(place.time)?))
    }

    /// The namespaces in `parent`, itself included, so many levels deep.
    pub fn namespaces(&self, parent: &str, depth: u64) -> Vec<String> {
        let mut all = vec![parent.to_owned()];
        if depth > 0 {
            for name in names(&self.namespace(parent).join("ns")) {
                let child = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                all.extend(self.namespaces(&child, depth - 1));
            }
        }
        all
    }

    /// The groups of a namespace whose owner can be read.
    pub fn groups(&self, namespace: &str) -> Vec<Group> {
        let base = self.namespace(namespace);
        let mut groups = Vec::new();
        for kind in ["vm", "host", "ct"] {
            for id in names(&base.join(kind)) {
                let path = base.join(kind).join(&id);
                if super::params::is_id(&id)
                    && let Ok(owner) = owner(&path)
                {
                    groups.push(Group { kind: kind.to_owned(), id, owner, path });
                }
            }
        }
        groups
    }

    /// Removes the directory of a group in which no snapshot is left.
    pub fn remove_if_empty(&self, group: &Path) {
        if times(group).is_empty() {
            let _ = fs::remove_dir_all(group);
        }
    }

    pub fn chunk(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(".chunks").join(&name[..4]).join(name)
    }

    /// Stores a chunk by the rules of the datastore specification, 5.2.
    pub fn insert(&self, digest: &Digest, blob: &[u8]) -> Reply<Inserted> {
        let io = |error: std::io::Error| bad(format!("inserting chunk {digest} failed - {error}"));
        let _one = self.inserting.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.chunk(digest);
        let new = kind(blob)?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() != 0 => {
                let stored = metadata.len();
                let keep = if stored == blob.len() as u64 {
                    true
                } else if new.1 {
                    let mut magic = [0; 8];
                    std::io::Read::read_exact(&mut File::open(&path).map_err(io)?, &mut magic).map_err(io)?;
                    let old = MAGIC.iter().position(|known| *known == magic).unwrap_or(0);
                    if old < 2 {
                        return Err(bad(format!("Overwriting unencrypted chunk {digest} not allowed!")));
                    }
                    if old == 2 && !new.0 {
                        return Err(bad(format!(
                            "Overwriting existing (encrypted) chunk {digest} not allowed!"
                        )));
                    }
                    true
                } else {
                    stored < blob.len() as u64
                };
                if keep {
                    let now = FileTimes::new().set_accessed(SystemTime::now());
                    File::open(&path).and_then(|file| file.set_times(now)).map_err(io)?;
                    return Ok(Inserted { duplicate: true, stored });
                }
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        replace(&path, blob).map_err(io)?;
        Ok(Inserted { duplicate: false, stored: blob.len() as u64 })
    }
}

/// Writes a file so that it appears whole.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().expect("a file in a directory");
    let prefix = format!("{}.tmp_", path.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).permissions(fs::Permissions::from_mode(0o644));
    let mut temp = match builder.tempfile_in(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(directory)?;
            builder.tempfile_in(directory)?
        }
        other => other?,
    };
    temp.write_all(bytes)?;
    temp.persist(path).map(drop).map_err(|error| error.error)
}

/// Whom a group belongs to.
pub fn owner(group: &Path) -> Reply<String> {
    let path = group.join("owner");
    let text = fs::read_to_string(&path)
        .map_err(|error| bad(format!("unable to read \"{}\" - {error}", path.display())))?;
    let first = text.lines().next().unwrap_or_default().trim_end().to_owned();
    if !first.contains('@') {
        return Err(bad(format!("parsing owner for {} failed: not a valid user id", group.display())));
    }
    Ok(first)
}

/// The times of the snapshots of a group, oldest first.
pub fn times(group: &Path) -> Vec<i64> {
    let mut times: Vec<i64> = names(group).iter().filter_map(|name| parse_time(name)).collect();
    times.sort_unstable();
    times
}

/// The names in a directory, as far as they are text; none if there is no such directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
