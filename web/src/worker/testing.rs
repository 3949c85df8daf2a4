//! A host for tests: the worker runs until nothing is left to do.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

use futures::executor::LocalPool;
use futures::future::LocalBoxFuture;
use futures::task::LocalSpawnExt as _;

use super::source::memory::Memory;
use super::{Document, Handle, Host, Worker};
use crate::protocol::open::{Item, Open, OpenSnapshot, Opened, SnapshotRef};
use crate::protocol::{Ask, Problem, Reply, Request, Tell};

/// A worker with its host.
pub struct Bench {
    /// The worker.
    pub worker: Rc<Worker>,
    host: Rc<TestHost>,
    next: Cell<u32>,
}

struct TestHost {
    pool: RefCell<LocalPool>,
    spawner: futures::executor::LocalSpawner,
    told: RefCell<Vec<(Tell, Vec<Handle>)>>,
    clock: Cell<f64>,
}

impl Host for TestHost {
    fn tell(&self, tell: Tell, handles: Vec<Handle>) {
        self.told.borrow_mut().push((tell, handles));
    }

    fn spawn(&self, future: LocalBoxFuture<'static, ()>) {
        self.spawner.spawn_local(future).expect("the pool runs");
    }

    fn pause(&self) -> LocalBoxFuture<'static, ()> {
        let mut is_second = false;
        Box::pin(std::future::poll_fn(move |context| {
            if std::mem::replace(&mut is_second, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        }))
    }

    fn rest(&self, _milliseconds: i32) -> LocalBoxFuture<'static, ()> {
        self.pause()
    }

    /// Every look at the clock takes a millisecond.
    fn now(&self) -> f64 {
        self.clock.set(self.clock.get() + 1.0);
        self.clock.get()
    }

    fn memory(&self) -> u64 {
        0
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A worker with nothing open.
    pub fn new() -> Self {
        let pool = LocalPool::new();
        let spawner = pool.spawner();
        let host = TestHost { pool: pool.into(), spawner, told: RefCell::default(), clock: Cell::default() };
        let host = Rc::new(host);
        Self { worker: Worker::new(host.clone()), host, next: Cell::new(1) }
    }

    /// Begins a request; [`Bench::run`] goes on with it.
    pub fn start(&self, request: Request, handles: Vec<Handle>) -> u32 {
        let id = self.next.replace(self.next.get() + 1);
        self.worker.ask(Ask { id, request }, handles);
        id
    }

    /// Runs until nothing is left to do; gives what was told since the last time.
    pub fn run(&self) -> Vec<(Tell, Vec<Handle>)> {
        self.host.pool.borrow_mut().run_until_stalled();
        self.host.told.take()
    }

    /// Asks, and waits until nothing is left to do.
    pub fn ask_with(&self, request: Request, handles: Vec<Handle>) -> (Result<Reply, Problem>, Vec<Handle>) {
        let asked = self.start(request, handles);
        let told = self.run();
        let replies = told.into_iter().filter_map(|(tell, handles)| match tell {
            Tell::Reply { id, result } if id == asked => Some((result, handles)),
            _ => None,
        });
        let mut replies: Vec<_> = replies.collect();
        assert_eq!(replies.len(), 1, "each request gets exactly one reply");
        replies.remove(0)
    }

    /// Asks, and waits until nothing is left to do.
    pub fn ask(&self, request: Request) -> Result<Reply, Problem> {
        self.ask_with(request, Vec::new()).0
    }

    /// Opens files, each a name with its bytes, and decodes them.
    pub fn open<N: Into<String>>(&self, files: Vec<(N, Vec<u8>)>) -> Opened {
        let (mut items, mut handles) = (Vec::new(), Vec::new());
        for (name, bytes) in files {
            let path: String = name.into();
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            items.push(Item::File { handle: handles.len() as u32, path });
            handles.push(Handle::Source(Rc::new(Memory::new(name, bytes))));
        }
        match self.ask_with(Request::Open(Open { items }), handles).0 {
            Ok(Reply::Opened(opened)) => opened,
            other => panic!("{other:?}"),
        }
    }

    /// Opens the golden datastore; its files can be changed before.
    pub fn golden_store(&self, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> u32 {
        let mut files = golden_folder("datastore", "store");
        change(&mut files);
        let opened = self.open(files);
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!((opened.stores.len(), opened.documents.len()), (1, 0));
        opened.stores[0].id
    }

    /// Opens an archive of a snapshot, and decodes it.
    pub fn snapshot(
        &self,
        store: u32,
        snapshot: &str,
        archive: Option<&str>,
    ) -> Result<Rc<Document>, Problem> {
        let archive = archive.map(str::to_owned);
        let snapshot = SnapshotRef { snapshot: snapshot.to_owned(), archive, ..SnapshotRef::default() };
        match self.ask(Request::OpenSnapshot(OpenSnapshot { store, snapshot }))? {
            Reply::Opened(opened) => {
                assert!(opened.problems.is_empty(), "{:?}", opened.problems);
                assert_eq!(opened.documents.len(), 1);
                self.worker.document(opened.documents[0].id)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Opens a golden archive by the names of its files.
    pub fn golden(&self, names: &[&str]) -> Rc<Document> {
        let opened =
            self.open(names.iter().map(|name| (*name, golden(&format!("archives/{name}")))).collect());
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!(opened.documents.len(), 1);
        self.worker.document(opened.documents[0].id).expect("it was opened")
    }
}

/// A file of the golden data.
pub fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a directory of the golden data, by their paths, each put below `folder`.
pub fn golden_folder(name: &str, folder: &str) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(at).expect("golden data") {
            let entry = entry.expect("golden data");
            let path = format!("{prefix}/{}", entry.file_name().to_str().expect("golden names are text"));
            if entry.path().is_dir() {
                walk(&entry.path(), &path, files);
            } else {
                files.push((path, std::fs::read(entry.path()).expect("golden data")));
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name), folder, &mut files);
    files.sort();
    files
}
