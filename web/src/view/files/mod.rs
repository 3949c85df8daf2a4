//! The tree and table of entries.

mod filter;
mod row;

use std::rc::Rc;

use futures::FutureExt as _;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::{
    keyboard::use_patience,
    later::Later,
    list::{Fetched, List},
    parts::{trouble, use_size},
};
use crate::{
    protocol::{
        DocId, EntryId, Problem, Request,
        files::{Filter, Row, Sort, Span, Toggle, View, ViewInfo},
    },
    reply,
    state::{
        Message, Tab,
        app::{App, use_app, use_document, use_epoch, use_slice},
        columns::{self, Column},
        keys::Command,
        selection::Selection,
        text,
    },
};

/// The pane with the files of the active document.
#[component]
pub fn Files() -> Html {
    let document = use_document();
    match document {
        Some(open) if open.document.is_archive() => html! {
            <section class="pane files" id="view-files" aria-label="Files">
                <Table key={open.document.id} doc={open.document.id} />
            </section>
        },
        Some(open) => html! {
            <section class="pane files" id="view-files" aria-label="Files">
                <div class="empty">
                    <p>{ format!("A {} has no files to list.", super::shell::kind(open.document.kind)) }</p>
                    { for open.document.hint.iter().map(|hint| html! { <p>{ hint }</p> }) }
                    <p>
                        if open.document.has_chunks { <ViewLink tab={Tab::Chunks} />{ " lists its chunks. " } }
                        <ViewLink tab={Tab::Structure} />{ " shows its bytes and what they mean." }
                    </p>
                </div>
            </section>
        },
        None => html! {},
    }
}

#[derive(Properties, PartialEq)]
struct ViewLinkProps {
    tab: Tab,
}

/// Leads to another view, under its name.
#[component]
fn ViewLink(props: &ViewLinkProps) -> Html {
    let tab = props.tab;
    let onclick = use_app().on(move |_: MouseEvent| Message::Tab(tab));
    html! { <button type="button" class="jump" {onclick}>{ tab.name() }</button> }
}

#[derive(Properties, PartialEq)]
struct TableProps {
    doc: DocId,
}

/// What the worker said of the view, and how often that changed.
#[derive(Clone, PartialEq, Default)]
struct Shown {
    info: Option<ViewInfo>,
    /// How the files are shown that this is about.
    view: Option<View>,
    problem: Option<Problem>,
    /// Rows may have changed.
    revision: u64,
    /// Another order or filter: the list begins at its start.
    identity: u64,
}

impl Shown {
    /// The filter that the worker's last answer is about, if it could be used.
    fn answered(&self) -> Option<&Filter> {
        let is_used =
            self.problem.is_none() && self.info.as_ref().is_some_and(|info| info.malformed.is_none());
        self.view.as_ref().filter(|_| is_used).map(|view| &view.filter)
    }
}

enum Change {
    View(View, Result<ViewInfo, Problem>),
    Again(Result<ViewInfo, Problem>),
}

impl Reducible for Shown {
    type Action = Change;

    fn reduce(self: Rc<Self>, change: Change) -> Rc<Self> {
        let mut next = Self::clone(&self);
        next.revision += 1;
        let result = match change {
            Change::View(view, result) => {
                next.identity += u64::from(next.view.as_ref() != Some(&view));
                next.view = Some(view);
                result
            }
            Change::Again(result) => result,
        };
        match result {
            Ok(info) => {
                next.problem = None;
                next.info = Some(info);
            }
            Err(problem) => next.problem = Some(problem),
        }
        next.into()
    }
}

