//! Opening: what is given, what it turns out to be, what belongs together.

mod facts;
mod folder;
mod group;
mod index;
pub mod keys;
mod sniff;
pub mod store;
#[cfg(test)]
mod tests;
mod thing;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::source::Source;
use super::source::chunked::{Arrangement, ChunkStore};
use super::source::directory::{Directory, Paths, Unhidden};
use super::{Handle, Task, problem};
use crate::protocol::open::{
    Item, Key, KeyInfo, Kind, Open, OpenSnapshot, Opened, SnapshotRef, StoreListing, StoreQuery,
};
use crate::protocol::{Problem, ProblemKind};
use folder::Folder;
use store::Store;
use thing::{Chunks, Thing};

/// What was given, taken apart.
#[derive(Default)]
struct Given {
    /// Files, each with its folder.
    files: Vec<(String, Rc<dyn Source>)>,
    directories: Vec<(Rc<dyn Directory>, Vec<SnapshotRef>)>,
    problems: Vec<Problem>,
}

/// Opens what was dropped, picked or named.
pub async fn open(task: &Task, open: Open, handles: Vec<Handle>) -> Result<Opened, Problem> {
    let mut opened = Opened::default();
    let Given { mut files, directories, problems } = take_apart(open.items, &handles).await;
    opened.problems = problems;
    let mut chunks = None;
    let mut snapshots = Vec::new();
    for (directory, wanted) in directories {
        match look(task, directory, &mut files, &mut chunks).await {
            Ok(Some(store)) => {
                let info = store.info(task).await?;
                opened.problems.extend(store.hidden(&info));
                opened.stores.push(info);
                snapshots.extend(wanted.into_iter().map(|wanted| (store.clone(), wanted)));
            }
            Ok(None) => {}
            Err(problem) => opened.problems.push(problem),
        }
    }
    let is_alone = files.len() == 1;
    let mut things = Vec::new();
    for (folder, file) in files {
        match Thing::new(task, &folder, file, chunks.as_ref()).await {
            // Of a folder only what is known counts.
            Ok(thing) if !folder.is_empty() && !is_alone && thing.is_foreign() => {}
            Ok(thing) => things.push(thing),
            Err(problem) => opened.problems.push(problem),
        }
        task.breathe().await?;
    }
    if let Some(chunks) = &chunks {
        things.extend(waiting(task, chunks).await);
    }
    group::group(task, things, &mut opened).await?;
    for (store, wanted) in snapshots {
        match store.open_archive(task, &wanted).await {
            Ok(things) => group::group(task, things, &mut opened).await?,
            Err(problem) => opened.problems.push(problem),
        }
    }
    if opened == Opened::default() {
        let message = "Nothing in this can be shown: no archive, index, blob or datastore was found.";
        opened.problems.push(problem::new(ProblemKind::Foreign, message));
    }
    Ok(opened)
}

/// Tells files from directories; files with a path are those of a folder.
async fn take_apart(items: Vec<Item>, handles: &[Handle]) -> Given {
    let mut given = Given::default();
    let mut folders: BTreeMap<String, Vec<(String, Handle)>> = BTreeMap::new();
    for item in items {
        match one(item, handles, &mut folders).await {
            Ok(Some(One::File(file))) => given.files.push((String::new(), file)),
            Ok(Some(One::Directory(directory, wanted))) => given.directories.push((directory, wanted)),
            Ok(None) => {}
            Err(problem) => given.problems.push(problem),
        }
    }
    for (name, files) in folders {
        given.directories.push((Rc::new(Paths::new(name, files)), Vec::new()));
    }
    given
}

enum One {
    File(Rc<dyn Source>),
    Directory(Rc<dyn Directory>, Vec<SnapshotRef>),
}

async fn one(
    item: Item,
    handles: &[Handle],
    folders: &mut BTreeMap<String, Vec<(String, Handle)>>,
) -> Result<Option<One>, Problem> {
    let handle = |number: u32| {
        handles
            .get(number as usize)
            .ok_or_else(|| problem::request("There is no such file beside the request."))
    };
    match item {
        Item::File { handle: number, path } => {
            if let Some((folder, path)) = path.split_once('/') {
                folders
                    .entry(folder.to_owned())
                    .or_default()
                    .push((path.to_owned(), handle(number)?.clone()));
                return Ok(None);
            }
            Ok(Some(One::File(handle(number)?.file(&path)?)))
        }
        Item::Directory { handle: number, name, hidden } => {
            let folder = handle(number)?.directory(&name)?;
            let file = |(number, path): (u32, String)| Ok((path, handle(number)?.clone()));
            let hidden = hidden.into_iter().map(file).collect::<Result<Vec<_>, Problem>>()?;
            let directory: Rc<dyn Directory> =
                if hidden.is_empty() { folder } else { Rc::new(Unhidden::new(folder, hidden)) };
            Ok(Some(One::Directory(directory, Vec::new())))
        }
        item => remote(item).await.map(Some),
    }
}

