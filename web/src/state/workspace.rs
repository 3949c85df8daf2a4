//! What is open: documents and datastores, and what could not be opened.

use std::rc::Rc;

use super::link::Named;
use crate::protocol::{
    DocId, Problem, ProblemKind,
    open::{Document, Opened, SnapshotRef, State as Stage, StoreInfo},
};

/// An open document.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What the worker said of it last.
    pub document: Document,
    /// Grows with every such report: answers of an earlier epoch may lack what was decoded since.
    pub epoch: u32,
}

/// Everything that is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workspace {
    /// Documents, in the order in which they were opened.
    pub documents: Vec<Rc<Open>>,
    /// Datastores to choose from.
    pub stores: Vec<Rc<StoreInfo>>,
    /// What could not be opened; it is shown until it is dismissed.
    pub problems: Vec<Problem>,
}

impl Workspace {
    /// A document by its number.
    pub fn get(&self, id: DocId) -> Option<&Rc<Open>> {
        self.documents.iter().find(|open| open.document.id == id)
    }

    /// The document of what an address names.
    pub fn named(&self, named: &Option<Named>) -> Option<DocId> {
        named.as_ref().and_then(|(store, wanted)| self.of_snapshot(*store, wanted))
    }

    /// The document of an archive of a snapshot. Numbers of datastores are those of their opening: one that none has now means any.
    pub fn of_snapshot(&self, store: Option<u32>, wanted: &SnapshotRef) -> Option<DocId> {
        let store = store.filter(|store| self.stores.iter().any(|known| known.id == *store));
        let is_it = |document: &Document| {
            document.snapshot.as_ref().is_some_and(|has| {
                has.namespace == wanted.namespace
                    && has.snapshot == wanted.snapshot
                    && is_archive(has.archive.as_deref(), wanted.archive.as_deref())
                    && (store.is_none() || document.store == store)
            })
        };
        self.documents
            .iter()
            .map(|open| &open.document)
            .find(|document| is_it(document))
            .map(|found| found.id)
    }

    /// A document's epoch, which also changes when others are opened, decoded or closed: earlier snapshots tell what was used again.
    pub fn epoch(&self, id: DocId) -> u32 {
        /// Spreads small numbers, so that sums of others are others.
        const SPREAD: u32 = 0x9e37_79b1;
        let others = self.documents.iter().map(|open| &open.document);
        let others = others.filter(|other| other.id != id && other.has_chunks && !other.is_loading());
        let own = self.get(id).map_or(0, |open| open.epoch);
        others.fold(own, |epoch, other| epoch.wrapping_add((other.id + 1).wrapping_mul(SPREAD)))
    }

    /// The documents that hold archives, which can be compared.
    pub fn archives(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().map(|open| &open.document).filter(|document| document.is_archive())
    }

    /// Takes a report: more is known of a document, or it is new.
    pub fn report(&mut self, document: Document) {
        match self.documents.iter_mut().find(|open| open.document.id == document.id) {
            Some(open) => *open = Rc::new(Open { epoch: open.epoch + 1, document }),
            None => self.documents.push(Rc::new(Open { document, epoch: 0 })),
        }
    }

    /// Takes the outcome of opening.
    pub fn add(&mut self, opened: Opened) {
        for document in opened.documents {
            self.report(document);
        }
        for store in opened.stores {
            match self.stores.iter_mut().find(|known| known.id == store.id) {
                Some(known) => *known = Rc::new(store),
                None => self.stores.push(Rc::new(store)),
            }
        }
        for key in opened.keys {
            // What needs another key still does.
            let names_another =
                |about: &String| *about != key.fingerprint && about.len() == key.fingerprint.len();
            self.problems.retain(|problem| {
                problem.kind != ProblemKind::Key || problem.about.as_ref().is_some_and(names_another)
            });
        }
        self.problems.extend(opened.problems);
    }

    /// Forgets a document; the one that is beside it, if there is one.
    pub fn close(&mut self, id: DocId) -> Option<DocId> {
        let at = self.documents.iter().position(|open| open.document.id == id)?;
        self.documents.remove(at);
        let beside = self.documents.get(at).or_else(|| self.documents.last());
        beside.map(|open| open.document.id)
    }
}

/// Whether a name in an address means an archive: it may name either half of a split one, or both as `.pxar`, with or without `.didx`.
fn is_archive(has: Option<&str>, wanted: Option<&str>) -> bool {
    let stem = |name: &str| {
        let name = name.strip_suffix(".didx").unwrap_or(name);
        let halves = name.strip_suffix(".mpxar").or_else(|| name.strip_suffix(".ppxar"));
        halves.map_or_else(|| name.to_owned(), |stem| format!("{stem}.pxar"))
    };
    wanted.is_none_or(|wanted| has.is_some_and(|has| stem(has) == stem(wanted)))
}

impl Document {
    /// It has a tree of files.
    pub fn is_archive(&self) -> bool {
        use crate::protocol::open::Kind;
        matches!(self.kind, Kind::Unified | Kind::Split)
    }

    /// It is still being decoded.
    pub fn is_loading(&self) -> bool {
        matches!(self.state, Stage::Loading(_))
    }
}