#[component]
fn Table(props: &TableProps) -> Html {
    let doc = props.doc;
    let app = use_app();
    let epoch = use_epoch(doc);
    let view = use_slice(crate::state::State::files);
    let (has_chunks, has_payload) = use_slice(move |state| {
        let document = state.workspace.get(doc).map(|open| &open.document);
        document.map_or((false, false), |it| (it.has_chunks, it.padding.is_some()))
    });
    let shown = use_reducer(Shown::default);
    let pane = use_node_ref();
    let (width, _) = use_size(&pane);

    // The worker is told how files are shown, and asked again while more of them are decoded.
    {
        let (app, shown) = (app.clone(), shown.dispatcher());
        use_effect_with((view.clone(), epoch), move |(view, _)| {
            let view = view.clone();
            let asked = app.client().ask(Request::View(doc, view.clone()));
            let (abort, registration) = futures::future::AbortHandle::new_pair();
            spawn_local(
                futures::future::Abortable::new(
                    async move {
                        let result = reply!(asked, View);
                        shown.dispatch(Change::View(view, result));
                    },
                    registration,
                )
                .map(drop),
            );
            move || abort.abort()
        });
    }

    {
        // What is typed and what was chosen last may not be shown yet.
        let (app, of) = (app.clone(), shown.view.clone());
        use_patience(&pane, 0, move |command| {
            command.is_of_view() && of.as_ref() != Some(&app.state().files())
        });
    }

    let (current, show, pick) = use_current(doc, shown.revision, &shown.dispatcher());

    let fetch = use_callback(app.clone(), move |(start, count): (u32, u32), app| -> Fetched<Row> {
        let asked = app.client().ask(Request::Rows(doc, Span { start, count }));
        async move { reply!(asked, Rows).ok().map(|rows| rows.rows) }.boxed_local()
    });
    let columns = columns::fitting(width, view.sort, has_chunks, has_payload);
    let line = {
        let (app, shown) = (app.clone(), shown.dispatcher());
        let toggle = use_callback((), move |(row, open): (Rc<Row>, bool), ()| {
            toggle(&app, &shown, doc, &row, open);
        });
        use_callback(
            (columns.clone(), view.flat, toggle),
            |(_, row): (u32, Rc<Row>), (columns, flat, toggle)| row::line(&row, columns, *flat, toggle),
        )
    };
    let on_current = {
        let app = app.clone();
        use_callback(pick, move |(row, value): (u32, Rc<Row>), pick| {
            pick.emit((row, value.entry));
            app.send(Message::Select(Selection::Entry(value.entry)));
        })
    };
    let on_open = {
        let (app, shown, flat) = (app.clone(), shown.dispatcher(), view.flat);
        Callback::from(move |(_, row): (u32, Rc<Row>)| {
            if row.has_children && !flat {
                toggle(&app, &shown, doc, &row, !row.open);
            } else {
                app.send(Message::HidePanel(false));
                super::entry::focus();
            }
        })
    };
    let on_command = {
        let (app, shown, flat) = (app.clone(), shown.dispatcher(), view.flat);
        Callback::from(move |(command, current): (Command, Option<(u32, Rc<Row>)>)| {
            let Some((_, row)) = current.filter(|_| !flat) else { return false };
            match command {
                Command::Left if row.open => toggle(&app, &shown, doc, &row, false),
                Command::Left if row.entry == 0 => return false,
                Command::Left => to_parent(&app, doc, row.entry),
                Command::Right if row.has_children && !row.open => toggle(&app, &shown, doc, &row, true),
                Command::Right if row.has_children => return app.command(Command::Down),
                _ => return false,
            }
            true
        })
    };

    // The root alone would be no answer.
    let total = shown.info.as_ref().filter(|info| info.matches > 0).map_or(0, |info| info.rows);
    let empty = html! { <div class="empty">{ nothing(&app, &view, &shown) }</div> };
    html! {
        <div class="files-table" ref={pane}>
            <div class="filter-place"><Later><filter::Filter info={shown.info.clone()} of={shown.answered().cloned()} {width} /></Later></div>
            if let Some(problem) = &shown.problem {
                { trouble(problem) }
            }
            <Later>
                <List<Row>
                    label="Entries"
                    role={if view.flat { "grid" } else { "treegrid" }}
                    template={columns::template(&columns)}
                    head={head(&app, &view, &columns)}
                    columns={columns.len()}
                    {total}
                    revision={shown.revision}
                    identity={shown.identity}
                    {fetch}
                    {line}
                    {current}
                    {show}
                    {on_current}
                    {on_open}
                    {on_command}
                    rank={0}
                    {empty}
                />
            </Later>
        </div>
    }
}

/// The row of the selected entry, wherever it was selected; a number that grows when it is to be scrolled to; and a callback that tells of
/// a row that was selected in the list.
#[hook]
fn use_current(
    doc: DocId,
    revision: u64,
    shown: &UseReducerDispatcher<Shown>,
) -> (Option<u32>, u64, Callback<(u32, EntryId)>) {
    let app = use_app();
    let entry = use_slice(|state| match state.place.selection {
        Selection::Entry(entry) => Some(entry),
        _ => state.focus.entry,
    });
    let current = use_state_eq(|| (None::<u32>, 0_u64));
    // In which state of the rows it was selected, too: its number may be another one since.
    let picked = use_mut_ref(|| None::<(EntryId, u64)>);
    {
        let (current, picked) = (current.clone(), picked.clone());
        let known = use_mut_ref(|| None::<EntryId>);
        let shown = shown.clone();
        use_effect_with((entry, revision), move |(entry, revision)| {
            let (abort, registration) = futures::future::AbortHandle::new_pair();
            let is_new = *known.borrow() != *entry;
            let is_picked = picked.borrow_mut().take() == entry.map(|entry| (entry, *revision));
            let (_, show) = *current;
            match entry {
                None => {
                    *known.borrow_mut() = None;
                    current.set((None, show));
                }
                // Which row it is is known.
                Some(_) if is_new && is_picked => *known.borrow_mut() = *entry,
                Some(_) if *revision == 0 => {}
                Some(entry) => {
                    let asked = app.client().ask(Request::Reveal(doc, *entry));
                    let (entry, current) = (*entry, current.setter());
                    let found = async move {
                        if let Ok(found) = reply!(asked, Row) {
                            *known.borrow_mut() = Some(entry);
                            let moved = is_new && found.is_some();
                            current.set((found, if moved { show + 1 } else { show }));
                            if moved {
                                // Directories above it were opened: there are other rows now.
                                let view = app.state().files();
                                let rows = app.client().ask(Request::View(doc, view));
                                shown.dispatch(Change::Again(reply!(rows, View)));
                            }
                        }
                    };
                    spawn_local(futures::future::Abortable::new(found, registration).map(drop));
                }
            }
            move || abort.abort()
        });
    }
    let pick = {
        let current = current.clone();
        Callback::from(move |(row, entry)| {
            *picked.borrow_mut() = Some((entry, revision));
            current.set((Some(row), current.1));
        })
    };
    (current.0, current.1, pick)
}

