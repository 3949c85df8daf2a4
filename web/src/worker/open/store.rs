//! Datastores: what is in them, and archives that are read out of them (datastore specification 1, 2, 10).

use std::rc::Rc;

use pxkit_core::blob::{CryptMode, Frame, MAX_PLAIN_SIZE, Manifest, SEALED_HEADER_SIZE};
use pxkit_core::index::DynamicIndex;
use pxkit_core::layout::sort_things;

use super::folder::{is_safe, is_time};
use super::index;
use super::thing::{Chunks, Role, Thing, base};
use crate::protocol::findings::Severity;
use crate::protocol::open::{GroupInfo, SnapshotFile, SnapshotInfo, SnapshotRef, StoreInfo};
use crate::protocol::{Problem, ProblemKind, Stream};
use crate::worker::crypto::{self, Key};
use crate::worker::findings::{By, Finding};
use crate::worker::source::Source;
use crate::worker::source::chunked::{ChunkStore, Chunked, Index};
use crate::worker::source::directory::Directory;
use crate::worker::{Document, Task, problem};

/// The manifest's name, which it does not list itself.
const MANIFEST: &str = "index.json.blob";
/// Largest file of a blob.
pub const MAX_BLOB: u64 = MAX_PLAIN_SIZE + SEALED_HEADER_SIZE as u64;
/// Namespaces within each other.
const DEPTH: usize = 7;
/// Namespaces that are listed.
const NAMESPACES: usize = 10_000;
/// Types of groups, in the order of listings.
const TYPES: [&str; 3] = ["ct", "host", "vm"];

/// An open datastore.
pub struct Store {
    /// Its number.
    pub id: u32,
    directory: Rc<dyn Directory>,
    chunks: Option<Rc<ChunkStore>>,
}

impl Store {
    /// A datastore in a directory, with its chunks if they are there.
    pub const fn new(id: u32, directory: Rc<dyn Directory>, chunks: Option<Rc<ChunkStore>>) -> Self {
        Self { id, directory, chunks }
    }

