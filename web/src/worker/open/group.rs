//! What belongs together: metadata with its payload stream, streams with their indexes; and documents of it.
//!
//! Names decide: those that differ only in `.mpxar`, `.ppxar` and `.didx` belong together, in one folder before elsewhere. Where no name
//! fits, the bytes decide: a payload stream belongs to metadata whose references lead to headers in it.

use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::blob::{Frame, MAX_PLAIN_SIZE, Manifest};
use pxkit_core::decode::{Content, Entries, Event};
use pxkit_core::format::{HEADER_SIZE, PayloadRef};

use super::index::{self, Partial};
use super::sniff::Looks;
use super::store::MAX_BLOB;
use super::thing::{Role, Thing, base};
use super::{facts, keys};
use crate::protocol::open::{Kind, Opened, SnapshotRef, State};
use crate::protocol::{Problem, ProblemKind, Stream};
use crate::worker::source::Source;
use crate::worker::source::memory::Memory;
use crate::worker::{Document, Task, crypto, load, problem};

/// Bytes of metadata in which references are looked for.
const SAMPLE: u64 = 1 << 20;
/// References that must lead to headers.
const REFERENCES: usize = 16;

/// Between the names of what is one document.
const JOINED: &str = " + ";

const NO_PAYLOAD: &str = "Drop the .ppxar beside it to see contents and layout.";
const NO_CONTENTS: &str =
    "The chunks are known by the index. Drop the .ppxar, or open the datastore, to see contents.";
const NO_CHUNKS: &str = "This is the index alone: drop the datastore's folder, or the folder .chunks beside it, to see \
    what is in the archive.";
const NO_KEY: &str =
    "Its chunks are encrypted: give the key file (Key…, below Open), then open it again with them.";
const NO_METADATA: &str = "This is the payload stream alone: drop the .mpxar beside it to see files.";

/// Makes documents of things, in their order, and starts to decode archives.
pub async fn group(task: &Task, things: Vec<Thing>, opened: &mut Opened) -> Result<(), Problem> {
    let mut things: Vec<Option<Thing>> = things.into_iter().map(Some).collect();
    let mut made: Vec<Option<Rc<Document>>> = things.iter().map(|_| None).collect();
    // Archives take what belongs to them, then documents that are open already, and what is left stands alone.
    for at in 0..things.len() {
        let archive_there = things[at].take_if(|thing| matches!(thing.looks, Looks::Archive { .. }));
        if let Some(thing) = archive_there {
            made[at] = Some(archive(task, thing, &mut things).await?);
        }
    }
    for document in task.worker().documents() {
        if document.kind.get() == Kind::Split && join(&document, &mut things).await? {
            load::tell(task, &document);
            opened.documents.push(document.describe());
        }
    }
    for at in 0..things.len() {
        if let Some(thing) = things[at].take() {
            made[at] = alone(task, thing, &mut things, opened).await?;
        }
    }
    for document in made.into_iter().flatten() {
        start(task, &document);
        opened.documents.push(document.describe());
    }
    Ok(())
}

/// Starts to decode a document, if it is an archive.
fn start(task: &Task, document: &Rc<Document>) {
    if document.is_archive() {
        *document.state.borrow_mut() = State::Loading(0);
        let background = task.worker().background(document);
        task.worker().host().spawn(Box::pin(load::decode(background, document.clone())));
    }
}

/// A document of an archive, with what belongs to it.
async fn archive(task: &Task, thing: Thing, things: &mut [Option<Thing>]) -> Result<Rc<Document>, Problem> {
    let is_split = thing.looks == Looks::Archive { is_split: true };
    let kind = if is_split { Kind::Split } else { Kind::Unified };
    let (source, folder, index) = (thing.source.clone(), thing.folder.clone(), thing.index.clone());
    let document = make(task, thing, kind);
    if is_split {
        let sample = async || sample(&*source).await;
        if let Some(payload) = take_payload(&document, &folder, things, sample).await? {
            give_payload(&document, payload);
        } else if let Some(payload) = open_payload(task, &document, sample).await? {
            document.set_payload(Some(payload.meta().clone()), None);
            if let Some(index) = payload.index() {
                document.set_index(index);
            }
            add_title(&document, &payload.title.borrow());
        }
    } else if let Some(index) = index {
        document.set_index(index);
    }
    take_index(&document, &folder, things);
    hint(&document);
    Ok(document)
}

