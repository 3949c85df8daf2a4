//! Opening and closing: what is shown once it is there, what an address named, and what is remembered for another worker.

use wasm_bindgen::JsValue;

use super::{Message, Panel, app::App};
use crate::{
    protocol::{DocId, Problem, Reply, Request, open},
    reply,
};

/// What was opened, to open it again in another worker.
pub(super) struct Given {
    pub request: Request,
    pub handles: Vec<JsValue>,
    /// Its documents in their order, and whether they are still open.
    pub documents: Vec<(DocId, bool)>,
    pub stores: Vec<u32>,
    /// It gave more than documents.
    stays: bool,
}

impl App {
    /// Opens things, and remembers them for another worker. `order` is a number from when they were asked for: of several openings the one that was
    /// asked for last is shown, whenever it ends.
    pub fn open(&self, items: Vec<open::Item>, handles: Vec<JsValue>, order: u32) {
        if items.is_empty() {
            return;
        }
        let what = match items.as_slice() {
            [one] => format!("opening {}", name(one)),
            many => format!("opening {} things", many.len()),
        };
        self.open_request(what, Request::Open(open::Open { items }), handles, order);
    }

    /// Opens an archive of a snapshot of an open datastore.
    pub fn open_snapshot(&self, store: u32, snapshot: open::SnapshotRef) {
        self.open_archive(store, snapshot, self.number());
    }

    fn open_archive(&self, store: u32, snapshot: open::SnapshotRef, order: u32) {
        if let Some(doc) = self.state().workspace.of_snapshot(Some(store), &snapshot) {
            self.send(Message::Panel(Panel::None));
            return self.send(Message::Activate(doc));
        }
        let what = format!("opening {}", snapshot.snapshot);
        let request = Request::OpenSnapshot(open::OpenSnapshot { store, snapshot });
        self.open_request(what, request, Vec::new(), order);
    }

    fn open_request(&self, what: String, request: Request, handles: Vec<JsValue>, order: u32) {
        let (again, beside) = (request.clone(), handles.clone());
        self.job(what, request, handles, move |app, answer| match answer {
            Ok((Reply::Opened(opened), _)) => {
                let mut stores: Vec<u32> = opened.stores.iter().map(|store| store.id).collect();
                let was_wanted = app.state().wanted.is_some();
                let key = opened.keys.last().map(|key| format!("The key {} was taken.", key.fingerprint));
                app.opened(again, beside, opened, order);
                if let Some(key) = key {
                    app.say(key);
                }
                if was_wanted && app.state().wanted.is_none() {
                    // Now for the older one that it is to be compared with.
                    stores = app.state().store_ids();
                }
                app.open_wanted(&stores, order);
            }
            Ok(_) => {}
            Err(problem) => app.complain(problem),
        });
    }

    /// Opens a snapshot as the older one of a comparison, while the newer one stays on screen; gives its document if it is an archive.
    pub fn open_older(
        &self,
        store: u32,
        snapshot: open::SnapshotRef,
        done: impl FnOnce(&Self, Option<DocId>) + 'static,
    ) {
        if let Some(older) = self.state().workspace.of_snapshot(Some(store), &snapshot) {
            return done(self, Some(older));
        }
        let what = format!("opening {}", snapshot.snapshot);
        let request = Request::OpenSnapshot(open::OpenSnapshot { store, snapshot });
        self.job(what, request.clone(), Vec::new(), move |app, answer| {
            let mut older = None;
            match answer {
                Ok((Reply::Opened(opened), _)) => {
                    older = opened.documents.iter().find(|document| document.is_archive()).map(|it| it.id);
                    // As what was asked for before all that is shown: the newer one stays.
                    app.opened(request, Vec::new(), opened, 0);
                    if older.is_none() {
                        app.say("What was opened is no archive: it cannot be compared.");
                    }
                }
                Ok(_) => {}
                Err(problem) => app.complain(problem),
            }
            done(&app, older);
        });
    }

    /// Takes the outcome of opening, and remembers how to open it again.
    pub fn opened(&self, request: Request, handles: Vec<JsValue>, opened: open::Opened, order: u32) {
        let documents: Vec<_> = opened.documents.iter().map(|document| (document.id, true)).collect();
        let stores: Vec<u32> = opened.stores.iter().map(|store| store.id).collect();
        let stays = !stores.is_empty() || !opened.keys.is_empty();
        if stays || !documents.is_empty() {
            self.0.given.borrow_mut().push(Given { request, handles, documents, stores, stays });
        }
        self.send(Message::Opened(opened, order));
    }

    /// Takes a key; gives its fingerprint.
    pub async fn take_key(&self, key: open::Key) -> Result<String, Problem> {
        let request = Request::Key(key);
        let info = reply!(self.client().ask(request.clone()), Key)?;
        let fingerprint = info.fingerprint.clone();
        let opened = open::Opened { keys: vec![info], ..open::Opened::default() };
        self.opened(request, Vec::new(), opened, self.number());
        Ok(fingerprint)
    }

    /// Opens the snapshot that an address named and that is not open yet, in one of these stores; if it is, the older one.
    pub(super) fn open_wanted(&self, stores: &[u32], order: u32) {
        let state = self.state();
        let newer = state.wanted.as_ref().and_then(|link| link.snapshot.clone());
        let is_newer = newer.is_some();
        let Some((store, snapshot)) = newer.or_else(|| state.wanted_older.clone()) else { return };
        // Numbers are given in the order of opening: the one of the address may be that of another one now.
        let same = store.and_then(|store| stores.iter().find(|it| **it == store));
        match same.or(stores.first()) {
            Some(&store) if is_newer => self.open_archive(store, snapshot, order),
            Some(&store) => self.open_older(store, snapshot, |app, older| {
                if older.is_none() {
                    app.send(Message::NoOlder);
                }
            }),
            None => {}
        }
    }

    /// Closes a document.
    pub fn close(&self, doc: DocId) {
        self.0.given.borrow_mut().retain_mut(|given| {
            given.documents.iter_mut().filter(|it| it.0 == doc).for_each(|it| it.1 = false);
            given.stays || given.documents.iter().any(|it| it.1)
        });
        self.tell(Request::Close(doc));
        self.send(Message::Closed(doc));
    }
}

/// What a thing is called while it is opened.
pub(super) fn name(item: &open::Item) -> String {
    match item {
        open::Item::File { path, .. } => path.clone(),
        open::Item::Directory { name, .. }
        | open::Item::Served { name, .. }
        | open::Item::ServedDirectory { name, .. } => name.clone(),
        open::Item::Url { url } => url.clone(),
    }
}