    /// What the page is told.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn info(&self, task: &Task) -> Result<StoreInfo, Problem> {
        let name = self.directory.name().to_owned();
        let (namespaces, groups) = (self.namespaces(task).await?, self.groups(task, "").await?);
        Ok(StoreInfo { id: self.id, name, namespaces, groups })
    }

    /// Why there seem to be no snapshots, if the browser hides them.
    pub(super) fn hidden(&self, info: &StoreInfo) -> Option<Problem> {
        let is_bare = !info.groups.is_empty() && info.groups.iter().all(|group| group.times.is_empty());
        let message = "The browser hides the folders of snapshots from this page, because there are colons in their \
            names: choose the datastore with the folder picker, or run `pxkit inspect` on it.";
        let hides = is_bare && self.directory.hides_colons();
        hides.then(|| problem::about(ProblemKind::Read, &info.name, message))
    }

    /// All namespaces, each before those in it.
    async fn namespaces(&self, task: &Task) -> Result<Vec<String>, Problem> {
        let mut found = vec![String::new()];
        let mut next = 0;
        while next < found.len() && found.len() < NAMESPACES {
            let outer = found[next].clone();
            next += 1;
            let depth = if outer.is_empty() { 0 } else { outer.split('/').count() };
            if depth == DEPTH {
                continue;
            }
            let path = join(&namespace_path(&outer)?, "ns");
            let mut names = self.directories(&path).await?;
            names.retain(|name| is_safe(name));
            let prefix = if outer.is_empty() { outer } else { format!("{outer}/") };
            found.extend(names.into_iter().map(|name| format!("{prefix}{name}")));
            task.breathe().await?;
        }
        sort_things(&mut found, Ord::cmp);
        Ok(found)
    }

    /// The groups of a namespace, in the order of listings.
    ///
    /// # Errors
    /// It cannot be listed, or its name is none.
    pub async fn groups(&self, task: &Task, namespace: &str) -> Result<Vec<GroupInfo>, Problem> {
        let path = namespace_path(namespace)?;
        let mut groups = Vec::new();
        for kind in TYPES {
            let mut ids = self.directories(&join(&path, kind)).await?;
            ids.retain(|id| is_safe(id));
            // Numbers by their value, before everything else.
            let number = |id: &String| id.parse::<u64>().map_or((true, 0), |number| (false, number));
            sort_things(&mut ids, |a, b| (number(a), a).cmp(&(number(b), b)));
            for id in ids {
                let name = format!("{kind}/{id}");
                let directory = join(&path, &name);
                let owner = self.directory.read(&join(&directory, "owner"), 4096).await;
                let owner =
                    owner.ok().flatten().map(|text| String::from_utf8_lossy(text.trim_ascii()).into_owned());
                groups.push(GroupInfo { name, owner, times: self.times(&directory).await? });
                task.progress("listing groups", groups.len() as u64, None, false);
                task.breathe().await?;
            }
        }
        Ok(groups)
    }

    async fn times(&self, group: &str) -> Result<Vec<String>, Problem> {
        let mut times = self.directories(group).await?;
        times.retain(|name| is_time(name));
        sort_things(&mut times, Ord::cmp);
        Ok(times)
    }

    /// The names of the directories in a directory; none if it is not there.
    async fn directories(&self, path: &str) -> Result<Vec<String>, Problem> {
        let listed = self.directory.list(path).await?.unwrap_or_default();
        let mut names: Vec<String> =
            listed.into_iter().filter(|one| one.is_directory).map(|one| one.name).collect();
        sort_things(&mut names, Ord::cmp);
        Ok(names)
    }

    /// The snapshots of a group, newest first.
    ///
    /// # Errors
    /// The group is not there.
    pub async fn snapshots(
        self: &Rc<Self>,
        task: &Task,
        namespace: &str,
        group: &str,
    ) -> Result<Vec<SnapshotInfo>, Problem> {
        let path = join(&namespace_path(namespace)?, &group_path(group)?);
        let times = self.times(&path).await?;
        let count = times.len() as u64;
        let mut snapshots = Vec::new();
        for time in times.into_iter().rev() {
            let snapshot = format!("{group}/{time}");
            let reference = SnapshotRef { namespace: namespace.to_owned(), snapshot, archive: None };
            snapshots.push(self.open(&reference).await?.info(&task.worker().keys()));
            task.progress("reading manifests", snapshots.len() as u64, Some(count), false);
            task.breathe().await?;
        }
        Ok(snapshots)
    }

    /// Opens a snapshot.
    ///
    /// # Errors
    /// It is not there, or its name is none. A manifest that cannot be read is no error.
    pub async fn open(self: &Rc<Self>, reference: &SnapshotRef) -> Result<Snapshot, Problem> {
        let name = &reference.snapshot;
        let (group, time) = name.rsplit_once('/').unwrap_or(("", name));
        if !is_time(time) {
            return Err(problem::request(format!("{name} is no name of a snapshot.")));
        }
        let directory = join(&namespace_path(&reference.namespace)?, &join(&group_path(group)?, time));
        let Some(listed) = self.directory.list(&directory).await? else {
            let message = format!("There is no snapshot {name} in {}.", self.directory.name());
            return Err(problem::about(ProblemKind::Missing, name, message));
        };
        let is_file = |name: &str| [".didx", ".fidx", ".blob"].iter().any(|end| name.ends_with(end));
        let mut files: Vec<String> = listed
            .into_iter()
            .filter(|one| !one.is_directory && is_file(&one.name))
            .map(|one| one.name)
            .collect();
        sort_things(&mut files, Ord::cmp);
        let manifest = self.manifest(&directory, name).await;
        let reference = SnapshotRef { archive: None, ..reference.clone() };
        Ok(Snapshot { store: self.clone(), directory, reference, manifest, files })
    }

    /// The things that an archive is made of.
    ///
    /// # Errors
    /// It is not there, cannot be read, or a key is needed. That half of it is missing is no error.
    pub(super) async fn open_archive(
        self: &Rc<Self>,
        task: &Task,
        wanted: &SnapshotRef,
    ) -> Result<Vec<Thing>, Problem> {
        let snapshot = self.open(wanted).await?;
        let mut things = Vec::new();
        for name in snapshot.find(wanted.archive.as_deref())? {
            match snapshot.thing(task, &name).await {
                Ok(thing) => things.push(thing),
                // Metadata tells much even if the payload's index is lost.
                Err(problem) if things.is_empty() || problem.kind == ProblemKind::Key => return Err(problem),
                Err(_) => {}
            }
        }
        Ok(things)
    }

    async fn manifest(&self, directory: &str, snapshot: &str) -> Result<Manifest, Problem> {
        let Some(blob) = self.directory.read(&join(directory, MANIFEST), MAX_BLOB).await? else {
            let message = format!("{snapshot} has no manifest: the backup did not finish, or goes on.");
            return Err(problem::about(ProblemKind::Missing, snapshot, message));
        };
        read_manifest(&blob).await.map_err(|cause| {
            let message = format!("The manifest of {snapshot} cannot be read: {}.", cause.message);
            problem::about(cause.kind, snapshot, message)
        })
    }
}

