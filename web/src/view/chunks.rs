//! The chunks of the stream: how large they are, how much of them is used, what writing the worst ones anew would be good for.

use std::rc::Rc;

use futures::FutureExt as _;
use yew::prelude::*;

use super::{
    charts::{Bar, Curve, Unit, bars},
    keyboard::use_patience,
    list::{Fetched, Line, List, use_picked},
    parts::{Copy, Jump, options, trouble, use_select, use_size},
};
use crate::{
    protocol::{
        DocId, Reply, Request,
        chunks::{Chunk, Needed, Query, Row, Sort, Summary},
        open::{Document, Kind},
    },
    reply,
    state::{
        Message, Tab,
        app::{use_app, use_document, use_epoch, use_reply, use_slice},
        link::Params,
        selection::Selection,
        text,
        window::grouped,
    },
};

/// Narrower than this (pixels), the table has fewer columns.
const WIDE: f64 = 720.0;
/// Words in the address of the orders.
const SORTS: [(Sort, &str); 6] = [
    (Sort::Index, "number"),
    (Sort::Size, "size"),
    (Sort::Use, "use"),
    (Sort::Dead, "dead"),
    (Sort::Files, "files"),
    (Sort::Digest, "digest"),
];

/// Which chunks are shown, if something older is known: words in the address, and names.
const SHARES: [(Option<bool>, &str, &str); 3] =
    [(None, "", "all"), (Some(true), "shared", "shared with an older snapshot"), (Some(false), "new", "new")];

/// The view.
#[component]
pub fn Chunks() -> Html {
    let document = use_document();
    let content = match document {
        None => html! {},
        Some(open) if !open.document.has_chunks => html! {
            <p class="empty">
                { match open.document.kind {
                    Kind::FixedIndex => "Structure lists the chunks of a fixed index.",
                    _ if open.document.is_archive() => {
                        "The chunks of this archive are not known. Open the index of its payload (.ppxar.didx) with it, or a snapshot of a datastore."
                    }
                    _ => "Only archives and indexes have chunks. Open a .didx, or a snapshot of a datastore.",
                } }
            </p>
        },
        Some(open) if open.document.is_loading() => html! {
            <p class="empty">{ "The chunks are shown as soon as the archive is decoded." }</p>
        },
        Some(open) => html! {
            <Shown key={open.document.id} document={open.document.clone()} />
        },
    };
    html! { <section class="view" id="view-chunks" aria-label="Chunks">{ content }</section> }
}

/// What the address says of the table: `chunks=use-,padded`.
fn query(params: &Params) -> Query {
    let mut query =
        Query { sort: Sort::Index, descending: false, padded: false, shared: None, start: 0, count: 0 };
    for word in params.get("chunks").map_or("", String::as_str).split(',') {
        let (name, descending) = word.strip_suffix('-').map_or((word, false), |name| (name, true));
        if let Some((sort, _)) = SORTS.iter().find(|(_, word)| *word == name) {
            (query.sort, query.descending) = (*sort, descending);
        }
        query.padded |= name == "padded";
        if let Some((Some(shared), ..)) = SHARES.iter().find(|(_, word, _)| *word == name) {
            query.shared = Some(*shared);
        }
    }
    query
}

/// The word for which chunks are shown.
fn share(shared: Option<bool>) -> &'static str {
    SHARES.iter().find(|it| it.0 == shared).map_or("", |it| it.1)
}

fn param(query: &Query) -> Message {
    let mut words = Vec::new();
    if query.sort != Sort::Index || query.descending {
        let name = SORTS.iter().find(|(sort, _)| *sort == query.sort).map_or("", |(_, word)| word);
        words.push(format!("{name}{}", if query.descending { "-" } else { "" }));
    }
    words.extend(query.padded.then(|| "padded".to_owned()));
    words.extend(query.shared.map(|_| share(query.shared).to_owned()));
    Message::Param("chunks", (!words.is_empty()).then(|| words.join(",")))
}

#[derive(Properties, PartialEq)]
struct ShownProps {
    document: Document,
}

