//! Where everything lies: the payload stream as a map, or directories as areas.

use yew::prelude::*;

use super::{
    keyboard::use_patience,
    legend::{LegendView, hidden},
    map::MapView,
    parts::{options, trouble, use_select},
    treemap::TreemapView,
};
use crate::{
    protocol::{
        Reply, Request, Stream,
        findings::{Check, CheckKind},
        layout::Colouring,
        open::{Document, Kind},
    },
    state::{
        Message,
        app::{App, use_app, use_document, use_epoch, use_reply, use_slice},
        keys::Command,
        text,
        window::Window,
    },
};

/// Words in the address and names of the colourings.
const COLOURINGS: [(Colouring, &str, &str); 4] = [
    (Colouring::FileType, "type", "type of file"),
    (Colouring::Directory, "dir", "directory"),
    (Colouring::ChunkUse, "use", "use of chunks"),
    (Colouring::Age, "age", "age of chunks"),
];

/// The view.
#[component]
pub fn Layout() -> Html {
    let document = use_document();
    let content = match document {
        None => html! {},
        Some(open) if !open.document.is_archive() => html! {
            <p class="empty">{ "Only archives have a layout. Open a .pxar, or a .mpxar, or a snapshot." }</p>
        },
        Some(open) if open.document.is_loading() => html! {
            <p class="empty">{ "The layout is drawn as soon as the archive is decoded." }</p>
        },
        Some(open) => html! {
            <Shown key={open.document.id} document={open.document.clone()} />
        },
    };
    html! { <section class="view" id="view-layout" aria-label="Layout">{ content }</section> }
}

#[derive(Properties, PartialEq)]
struct ShownProps {
    document: Document,
}

#[component]
fn Shown(props: &ShownProps) -> Html {
    let app = use_app();
    let document = &props.document;
    let doc = document.id;
    let params = use_slice(|state| state.place.params.clone());
    let wanted = params.get("colour").map_or("", String::as_str);
    let (colouring, word, _) =
        *COLOURINGS.iter().find(|(_, word, _)| *word == wanted).unwrap_or(&COLOURINGS[0]);
    let is_treemap = params.get("map").is_some_and(|map| map == "areas");
    let hidden = hidden(&params);
    let epoch = use_epoch(doc);
    let legend = use_reply(Some(Request::Legend(doc, colouring)), epoch).reply;
    let summary = use_reply(Some(Request::Layout(doc)), epoch).reply;
    {
        let is_there = summary.is_some();
        use_patience(&NodeRef::default(), 1, move |command: Command| !is_there && command.is_of_view());
    }
    let categories = match legend.as_ref().map(|reply| reply.as_deref()) {
        Some(Ok(Reply::Legend(legend))) => legend.categories.clone(),
        _ => Vec::new(),
    };
    let totals = match summary.as_ref().map(|reply| reply.as_deref()) {
        Some(Ok(Reply::Layout(summary))) => Some(summary.totals.clone()),
        _ => None,
    };
    let problem = summary.as_ref().and_then(|reply| reply.as_ref().err().cloned());
    let stream = if document.kind == Kind::Split { Stream::Payload } else { Stream::Meta };
    let show = |areas: bool, name: &'static str| {
        let onclick = app.on(move |_: MouseEvent| Message::Param("map", areas.then(|| "areas".to_owned())));
        html! { <button type="button" aria-pressed={(is_treemap == areas).to_string()} {onclick}>{ name }</button> }
    };
    let colour = {
        let app = app.clone();
        Callback::from(move |word: String| {
            app.send(Message::Param("colour", Some(word).filter(|word| word != COLOURINGS[0].1)));
            // The numbers of what is hidden mean something else now.
            app.send(Message::Param("hide", None));
        })
    };
    let colours = use_select(None, None, word.to_owned(), options(COLOURINGS), colour);
    let facts = totals.as_ref().map(|totals| {
        let mut facts = vec![
            ("stream", text::size(totals.stream), text::exact(totals.stream)),
            ("used", text::size(totals.live), text::exact(totals.live)),
        ];
        if document.kind == Kind::Split {
            let share = text::percent(totals.padding, totals.live);
            facts.push((
                "padding",
                format!("{} ({share} of used)", text::size(totals.padding)),
                text::exact(totals.padding),
            ));
        } else {
            facts.push(("metadata", text::size(totals.metadata), text::exact(totals.metadata)));
        }
        facts.push(("files", text::count(totals.files), String::new()));
        if totals.chunks > 0 {
            facts.push(("chunks", text::count(totals.chunks), String::new()));
        }
        if totals.ghosts.0 > 0 {
            let ghosts = format!("{} ({})", text::count(totals.ghosts.0), text::size(totals.ghosts.1));
            facts.push(("ghosts", ghosts, text::exact(totals.ghosts.1)));
        }
        facts
    });
    html! {
        <>
            <div class="toolbar">
                <div class="choice" role="group" aria-label="Kind of map">
                    { show(false, "Stream") }
                    { show(true, "Areas") }
                </div>
                <label>
                    { "Colour" }
                    { colours }
                </label>
                if !is_treemap {
                    <Zoom size={totals.as_ref().map_or(0, |totals| totals.stream)} />
                    if document.kind == Kind::Split {
                        <Ghosts {doc} size={totals.as_ref().map_or(0, |totals| totals.stream)} possible={document.has_contents} />
                    }
                }
                if let Some(facts) = facts {
                    <dl class="facts">
                        { for facts.into_iter().map(|(name, value, exact)| html! {
                            <div title={exact}><dt>{ name }</dt><dd>{ value }</dd></div>
                        }) }
                    </dl>
                }
            </div>
            if let Some(problem) = problem {
                { trouble(&problem) }
            }
            if let Some(hint) = document.hint.clone() {
                <p class="muted hint">{ hint }</p>
            }
            if is_treemap {
                <TreemapView {doc} {epoch} {colouring} {hidden} />
            } else if let Some(totals) = &totals {
                <MapView {doc} {epoch} size={totals.stream} {stream} {colouring} {hidden} has_chunks={document.has_chunks} />
            }
            <LegendView {categories} {totals} />
        </>
    }
}