/// What lies behind addresses.
#[cfg(target_arch = "wasm32")]
async fn remote(item: Item) -> Result<One, Problem> {
    use super::source::url::{Served, Url};

    Ok(match item {
        Item::Url { url } => {
            let path = url.split(['?', '#']).next().unwrap_or(&url);
            let name = path.rsplit('/').find(|name| !name.is_empty()).unwrap_or(&url);
            let name = js_sys::decode_uri_component(name).map_or_else(|_| name.to_owned(), String::from);
            // Not what is asked of it, which may be a secret.
            let place = path.split_once("://").map_or(path, |(_, place)| place);
            let file = Url::probe(&url, name, place).await?.ok_or_else(|| {
                let message = format!("There is nothing at {place} (status 404).");
                problem::about(ProblemKind::Missing, place, message)
            })?;
            One::File(Rc::new(file))
        }
        Item::Served { url, name, size } => One::File(Rc::new(Url::new(url, name, size))),
        Item::ServedDirectory { url, name, open } => One::Directory(Rc::new(Served::new(url, name)), open),
        Item::File { .. } | Item::Directory { .. } => return Err(problem::request("This is no address.")),
    })
}

#[cfg(not(target_arch = "wasm32"))]
async fn remote(_item: Item) -> Result<One, Problem> {
    Err(problem::request("Addresses are read in the browser only."))
}

/// Looks at a directory: a datastore is kept and given back, chunks serve all indexes, files join the others.
async fn look(
    task: &Task,
    directory: Rc<dyn Directory>,
    files: &mut Vec<(String, Rc<dyn Source>)>,
    chunks: &mut Option<Chunks>,
) -> Result<Option<Rc<Store>>, Problem> {
    let worker = task.worker();
    let chunk_store = |arrangement| {
        ChunkStore::new(directory.clone(), arrangement, worker.chunks.clone(), worker.host().clone())
    };
    match folder::look(&directory).await? {
        Folder::Store { has_chunks } => {
            let chunks = has_chunks.then(|| chunk_store(Arrangement::Store));
            Ok(Some(worker.add_store(|id| Store::new(id, directory.clone(), chunks))))
        }
        Folder::Chunks(arrangement) => {
            // There is no manifest that names a key.
            let keys = std::iter::once(None).chain(worker.keys().into_iter().map(Some)).collect();
            *chunks = Some(Chunks { store: chunk_store(arrangement), keys });
            Ok(None)
        }
        Folder::Files(names) => {
            for name in names {
                if let Some(file) = directory.file(&name).await? {
                    files.push((directory.name().to_owned(), file));
                }
                task.breathe().await?;
            }
            Ok(None)
        }
    }
}

/// Indexes that are open and have waited for chunks.
async fn waiting(task: &Task, chunks: &Chunks) -> Vec<Thing> {
    let mut things = Vec::new();
    for document in task.worker().documents() {
        if document.kind.get() == Kind::DynamicIndex
            && let Some(index) = document.index()
        {
            let mut thing = Thing::of_index(&document, index);
            thing.resolve(chunks).await;
            if !thing.is_bare_index() {
                things.push(thing);
            }
        }
    }
    things
}

/// Opens an archive of a snapshot.
pub async fn snapshot(task: &Task, open: OpenSnapshot) -> Result<Opened, Problem> {
    let store = task.worker().store(open.store)?;
    let things = store.open_archive(task, &open.snapshot).await?;
    let mut opened = Opened::default();
    group::group(task, things, &mut opened).await?;
    Ok(opened)
}

/// Lists a datastore.
pub async fn store(task: &Task, query: StoreQuery) -> Result<StoreListing, Problem> {
    let store = task.worker().store(query.store)?;
    Ok(match query.group {
        None => StoreListing::Groups(store.groups(task, &query.namespace).await?),
        Some(group) => StoreListing::Snapshots(store.snapshots(task, &query.namespace, &group).await?),
    })
}

/// Takes a key.
pub async fn key(task: &Task, key: Key) -> Result<KeyInfo, Problem> {
    keys::take(task, "The key file", &key.file, &key.passphrase).await
}