#[component]
fn Shown(props: &ShownProps) -> Html {
    let doc = props.document.id;
    let epoch = use_epoch(doc);
    let reply = use_reply(Some(Request::ChunkSummary(doc)), epoch).reply;
    {
        let is_there = reply.is_some();
        use_patience(&NodeRef::default(), 1, move |command| !is_there && command.is_of_view());
    }
    let summary = match reply.as_ref().map(|reply| reply.as_deref()) {
        Some(Ok(Reply::ChunkSummary(summary))) => summary,
        Some(Err(problem)) => return trouble(problem),
        _ => return html! {},
    };
    html! {
        <>
            <Toolbar summary={(**summary).clone()} />
            <Needs {doc} {epoch} />
            <div class="charts">{ charts(summary) }</div>
            <Table {doc} {epoch} is_archive={props.document.is_archive()} has_past={summary.shared.is_some()} />
            <Details />
        </>
    }
}

#[derive(Properties, PartialEq)]
struct ToolbarProps {
    summary: Summary,
}

/// Numbers, and which rows are shown.
#[component]
fn Toolbar(props: &ToolbarProps) -> Html {
    let app = use_app();
    let now = use_slice(|state| query(&state.place.params));
    let summary = &props.summary;
    let has_use = !summary.uses.is_empty();
    let padded = {
        let app = app.clone();
        Callback::from(move |_: Event| app.send(param(&Query { padded: !now.padded, ..now })))
    };
    let shared = {
        let app = app.clone();
        Callback::from(move |word: String| {
            let shared = SHARES.iter().find(|it| it.1 == word).and_then(|it| it.0);
            app.send(param(&Query { shared, ..now }));
        })
    };
    let shares = use_select(None, None, share(now.shared).to_owned(), options(SHARES), shared);
    let fact = |name: &'static str, value: String, exact: String| {
        html! { <div title={exact}><dt>{ name }</dt><dd>{ value }</dd></div> }
    };
    html! {
        <div class="toolbar">
            if has_use {
                <label><input type="checkbox" checked={now.padded} onchange={padded} />{ "with padding only" }</label>
            }
            if summary.shared.is_some() {
                <label>
                    { "Show" }
                    { shares }
                </label>
            }
            <dl class="facts">
                { fact("chunks", text::count(summary.count), format!("{} different", text::count(summary.distinct))) }
                { fact("bytes", text::size(summary.bytes), text::exact(summary.bytes)) }
                if has_use {
                    { fact("used", text::size(summary.live), text::exact(summary.live)) }
                    { fact("padding", format!("{} in {}", text::size(summary.dead), text::counted(summary.padded, "chunk", "chunks")), text::exact(summary.dead)) }
                }
                if let Some((both, alone)) = summary.shared {
                    { fact("shared", format!("{} ({})", text::count(both.0), text::size(both.1)), text::exact(both.1)) }
                    { fact("new", format!("{} ({})", text::count(alone.0), text::size(alone.1)), text::exact(alone.1)) }
                }
            </dl>
        </div>
    }
}

fn charts(summary: &Summary) -> Html {
    let sizes = summary.sizes.iter().map(|&(least, chunks, bytes)| Bar {
        label: text::size(least).replace(".00", ""),
        value: chunks.into(),
        dead: 0,
        about: format!(
            "from {}: {}, {}",
            text::size(least),
            text::counted(chunks, "chunk", "chunks"),
            text::size(bytes)
        ),
    });
    let uses = summary.uses.iter().enumerate().map(|(tenth, &(chunks, bytes, dead))| {
        let label = if tenth == 10 { "all".to_owned() } else { format!("{}", tenth * 10) };
        let range = if tenth == 10 {
            "fully used".to_owned()
        } else {
            format!("{} to {} % used", tenth * 10, tenth * 10 + 10)
        };
        let about = format!(
            "{range}: {}, {}, {} dead",
            text::counted(chunks, "chunk", "chunks"),
            text::size(bytes),
            text::size(dead)
        );
        Bar { label, value: bytes, dead, about }
    });
    html! {
        <>
            { bars("Chunks by size", "size at least", Unit::Count, &sizes.collect::<Vec<_>>()) }
            if summary.uses.is_empty() {
                <p class="muted">{ "What is used of the chunks, and what is padding, the index alone does not tell." }</p>
            } else {
                { bars("Bytes by use (hatched: dead)", "percent used", Unit::Bytes, &uses.collect::<Vec<_>>()) }
            }
            if summary.curve.is_empty() {
                if !summary.uses.is_empty() { <p class="muted">{ "No chunk has padding." }</p> }
            } else {
                <Curve points={summary.curve.clone()} />
            }
        </>
    }
}