#[derive(Properties, PartialEq)]
struct ZoomProps {
    size: u64,
}

/// Buttons for those without wheel and keys.
#[component]
fn Zoom(props: &ZoomProps) -> Html {
    let app = use_app();
    let size = props.size;
    let zoomed = use_slice(|state| state.place.zoom.is_some());
    let by = |factor: f64| {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            let window = Window::of(app.state().place.zoom, size).zoomed(0.5, factor);
            app.send(Message::Zoom(window.zoom(), false));
        })
    };
    let all = app.on(|_: MouseEvent| Message::Zoom(None, true));
    html! {
        <div class="choice" role="group" aria-label="Zoom">
            <button type="button" aria-label="Zoom out" title="Zoom out (-)" disabled={!zoomed} onclick={by(2.0)}>{ "−" }</button>
            <button type="button" aria-label="Zoom in" title="Zoom in (+)" onclick={by(0.5)}>{ "+" }</button>
            <button type="button" title="The whole stream (0)" disabled={!zoomed} onclick={all}>{ "Whole" }</button>
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct GhostsProps {
    doc: u32,
    size: u64,
    possible: bool,
}

/// Looks for ghosts in what is visible.
#[component]
fn Ghosts(props: &GhostsProps) -> Html {
    let app = use_app();
    let (doc, size) = (props.doc, props.size);
    let onclick = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| scan(&app, doc, size))
    };
    let title = if props.possible {
        "Reads the padding that is visible, to find payloads whose files are gone"
    } else {
        "The payload's bytes are not there"
    };
    html! { <button type="button" {onclick} {title} disabled={!props.possible}>{ "Scan for ghosts here" }</button> }
}

fn scan(app: &App, doc: u32, size: u64) {
    let window = Window::of(app.state().place.zoom, size);
    let request =
        Request::Check(doc, Check { what: CheckKind::Ghosts, range: Some((window.start, window.end)) });
    app.job("scanning for ghosts".to_owned(), request, Vec::new(), |app, answer| match answer {
        Ok((Reply::Checked(checked), _)) => {
            let looked = text::counted(checked.looked_at, "stretch of padding", "stretches of padding");
            let found = text::counted(checked.found, "ghost", "ghosts");
            app.say(match checked.problem {
                Some(problem) => format!("{looked} looked at, {found} found. {problem}"),
                None => format!("{looked} looked at, {found} found."),
            });
        }
        Ok(_) => {}
        Err(problem) => app.complain(problem),
    });
}
