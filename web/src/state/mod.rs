//! What the page knows: what is open, where the person is, what is selected. One [`State`], changed by small messages; views show parts of
//! it and ask the worker for the rest.
//!
//! Everything here but `app`, `client`, `follow` and `history` is free of the browser and tested natively.

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod client;
pub mod columns;
#[cfg(target_arch = "wasm32")]
mod follow;
#[cfg(target_arch = "wasm32")]
mod history;
pub mod keys;
pub mod link;
pub mod pages;
pub mod preview;
pub mod scroll;
pub mod selection;
pub mod text;
pub mod window;
pub mod workspace;

use std::rc::Rc;

use link::{Link, Params};
use selection::{Focus, Selection};
use workspace::{Open, Workspace};

use crate::protocol::{
    DocId, Problem, Progress,
    files::View,
    open::{Document, Opened, SnapshotRef},
};

/// The views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tab {
    /// Tree and table of entries.
    #[default]
    Files,
    /// The payload stream as a map, directories as areas.
    Layout,
    /// Chunks and their use.
    Chunks,
    /// Items and bytes.
    Structure,
    /// What is irregular.
    Findings,
    /// Two archives, or a series of snapshots.
    Compare,
}

impl Tab {
    /// All, in the order of their keys.
    pub const ALL: [Self; 6] =
        [Self::Files, Self::Layout, Self::Chunks, Self::Structure, Self::Findings, Self::Compare];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Layout => "Layout",
            Self::Chunks => "Chunks",
            Self::Structure => "Structure",
            Self::Findings => "Findings",
            Self::Compare => "Compare",
        }
    }

    /// The word for it in addresses.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Layout => "layout",
            Self::Chunks => "chunks",
            Self::Structure => "structure",
            Self::Findings => "findings",
            Self::Compare => "compare",
        }
    }

    /// The view of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tab| tab.word() == word)
    }
}

/// Where the person is: everything that the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// The view.
    pub tab: Tab,
    /// The document that is shown.
    pub doc: Option<DocId>,
    /// The older one that it is compared with.
    pub older: Option<DocId>,
    /// What is selected in it.
    pub selection: Selection,
    /// How its files are shown.
    pub files: View,
    /// The part of the payload stream that the map shows; `None`: all.
    pub zoom: Option<(u64, u64)>,
    /// What single views add.
    pub params: Params,
}

/// How the worker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Worker {
    /// It starts.
    #[default]
    Starting,
    /// It answers.
    Ready,
    /// It is gone, and why.
    Died(String),
}

/// What lies over a part of the screen until it is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Nothing.
    #[default]
    None,
    /// The keys.
    Help,
    /// What can be opened.
    Open,
    /// The snapshots of a datastore.
    Store(u32),
    /// Where to go: an offset.
    Goto,
}

/// Colours of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Long work that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its number, by which it can be cancelled.
    pub id: u32,
    /// What it is, as a phrase.
    pub what: String,
    /// How far it is, once it is known.
    pub progress: Option<Progress>,
}

/// Something to be said once.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// It is about something that went wrong.
    pub bad: bool,
    /// A comparison that is offered: older, newer.
    pub compare: Option<(DocId, DocId)>,
}

/// Everything that the page knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How the worker is.
    pub worker: Worker,
    /// What is open.
    pub workspace: Workspace,
    /// Where the person is.
    pub place: Place,
    /// The archive of a snapshot that an address named and that is not open yet.
    pub wanted: Option<(Option<u32>, SnapshotRef)>,
    /// The group that a datastore is to be opened at: its namespace and its name.
    pub wanted_group: Option<(String, String)>,
    /// What is known of the selection.
    pub focus: Focus,
    /// What lies over the screen.
    pub panel: Panel,
    /// The entry panel is hidden.
    pub panel_hidden: bool,
    /// Colours.
    pub theme: Theme,
    /// Whether the system's colours are dark.
    pub system_dark: bool,
    /// Long work.
    pub jobs: Vec<Job>,
    /// Something to be said.
    pub notice: Option<Notice>,
}

impl State {
    /// The document that is shown.
    pub fn active(&self) -> Option<&Rc<Open>> {
        self.workspace.get(self.place.doc?)
    }

    /// The one that it is compared with.
    pub fn older(&self) -> Option<&Rc<Open>> {
        self.workspace.get(self.place.older?)
    }

    /// Whether colours are dark.
    pub fn dark(&self) -> bool {
        match self.theme {
            Theme::System => self.system_dark,
            Theme::Light => false,
            Theme::Dark => true,
        }
    }