/// What a restore of the selected entry would read.
#[derive(Properties, PartialEq)]
struct NeedsProps {
    doc: DocId,
    epoch: u32,
}

#[hook]
fn use_needed(doc: DocId, epoch: u32) -> Option<Needed> {
    let entry = use_slice(|state| state.focus.entry.filter(|_| state.focus.chunk.is_none()));
    let reply = use_reply(entry.map(|entry| Request::ChunksOf(doc, entry)), epoch).reply;
    match reply.as_ref().map(|reply| reply.as_deref()) {
        Some(Ok(Reply::ChunksOf(needed))) if Some(needed.entry) == entry => Some(needed.clone()),
        _ => None,
    }
}

#[component]
fn Needs(props: &NeedsProps) -> Html {
    let needed = use_needed(props.doc, props.epoch);
    let path = use_slice(|state| state.focus.details.as_ref().map(|details| details.path.clone()));
    let Some((needed, path)) = needed.zip(path) else { return html! {} };
    html! {
        <p class="needs" aria-live="polite">
            { "A restore of " }<b class="mono">{ path }</b>
            { format!(
                " reads {} ({}) for {} of {}.",
                text::counted(needed.chunks, "chunk", "chunks"),
                text::size(needed.bytes),
                text::size(needed.content),
                text::counted(needed.files, "file", "files")
            ) }
            if needed.chunks > 0 && !needed.runs.is_empty() {
                <span class="muted">{ runs(&needed.runs) }</span>
            }
        </p>
    }
}

