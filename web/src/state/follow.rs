//! Learns what is known of the selection, whatever it was that was selected: the entry, its place in both streams, the chunk.

use std::{cell::RefCell, rc::Rc};

use futures::future::{AbortHandle, Abortable};
use wasm_bindgen_futures::spawn_local;

use super::{
    Message,
    app::App,
    client::Client,
    selection::{Focus, Selection},
};
use crate::{
    protocol::{DocId, EntryId, Problem, ProblemKind, Request, Stream, layout::What, structure},
    reply,
};

/// The one question that is on its way.
#[derive(Default)]
pub(super) struct Follow(RefCell<Asking>);

#[derive(Default)]
struct Asking {
    /// What was asked, and of which epoch of what is open.
    about: Option<(DocId, Selection, u32)>,
    abort: Option<AbortHandle>,
}

impl Follow {
    /// Asks if the selection, or what can be known of it, changed.
    pub(super) fn update(&self, app: &App) {
        let state = app.state();
        let about = state.active().map(|open| {
            let selection = state.place.selection.clone();
            // What was found once does not change while the rest of the archive is decoded, except what lies below a
            // directory, and what earlier snapshots tell of a chunk.
            (open.document.id, selection, state.workspace.epoch(open.document.id))
        });
        let mut asking = self.0.borrow_mut();
        if asking.about == about {
            return;
        }
        asking.about.clone_from(&about);
        if let Some(abort) = asking.abort.take() {
            abort.abort();
        }
        let Some((doc, selection, _)) = about else { return };
        let (abort, registration) = AbortHandle::new_pair();
        asking.abort = Some(abort);
        drop(asking);
        let app = app.clone();
        spawn_local(async move {
            let client = app.client().clone();
            let resolved = Abortable::new(resolve(&client, doc, selection.clone()), registration).await;
            let Ok(resolved) = resolved else { return };
            let focus = match resolved {
                Ok(Resolved::Entry(entry)) => return app.send(Message::Found(Selection::Entry(entry))),
                Ok(Resolved::Focus(focus)) => *focus,
                Err(problem) if problem.kind == ProblemKind::Cancelled => return,
                Err(problem) => Focus { problem: Some(problem), ..Focus::default() },
            };
            let focus = Focus { of: Some((doc, selection)), ..focus };
            if app.state().focus != focus {
                app.send(Message::Resolved(focus));
            }
        });
    }
}

enum Resolved {
    /// A path that is this entry.
    Entry(EntryId),
    Focus(Box<Focus>),
}

async fn resolve(client: &Client, doc: DocId, selection: Selection) -> Result<Resolved, Problem> {
    let mut focus = Focus::default();
    match selection {
        Selection::None => {}
        Selection::Path(path) => match reply!(client.ask(Request::Find(doc, path)), Found)? {
            Some(entry) => return Ok(Resolved::Entry(entry)),
            None => {
                return Err(Problem {
                    kind: ProblemKind::Missing,
                    message: "There is no entry at this path.".to_owned(),
                    about: None,
                    offset: None,
                });
            }
        },
        Selection::Entry(entry) => details(client, doc, entry, &mut focus).await?,
        Selection::Item(stream, offset) => {
            let query = structure::Query { stream, at: offset, before: 0, count: 1 };
            let items = reply!(client.ask(Request::Items(doc, query)), Items)?;
            if let Some(item) = items.items.get(items.at as usize) {
                match (item.entry, stream) {
                    (Some(entry), _) => details(client, doc, entry, &mut focus).await?,
                    (None, Stream::Payload) => spot(client, doc, item.offset, &mut focus).await?,
                    (None, Stream::Meta) => {}
                }
                let range = Some((item.offset, item.offset.saturating_add(item.size)));
                match stream {
                    Stream::Meta => focus.meta = range,
                    Stream::Payload => focus.payload = range,
                }
            }
        }
        Selection::Bytes(stream, start, end) => {
            if stream == Stream::Payload {
                spot(client, doc, start, &mut focus).await?;
            }
            match stream {
                Stream::Meta => focus.meta = Some((start, end)),
                Stream::Payload => focus.payload = Some((start, end)),
            }
        }
        Selection::Chunk(chunk) => {
            let chunk = Rc::new(*reply!(client.ask(Request::Chunk(doc, chunk)), Chunk)?);
            focus.payload = Some((chunk.row.start, chunk.row.start.saturating_add(chunk.row.size)));
            focus.chunk = Some(chunk);
        }
    }
    Ok(Resolved::Focus(Box::new(focus)))
}

/// What lies at a position of the payload stream: an entry, or something that belongs to none.
async fn spot(client: &Client, doc: DocId, offset: u64, focus: &mut Focus) -> Result<(), Problem> {
    // Streams of other documents have no layout.
    let Ok(spot) = reply!(client.ask(Request::Spot(doc, offset)), Spot) else { return Ok(()) };
    match spot.range.as_ref().map(|range| &range.what) {
        Some(What::Payload(entry)) => details(client, doc, *entry, focus).await?,
        _ => focus.spot = Some(Rc::new(spot)),
    }
    Ok(())
}

async fn details(client: &Client, doc: DocId, entry: EntryId, focus: &mut Focus) -> Result<(), Problem> {
    let details = Rc::new(*reply!(client.ask(Request::Entry(doc, entry)), Entry)?);
    focus.entry = Some(entry);
    focus.meta = Some(details.items);
    focus.payload = details
        .contents
        .as_ref()
        .filter(|contents| contents.stream == Stream::Payload)
        .map(|contents| (contents.header, contents.offset.saturating_add(contents.size)));
    focus.details = Some(details);
    Ok(())
}
