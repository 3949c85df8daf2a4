//! Another worker, and in it what was open.

use futures::channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use super::{
    Message,
    app::App,
    opening::{Given, name},
};
use crate::protocol::{DocId, ProblemKind, Reply, Request, open};

impl App {
    /// Starts another worker; `again` opens in it what was open.
    pub fn restart(&self, again: bool) {
        let given = self.0.given.take();
        let link = self.state().link();
        self.send(Message::Reset);
        self.0.client.start();
        self.send(Message::Go(link));
        if again {
            spawn_local(self.clone().open_again(given));
        }
    }

    /// Opens things one after the other, as they were opened before: snapshots need their datastore, and perhaps a key.
    async fn open_again(self, all: Vec<Given>) {
        // Numbers of datastores, before and now.
        let mut stores: Vec<(u32, u32)> = Vec::new();
        for mut given in all {
            let what = match &mut given.request {
                Request::Open(open) => open.items.first().map_or_else(String::new, name),
                Request::OpenSnapshot(open) => {
                    let now = stores.iter().find(|it| it.0 == open.store);
                    open.store = now.map_or(open.store, |it| it.1);
                    open.snapshot.snapshot.clone()
                }
                _ => "a key".to_owned(),
            };
            given
                .documents
                .iter()
                .map(|it| it.0)
                .min()
                .into_iter()
                .for_each(|first| self.tell(Request::Number(first)));
            let (sender, receiver) = oneshot::channel();
            let (request, handles) = (given.request.clone(), given.handles.clone());
            self.job(format!("opening {what} again"), request, handles, |_, answer| _ = sender.send(answer));
            // Whoever takes one back wants the others.
            let Ok(answer) = receiver.await else { continue };
            let opened = match answer {
                Ok((Reply::Opened(opened), _)) => opened,
                Ok((Reply::Key(key), _)) => open::Opened { keys: vec![key], ..open::Opened::default() },
                Ok(_) => continue,
                Err(problem) => {
                    if problem.kind == ProblemKind::Cancelled {
                        // This worker is gone, too.
                        self.0.given.borrow_mut().push(given);
                    }
                    self.complain(problem);
                    continue;
                }
            };
            stores.extend(given.stores.into_iter().zip(opened.stores.iter().map(|store| store.id)));
            let both = opened.documents.iter().zip(&given.documents);
            let closed: Vec<DocId> = both.filter(|it| !it.1.1).map(|it| it.0.id).collect();
            self.opened(given.request, given.handles, opened, 0);
            closed.into_iter().for_each(|doc| self.close(doc));
        }
        let state = self.state();
        if state.active().is_none() {
            let first = state.workspace.documents.first();
            first.into_iter().for_each(|open| self.send(Message::Activate(open.document.id)));
        }
        self.open_wanted(&state.store_ids(), self.number());
    }
}