/// Reads the blob of a manifest, which is never encrypted.
///
/// # Errors
/// It is damaged.
pub async fn read_manifest(blob: &[u8]) -> Result<Manifest, Problem> {
    let frame = Frame::parse(blob).map_err(|error| problem::new(ProblemKind::Format, error.to_string()))?;
    let text = crypto::decode(frame, MAX_PLAIN_SIZE, None).await?;
    Manifest::parse(&text).map_err(|error| problem::new(ProblemKind::Format, error.to_string()))
}

/// The line of facts that tells of the signature.
const SIGNED: &str = "manifest";
/// What a wrong signature means.
const FORGED: &str = "the signature of the manifest is not right: it was changed since it was signed, or signed with another key";

/// What a manifest's signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    None,
    /// Its key was not given.
    Unchecked,
    Right,
    Wrong,
}

impl Signature {
    fn of(manifest: &Manifest, keys: &[Rc<Key>]) -> Self {
        let Some(signature) = &manifest.signature else { return Self::None };
        let claimed = manifest.key_fingerprint();
        let is_right = |key: &&Rc<Key>| key.signed(&manifest.canonical(), signature);
        let mut keys = keys.iter().filter(|key| claimed.is_none_or(|claimed| key.has_fingerprint(claimed)));
        match (claimed, keys.clone().next()) {
            (Some(_), Some(key)) if !is_right(&key) => Self::Wrong,
            // Without a claim it may be that of a key that was not given.
            _ if keys.any(|key| is_right(&key)) => Self::Right,
            _ => Self::Unchecked,
        }
    }

    fn words(self, manifest: &Manifest) -> String {
        let key = manifest.key_fingerprint().map_or_else(String::new, |key| format!(" with the key {key}"));
        match self {
            Self::None => "not signed".to_owned(),
            Self::Unchecked => format!("signed{key}; not checked, as that key was not given"),
            Self::Right => format!("signed{key}, and the signature is right"),
            Self::Wrong => format!("signed{key}, but the signature is not right"),
        }
    }

    fn finding(self, name: &str) -> Option<Finding> {
        (self == Self::Wrong).then(|| Finding {
            by: By::Opening,
            stream: Stream::Meta,
            offset: 0,
            code: "manifest-signature",
            severity: Severity::Error,
            message: format!("{name}: {FORGED}"),
            entry: None,
            chunk: None,
        })
    }
}

/// A snapshot that is open.
pub struct Snapshot {
    store: Rc<Store>,
    directory: String,
    reference: SnapshotRef,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest, Problem>,
    /// Names of the files that are there.
    files: Vec<String>,
}

