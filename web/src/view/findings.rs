//! What is irregular, and looking for more of it.

use std::rc::Rc;

use futures::FutureExt as _;
use yew::prelude::*;

use super::{
    keyboard::use_patience,
    list::{Fetched, Line, List},
    parts::{Jump, bar, use_size},
};
use crate::{
    protocol::{
        DocId, Problem, Progress, Reply, Request, Stream,
        export::{Format, List as Listed, Save},
        findings::{Check, CheckKind, CheckState, Checked, Query, Row, Rows, Severity},
    },
    reply,
    state::{
        FINDING, Message, State, Tab,
        app::{App, use_app, use_document, use_reply, use_slice},
        columns::by_width,
        keys::Command,
        selection::Selection,
        text,
    },
};

/// The view.
#[component]
pub fn Findings() -> Html {
    let document = use_document();
    html! {
        <section class="view findings" id="view-findings" aria-label="Findings">
            if let Some(open) = document {
                <Table key={open.document.id} doc={open.document.id} epoch={open.epoch} />
            }
        </section>
    }
}

#[derive(Properties, PartialEq)]
struct TableProps {
    doc: DocId,
    epoch: u32,
}

#[component]
fn Table(props: &TableProps) -> Html {
    let doc = props.doc;
    let app = use_app();
    // Checks report the document, too.
    let epoch = props.epoch;
    let head = use_reply(Some(Request::Findings(doc, Query { start: 0, count: 0 })), epoch);
    let at = use_slice(place);
    {
        // It may have another number since others were found, or gone.
        let app = app.clone();
        use_effect_with(epoch, move |_| {
            let selection = app.state().place.selection.clone();
            let Some(((stream, offset), at)) = selection.position().zip(at) else { return };
            wasm_bindgen_futures::spawn_local(async move {
                let Ok(first) = first_from(&app, doc, stream, offset).await else { return };
                let Ok(end) = first_from(&app, doc, stream, offset.saturating_add(1)).await else { return };
                let state = app.state();
                if !(first..end).contains(&at)
                    && place(&state) == Some(at)
                    && state.place.selection == selection
                {
                    app.send(Message::Param(FINDING, (first < end).then(|| first.to_string())));
                }
            });
        });
    }
    let pane = use_node_ref();
    let (width, _) = use_size(&pane);
    {
        let is_there = head.reply.is_some();
        use_patience(&pane, 1, move |command| !is_there && command.is_of_view());
    }
    let fetch = use_callback(app.clone(), move |(start, count): (u32, u32), app| -> Fetched<Row> {
        let asked = app.client().ask(Request::Findings(doc, Query { start, count }));
        async move { reply!(asked, Findings).ok().map(|rows| rows.rows) }.boxed_local()
    });
    let on_current =
        use_callback(app.clone(), |(number, row): (u32, Rc<Row>), app| select(app, number, &row));
    let on_open = {
        let app = app.clone();
        Callback::from(move |(_, row): (u32, Rc<Row>)| {
            app.send(Message::Jump(Tab::Structure, Selection::Item(row.stream, row.offset)));
        })
    };
    let wide = width >= 620.0;
    let line = use_callback(wide, |(_, row): (u32, Rc<Row>), wide| line(&row, *wide));
    let rows = match head.reply.as_ref().map(|reply| reply.as_ref().map(|reply| (**reply).clone())) {
        Some(Ok(Reply::Findings(rows))) => rows,
        _ => Rows { start: 0, total: 0, counted: 0, rows: Vec::new(), checks: Vec::new() },
    };
    let show = {
        let total = rows.total;
        u64::from(at.filter(|at| *at < total).map_or(0, |at| at + 1))
    };
    let save = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            super::export::save(&app, doc, Save::List(Listed::Findings, Format::Csv))
        })
    };
    let empty = html! {
        <div class="empty">
            if head.reply.is_some() {
                <p>{ "Nothing irregular was found while decoding." }</p>
                <p>{ "The checks above look for more, where decoding alone does not:" }</p>
                { for rows.checks.iter().map(|check| html! {
                    <p key={word(check.what)}>
                        <b>{ word(check.what) }</b>{ ": " }{ about(check.what) }{ "?" }
                        if !check.possible { { why_not(check) } }
                    </p>
                }) }
            }
        </div>
    };
    html! {
        <div class="findings-table" ref={pane}>
            <div class="toolbar checks" role="group" aria-label="Checks">
                { for rows.checks.iter().map(|state| html! { <CheckButton key={word(state.what)} {doc} state={*state} /> }) }
                <span class="count number" role="status">
                    { text::counted(rows.counted, "finding", "findings") }
                    if rows.counted > u64::from(rows.total) { { format!(", the first {} are listed", text::count(rows.total)) } }
                </span>
                if rows.total > 0 { <button type="button" class="quiet" onclick={save}>{ "CSV" }</button> }
            </div>
            <List<Row>
                label="Findings"
                template={by_width(width, &[(0.0, "72px minmax(0, 1fr) 112px"), (620.0, "72px minmax(0, 5fr) minmax(0, 2fr) 96px")])}
                head={header(wide)}
                columns={if wide { 4 } else { 3 }}
                total={rows.total}
                revision={u64::from(epoch)}
                {fetch}
                {line}
                current={at}
                {show}
                {on_current}
                {on_open}
                rank={1}
                {empty}
            />
        </div>
    }
}

