//! Two archives side by side: what changed, which chunks they share, what was read again for nothing; and the snapshots of a group over time.

use std::rc::Rc;

use futures::FutureExt as _;
use yew::prelude::*;

use super::{
    generations::generations,
    keyboard::use_patience,
    list::{Fetched, Line, List, use_picked},
    parts::{trouble, use_size, use_value},
};
use crate::{
    protocol::{
        DocId, Reply, Request,
        compare::{Kind, Pair, Query, Row, Rows, Summary},
        open::{Document, SnapshotRef, StoreListing, StoreQuery},
    },
    reply,
    state::{
        Message, Tab,
        app::{use_app, use_document, use_reply, use_slice},
        selection::Selection,
        text,
    },
};

/// Pixels from which all columns are shown.
const WIDE: f64 = 620.0;

/// The view.
#[component]
pub fn Compare() -> Html {
    let document = use_document();
    let older = use_slice(|state| state.older().map(|open| (open.document.id, open.epoch)));
    let wanted = use_slice(|state| state.wanted_older.as_ref().map(|(_, older)| older.snapshot.clone()));
    let Some(newer) = document else {
        return html! { <section class="view" id="view-compare" aria-label="Compare"></section> };
    };
    let body = match older {
        Some((older, epoch)) => {
            let pair = Pair { a: older, b: newer.document.id };
            html! { <Comparison key={format!("{}-{}", pair.a, pair.b)} {pair} epoch={epoch.wrapping_add(newer.epoch)} /> }
        }
        None => {
            let text = match wanted {
                Some(older) => format!("The older archive is in {older}, which is not open yet."),
                None => {
                    "Choose the older archive to compare this one with, or drop it on the page.".to_owned()
                }
            };
            html! { <p class="empty" role="status">{ text }</p> }
        }
    };
    html! {
        <section class="view" id="view-compare" aria-label="Compare">
            <Choice newer={newer.document.clone()} older={older.map(|(id, _)| id)} />
            { body }
            if let (Some(store), Some(snapshot)) = (newer.document.store, newer.document.snapshot.clone()) {
                { generations(store, snapshot) }
            }
        </section>
    }
}

#[derive(Properties, PartialEq)]
struct ChoiceProps {
    newer: Document,
    older: Option<DocId>,
}

