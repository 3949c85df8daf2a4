//! What can happen, and what it changes.

use super::link::Link;
use super::selection::{Focus, Selection};
use super::workspace::Workspace;
use super::{FINDING, Job, Notice, Panel, Place, State, Tab, Theme, Worker};
use crate::protocol::{
    DocId,
    files::View,
    open::{Document, Opened},
};

/// What a message leaves in the history of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The address stays.
    None,
    /// The address changes in place.
    Replace,
    /// A step that one can go back from.
    Push,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "messages are made one at a time")]
pub enum Message {
    /// The worker started or died.
    Worker(Worker),
    /// Opening came to an end; it was asked for as the one of this number. What is opened again has none, 0: it is shown only if the address
    /// names it.
    Opened(Opened, u32),
    /// More is known of a document.
    Document(Document),
    /// The group that is chosen in a datastore at first.
    WantedGroup(Option<(String, String)>),
    /// A document was closed.
    Closed(DocId),
    /// Everything was closed, since the worker starts anew.
    Reset,
    /// A problem was read.
    Dismiss(usize),

    /// The address changed.
    Go(Link),
    /// Shows another view.
    Tab(Tab),
    /// Shows another document.
    Activate(DocId),
    /// Compares with another document, or with none.
    Older(Option<DocId>),
    /// The older one that an address named cannot be had.
    NoOlder,
    /// Compares two: older, newer.
    Compare(DocId, DocId),
    /// Selects, as a step on the way.
    Select(Selection),
    /// Selects in a view, as a step that one can go back from.
    Jump(Tab, Selection),
    /// The same in another document.
    JumpIn(DocId, Tab, Selection),
    /// A path was looked up, or more is known of the selection.
    Resolved(Focus),
    /// A path was looked up: the selection is this, without a step.
    Found(Selection),
    /// Shows files in another way.
    Files(View),
    /// Shows another part of the map; `true`: as a step that one can go back from.
    Zoom(Option<(u64, u64)>, bool),
    /// What a single view adds to the address; `None` takes it away.
    Param(&'static str, Option<String>),
    /// Goes to another place in the document, as one step that one can go back from.
    Place(Place),

    /// Opens or closes what lies over the screen.
    Panel(Panel),
    /// Hides or shows the entry panel.
    HidePanel(bool),
    /// Other colours.
    Theme(Theme),
    /// The system has other colours.
    SystemDark(bool),
    /// Long work began or went on.
    Job(Job),
    /// Long work ended.
    JobEnded(u32),
    /// Says something.
    Notice(Option<Notice>),
}

impl State {
    /// Takes a message.
    pub fn take(&mut self, message: Message) -> Trace {
        match message {
            Message::Worker(worker) => self.worker = worker,
            Message::Opened(opened, order) => return self.opened(opened, order),
            Message::Document(document) => {
                // A report may overtake the answer to the request that opened it; until then it is nobody's.
                if self.workspace.get(document.id).is_some() {
                    self.workspace.report(document);
                }
            }
            Message::WantedGroup(group) => self.wanted_group = group,
            Message::Closed(doc) => return self.closed(doc),
            Message::Reset => {
                self.workspace = Workspace::default();
                self.focus = Focus::default();
                self.jobs.clear();
                self.notice = None;
                self.worker = Worker::Starting;
            }
            Message::Dismiss(at) => {
                if at < self.workspace.problems.len() {
                    self.workspace.problems.remove(at);
                }
            }

            Message::Go(link) => return self.go(link),
            Message::Tab(tab) => {
                let step = if self.place.tab == tab { Trace::None } else { Trace::Push };
                self.place.tab = tab;
                return step;
            }
            Message::Activate(doc) => return self.activate(doc),
            Message::Older(older) => {
                self.place.older = older.filter(|older| Some(*older) != self.place.doc);
                self.wanted_older = None;
                self.notice = self.notice.take().filter(|notice| notice.compare.is_none());
                return Trace::Push;
            }
            Message::NoOlder => {
                self.wanted_older = None;
                return Trace::Replace;
            }
            Message::Compare(older, newer) => {
                self.activate(newer);
                self.wanted_older = None;
                self.place.older = Some(older).filter(|older| *older != newer);
                self.place.tab = Tab::Compare;
                self.notice = None;
                return Trace::Push;
            }
            Message::Select(selection) => {
                return if self.select(selection) { Trace::Replace } else { Trace::None };
            }
            Message::Jump(tab, selection) => {
                let is_there = self.place.tab == tab;
                self.place.tab = tab;
                return if self.select(selection) || !is_there { Trace::Push } else { Trace::None };
            }
            Message::JumpIn(doc, tab, selection) => {
                self.activate(doc);
                self.place.tab = tab;
                self.select(selection);
                return Trace::Push;
            }
            Message::Resolved(focus) => {
                self.focus = focus;
                return Trace::Replace;
            }
            Message::Found(selection) => {
                // Until more is known of it.
                self.focus.sought = self.path();
                self.place.selection = selection;
                return Trace::Replace;
            }
            Message::Files(view) => {
                self.place.files = view;
                return Trace::Replace;
            }
            Message::Zoom(zoom, step) => {
                if self.place.zoom == zoom {
                    return Trace::None;
                }
                self.place.zoom = zoom;
                return if step { Trace::Push } else { Trace::Replace };
            }
            Message::Param(name, value) => {
                match value {
                    Some(value) => self.place.params.insert(name.to_owned(), value),
                    None => self.place.params.remove(name),
                };
                return Trace::Replace;
            }
            Message::Place(mut place) => {
                if self.place == place {
                    return Trace::None;
                }
                std::mem::swap(&mut self.place, &mut place);
                let selection = std::mem::replace(&mut self.place.selection, place.selection);
                self.select(selection);
                return Trace::Push;
            }

            Message::Panel(panel) => self.panel = panel,
            Message::HidePanel(hidden) => self.panel_hidden = hidden,
            Message::Theme(theme) => self.theme = theme,
            Message::SystemDark(dark) => self.system_dark = dark,
            Message::Job(job) => match self.jobs.iter_mut().find(|known| known.id == job.id) {
                Some(known) => *known = job,
                None => self.jobs.push(job),
            },
            Message::JobEnded(id) => self.jobs.retain(|job| job.id != id),
            Message::Notice(notice) => self.notice = notice,
        }
        Trace::None
    }