fn header(wide: bool) -> Html {
    html! {
        <>
            <span role="columnheader">{ "Severity" }</span>
            <span role="columnheader">{ "Finding" }</span>
            if wide { <span role="columnheader">{ "Entry" }</span> }
            <span role="columnheader" class="number">{ "Where" }</span>
        </>
    }
}

fn line(row: &Row, wide: bool) -> Line {
    let (class, severity) = match row.severity {
        Severity::Error => ("bad", "error"),
        Severity::Warning => ("warn", "warning"),
        Severity::Note => ("muted", "note"),
    };
    let stream = match row.stream {
        Stream::Meta => "in the archive",
        Stream::Payload => "in the payload",
    };
    let message = what(row).to_owned();
    let entry = row.entry.map(|entry| {
        let path = row.path.clone().unwrap_or_default();
        html! {
            <Jump tab={Tab::Files} to={Selection::Entry(entry)} title={path.clone()}><span class="mono">{ path }</span></Jump>
        }
    });
    let chunk = row.chunk.filter(|_| row.entry.is_none()).map(|chunk| html! {
        <Jump tab={Tab::Chunks} to={Selection::Chunk(chunk)}>{ format!("chunk {}", text::count(chunk)) }</Jump>
    });
    Line {
        class: classes!("severity", class),
        cells: html! {
            <>
                <span role="gridcell" class={class}>{ severity }</span>
                <span role="gridcell" class="text" title={format!("{}: {}", row.code, row.message)}>{ message }</span>
                if wide { <span role="gridcell" class="text">{ for entry }{ for chunk }</span> }
                <span role="gridcell" class="number">
                    <Jump tab={Tab::Structure} to={Selection::Item(row.stream, row.offset)} title={format!("Show the bytes {stream}")}>
                        <span class="mono">{ text::offset(row.offset) }</span>
                    </Jump>
                </span>
            </>
        },
        ..Line::default()
    }
}

/// What a finding says, without its place, which stands beside it.
fn what(row: &Row) -> &str {
    let place = format!("offset {}: ", row.offset);
    row.message.split_once(&place).map_or(&row.message, |(_, rest)| rest)
}

/// Selects what a finding is about, and remembers which it is.
fn select(app: &App, number: u32, row: &Row) {
    app.send(Message::Select(Selection::Item(row.stream, row.offset)));
    app.send(Message::Param(FINDING, Some(number.to_string())));
}

/// The number of the finding that is selected.
fn place(state: &State) -> Option<u32> {
    state.place.params.get(FINDING)?.parse().ok()
}

/// Goes to the finding before or after the one that is selected, or the place that is, wherever one is.
pub fn step(app: &App, command: Command) {
    let state = app.state();
    let Some(open) = state.active() else { return };
    let doc = open.document.id;
    let is_next = command == Command::NextFinding;
    let at = place(&state).map(|at| at + u32::from(is_next));
    let from = match state.place.selection.position() {
        Some((stream, offset)) => Some((stream, offset.saturating_add(is_next.into()))),
        None => state.focus.meta.map(|(start, _)| (Stream::Meta, start)),
    };
    let app = app.clone();
    wasm_bindgen_futures::spawn_local(async move {
        let behind = match (at, from) {
            (Some(at), _) => at,
            (None, Some((stream, offset))) => match first_from(&app, doc, stream, offset).await {
                Ok(first) => first,
                Err(problem) => return app.complain(problem),
            },
            (None, None) => u32::from(!is_next),
        };
        let count = u32::from(is_next || behind > 0);
        let start = if is_next { behind } else { behind.saturating_sub(1) };
        let asked = app.client().ask(Request::Findings(doc, Query { start, count }));
        match reply!(asked, Findings) {
            Ok(rows) => match rows.rows.first() {
                Some(row) => {
                    select(&app, start, row);
                    let total = text::count(rows.total);
                    let (number, place) = (text::count(start + 1), text::offset(row.offset));
                    app.say(format!("Finding {number} of {total}, at {place}: {}", what(row)));
                }
                None if rows.total == 0 => app.say("Nothing irregular was found."),
                None if count == 0 => app.say("This is the first finding."),
                None => app.say("This is the last finding."),
            },
            Err(problem) => app.complain(problem),
        }
    });
}