fn toggle(app: &App, shown: &UseReducerDispatcher<Shown>, doc: DocId, row: &Row, open: bool) {
    if !row.has_children {
        return;
    }
    // A selection that would be hidden goes to the directory that hides it; else it would open it again.
    let state = app.state();
    let hidden =
        state.focus.details.as_ref().is_some_and(|it| it.above.iter().any(|(above, _)| *above == row.entry));
    if !open && hidden {
        app.send(Message::Select(Selection::Entry(row.entry)));
    }
    let asked = app.client().ask(Request::Toggle(doc, Toggle { entry: row.entry, open, deep: false }));
    let shown = shown.clone();
    spawn_local(async move { shown.dispatch(Change::Again(reply!(asked, View))) });
}

/// Selects the directory above an entry, unless something else is selected before it is known.
fn to_parent(app: &App, doc: DocId, entry: EntryId) {
    let app = app.clone();
    spawn_local(async move {
        let selection = app.state().place.selection.clone();
        let Ok(details) = reply!(app.client().ask(Request::Entry(doc, entry)), Entry) else { return };
        if let Some((parent, _)) = details.above.last()
            && app.state().place.selection == selection
        {
            app.send(Message::Select(Selection::Entry(*parent)));
        }
    });
}

fn head(app: &App, view: &View, columns: &[Column]) -> Html {
    let cells = columns.iter().map(|column| {
        let sorted = view.sort == column.sort;
        let order = match (sorted, view.descending) {
            (false, _) => None,
            (true, false) => Some("ascending"),
            (true, true) => Some("descending"),
        };
        let sort = column.sort;
        let first = column.largest_first;
        let onclick = {
            let app = app.clone();
            Callback::from(move |_: MouseEvent| {
                let view = app.state().place.files.clone();
                // The third click is back to the order of the archive.
                let next = match (view.sort == sort, view.descending == first) {
                    (false, _) => View { sort, descending: first, ..view },
                    (true, true) => View { descending: !first, ..view },
                    (true, false) => View { sort: Sort::Archive, descending: false, ..view },
                };
                app.send(Message::Files(next));
            })
        };
        html! {
            <span role="columnheader" class={classes!(column.number.then_some("number"))} aria-sort={order}>
                <button type="button" title={column.about} {onclick}>
                    { column.name }
                    if sorted { <span class="order" aria-hidden="true">{ if view.descending { "▾" } else { "▴" } }</span> }
                </button>
            </span>
        }
    });
    html! { <>{ for cells }</> }
}

fn nothing(app: &App, view: &View, shown: &Shown) -> Html {
    match &shown.info {
        None => html! {},
        Some(_) if view.filter == Default::default() => html! { <p>{ "No entry was read." }</p> },
        Some(info) if view.filter.reused.is_some() && !info.has_earlier => {
            html! { <p>{ "No earlier snapshot of this group is open, so it is not known what was used again. Open one, too." }</p> }
        }
        Some(_) => {
            let all = View { filter: Filter::default(), ..view.clone() };
            let onclick = app.on(move |_: MouseEvent| Message::Files(all.clone()));
            html! { <p>{ "Nothing matches. " }<button type="button" {onclick}>{ "Clear the filters" }</button></p> }
        }
    }
}

/// How much matches.
fn counted(info: &ViewInfo) -> String {
    let entries = text::counted(info.matches, "match", "matches");
    format!("{entries} · {}", text::size(info.bytes))
}

/// Whether the pane is on screen; on narrow screens it is only in its own view.
fn is_visible(node: &NodeRef) -> bool {
    node.cast::<web_sys::HtmlElement>().is_some_and(|element| element.offset_width() > 0)
}

/// Goes to the view of files.
fn go_there(app: &App) {
    app.send(Message::Tab(Tab::Files));
}