    /// The address of the place.
    pub fn link(&self) -> Link {
        let mut place = self.place.clone();
        if let (Selection::Entry(entry), Some(details)) = (&place.selection, &self.focus.details)
            && details.entry == *entry
            && self.focus.of.as_ref().is_some_and(|(doc, _)| Some(*doc) == place.doc)
        {
            place.selection = Selection::Path(details.raw_path.clone());
        }
        let snapshot = self.active().and_then(|open| {
            let document = &open.document;
            document.snapshot.clone().map(|snapshot| (document.store, snapshot))
        });
        Link { place, snapshot: snapshot.or_else(|| self.wanted.clone()) }
    }
}

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
    /// Opening came to an end.
    Opened(Opened),
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
    /// Compares two: older, newer.
    Compare(DocId, DocId),
    /// Selects, as a step on the way.
    Select(Selection),
    /// Selects in a view, as a step that one can go back from.
    Jump(Tab, Selection),
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
            Message::Opened(opened) => return self.opened(opened),
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

            Message::Go(link) => self.go(link),
            Message::Tab(tab) => {
                let step = if self.place.tab == tab { Trace::None } else { Trace::Push };
                self.place.tab = tab;
                return step;
            }
            Message::Activate(doc) => return self.activate(doc),
            Message::Older(older) => {
                self.place.older = older.filter(|older| Some(*older) != self.place.doc);
                self.notice = self.notice.take().filter(|notice| notice.compare.is_none());
                return Trace::Push;
            }
            Message::Compare(older, newer) => {
                self.activate(newer);
                self.place.older = Some(older).filter(|older| *older != newer);
                self.place.tab = Tab::Compare;
                self.notice = None;
                return Trace::Push;
            }
            Message::Select(selection) => {
                if self.place.selection == selection {
                    return Trace::None;
                }
                self.place.selection = selection;
                return Trace::Replace;
            }
            Message::Jump(tab, selection) => {
                let step = if self.place.tab == tab && self.place.selection == selection {
                    Trace::None
                } else {
                    Trace::Push
                };
                self.place.tab = tab;
                self.place.selection = selection;
                return step;
            }
            Message::Resolved(focus) => {
                self.focus = focus;
                return Trace::Replace;
            }
            Message::Found(selection) => {
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

    fn opened(&mut self, opened: Opened) -> Trace {
        let before = self.place.doc.filter(|doc| self.workspace.get(*doc).is_some());
        let new: Vec<DocId> = opened.documents.iter().map(|document| document.id).collect();
        let is_new = |doc: &DocId| self.workspace.get(*doc).is_none();
        let first_new = new.iter().copied().find(is_new);
        let store = opened.stores.first().map(|store| store.id);
        self.workspace.add(opened);

        let wanted =
            self.wanted.as_ref().and_then(|(store, wanted)| self.workspace.of_snapshot(*store, wanted));
        if let Some(doc) = wanted {
            self.wanted = None;
            self.place.doc = Some(doc);
            self.panel = Panel::None;
            return Trace::Replace;
        }
        // An address may have named a document that only now is there.
        if before.is_none() && self.place.doc.is_some_and(|doc| new.contains(&doc)) {
            self.panel = Panel::None;
            return Trace::Replace;
        }
        let Some(doc) = first_new.or_else(|| new.first().copied()) else {
            if let Some(store) = store.filter(|_| self.wanted.is_none()) {
                self.panel = Panel::Store(store);
            }
            return Trace::None;
        };
        self.panel = Panel::None;
        let step = if before.is_some() { Trace::Push } else { Trace::Replace };
        self.activate(doc);
        if let Some(older) = before.filter(|before| *before != doc) {
            self.offer_comparison(older, doc);
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
            self.place.doc = None;
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
        let path = self.focus.details.as_ref().map(|details| details.raw_path.clone());
        if self.place.doc.is_some() {
            self.place.selection = path.map_or(Selection::None, Selection::Path);
            self.place.zoom = None;
            self.place.files.filter.chunk = None;
            self.place.files.filter.below = None;
        }
        if self.place.older == Some(doc) {
            self.place.older = self.place.doc;
        }
        self.place.doc = Some(doc);
        self.focus = Focus::default();
        Trace::Push
    }

    fn go(&mut self, link: Link) {
        let before = self.place.doc;
        self.place = link.place;
        self.wanted = None;
        if let Some((store, snapshot)) = link.snapshot {
            self.place.doc = self.workspace.of_snapshot(store, &snapshot);
            if self.place.doc.is_none() {
                self.wanted = Some((store, snapshot));
            }
        }
        if self.place.doc.is_none() {
            self.place.doc = before.or_else(|| self.workspace.documents.first().map(|open| open.document.id));
        }
        self.panel = Panel::None;
    }
}

/// A problem as one sentence with its place, which the message may have already.
pub fn sentence(problem: &Problem) -> String {
    let mut out = String::new();
    if let Some(about) = problem.about.as_ref().filter(|about| !problem.message.contains(about.as_str())) {
        out.push_str(about);
        out.push_str(": ");
    }
    // Positions are hexadecimal everywhere else on the page.
    let message = match problem.offset {
        Some(offset) => problem
            .message
            .replace(&format!("offset {offset}:"), &format!("offset {}:", text::offset(offset))),
        None => problem.message.clone(),
    };
    out.push_str(&message);
    if let Some(offset) = problem.offset.filter(|offset| !problem.message.contains(&offset.to_string())) {
        out.push_str(&format!(" (at {})", text::offset(offset)));
    }
    out
}

#[cfg(test)]
mod tests;