/// The number of the first finding that is not before a place.
async fn first_from(app: &App, doc: DocId, stream: Stream, offset: u64) -> Result<u32, Problem> {
    let key = |stream, offset| (stream == Stream::Payload, offset);
    let head = app.client().ask(Request::Findings(doc, Query { start: 0, count: 0 }));
    let mut range = 0..reply!(head, Findings)?.total;
    while !range.is_empty() {
        let start = range.start.midpoint(range.end);
        let asked = app.client().ask(Request::Findings(doc, Query { start, count: 1 }));
        match reply!(asked, Findings)?.rows.first() {
            Some(row) if key(row.stream, row.offset) < key(stream, offset) => range.start = start + 1,
            _ => range.end = start,
        }
    }
    Ok(range.start)
}

const fn word(what: CheckKind) -> &'static str {
    match what {
        CheckKind::Headers => "headers",
        CheckKind::Ghosts => "ghosts",
        CheckKind::Digests => "digests",
        CheckKind::Tables => "tables",
    }
}

const fn about(what: CheckKind) -> &'static str {
    match what {
        CheckKind::Headers => "Does each reference of the metadata lead to the header of a payload",
        CheckKind::Ghosts => "Which payloads in padding belong to files that are gone",
        CheckKind::Digests => "Is each chunk what its digest says (all of them are read)",
        CheckKind::Tables => "Does the goodbye table of each directory lead to its entries",
    }
}

/// Why a check cannot be done.
const fn why_not(state: &CheckState) -> &'static str {
    match state {
        CheckState { possible: true, .. } => "",
        CheckState { needless: true, .. } => " There is nothing here that it would look at.",
        _ => " Not possible here: the bytes for it are not there.",
    }
}

#[derive(Properties, PartialEq)]
struct CheckButtonProps {
    doc: DocId,
    state: CheckState,
}

#[component]
fn CheckButton(props: &CheckButtonProps) -> Html {
    let CheckButtonProps { doc, state } = *props;
    let app = use_app();
    let job = use_state_eq(|| None::<u32>);
    let progress: Option<Option<Progress>> = {
        let job = *job;
        use_slice(move |state| {
            state.jobs.iter().find(|it| Some(it.id) == job).map(|job| job.progress.clone())
        })
    };
    let run = {
        let (app, job) = (app.clone(), job.clone());
        Callback::from(move |_: MouseEvent| {
            let request = Request::Check(doc, Check { what: state.what, range: None });
            let number =
                app.job(format!("checking {}", word(state.what)), request, Vec::new(), move |app, answer| {
                    match answer {
                        Ok((Reply::Checked(checked), _)) => app.say(sentence(&checked)),
                        Ok(_) => {}
                        Err(problem) => app.complain(problem),
                    }
                });
            job.set(Some(number));
        })
    };
    if let Some(progress) = progress {
        let cancel = {
            let (app, job) = (app.clone(), *job);
            Callback::from(move |_: MouseEvent| {
                if let Some(job) = job {
                    app.cancel(job)
                }
            })
        };
        return html! {
            <span class="check-state">
                { for progress.map(|progress| bar(&progress)) }
                <button type="button" class="quiet" onclick={cancel}>{ "Cancel" }</button>
            </span>
        };
    }
    let CheckState { done, total, found, unreadable, .. } = state;
    let (class, mut note) = match () {
        () if found > 0 => ("warn", format!("{} found", text::count(found))),
        () if unreadable > 0 => ("warn", format!("{} unreadable", text::count(unreadable))),
        () if done > 0 && done >= total => ("good", "all right".to_owned()),
        () => ("muted", String::new()),
    };
    if done > 0 && done < total {
        note = [&note, &*text::percent(done, total)].join(" ");
    }
    let title = format!("{}?{}", about(state.what), why_not(&state));
    html! {
        <span class="check-state">
            <button type="button" disabled={!state.possible} onclick={run} {title}>{ format!("Check {}", word(state.what)) }</button>
            if !note.is_empty() { <span {class}>{ note }</span> }
            if state.what == CheckKind::Ghosts && found > 0 {
                <button type="button" class="jump" onclick={app.on(|_: MouseEvent| Message::Tab(Tab::Layout))}>{ "show in the map" }</button>
            }
        </span>
    }
}

fn sentence(checked: &Checked) -> String {
    let (one, many) = match checked.what {
        CheckKind::Headers => ("reference", "references"),
        CheckKind::Ghosts => ("stretch of padding", "stretches of padding"),
        CheckKind::Digests => ("chunk", "chunks"),
        CheckKind::Tables => ("table", "tables"),
    };
    let looked = text::counted(checked.looked_at, one, many);
    let mut out = format!(
        "Checked {}: {looked} looked at, {}.",
        word(checked.what),
        match checked.what {
            // They are nothing irregular: they lie in the map, not in the list.
            CheckKind::Ghosts => text::counted(checked.found, "ghost", "ghosts"),
            _ => text::counted(checked.found, "finding", "findings"),
        }
    );
    if checked.unreadable > 0 {
        out.push_str(&format!(" {} could not be read", text::count(checked.unreadable)));
        if let Some(problem) = &checked.problem {
            out.push_str(&format!(" ({problem})"));
        }
        out.push('.');
    }
    out
}
