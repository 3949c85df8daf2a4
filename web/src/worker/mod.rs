//! The worker: everything that reads, parses, hashes, decompresses, searches and draws.
//!
//! A [`Worker`] gets requests ([`Worker::ask`]), each of which becomes a future of its own, and answers through its [`Host`]: the browser
//! (`port`), or a test. There is one thread. Long work calls [`Task::breathe`], so that other requests, among them the one that takes it
//! back, get their turn.

pub mod check;
pub mod chunks;
pub mod compare;
pub mod crypto;
#[cfg(test)]
mod damaged;
pub mod document;
pub mod entry;
pub mod export;
pub mod files;
pub mod findings;
pub mod handle;
pub mod host;
pub mod layout;
pub mod load;
pub mod open;
pub mod paint;
#[cfg(target_arch = "wasm32")]
pub mod port;
pub mod problem;
pub mod series;
pub mod source;
pub mod structure;
pub mod task;
#[cfg(test)]
pub mod testing;
pub mod text;
pub mod words;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use document::Document;
pub use handle::Handle;
pub use host::Host;
pub use task::Task;

use crate::numbered::Numbered;
use crate::protocol::{Ask, DocId, Memory, Problem, ProblemKind, Reply, Request, Tell};
use crypto::Key;
use open::store::Store;
use source::blocks::Blocks;
use source::chunked::ChunkCache;

#[cfg(target_arch = "wasm32")]
pub use port::start;

/// Everything that is open, and who is told of it.
pub struct Worker {
    host: Rc<dyn Host>,
    documents: RefCell<Numbered<Rc<Document>>>,
    next_document: Cell<DocId>,
    stores: RefCell<Vec<Rc<Store>>>,
    keys: RefCell<Vec<Rc<Key>>>,
    /// Requests that are being worked on.
    running: RefCell<Numbered<Rc<Cell<bool>>>>,
    /// The browser has run filters long enough to run them fast, or does so now.
    pub(in crate::worker) practised: Cell<bool>,
    /// Blocks that were read from sources.
    pub blocks: Rc<Blocks>,
    /// Chunks that were decoded.
    pub chunks: Rc<ChunkCache>,
    /// Comparisons.
    pub compare: compare::State,
}

impl Worker {
    /// A worker with nothing open.
    pub fn new(host: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Self {
            host,
            documents: RefCell::default(),
            next_document: Cell::new(1),
            stores: RefCell::default(),
            keys: RefCell::default(),
            running: RefCell::default(),
            practised: Cell::default(),
            blocks: Rc::default(),
            chunks: Rc::default(),
            compare: compare::State::default(),
        })
    }

    /// What the worker runs on.
    pub fn host(&self) -> &Rc<dyn Host> {
        &self.host
    }

    /// Begins to work on a request; `handles` are the things that it names by numbers.
    pub fn ask(self: &Rc<Self>, ask: Ask, handles: Vec<Handle>) {
        let Ask { id, request } = ask;
        let cancelled = Rc::<Cell<bool>>::default();
        self.running.borrow_mut().insert(id, cancelled.clone());
        let task = Task::new(self.clone(), Some(id), cancelled);
        let worker = self.clone();
        self.host.spawn(Box::pin(async move {
            let mut given = Vec::new();
            let result = answer(&task, request, handles, &mut given).await;
            let result = result.and_then(|reply| task.check().map(|()| reply));
            if result.is_err() {
                task.undo();
            }
            worker.running.borrow_mut().remove(id);
            worker.host.tell(Tell::Reply { id, result }, given);
        }));
    }

    /// The document of that number.
    ///
    /// # Errors
    /// It is not open (any more).
    pub fn document(&self, id: DocId) -> Result<Rc<Document>, Problem> {
        let document = self.documents.borrow().get(id).cloned();
        document.ok_or_else(|| problem::new(ProblemKind::Request, "This is not open any more."))
    }

    /// All that is open.
    pub fn documents(&self) -> Vec<Rc<Document>> {
        self.documents.borrow().iter().map(|(_, document)| document.clone()).collect()
    }

    /// Makes a document, which gets its number now, and keeps it.
    pub fn add(&self, make: impl FnOnce(DocId) -> Document) -> Rc<Document> {
        let id = self.next_document.replace(self.next_document.get() + 1);
        let document = Rc::new(make(id));
        self.documents.borrow_mut().insert(id, document.clone());
        document
    }

    /// The datastore of that number.
    ///
    /// # Errors
    /// There is none.
    pub fn store(&self, id: u32) -> Result<Rc<Store>, Problem> {
        let store = self.stores.borrow().iter().find(|store| store.id == id).cloned();
        store.ok_or_else(|| problem::request("This datastore is not open any more."))
    }

    /// Makes a datastore, which gets its number now, and keeps it.
    pub(in crate::worker) fn add_store(&self, make: impl FnOnce(u32) -> Store) -> Rc<Store> {
        let mut stores = self.stores.borrow_mut();
        let store = Rc::new(make(stores.len() as u32 + 1));
        stores.push(store.clone());
        store
    }

    /// Keeps a key.
    pub(in crate::worker) fn add_key(&self, key: Key) {
        let mut keys = self.keys.borrow_mut();
        keys.retain(|other| other.fingerprint() != key.fingerprint());
        keys.push(Rc::new(key));
    }

    /// All keys that were given, the last one first.
    pub fn keys(&self) -> Vec<Rc<Key>> {
        self.keys.borrow().iter().rev().cloned().collect()
    }

    /// The key with a fingerprint; without a fingerprint the last one.
    ///
    /// # Errors
    /// It was not given.
    pub fn key(&self, fingerprint: Option<&str>) -> Result<Rc<Key>, Problem> {
        let is_it = |key: &Rc<Key>| fingerprint.is_none_or(|fingerprint| key.has_fingerprint(fingerprint));
        self.keys().into_iter().find(is_it).ok_or_else(|| {
            let which = fingerprint.map_or_else(String::new, |text| format!(" with the key {text}"));
            let message = format!("This is encrypted{which}: give its key file (Key… in the list of snapshots), then open it again.");
            let about = fingerprint.map(str::to_owned);
            Problem { about, ..problem::new(ProblemKind::Key, message) }
        })
    }

    /// Whether anybody waits for an answer.
    pub fn is_busy(&self) -> bool {
        self.running.borrow().count() > 0
    }

    /// Starts work that no request waits for; it ends when the document is closed.
    pub fn background(self: &Rc<Self>, document: &Rc<Document>) -> Task {
        Task::new(self.clone(), None, document.closed().clone())
    }

    fn close(&self, id: DocId) -> Result<(), Problem> {
        let document = self.documents.borrow_mut().remove(id);
        let document =
            document.ok_or_else(|| problem::new(ProblemKind::Request, "This is not open any more."))?;
        document.closed().set(true);
        self.compare.forget(id);
        Ok(())
    }

    fn memory(&self) -> Memory {
        let documents = self.documents.borrow();
        Memory {
            wasm: self.host.memory(),
            documents: documents.iter().map(|(_, document)| document.memory()).sum(),
            caches: self.blocks.memory() + self.chunks.memory(),
            read: self.blocks.read() + self.chunks.read(),
        }
    }
}

