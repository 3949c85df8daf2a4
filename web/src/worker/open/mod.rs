//! Opening: what is given, what it turns out to be, what belongs together.

pub mod sniff;

use std::rc::Rc;

use super::source::Source;
use super::source::blocks::Cached;
use super::{Document, Handle, Task, load, problem};
use crate::protocol::Problem;
use crate::protocol::open::{
    Item, Key, KeyInfo, Kind, Open, OpenSnapshot, Opened, State, StoreListing, StoreQuery,
};
use sniff::Looks;

/// A file with what its first bytes say.
struct Thing {
    name: String,
    source: Rc<dyn Source>,
    looks: Looks,
}

/// Opens what was dropped, picked or named.
pub async fn open(task: &Task, open: Open, handles: Vec<Handle>) -> Result<Opened, Problem> {
    let mut opened = Opened::default();
    let mut things = Vec::new();
    for item in open.items {
        match thing(task, item, &handles).await {
            Ok(thing) => things.push(thing),
            Err(problem) => opened.problems.push(problem),
        }
    }
    for document in group(task, things).await? {
        opened.documents.push(document.describe());
        if document.is_archive() {
            *document.state.borrow_mut() = State::Loading(0);
            let background = task.worker().background(&document);
            task.worker().host().spawn(Box::pin(load::decode(background, document)));
        }
    }
    Ok(opened)
}

async fn thing(task: &Task, item: Item, handles: &[Handle]) -> Result<Thing, Problem> {
    let (source, name) = match item {
        Item::File { handle, path } => {
            let handle =
                handles.get(handle as usize).ok_or_else(|| problem::request("There is no such file."))?;
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            (handle.file(&name)?, name)
        }
        _ => return problem::absent("open"),
    };
    let source: Rc<dyn Source> = Rc::new(Cached::new(source, task.worker().blocks.clone()));
    let looks = sniff::sniff(&*source).await?;
    Ok(Thing { name, source, looks })
}

/// Makes documents of things; those that belong together become one.
async fn group(task: &Task, mut things: Vec<Thing>) -> Result<Vec<Rc<Document>>, Problem> {
    let worker = task.worker();
    let mut payloads: Vec<Thing> = things.extract_if(.., |thing| thing.looks == Looks::Payload).collect();
    let mut documents = Vec::new();
    for Thing { name, source, looks } in things {
        let kind = match looks {
            Looks::Archive { split: true } => Kind::Split,
            Looks::Archive { split: false } => Kind::Unified,
            _ => Kind::Foreign,
        };
        let document = worker.add(|id| Document::new(id, name.clone(), kind, source));
        if kind == Kind::Split {
            let base = name.trim_end_matches(".mpxar");
            let mate = payloads.iter().position(|payload| payload.name.trim_end_matches(".ppxar") == base);
            if let Some(at) = mate.or((!payloads.is_empty()).then_some(0)) {
                let payload = payloads.remove(at);
                *document.title.borrow_mut() = format!("{name} + {}", payload.name);
                document.set_payload(Some(payload.source), None);
            } else {
                *document.hint.borrow_mut() = Some("Drop the .ppxar beside it to see contents.".to_owned());
            }
        }
        documents.push(document);
    }
    for Thing { name, source, .. } in payloads {
        documents.push(worker.add(|id| Document::new(id, name, Kind::Payload, source)));
    }
    Ok(documents)
}

/// Opens an archive of a snapshot.
pub async fn snapshot(_task: &Task, _open: OpenSnapshot) -> Result<Opened, Problem> {
    problem::absent("open")
}

/// Lists a datastore.
pub async fn store(_task: &Task, _query: StoreQuery) -> Result<StoreListing, Problem> {
    problem::absent("store")
}

/// Takes a key.
pub async fn key(_task: &Task, _key: Key) -> Result<KeyInfo, Problem> {
    problem::absent("key")
}

impl Handle {
    /// The file that it is.
    fn file(&self, _name: &str) -> Result<Rc<dyn Source>, Problem> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Js(value) => {
                use wasm_bindgen::JsCast as _;
                let blob = value.dyn_ref::<web_sys::Blob>().cloned();
                let blob = blob.ok_or_else(|| {
                    problem::about(crate::protocol::ProblemKind::Request, _name, "This is no file.")
                })?;
                Ok(Rc::new(super::source::blob::Blob::new(_name.to_owned(), blob)))
            }
            Self::Source(source) => Ok(source.clone()),
        }
    }
}