    fn opened(&mut self, opened: Opened, order: u32) -> Trace {
        let before = self.place.doc.filter(|doc| self.workspace.get(*doc).is_some());
        let new: Vec<DocId> = opened.documents.iter().map(|document| document.id).collect();
        let is_new = |doc: &DocId| self.workspace.get(*doc).is_none();
        let first_new = new.iter().copied().find(is_new);
        let store = opened.stores.first().map(|store| store.id);
        self.keys += opened.keys.len() as u32;
        self.workspace.add(opened);
        if let Some(older) = self.workspace.named(&self.wanted_older) {
            self.wanted_older = None;
            self.place.older = Some(older).filter(|it| self.workspace.archives().any(|open| open.id == *it));
        }
        // What was asked for later and is there already stays on screen.
        if order < self.shown
            && let Some(shown) = before
        {
            first_new.filter(|_| order > 0).into_iter().for_each(|doc| self.offer_comparison(doc, shown));
            return Trace::None;
        }
        if store.is_some() || !new.is_empty() {
            self.shown = self.shown.max(order);
        }
        if before.is_none() && !new.is_empty() && order > 0 {
            // What comes later under the number of an address is another one.
            self.place.older = self.place.older.filter(|older| self.workspace.get(*older).is_some());
        }

        if let Some(wanted) = self.wanted.take_if(|it| self.workspace.named(&it.snapshot).is_some()) {
            self.go(wanted);
            return Trace::Replace;
        }
        // An address may have named a document that only now is there.
        if before.is_none() && self.place.doc.is_some_and(|doc| new.contains(&doc)) {
            self.panel = Panel::None;
            return Trace::Replace;
        }
        if order == 0 {
            return Trace::None;
        }
        let Some(doc) = first_new.or_else(|| new.first().copied()) else {
            if let Some(store) = store.filter(|_| self.wanted.is_none()) {
                self.panel = Panel::Store(store);
            }
            return Trace::None;
        };
        self.panel = Panel::None;
        if before.is_none() && self.wanted.is_some() {
            // The address is about another one.
            self.place = Place { tab: self.place.tab, ..Place::default() };
        }
        let step = if before.is_some() { Trace::Push } else { Trace::Replace };
        self.activate(doc);
        // What is opened beside another one, and two that are given at once, in the order of `pxkit inspect OLDER NEWER`.
        match (before.filter(|before| *before != doc), &*new) {
            (Some(before), _) => self.offer_comparison(before, doc),
            (None, &[first, second]) if before.is_none() => self.offer_comparison(first, second),
            _ => {}
        }
        step
    }