/// What is compared with what: open archives, and the other snapshots of the group.
#[component]
fn Choice(props: &ChoiceProps) -> Html {
    let app = use_app();
    let newer = props.newer.id;
    let archives = use_slice(move |state| {
        let others = state.workspace.archives().filter(|document| document.id != newer);
        others.map(|document| (document.id, document.title.clone())).collect::<Vec<_>>()
    });
    let group = props.newer.store.zip(props.newer.snapshot.clone()).and_then(|(store, snapshot)| {
        let (group, _) = snapshot.snapshot.rsplit_once('/')?;
        let query =
            StoreQuery { store, namespace: snapshot.namespace.clone(), group: Some(group.to_owned()) };
        Some((store, snapshot, query))
    });
    let listing = use_reply(group.as_ref().map(|(.., query)| Request::Store(query.clone())), 0);
    let snapshots = match &listing.reply {
        Some(Ok(reply)) => match &**reply {
            Reply::Store(StoreListing::Snapshots(snapshots)) => {
                snapshots.iter().map(|snapshot| snapshot.name.clone()).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let select = use_node_ref();
    let shown = props.older.map_or_else(String::new, |id| format!("doc:{id}"));
    use_value(&select, shown.clone());
    let onchange = {
        let (app, group) = (app.clone(), group.clone());
        Callback::from(move |event: Event| {
            let select: web_sys::HtmlSelectElement = event.target_unchecked_into();
            let value = select.value();
            // It is chosen once it is open.
            select.set_value(&shown);
            if let Some(id) = value.strip_prefix("doc:").and_then(|id| id.parse().ok()) {
                app.send(Message::Older(Some(id)));
            } else if let (Some(name), Some((store, snapshot, _))) = (value.strip_prefix("snapshot:"), &group)
            {
                let older = SnapshotRef { snapshot: name.to_owned(), ..snapshot.clone() };
                app.open_older(*store, older, move |app, older| {
                    older.into_iter().for_each(|older| app.send(Message::Compare(older, newer)));
                });
            } else {
                app.send(Message::Older(None));
            }
        })
    };
    let swap = props.older.map(|older| {
        let onclick = app.on(move |_: MouseEvent| Message::Compare(newer, older));
        html! { <button type="button" {onclick} title="The other one is the older">{ "swap" }</button> }
    });
    let own = group.as_ref().map(|(_, snapshot, _)| snapshot.snapshot.clone());
    html! {
        <div class="toolbar">
            <label>
                { "older " }
                <select ref={select} {onchange} id="compare-older">
                    <option value="">{ "choose…" }</option>
                    { for archives.iter().map(|(id, title)| html! {
                        <option key={*id} value={format!("doc:{id}")}>{ title }</option>
                    }) }
                    { for snapshots.iter().filter(|name| Some(*name) != own.as_ref()).map(|name| html! {
                        <option key={name.clone()} value={format!("snapshot:{name}")}>{ format!("open {name}") }</option>
                    }) }
                </select>
            </label>
            <span>{ "newer " }<strong>{ &props.newer.title }</strong></span>
            { swap }
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct ComparisonProps {
    pair: Pair,
    epoch: u32,
}

/// Which differences are listed.
#[derive(Clone, Debug, Default, PartialEq)]
struct Which {
    kinds: Vec<Kind>,
    needless: bool,
    text: String,
    by_size: bool,
}

/// The comparison in numbers, and its rows.
#[component]
fn Comparison(props: &ComparisonProps) -> Html {
    let ComparisonProps { pair, epoch } = *props;
    let which = use_state_eq(Which::default);
    let summary = use_reply(Some(Request::Compare(pair)), epoch);
    {
        let is_there = summary.reply.is_some();
        use_patience(&NodeRef::default(), 1, move |command| !is_there && command.is_of_view());
    }
    let summary = match summary.reply {
        Some(Ok(reply)) => match &*reply {
            Reply::Comparison(summary) => (**summary).clone(),
            _ => return html! {},
        },
        Some(Err(problem)) => return trouble(&problem),
        None => return html! { <p class="empty" role="status">{ "Comparing…" }</p> },
    };
    let toggle = {
        let which = which.clone();
        Callback::from(move |kind: Kind| {
            let mut now = (*which).clone();
            match now.kinds.iter().position(|has| *has == kind) {
                Some(at) => drop(now.kinds.remove(at)),
                None => now.kinds.push(kind),
            }
            now.needless = false;
            which.set(now);
        })
    };
    let needless = {
        let which = which.clone();
        Callback::from(move |_: MouseEvent| {
            let on = !which.needless;
            which.set(Which { needless: on, kinds: Vec::new(), ..(*which).clone() });
        })
    };
    let oninput = {
        let which = which.clone();
        Callback::from(move |event: InputEvent| {
            let input: web_sys::HtmlInputElement = event.target_unchecked_into();
            which.set(Which { text: input.value(), ..(*which).clone() });
        })
    };
    let by_size = {
        let which = which.clone();
        Callback::from(move |_: MouseEvent| which.set(Which { by_size: !which.by_size, ..(*which).clone() }))
    };
    html! {
        <>
            <div class="kinds" role="group" aria-label="Kinds of differences">
                { for summary.kinds.iter().map(|&(kind, entries, bytes)| {
                    let toggle = toggle.clone();
                    let onclick = Callback::from(move |_: MouseEvent| toggle.emit(kind));
                    let pressed = which.kinds.contains(&kind);
                    html! {
                        <button type="button" key={kind.word()} class={classes!("kind", class(kind))} aria-pressed={pressed.to_string()} {onclick}>
                            <span>{ kind.word() }</span>
                            <strong class="number">{ text::count(entries) }</strong>
                            <span class="number muted" title={text::exact(bytes)}>{ text::size(bytes) }</span>
                        </button>
                    }
                }) }
                if summary.has_chunks {
                    <button type="button" class="kind needless" aria-pressed={which.needless.to_string()} onclick={needless}
                        title="Files that did not change, and whose contents are nevertheless in chunks of the newer snapshot's own">
                        <span>{ "read again for nothing" }</span>
                        <strong class="number">{ text::count(summary.needless.0) }</strong>
                        <span class="number muted" title={text::exact(summary.needless.1)}>{ text::size(summary.needless.1) }</span>
                    </button>
                }
            </div>
            if summary.keys_differ {
                <p class="note" role="note">
                    { "Their chunks are encrypted with different keys, or only those of one are: which chunks they share, and what was read again, cannot be told. Files are compared by their metadata." }
                </p>
            }
            if summary.has_chunks {
                { chunk_bar(&summary) }
            }
            <div class="toolbar">
                <input type="search" placeholder="path contains" aria-label="Path contains" value={which.text.clone()} {oninput} />
                <button type="button" aria-pressed={which.by_size.to_string()} onclick={by_size}>{ "largest first" }</button>
            </div>
            <Differences {pair} {epoch} which={(*which).clone()} />
        </>
    }
}

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "added",
        Kind::Removed => "removed",
        Kind::Content | Kind::Type => "content",
        Kind::Metadata => "metadata",
        Kind::Moved => "moved",
        Kind::Unchanged => "unchanged",
    }
}

/// The chunks of both, as one bar and in words.
fn chunk_bar(&Summary { shared, new, gone, injected, .. }: &Summary) -> Html {
    let whole = (shared.1 + new.1 + gone.1).max(1);
    let part = |name: &'static str, chunks: u32, bytes: u64, about: &'static str| {
        let width = bytes as f64 / whole as f64 * 100.0;
        let title =
            format!("{name}: {}, {}. {about}", text::counted(chunks, "chunk", "chunks"), text::exact(bytes));
        (name, chunks, bytes, width, title)
    };
    let parts = [
        part("gone", gone.0, gone.1, "Only the older snapshot has them."),
        part("shared", shared.0, shared.1, "Both have them."),
        part("new", new.0, new.1, "Only the newer snapshot has them."),
    ];
    html! {
        <div class="chunk-bar">
            <div class="bar-line" aria-hidden="true">
                { for parts.iter().map(|(name, _, _, width, title)| html! {
                    <span key={*name} class={*name} style={format!("flex-basis:{width}%")} title={title.clone()}></span>
                }) }
            </div>
            <dl>
                { for parts.iter().map(|(name, chunks, bytes, ..)| html! {
                    <div key={*name}><dt class={*name}>{ format!("chunks {name}") }</dt>
                    <dd>{ format!("{} · {}", text::count(*chunks), text::size(*bytes)) }</dd></div>
                }) }
                <div title="A chunk that stands at several places of the newer snapshot counts once for each, but once only among the shared">
                    <dt>{ "shared ones injected" }</dt>
                    <dd>{ format!("{} · {}, {} of it padding", text::counted(injected.0, "time", "times"), text::size(injected.1), text::size(injected.2)) }</dd>
                </div>
            </dl>
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct DifferencesProps {
    pair: Pair,
    epoch: u32,
    which: Which,
}

/// The rows.
#[component]
fn Differences(props: &DifferencesProps) -> Html {
    let app = use_app();
    let query = {
        let Which { kinds, needless, text, by_size } = props.which.clone();
        Query { pair: props.pair, kinds, needless, text, by_size, start: 0, count: 1 }
    };
    let revision = use_mut_ref(|| (0u64, query.clone(), props.epoch));
    {
        let mut known = revision.borrow_mut();
        if known.1 != query || known.2 != props.epoch {
            *known = (known.0 + 1, query.clone(), props.epoch);
        }
    }
    let number = revision.borrow().0;
    let counted = use_reply(Some(Request::Differences(query.clone())), props.epoch);
    let pane = use_node_ref();
    let is_there = counted.fresh;
    use_patience(&pane, 1, move |command| !is_there && command.is_of_view());
    let total = match &counted.reply {
        Some(Ok(reply)) => match &**reply {
            Reply::Differences(rows) => rows.total,
            _ => 0,
        },
        Some(Err(problem)) => return trouble(problem),
        None => 0,
    };
    let fetch = use_memo((query.clone(), props.epoch), |(query, _)| {
        let (app, query) = (app.clone(), query.clone());
        Callback::from(move |(start, count): (u32, u32)| -> Fetched<Row> {
            let asked = app.client().ask(Request::Differences(Query { start, count, ..query.clone() }));
            async move {
                let rows: Result<Rows, _> = reply!(asked, Differences);
                rows.ok().map(|rows| rows.rows)
            }
            .boxed_local()
        })
    });
    let (current, pick) = use_picked(number);
    // What was removed is no entry of the archive that is shown.
    let on_current = Callback::from(move |(number, row): (u32, Rc<Row>)| {
        pick.emit((number, row.b.map_or(Selection::None, Selection::Entry)));
    });
    let pair = props.pair;
    let on_open = {
        let app = app.clone();
        Callback::from(move |(_, row): (u32, Rc<Row>)| match (row.a, row.b) {
            (_, Some(entry)) => app.send(Message::Jump(Tab::Files, Selection::Entry(entry))),
            (Some(entry), None) => app.send(Message::JumpIn(pair.a, Tab::Files, Selection::Entry(entry))),
            _ => {}
        })
    };
    let (width, _) = use_size(&pane);
    let is_wide = width >= WIDE;
    let line = use_callback(is_wide, |(_, row): (u32, Rc<Row>), is_wide| Line {
        cells: cells(&row, *is_wide),
        ..Line::default()
    });
    let head = html! {
        <>
            <span role="columnheader">{ "What" }</span>
            <span role="columnheader">{ "Path" }</span>
            if is_wide { <span role="columnheader" class="number">{ "Before" }</span> }
            <span role="columnheader" class="number">{ "Now" }</span>
            if is_wide { <span role="columnheader">{ "Fields" }</span> }
        </>
    };
    let template =
        if is_wide { "112px minmax(0, 1fr) 80px 80px minmax(0, 1fr)" } else { "112px minmax(0, 1fr) 80px" };
    html! {
        <div class="differences" ref={pane}>
            <List<Row> label="Differences" {template} {head} columns={if is_wide { 5 } else { 3 }} {total} revision={number}
                identity={number} fetch={(*fetch).clone()} {line} {current} {on_current} {on_open}
                empty={html! { <p class="empty">{ "Nothing differs in this way." }</p> }} />
        </div>
    }
}

fn cells(row: &Row, is_wide: bool) -> Html {
    let size = |size: Option<u64>| match size {
        Some(size) => html! { <span title={text::exact(size)}>{ text::size(size) }</span> },
        None => html! { "–" },
    };
    let fields = row
        .fields
        .iter()
        .map(|(name, before, now)| format!("{name} {before} → {now}"))
        .collect::<Vec<_>>()
        .join(", ");
    let path = match &row.before {
        Some(before) => format!("{before} → {}", row.path),
        None => row.path.clone(),
    };
    html! {
        <>
            <span role="gridcell" class={classes!("what", class(row.kind))}>
                { if row.needless { "read again" } else { row.kind.word() } }
            </span>
            <span role="gridcell" class="mono" title={path.clone()}>{ &path }</span>
            if is_wide { <span role="gridcell" class="number">{ size(row.size_a) }</span> }
            <span role="gridcell" class="number">{ size(row.size_b) }</span>
            if is_wide { <span role="gridcell" class="muted" title={fields.clone()}>{ &fields }</span> }
        </>
    }
}
