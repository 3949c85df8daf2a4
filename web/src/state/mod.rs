//! What the page knows: what is open, where the person is, what is selected. One [`State`], changed by small messages; views show parts of
//! it and ask the worker for the rest.
//!
//! Everything here but `again`, `app`, `client`, `follow`, `history` and `opening` is free of the browser and tested natively.

#[cfg(target_arch = "wasm32")]
mod again;
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
mod message;
#[cfg(target_arch = "wasm32")]
mod opening;
pub mod pages;
pub mod preview;
pub mod scroll;
pub mod selection;
pub mod text;
pub mod window;
pub mod workspace;

use std::rc::Rc;

pub use message::{Message, Trace};

use link::{Link, Named, Params};
use selection::{Focus, Selection};
use workspace::{Open, Workspace};

use crate::protocol::{
    DocId, Problem, Progress,
    files::{Sort, View},
};

/// Which finding is selected, among what views add to the address. It goes with the selection.
pub const FINDING: &str = "finding-at";

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
    /// Number of the opening whose outcome was shown last: later ones have larger numbers.
    pub shown: u32,
    /// An address whose archive of a snapshot is not open yet: it is gone to once it is.
    pub wanted: Option<Link>,
    /// The older archive that an address named, which is not open yet while the newer one is.
    pub wanted_older: Option<Named>,
    /// The group that a datastore is to be opened at: its namespace and its name.
    pub wanted_group: Option<(String, String)>,
    /// What is known of the selection.
    pub focus: Focus,
    /// What lies over the screen.
    pub panel: Panel,
    /// The entry panel is hidden.
    pub panel_hidden: bool,
    /// How many keys were taken: with each, snapshots may open that did not.
    pub keys: u32,
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

    /// The one that it is compared with, which may be the one that is shown for a while: then there is none.
    pub fn older(&self) -> Option<&Rc<Open>> {
        self.workspace.get(self.place.older.filter(|_| self.place.older != self.place.doc)?)
    }

    /// The numbers of the datastores that are open.
    pub fn store_ids(&self) -> Vec<u32> {
        self.workspace.stores.iter().map(|store| store.id).collect()
    }

    /// How its files are shown: in the order of the archive, if it has not what they are to be sorted by.
    pub fn files(&self) -> View {
        let mut view = self.place.files.clone();
        let document = self.active().map(|open| &open.document);
        if document.is_some_and(|it| !columns::exists(view.sort, it.has_chunks, it.padding.is_some())) {
            (view.sort, view.descending) = (Sort::Archive, false);
        }
        view
    }

    /// Whether what is known is about what is selected; if not, more of that is on its way.
    pub fn is_resolved(&self) -> bool {
        let Some(open) = self.active().filter(|_| self.place.selection != Selection::None) else {
            return true;
        };
        self.focus
            .of
            .as_ref()
            .is_some_and(|(doc, of)| *doc == open.document.id && *of == self.place.selection)
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
        place.older = place.older.filter(|_| place.older != place.doc);
        if self.active().is_none()
            && let Some(wanted) = &self.wanted
        {
            return Link { place, ..wanted.clone() };
        }
        let named = |open: &Rc<Open>| Some((open.document.store, open.document.snapshot.clone()?));
        let snapshot = self.active().and_then(named);
        let older = self.older().map_or_else(|| self.wanted_older.clone(), named);
        Link { place, snapshot, older }
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