/// Gives things to a document that lacks them; whether there were any.
async fn join(document: &Rc<Document>, things: &mut [Option<Thing>]) -> Result<bool, Problem> {
    let mut joined = false;
    if document.stream(Stream::Payload).is_err() {
        let sample = async || Ok(spread(&document.tree()));
        if let Some(payload) = take_payload(document, "", things, sample).await? {
            give_payload(document, payload);
            joined = true;
        }
    }
    joined |= document.index().is_none() && take_index(document, "", things);
    if joined {
        hint(document);
    }
    Ok(joined)
}

fn hint(document: &Document) {
    let is_bare = document.kind.get() == Kind::Split && document.stream(Stream::Payload).is_err();
    let hint = is_bare.then(|| if document.index().is_some() { NO_CONTENTS } else { NO_PAYLOAD }.to_owned());
    *document.hint.borrow_mut() = hint;
}

/// Takes the payload stream of a document out of `things`.
async fn take_payload(
    document: &Document,
    folder: &str,
    things: &mut [Option<Thing>],
    sample: impl AsyncFnOnce() -> Result<Vec<PayloadRef>, Problem>,
) -> Result<Option<Thing>, Problem> {
    let is_payload = |thing: &Thing| thing.looks == Looks::Payload;
    let name = base(&document.name);
    let by_name = |folder: Option<&str>| {
        let fits = |thing: &Thing| {
            is_payload(thing) && thing.base() == name && folder.is_none_or(|folder| thing.folder == folder)
        };
        things.iter().position(|thing| thing.as_ref().is_some_and(fits))
    };
    if let Some(at) = by_name(Some(folder)).or_else(|| by_name(None)) {
        return Ok(things[at].take());
    }
    let candidates: Vec<usize> =
        (0..things.len()).filter(|&at| things[at].as_ref().is_some_and(is_payload)).collect();
    if candidates.is_empty() {
        return Ok(None);
    }
    let references = sample().await?;
    for &at in &candidates {
        if let Some(thing) = &things[at]
            && belongs(&references, &*thing.source).await
        {
            return Ok(things[at].take());
        }
    }
    Ok(None)
}