    /// Offers to compare two archives, the older first as far as their snapshots tell.
    fn offer_comparison(&mut self, before: DocId, now: DocId) {
        let (Some(a), Some(b)) = (self.workspace.get(before), self.workspace.get(now)) else { return };
        let (a, b) = (&a.document, &b.document);
        if !a.is_archive() || !b.is_archive() {
            return;
        }
        let time = |document: &Document| {
            let snapshot = document.snapshot.as_ref()?;
            snapshot.snapshot.rsplit('/').next().map(str::to_owned)
        };
        let (older, newer) = match (time(a), time(b)) {
            (Some(first), Some(second)) if first > second => (b, a),
            _ => (a, b),
        };
        let text = match (&older.snapshot, &newer.snapshot) {
            (Some(one), Some(other)) => format!("{} and {} are open.", one.snapshot, other.snapshot),
            _ => format!("{} and {} are open.", older.title, newer.title),
        };
        self.notice = Some(Notice { text, bad: false, compare: Some((older.id, newer.id)) });
    }

    fn closed(&mut self, doc: DocId) -> Trace {
        let beside = self.workspace.close(doc);
        if self.place.older == Some(doc) {
            self.place.older = None;
        }
        if self.place.doc == Some(doc) {
            if let Some(beside) = beside {
                self.activate(beside);
            } else {
                self.place = Place { tab: Tab::Files, ..Place::default() };
                self.focus = Focus::default();
            }
        }
        if self.notice.as_ref().is_some_and(|notice| notice.compare.is_some()) {
            self.notice = None;
        }
        Trace::Replace
    }

    /// Shows another document, at the same path if it has it.
    fn activate(&mut self, doc: DocId) -> Trace {
        if self.place.doc == Some(doc) {
            return Trace::None;
        }
        if self.place.doc.is_some() {
            let has_paths = self.workspace.archives().any(|archive| archive.id == doc);
            let path = self.path().filter(|_| has_paths);
            self.place.selection = path.map_or(Selection::None, Selection::Path);
            self.place.zoom = None;
            // They are numbers of the other one's entries and findings.
            self.place.params.retain(|name, _| name != "dir" && name != FINDING);
            self.place.files.filter.chunk = None;
            self.place.files.filter.below = None;
        }
        self.place.doc = Some(doc);
        self.wanted_older = None;
        self.focus = Focus::default();
        Trace::Push
    }

    /// Selects; says whether something else was selected before.
    fn select(&mut self, selection: Selection) -> bool {
        let is_new = self.place.selection != selection;
        if is_new {
            self.place.selection = selection;
            self.place.params.remove(FINDING);
            self.focus.sought = None;
        }
        is_new
    }

    /// The path of what is selected, as far as it is known.
    fn path(&self) -> Option<Vec<u8>> {
        match &self.place.selection {
            Selection::None => None,
            Selection::Path(path) => Some(path.clone()),
            _ => self.focus.sought.clone().or_else(|| {
                let details = self.focus.details.as_ref().filter(|_| self.is_resolved())?;
                Some(details.raw_path.clone())
            }),
        }
    }

    fn go(&mut self, link: Link) -> Trace {
        let is_open = |doc: &DocId| self.workspace.get(*doc).is_some();
        let first = self.workspace.documents.first().map(|open| open.document.id);
        let shown = self.place.doc.filter(is_open).or(first);
        let doc = if link.snapshot.is_some() { self.workspace.named(&link.snapshot) } else { link.place.doc };
        let older = if link.older.is_some() { self.workspace.named(&link.older) } else { link.place.older };
        let is_wanted = link.snapshot.is_some() && doc.is_none();
        self.wanted = is_wanted.then(|| link.clone());
        self.wanted_older = link.older.filter(|_| older.is_none() && !is_wanted);
        self.panel = Panel::None;
        let missing = link.snapshot.filter(|_| is_wanted).or_else(|| self.wanted_older.clone());
        if let Some((_, missing)) = missing
            && shown.is_some()
            && self.workspace.stores.is_empty()
        {
            let text = format!("This address names {}: open its datastore.", missing.snapshot);
            self.notice = Some(Notice { text, bad: true, compare: None });
        }
        if shown.is_some() && !doc.is_some_and(|doc| is_open(&doc)) {
            // What it says is about another archive.
            self.place.doc = shown;
            if is_wanted {
                return Trace::None;
            }
            self.place.tab = link.place.tab;
            return if link.place.doc.is_none() { Trace::None } else { Trace::Replace };
        }
        // Numbers of what is not open may still come as long as nothing is.
        let older = older.filter(|older| shown.is_none() || is_open(older));
        self.place = Place { doc, older, ..link.place };
        Trace::None
    }
}