impl Snapshot {
    /// What the page is told.
    fn info(self, keys: &[Rc<Key>]) -> SnapshotInfo {
        let name = self.reference.snapshot;
        let file = |name: &str, size, crypt: CryptMode| {
            let (opens, crypt) = (self.files.iter().any(|file| file == name), crypt.word().to_owned());
            SnapshotFile { name: name.to_owned(), size, crypt, opens }
        };
        match &self.manifest {
            Ok(manifest) => {
                let files = manifest.files.iter().map(|one| file(&one.filename, one.size, one.crypt_mode));
                let key = manifest.key_fingerprint().map(str::to_owned);
                let key = key.or_else(|| manifest.signature.as_ref().map(|_| "signed".to_owned()));
                let problem = (Signature::of(manifest, keys) == Signature::Wrong)
                    .then(|| problem::about(ProblemKind::Key, &name, format!("{name}: {FORGED}.")));
                SnapshotInfo { files: files.collect(), problem, key, name }
            }
            Err(problem) => {
                let files = self.files.iter().filter(|name| *name != MANIFEST);
                let files = files.map(|name| file(name, 0, CryptMode::None)).collect();
                SnapshotInfo { name, files, problem: Some(problem.clone()), key: None }
            }
        }
    }

    /// The files that an archive is made of: of a split one metadata and payload. Names are those of the manifest, with or without `.didx`,
    /// `.fidx` or `.blob`; of a split archive that of either half, or with `.pxar`. Without a name: the first archive of files.
    ///
    /// # Errors
    /// There is no such archive.
    pub fn find(&self, name: Option<&str>) -> Result<Vec<String>, Problem> {
        let listed: Vec<&str> = match &self.manifest {
            Ok(manifest) => manifest.files.iter().map(|file| &*file.filename).collect(),
            Err(_) => self.files.iter().map(String::as_str).collect(),
        };
        let is_there = |name: &str| {
            listed.contains(&name) || (name == MANIFEST && self.files.iter().any(|file| file == name))
        };
        let role = |name: &str| name.strip_suffix(".didx").and_then(Role::of);
        let name = match name {
            Some(name) => name,
            None => {
                let is_archive = |name: &&&str| matches!(role(name), Some(Role::Unified | Role::Metadata));
                listed.iter().find(is_archive).or(listed.first()).copied().ok_or_else(|| {
                    let name = &self.reference.snapshot;
                    problem::about(ProblemKind::Missing, name, format!("There are no archives in {name}."))
                })?
            }
        };
        let halves = ["mpxar", "ppxar"].map(|half| format!("{}.{half}.didx", base(name)));
        let full = ["", ".didx", ".fidx", ".blob"].iter().map(|end| format!("{name}{end}"));
        if let Some(full) = full.into_iter().find(|full| is_there(full)) {
            if matches!(role(&full), Some(Role::Metadata | Role::Payload)) {
                return Ok(halves.into_iter().filter(|half| is_there(half)).collect());
            }
            return Ok(vec![full]);
        }
        if Role::of(name.strip_suffix(".didx").unwrap_or(name)).is_some() && is_there(&halves[0]) {
            return Ok(halves.into_iter().filter(|half| is_there(half)).collect());
        }
        let message = format!(
            "{name} is not in {}, which has {}.",
            self.reference.snapshot,
            if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
        );
        Err(problem::about(ProblemKind::Missing, name, message))
    }

    fn crypt_mode(&self, file: &str) -> CryptMode {
        let manifest = self.manifest.as_ref().ok();
        manifest.and_then(|manifest| manifest.file(file)).map_or(CryptMode::None, |file| file.crypt_mode)
    }

    /// The key of an archive that is encrypted.
    fn key(&self, task: &Task, file: &str) -> Result<Option<Rc<Key>>, Problem> {
        if self.crypt_mode(file) != CryptMode::Encrypt {
            return Ok(None);
        }
        let fingerprint = self.manifest.as_ref().ok().and_then(Manifest::key_fingerprint);
        task.worker().key(fingerprint).map(Some)
    }

    async fn file(&self, name: &str) -> Result<Rc<dyn Source>, Problem> {
        let file = self.store.directory.file(&join(&self.directory, name)).await?;
        file.ok_or_else(|| {
            let message =
                format!("{name} of {} is missing, although the manifest names it.", self.reference.snapshot);
            problem::about(ProblemKind::Missing, name, message)
        })
    }