/// A payload stream that is open as a document of its own and belongs to new metadata.
async fn open_payload(
    task: &Task,
    document: &Document,
    sample: impl AsyncFnOnce() -> Result<Vec<PayloadRef>, Problem>,
) -> Result<Option<Rc<Document>>, Problem> {
    let mut open = task.worker().documents();
    open.retain(|other| other.kind.get() == Kind::Payload);
    if let Some(at) = open.iter().position(|other| base(&other.name) == base(&document.name)) {
        return Ok(Some(open.swap_remove(at)));
    }
    let references = if open.is_empty() { Vec::new() } else { sample().await? };
    for other in open {
        if belongs(&references, &**other.meta()).await {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

fn give_payload(document: &Document, payload: Thing) {
    document.set_payload(Some(payload.source), None);
    if let Some(index) = payload.index {
        document.set_index(index);
    }
    payload.findings.into_iter().for_each(|finding| document.findings.add(finding));
    add_title(document, &payload.name);
}

fn add_title(document: &Document, name: &str) {
    let mut title = document.title.borrow_mut();
    *title = format!("{title}{JOINED}{name}");
}

/// Takes the index of the stream that a document's layout is about out of `things`; whether there was one.
fn take_index(document: &Document, folder: &str, things: &mut [Option<Thing>]) -> bool {
    if document.index().is_some() {
        return false;
    }
    let is_split = document.kind.get() == Kind::Split;
    let role = if is_split { Role::Payload } else { Role::Unified };
    let size = if is_split { document.archive().payload_size } else { Some(document.meta().size()) };
    let fits = |thing: &Thing, folder: Option<&str>| {
        thing.is_bare_index()
            && thing.role() == Some(role)
            && thing.base() == base(&document.name)
            && folder.is_none_or(|folder| thing.folder == folder)
            // What has another length describes another stream.
            && thing.index.as_ref().is_some_and(|index| size.is_none_or(|size| size == index.size()))
    };
    let find = |folder: Option<&str>| {
        things.iter().position(|thing| thing.as_ref().is_some_and(|thing| fits(thing, folder)))
    };
    let Some(at) = find(Some(folder)).or_else(|| find(None)) else { return false };
    let Some(Thing { name, index: Some(index), findings, .. }) = things[at].take() else { return false };
    if size.is_none() {
        document.set_payload(None, Some(index.size()));
    }
    document.set_index(index);
    findings.into_iter().for_each(|finding| document.findings.add(finding));
    add_title(document, &name);
    true
}

/// A document of a thing that belongs to no archive; keys and what cannot be shown are none.
async fn alone(
    task: &Task,
    thing: Thing,
    things: &mut [Option<Thing>],
    opened: &mut Opened,
) -> Result<Option<Rc<Document>>, Problem> {
    let document = match thing.looks.clone() {
        Looks::Archive { .. } => archive(task, thing, things).await?,
        Looks::Payload => {
            let (index, folder) = (thing.index.clone(), thing.folder.clone());
            let document = make(task, thing, Kind::Payload);
            match index {
                Some(index) => document.set_index(index),
                None => take_payload_index(&document, &folder, things),
            }
            *document.hint.borrow_mut() = Some(NO_METADATA.to_owned());
            document
        }
        Looks::DynamicIndex => {
            let (index, problem) = (thing.index.clone(), thing.problem.clone());
            let document = make(task, thing, Kind::DynamicIndex);
            if let Some(index) = index {
                document.set_index(index);
            }
            let is_locked = problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::Key);
            let hint = if is_locked { NO_KEY } else { NO_CHUNKS };
            *document.hint.borrow_mut() = Some(hint.to_owned());
            damage(&document, problem);
            document
        }
        Looks::FixedIndex => {
            let Partial { index, problem } = index::fixed(task, &*thing.source).await?;
            let document = make(task, thing, Kind::FixedIndex);
            document.facts.borrow_mut().extend(facts::fixed(index.as_ref()));
            if let Some(index) = index {
                document.set_fixed(index);
            }
            damage(&document, problem);
            document
        }
        Looks::Blob => blob(task, thing).await?,
        Looks::Manifest => {
            let text = thing.source.bytes(0, thing.source.size() as usize).await?;
            let document = make(task, thing, Kind::Manifest);
            match Manifest::parse(&text) {
                Ok(manifest) => document.facts.borrow_mut().extend(facts::manifest(&manifest)),
                Err(error) => damage(&document, Some(problem::new(ProblemKind::Format, error.to_string()))),
            }
            document
        }
        Looks::Catalog => make(task, thing, Kind::Catalog),
        Looks::Key => {
            let file = thing.source.bytes(0, thing.source.size() as usize).await?;
            match keys::take(task, &thing.name, &file, "").await {
                Ok(key) => opened.keys.push(key),
                Err(problem) => opened.problems.push(problem),
            }
            return Ok(None);
        }
        Looks::Foreign(sentence) => {
            let name = thing.name.clone();
            let document = make(task, thing, Kind::Foreign);
            damage(&document, Some(problem::about(ProblemKind::Foreign, &name, sentence)));
            document
        }
    };
    Ok(Some(document))
}

/// The index of a payload file without metadata.
fn take_payload_index(document: &Document, folder: &str, things: &mut [Option<Thing>]) {
    let fits = |thing: &Thing| {
        let index = thing.index.as_ref().filter(|_| thing.is_bare_index());
        thing.folder == folder
            && thing.base() == base(&document.name)
            && index.is_some_and(|index| index.size() == document.meta().size())
    };
    let at = things.iter().position(|thing| thing.as_ref().is_some_and(fits));
    if let Some(Thing { name, index: Some(index), .. }) = at.and_then(|at| things[at].take()) {
        document.set_index(index);
        add_title(document, &name);
    }
}

/// A document of a blob, with its plain bytes in the place of a payload stream.
async fn blob(task: &Task, thing: Thing) -> Result<Rc<Document>, Problem> {
    let (source, name) = (thing.source.clone(), thing.name.clone());
    let document = make(task, thing, Kind::Blob);
    if source.size() > MAX_BLOB {
        let message = format!("{name} has {} bytes; no blob has more than {MAX_BLOB}.", source.size());
        damage(&document, Some(problem::about(ProblemKind::Limit, &name, message)));
        return Ok(document);
    }
    let bytes = source.bytes(0, source.size() as usize).await?;
    let frame = match Frame::parse(&bytes) {
        Ok(frame) => frame,
        Err(error) => {
            damage(&document, Some(problem::of(error, &name)));
            return Ok(document);
        }
    };
    let plain = decode(task, frame).await;
    let size = plain.as_ref().ok().map(|plain| plain.len() as u64);
    document.facts.borrow_mut().extend(facts::blob(&frame, size));
    match plain {
        Ok(plain) => {
            if let Ok(manifest) = Manifest::parse(&plain) {
                document.kind.set(Kind::Manifest);
                document.facts.borrow_mut().extend(facts::manifest(&manifest));
            }
            let name = name.strip_suffix(".blob").unwrap_or(&name).to_owned();
            document.set_payload(Some(Rc::new(Memory::new(name, plain))), None);
        }
        Err(problem) if problem.kind == ProblemKind::Key => {
            let hint = "This blob is encrypted: give the key file (Key…, below Open), then open it again.";
            *document.hint.borrow_mut() = Some(hint.to_owned());
        }
        Err(cause) => {
            damage(&document, Some(problem::about(cause.kind, &name, format!("{name}: {}.", cause.message))));
        }
    }
    Ok(document)
}

/// The plain bytes of a blob; which key it needs it does not say.
async fn decode(task: &Task, frame: Frame<'_>) -> Result<Vec<u8>, Problem> {
    if frame.seal.is_some() {
        for key in task.worker().keys() {
            if let Ok(plain) = crypto::decode(frame, MAX_PLAIN_SIZE, Some(&key)).await {
                return Ok(plain);
            }
        }
    }
    crypto::decode(frame, MAX_PLAIN_SIZE, None).await
}

fn make(task: &Task, thing: Thing, kind: Kind) -> Rc<Document> {
    let title = title(task, &thing);
    let Thing { name, source, origin, facts, findings, .. } = thing;
    let document = task.add(|id| {
        let mut document = Document::new(id, name, kind, source);
        document.title = title.into();
        document.origin = origin;
        document
    });
    document.facts.replace(facts);
    findings.into_iter().for_each(|finding| document.findings.add(finding));
    document
}

/// What a thing is called as a document: its name, its path if that is open already, or with a number.
fn title(task: &Task, thing: &Thing) -> String {
    let open = task.worker().documents();
    let origin = |it: &Option<(u32, SnapshotRef)>| it.as_ref().map(|(_, snapshot)| snapshot.clone());
    let is_taken = |title: &String| {
        open.iter().filter(|other| origin(&other.origin) == origin(&thing.origin)).any(|other| {
            let has = other.title.borrow();
            has.strip_prefix(&**title).is_some_and(|more| more.is_empty() || more.starts_with(JOINED))
        })
    };
    let path = Some(format!("{}/{}", thing.folder, thing.name)).filter(|_| !thing.folder.is_empty());
    let numbered = (2..).map(|number| format!("{} ({number})", thing.name));
    let mut titles = std::iter::once(thing.name.clone()).chain(path).chain(numbered);
    titles.find(|title| !is_taken(title)).unwrap_or_default()
}

fn damage(document: &Document, problem: Option<Problem>) {
    if let Some(problem) = problem {
        if problem.kind != ProblemKind::Foreign {
            document.findings.damage(&problem, &document.tree());
        }
        *document.state.borrow_mut() = State::Damaged(problem);
    }
}

/// Some of the references of metadata that is not decoded yet.
async fn sample(source: &dyn Source) -> Result<Vec<PayloadRef>, Problem> {
    let window = source.bytes(0, source.size().min(SAMPLE) as usize).await?;
    let (mut entries, mut at, mut found) = (Entries::new(), 0, Vec::new());
    while found.len() < REFERENCES {
        // What comes behind the window, or is damaged, is none of the sample.
        let Ok(progress) = entries.step(window.get(at..).unwrap_or_default()) else { break };
        at += progress.used;
        match progress.event {
            Event::Entry(entry) => {
                if let Content::Reference(reference) = entry.content {
                    found.push(reference);
                }
            }
            Event::Skip(bytes) => match usize::try_from(bytes).ok().and_then(|bytes| at.checked_add(bytes)) {
                Some(next) => at = next,
                None => break,
            },
            Event::Need(_) | Event::End => break,
            Event::Version(_) | Event::Prelude { .. } | Event::Leave { .. } => {}
        }
    }
    Ok(found)
}

/// Some of the references of a tree, from all over it.
fn spread(tree: &Tree) -> Vec<PayloadRef> {
    let step = (tree.len() / (4 * REFERENCES)).max(1);
    let reference = |id: usize| match tree.content(id as u32) {
        Content::Reference(reference) => Some(reference),
        _ => None,
    };
    (0..tree.len()).step_by(step).filter_map(reference).take(4 * REFERENCES).collect()
}

/// Whether references lead to their headers; not if there are none.
async fn belongs(references: &[PayloadRef], payload: &dyn Source) -> bool {
    for reference in references {
        let mut header = [0; HEADER_SIZE];
        let is_there = payload.read(reference.offset, &mut header).await.is_ok();
        if !is_there || reference.check_header(&header).is_err() {
            return false;
        }
    }
    !references.is_empty()
}