/// The numbers of chunks in short.
fn runs(runs: &[(u32, u32)]) -> String {
    let shown = runs.iter().take(6).map(|&(start, end)| {
        if end - start == 1 { format!("#{start}") } else { format!("#{start}–{}", end - 1) }
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if runs.len() > 6 { format!("{shown}, …") } else { shown }
}

#[derive(Properties, PartialEq)]
struct TableProps {
    doc: DocId,
    epoch: u32,
    is_archive: bool,
    has_past: bool,
}

#[component]
fn Table(props: &TableProps) -> Html {
    let app = use_app();
    let TableProps { doc, epoch, is_archive, has_past } = *props;
    let mut query = use_slice(|state| query(&state.place.params));
    // An address or another document may ask for what is not known here, and nothing would show that.
    query.shared = query.shared.filter(|_| has_past);
    query.padded &= is_archive;
    let chosen = use_slice(|state| match state.place.selection {
        Selection::Chunk(chunk) => Some(chunk),
        _ => None,
    });
    let needed = use_needed(doc, epoch);
    let counted = use_reply(Some(Request::Chunks(doc, query)), epoch);
    let pane = use_node_ref();
    use_patience(&pane, 1, move |command| !counted.fresh && command.is_of_view());
    let total = match counted.reply.as_ref().map(|reply| reply.as_deref()) {
        Some(Ok(Reply::Chunks(rows))) => rows.total,
        _ => 0,
    };
    let revision = use_mut_ref(|| (0_u64, query, epoch));
    {
        let mut known = revision.borrow_mut();
        if known.1 != query || known.2 != epoch {
            *known = (known.0 + 1, query, epoch);
        }
    }
    let number = revision.borrow().0;
    let fetch = use_memo((doc, query, epoch), |&(doc, query, _)| {
        let app = app.clone();
        Callback::from(move |(start, count): (u32, u32)| -> Fetched<Row> {
            let asked = app.client().ask(Request::Chunks(doc, Query { start, count, ..query }));
            async move { reply!(asked, Chunks).ok().map(|rows| rows.rows) }.boxed_local()
        })
    });
    // The row of the selected chunk: known if it was selected here, or if rows are numbered as chunks are.
    let (picked, pick) = use_picked(number);
    let is_plain = query.sort == Sort::Index && !query.descending && !query.padded && query.shared.is_none();
    let current = picked.or(chosen.filter(|_| is_plain));
    // Without one, the first that a restore of the selected entry reads.
    let reveal = needed.as_ref().filter(|_| is_plain).and_then(|needed| Some(needed.runs.first()?.0));
    let show = match (chosen, &needed) {
        (Some(chunk), _) => u64::from(chunk) + 1,
        (None, Some(needed)) => u64::from(needed.entry) << 32,
        (None, None) => 0,
    };
    let on_current = Callback::from(move |(number, row): (u32, Rc<Row>)| {
        pick.emit((number, Selection::Chunk(row.chunk)));
    });
    let on_open = {
        let app = app.clone();
        Callback::from(move |(_, row): (u32, Rc<Row>)| {
            let mut place = app.state().place.clone();
            place.tab = Tab::Layout;
            place.selection = Selection::Chunk(row.chunk);
            place.zoom = Some((row.start, row.start + row.size));
            app.send(Message::Place(place));
        })
    };
    let (width, _) = use_size(&pane);
    let is_wide = width >= WIDE;
    let line = use_callback((is_wide, is_archive, has_past, needed), |(_, row): (u32, Rc<Row>), deps| {
        let (is_wide, is_archive, has_past, needed) = deps;
        let is_needed = needed
            .as_ref()
            .is_some_and(|needed| needed.runs.iter().any(|&(start, end)| (start..end).contains(&row.chunk)));
        Line {
            class: classes!(is_needed.then_some("needed")),
            cells: cells(&row, *is_wide, *is_archive, *has_past),
            ..Line::default()
        }
    });
    let head = |sort: Sort, name: &'static str, class: &'static str| {
        let order = (query.sort == sort).then_some(if query.descending { "descending" } else { "ascending" });
        let onclick = {
            let app = app.clone();
            // The most interesting first, then the other way round.
            let first = matches!(sort, Sort::Size | Sort::Dead | Sort::Files);
            let descending = if query.sort == sort { !query.descending } else { first };
            Callback::from(move |_: MouseEvent| app.send(param(&Query { sort, descending, ..query })))
        };
        html! {
            <span role="columnheader" class={class} aria-sort={order}>
                <button type="button" {onclick}>
                    { name }
                    if let Some(order) = order {
                        <span class="order" aria-hidden="true">{ if order == "descending" { " ▾" } else { " ▴" } }</span>
                    }
                </button>
            </span>
        }
    };
    let head = html! {
        <>
            { head(Sort::Index, "#", "number") }
            { head(Sort::Digest, "Digest", "") }
            if is_wide { <span role="columnheader" class="number">{ "Position" }</span> }
            { head(Sort::Size, "Size", "number") }
            if is_archive {
                { head(Sort::Use, "Used", "") }
                { head(Sort::Dead, "Dead", "number") }
                if is_wide { { head(Sort::Files, "Files", "number") } }
            }
            if is_wide && has_past { <span role="columnheader">{ "Since" }</span> }
        </>
    };
    let (mut template, mut columns) = ("64px minmax(80px, 1fr)".to_owned(), 2);
    let mut add = |is_there: bool, width: &str| {
        if is_there {
            template.push_str(width);
            columns += 1;
        }
    };
    add(is_wide, " 128px");
    add(true, " 84px");
    add(is_archive, if is_wide { " 160px" } else { " 72px" });
    add(is_archive, " 80px");
    add(is_archive && is_wide, " 64px");
    add(is_wide && has_past, " 120px");
    html! {
        <div class="table" ref={pane}>
            <List<Row> label="Chunks" {template} {head} {columns} {total} revision={number} identity={number}
                fetch={(*fetch).clone()} {line} {current} {reveal} {show} {on_current} {on_open}
                empty={html! { <p class="empty">{ "There is no such chunk." }</p> }} />
        </div>
    }
}

fn cells(row: &Row, is_wide: bool, is_archive: bool, has_past: bool) -> Html {
    let size = |bytes: u64| html! { <span role="gridcell" class="number" title={text::exact(bytes)}>{ text::size(bytes) }</span> };
    let used = row.size - row.dead.min(row.size);
    let digest = if is_wide { row.digest.clone() } else { text::short(&row.digest).to_owned() };
    let since = match (row.age, row.shared) {
        (Some(0), Some(true)) => "again".to_owned(),
        (Some(0), _) => "new".to_owned(),
        (Some(age), _) => format!("{} ago", text::count(age)),
        (None, _) => String::new(),
    };
    html! {
        <>
            <span role="gridcell" class="number">{ text::count(row.chunk) }</span>
            <span role="gridcell" class="mono digest" title={row.digest.clone()}>{ digest }</span>
            if is_wide { <span role="gridcell" class="mono number">{ grouped(row.start) }</span> }
            { size(row.size) }
            if is_archive {
                <span role="gridcell" class="use" title={format!("{} of {}", text::exact(used), text::exact(row.size))}>
                    if is_wide { <meter min="0" max={row.size.max(1).to_string()} value={used.to_string()} aria-hidden="true"></meter> }
                    <span>{ text::percent(used, row.size) }</span>
                </span>
                { size(row.dead) }
                if is_wide { <span role="gridcell" class="number">{ text::count(row.files) }</span> }
            }
            if is_wide && has_past { <span role="gridcell">{ since }</span> }
        </>
    }
}

/// The chunk that is selected: the files in it.
#[component]
fn Details() -> Html {
    let chunk = use_slice(|state| state.focus.chunk.clone());
    let Some(chunk) = chunk else { return html! {} };
    let Chunk { row, files, elsewhere, stored, checked } = &*chunk;
    let more = u64::from(row.files).saturating_sub(files.len() as u64);
    html! {
        <section class="chunk" aria-label="Selected chunk">
            <h2>
                { format!("Chunk {}", text::count(row.chunk)) }
                <span class="mono digest">{ row.digest.clone() }</span>
                <Copy what="digest" text={row.digest.clone()} />
                if row.has_use() {
                    <Jump tab={Tab::Layout} to={Selection::Chunk(row.chunk)} title="Shows it in the map">{ "in the map" }</Jump>
                }
            </h2>
            <p class="muted">
                { format!("{} – {}, {}", grouped(row.start), grouped(row.start + row.size), text::exact(row.size)) }
                if row.has_use() { { format!(": {} used, {} dead", text::size(row.live), text::size(row.dead)) } }
                if !elsewhere.is_empty() {
                    { format!(". The same digest is also at {}", elsewhere.iter().map(|at| format!("#{at}")).collect::<Vec<_>>().join(", ")) }
                }
                if let Some(stored) = stored { { format!(". Its file in the datastore has {}", text::exact(*stored)) } }
                if let Some(Ok(())) = checked { { "; digest and length are right" } }
            </p>
            if let Some(Err(why)) = checked { <p>{ why.clone() }</p> }
            <ul>
                { for files.iter().map(|(entry, path, bytes)| html! {
                    <li key={*entry}>
                        <Jump tab={Tab::Files} to={Selection::Entry(*entry)}><span class="mono">{ path.clone() }</span></Jump>
                        <span class="number" title={text::exact(*bytes)}>{ text::size(*bytes) }</span>
                    </li>
                }) }
                if more > 0 { <li class="muted">{ format!("and {} more", text::count(more)) }</li> }
            </ul>
        </section>
    }
}