    /// A file of the snapshot as a thing: a stream in chunks where those are there.
    ///
    /// # Errors
    /// It cannot be read, or a key is needed.
    pub async fn thing(&self, task: &Task, name: &str) -> Result<Thing, Problem> {
        let key = self.key(task, name)?;
        let chunks = self.store.chunks.clone().map(|store| Chunks { store, keys: vec![key] });
        let mut thing = Thing::new(task, &self.directory, self.file(name).await?, chunks.as_ref()).await?;
        let archive = Some(name.to_owned());
        thing.origin = Some((self.store.id, SnapshotRef { archive, ..self.reference.clone() }));
        self.compare(name, &mut thing);
        self.check_signature(task, name, &mut thing);
        Ok(thing)
    }

    /// Compares an index with what the manifest says of it.
    fn compare(&self, name: &str, thing: &mut Thing) {
        let Ok(manifest) = &self.manifest else { return };
        let (Some(file), Some(index)) = (manifest.file(name), &thing.index) else { return };
        thing.facts.push(("crypt mode".to_owned(), file.crypt_mode.word().to_owned()));
        let mut differs = |what: &str, expected: String, got: String| {
            thing.findings.push(Finding {
                by: By::Opening,
                stream: Stream::Meta,
                offset: 0,
                code: "manifest",
                severity: Severity::Error,
                message: format!("{name}: the manifest says {what} {expected}, the index has {got}"),
                entry: None,
                chunk: None,
            });
        };
        if file.size != index.size() {
            differs("size", file.size.to_string(), index.size().to_string());
        }
        if file.csum != index.checksum() {
            differs("checksum", file.csum.to_string(), index.checksum().to_string());
        }
    }

    fn check_signature(&self, task: &Task, name: &str, thing: &mut Thing) {
        let Ok(manifest) = &self.manifest else { return };
        let signature = Signature::of(manifest, &task.worker().keys());
        thing.facts.push((SIGNED.to_owned(), signature.words(manifest)));
        thing.findings.extend(signature.finding(name));
    }

    /// Checks the signature again for a document of this snapshot, since there is another key.
    pub(super) fn recheck(&self, task: &Task, document: &Document) {
        let Ok(manifest) = &self.manifest else { return };
        let signature = Signature::of(manifest, &task.worker().keys());
        let words = signature.words(manifest);
        let mut facts = document.facts.borrow_mut();
        let Some((_, fact)) = facts.iter_mut().find(|(name, _)| name == SIGNED) else { return };
        if *fact != words {
            *fact = words;
            signature.finding(&document.name).into_iter().for_each(|finding| document.findings.add(finding));
        }
    }

    /// The index of a stream.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub async fn index(&self, task: &Task, name: &str) -> Result<DynamicIndex, Problem> {
        let file = self.file(name).await?;
        let index::Partial { index, problem } = index::dynamic(task, &*file).await?;
        match (index, problem) {
            (Some(index), None) => Ok(index),
            (_, problem) => Err(problem.unwrap_or_else(|| problem::request("This is no index."))),
        }
    }

    /// A stream in chunks.
    ///
    /// # Errors
    /// The chunks are not there, the index cannot be read, or a key is needed.
    pub async fn stream(&self, task: &Task, name: &str) -> Result<Rc<dyn Source>, Problem> {
        let store = self.store.chunks.clone().ok_or_else(|| {
            problem::new(ProblemKind::Missing, "The chunks of this datastore are not there.")
        })?;
        let key = self.key(task, name)?;
        let index = Index::Dynamic(Rc::new(self.index(task, name).await?));
        let name = name.strip_suffix(".didx").unwrap_or(name).to_owned();
        Ok(Rc::new(Chunked::new(name, index, store, key)))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// The directory of a namespace.
fn namespace_path(namespace: &str) -> Result<String, Problem> {
    if namespace.is_empty() {
        return Ok(String::new());
    }
    let components: Vec<&str> = namespace.split('/').collect();
    if components.len() > DEPTH || !components.iter().all(|component| is_safe(component)) {
        return Err(problem::request(format!("{namespace} is no name of a namespace.")));
    }
    Ok(components.iter().map(|component| format!("ns/{component}")).collect::<Vec<_>>().join("/"))
}

fn group_path(group: &str) -> Result<String, Problem> {
    match group.split_once('/') {
        Some((kind, id)) if TYPES.contains(&kind) && is_safe(id) => Ok(group.to_owned()),
        _ => Err(problem::request(format!("{group} is no name of a group."))),
    }
}
