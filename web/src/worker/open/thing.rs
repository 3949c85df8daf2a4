//! Things: files, and streams in chunks, with what they are.

use std::rc::Rc;

use pxkit_core::index::DynamicIndex;

use super::index::{self, Partial};
use super::sniff::{self, Looks};
use crate::protocol::open::SnapshotRef;
use crate::protocol::{Problem, ProblemKind};
use crate::worker::crypto::Key;
use crate::worker::findings::Finding;
use crate::worker::source::Source;
use crate::worker::source::blocks::Cached;
use crate::worker::source::chunked::{ChunkStore, Chunked, Index};
use crate::worker::{Document, Task};

/// A file, or a stream in chunks, before it is known what belongs to it.
pub struct Thing {
    /// Its name; of a stream in chunks without `.didx`.
    pub name: String,
    /// The folder that it lies in, of those that were given.
    pub folder: String,
    /// Its bytes: the file, or the stream that the chunks hold.
    pub source: Rc<dyn Source>,
    /// What it is.
    pub looks: Looks,
    /// Of a stream in chunks: its index. Of an index alone: itself.
    pub index: Option<Rc<DynamicIndex>>,
    /// Where it comes from, if from a datastore.
    pub origin: Option<(u32, SnapshotRef)>,
    /// What is wrong with it.
    pub problem: Option<Problem>,
    /// Lines of name and value.
    pub facts: Vec<(String, String)>,
    /// What is irregular about it.
    pub findings: Vec<Finding>,
}

/// The chunks that indexes may need.
pub struct Chunks {
    /// Where they are.
    pub store: Rc<ChunkStore>,
    /// What decrypts them, to be tried in order; `None`: they are not encrypted.
    pub keys: Vec<Option<Rc<Key>>>,
}

impl Thing {
    /// Looks at a file. An index whose chunks are there becomes the stream that it describes.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn new(
        task: &Task,
        folder: &str,
        file: Rc<dyn Source>,
        chunks: Option<&Chunks>,
    ) -> Result<Self, Problem> {
        let source: Rc<dyn Source> = Rc::new(Cached::new(file, task.worker().blocks.clone()));
        let looks = sniff::sniff(&*source).await?;
        let mut thing = Self {
            name: source.name().to_owned(),
            folder: folder.to_owned(),
            source,
            looks,
            index: None,
            origin: None,
            problem: None,
            facts: Vec::new(),
            findings: Vec::new(),
        };
        if thing.looks == Looks::DynamicIndex {
            let Partial { index, problem } = index::dynamic(task, &*thing.source).await?;
            thing.index = index.map(Rc::new);
            thing.problem = problem;
            thing.facts = super::facts::dynamic(thing.index.as_deref());
            if let Some(chunks) = chunks {
                thing.resolve(chunks).await;
            }
        }
        Ok(thing)
    }

    /// The index that a document is.
    pub fn of_index(document: &Document, index: Rc<DynamicIndex>) -> Self {
        Self {
            name: document.name.clone(),
            folder: String::new(),
            source: document.meta().clone(),
            looks: Looks::DynamicIndex,
            index: Some(index),
            origin: document.origin.clone(),
            problem: None,
            facts: document.facts.borrow().clone(),
            findings: Vec::new(),
        }
    }

    /// Turns an index into the stream in its chunks, if the first of them can be read or the name says what it would be.
    pub async fn resolve(&mut self, Chunks { store, keys }: &Chunks) {
        let Some(index) = self.index.clone() else { return };
        let name = self.name.strip_suffix(".didx").unwrap_or(&self.name).to_owned();
        let stream =
            |key| Rc::new(Chunked::new(name.clone(), Index::Dynamic(index.clone()), store.clone(), key));
        let mut problem = None;
        for key in keys {
            let stream = stream(key.clone());
            match sniff::sniff(&*stream).await {
                Ok(looks) => {
                    (self.name, self.source, self.looks) = (name, stream, looks);
                    return;
                }
                // What the first says is said: others are only tried.
                Err(other) => _ = problem.get_or_insert(other),
            }
        }
        let is_locked = problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::Key);
        self.problem = self.problem.take().or(problem);
        if Role::of(&name) == Some(Role::Payload) && !is_locked {
            // All but its first chunk may be there.
            let stream = stream(keys.first().cloned().flatten());
            (self.name, self.source, self.looks) = (name, stream, Looks::Payload);
        }
    }

    /// What it is to an archive.
    pub fn role(&self) -> Option<Role> {
        match self.looks {
            Looks::Archive { is_split: true } => Some(Role::Metadata),
            Looks::Archive { is_split: false } => Some(Role::Unified),
            Looks::Payload => Some(Role::Payload),
            // An index without chunks is what its name says.
            Looks::DynamicIndex => Role::of(self.name.strip_suffix(".didx").unwrap_or(&self.name)),
            _ => None,
        }
    }

    /// Whether it is an index alone.
    pub fn is_bare_index(&self) -> bool {
        self.looks == Looks::DynamicIndex
    }

    /// Whether it is nothing that can be shown.
    pub fn is_foreign(&self) -> bool {
        matches!(self.looks, Looks::Foreign(_))
    }

    /// Its name without what says its role.
    pub fn base(&self) -> &str {
        base(&self.name)
    }
}

/// What a file is to an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Unified,
    /// The metadata of a split archive.
    Metadata,
    /// Its payload stream.
    Payload,
}

impl Role {
    /// What a name says, without `.didx`.
    pub fn of(name: &str) -> Option<Self> {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "pxar" => Some(Self::Unified),
            "mpxar" => Some(Self::Metadata),
            "ppxar" => Some(Self::Payload),
            _ => None,
        }
    }
}

/// A name without `.didx` and without `.pxar`, `.mpxar` or `.ppxar`.
pub fn base(name: &str) -> &str {
    let name = name.strip_suffix(".didx").unwrap_or(name);
    match Role::of(name) {
        Some(_) => name.rsplit_once('.').map_or(name, |(base, _)| base),
        None => name,
    }
}