/// Works on a request; things that the answer names by numbers go into `given`.
async fn answer(
    task: &Task,
    request: Request,
    handles: Vec<Handle>,
    given: &mut Vec<Handle>,
) -> Result<Reply, Problem> {
    let worker = task.worker();
    let document = |id| worker.document(id);
    Ok(match request {
        Request::Open(open) => Reply::Opened(open::open(task, open, handles).await?),
        Request::OpenSnapshot(open) => Reply::Opened(open::snapshot(task, open).await?),
        Request::Store(query) => Reply::Store(open::store(task, query).await?),
        Request::Key(key) => Reply::Key(open::key(task, key).await?),
        Request::Close(id) => {
            worker.close(id)?;
            Reply::Done
        }
        Request::Number(id) => {
            worker.next_document.set(worker.next_document.get().max(id));
            Reply::Done
        }
        Request::Cancel(id) => {
            if let Some(cancelled) = worker.running.borrow().get(id) {
                cancelled.set(true);
            }
            Reply::Done
        }

        Request::View(id, view) => Reply::View(files::view(task, &document(id)?, view).await?),
        Request::Toggle(id, toggle) => Reply::View(files::toggle(task, &document(id)?, toggle).await?),
        Request::Rows(id, span) => Reply::Rows(files::rows(task, &document(id)?, span).await?),
        Request::Reveal(id, entry) => Reply::Row(files::reveal(task, &document(id)?, entry).await?),
        Request::Find(id, path) => Reply::Found(files::find(task, &document(id)?, &path).await?),

        Request::Entry(id, entry) => Reply::Entry(Box::new(entry::entry(task, &document(id)?, entry).await?)),
        Request::Contents(id, entry, part) => {
            Reply::Bytes(entry::contents(task, &document(id)?, entry, part).await?)
        }
        Request::Bytes(id, stream, part) => {
            Reply::Bytes(entry::bytes(task, &document(id)?, stream, part).await?)
        }

        Request::Map(id, query) => Reply::Map(Box::new(paint::map(task, &document(id)?, query).await?)),
        Request::Spot(id, offset) => Reply::Spot(layout::spot(task, &document(id)?, offset).await?),
        Request::Treemap(id, query) => {
            Reply::Treemap(Box::new(paint::treemap(task, &document(id)?, query).await?))
        }
        Request::Legend(id, colouring) => {
            Reply::Legend(paint::legend(task, &document(id)?, colouring).await?)
        }
        Request::Layout(id) => Reply::Layout(Box::new(layout::summary(task, &document(id)?).await?)),

        Request::Chunks(id, query) => Reply::Chunks(chunks::rows(task, &document(id)?, query).await?),
        Request::Chunk(id, chunk) => {
            Reply::Chunk(Box::new(chunks::chunk(task, &document(id)?, chunk).await?))
        }
        Request::ChunkSummary(id) => {
            Reply::ChunkSummary(Box::new(chunks::summary(task, &document(id)?).await?))
        }
        Request::ChunksOf(id, entry) => Reply::ChunksOf(chunks::needed(task, &document(id)?, entry).await?),

        Request::Items(id, query) => Reply::Items(structure::items(task, &document(id)?, query).await?),
        Request::Goodbye(id, offset) => {
            Reply::Goodbye(structure::goodbye(task, &document(id)?, offset).await?)
        }

        Request::Findings(id, query) => Reply::Findings(findings::rows(task, &document(id)?, query).await?),
        Request::Check(id, check) => Reply::Checked(check::check(task, &document(id)?, check).await?),

        Request::Compare(pair) => Reply::Comparison(Box::new(compare::compare(task, pair).await?)),
        Request::Differences(query) => Reply::Differences(compare::differences(task, query).await?),
        Request::Generations(series) => Reply::Generations(series::generations(task, series).await?),

        Request::Save(id, save) => Reply::Saved(export::save(task, &document(id)?, save, given).await?),
        Request::Memory => Reply::Memory(worker.memory()),
    })
}
