//! The panel of the selected entry: what it is, where it lies, which chunks hold it, what is in it.

mod contents;
mod preview;

use std::rc::Rc;

use pxkit_core::format::Kind;
use yew::prelude::*;

use super::{
    export,
    map::what,
    parts::{Copy, Icon, Jump, icon, local, sized, trouble, use_later},
};
use crate::{
    protocol::{
        DocId, Stream,
        entry::{Attribute, Entry as Details, Field},
        export::{Archive, Save},
        open::{Document, Kind as DocumentKind},
    },
    state::{
        FINDING, Message, Tab,
        app::{App, use_app, use_commands, use_document, use_slice},
        keys::Command,
        selection::Selection,
        text,
    },
};

/// The element into which the keyboard is moved.
const ID: &str = "entry";

/// Moves the keyboard into the panel.
pub fn focus() {
    super::shell::focus_later(ID);
}

/// The panel.
#[component]
pub fn Entry() -> Html {
    let (app, node) = (use_app(), use_node_ref());
    let document = use_document();
    let focus = use_slice(|state| state.focus.clone());
    let selection = use_slice(|state| state.place.selection.clone());
    let doc = document.as_ref().map(|open| open.document.id);
    // What is shown stays until more is known of what was selected since, so that nothing flashes.
    let known = focus.of.as_ref().is_some_and(|(of, what)| Some(*of) == doc && *what != Selection::None);
    let later = use_later();
    {
        let app = app.clone();
        let plain = document.as_ref().map(|open| &open.document).filter(|document| plain(document).is_some());
        let plain = plain.map(|document| document.id);
        use_commands(&node, 0, move |command| {
            let doc = plain.filter(|_| command == Command::Save);
            doc.inspect(|doc| export::save(&app, *doc, Save::Plain)).is_some()
        });
    }
    let content = match (&document, doc.filter(|_| later)) {
        (Some(open), Some(doc)) => match (&focus.details, &focus.chunk, &focus.problem) {
            _ if selection == Selection::None || !known => about(&app, &open.document),
            (_, _, Some(problem)) => {
                html! { <div class="entry-part">{ trouble(problem) }</div> }
            }
            (_, Some(chunk), _) => html! { <contents::ChunkPanel {doc} chunk={chunk.clone()} /> },
            (Some(details), _, _) => {
                html! { <Panel {doc} details={details.clone()} document={open.document.clone()} /> }
            }
            _ => html! { <Bytes selection={selection.clone()} /> },
        },
        _ => html! {},
    };
    html! {
        <aside ref={node} class="pane entry" id={ID} tabindex="0" aria-label="Entry">{ content }</aside>
    }
}

/// Bytes of what a blob or manifest holds, if it could be decoded.
fn plain(document: &Document) -> Option<u64> {
    document.payload_size.filter(|_| matches!(document.kind, DocumentKind::Blob | DocumentKind::Manifest))
}

/// Without a selection: the document itself.
fn about(app: &App, document: &Document) -> Html {
    let plain = plain(document);
    let save = {
        let (app, doc) = (app.clone(), document.id);
        Callback::from(move |_: MouseEvent| export::save(&app, doc, Save::Plain))
    };
    let line = |name: &str, value: Html| html! { <div><dt title={name.to_owned()}>{ name.to_owned() }</dt><dd>{ value }</dd></div> };
    // An archive of a snapshot has an index, of which most of this is.
    let (own, index): (Vec<_>, Vec<_>) = document
        .facts
        .iter()
        .partition(|(name, _)| !document.is_archive() || matches!(name.as_str(), "crypt mode" | "manifest"));
    let fact = |(name, value): &(String, String)| line(name, html! { <span class="value">{ value }</span> });
    html! {
        <>
            <header class="entry-head">
                <h2>{ &document.title }</h2>
                <p class="muted">{ super::shell::kind(document.kind) }
                    { for document.version.map(|version| html! { { format!(" · format version {version}") } }) }
                </p>
            </header>
            if plain.is_some() {
                <div class="actions"><button type="button" class="first" onclick={save}>{ icon(Icon::Save) }{ "Save" }</button></div>
            }
            <dl class="fields">
                if let Some(snapshot) = &document.snapshot {
                    { line("snapshot", html! { <span class="mono">{ &snapshot.snapshot }</span> }) }
                    if !snapshot.namespace.is_empty() { { line("namespace", html! { { &snapshot.namespace } }) } }
                    { for snapshot.archive.iter().map(|archive| line("archive", html! { <span class="mono">{ archive }</span> })) }
                }
                { line(if document.kind == crate::protocol::open::Kind::Split { "metadata" } else { "size" }, sized(document.size)) }
                { for document.payload_size.filter(|_| plain.is_none()).map(|bytes| line("payload", sized(bytes))) }
                if document.is_archive() {
                    { line("contents", sized(document.content)) }
                    { for document.padding.map(|bytes| line("padding", sized(bytes))) }
                    { line("entries", html! { <span class="number">{ text::count(document.entries) }</span> }) }
                    { line("files", html! { <span class="number">{ text::count(document.files) }</span> }) }
                }
                { for own.into_iter().map(fact) }
            </dl>
            if !index.is_empty() {
                // Of the two indexes of a split archive it is that of the metadata; the chunks in other views are those of the payload.
                <section class="entry-part" aria-label="Index">
                    <h3>{ if document.kind == crate::protocol::open::Kind::Split { "Index of the metadata" } else { "Index" } }</h3>
                    <dl class="fields">{ for index.into_iter().map(fact) }</dl>
                </section>
            }
            if document.is_archive() {
                <p class="hint">{ "Select an entry to see what it is, where it lies and what is in it." }</p>
            }
            if let Some(size) = plain.filter(|size| *size > 0) {
                <preview::Preview key={document.id} doc={document.id} entry={None} {size} name={document.title.clone()} />
            }
        </>
    }
}

#[derive(Properties, PartialEq)]
struct BytesProps {
    selection: Selection,
}

/// Bytes that belong to no entry.
#[component]
fn Bytes(props: &BytesProps) -> Html {
    let (meta, payload) = use_slice(|state| (state.focus.meta, state.focus.payload));
    let spot = use_slice(|state| state.focus.spot.clone());
    let name = match props.selection.position() {
        Some((Stream::Payload, _)) => "Bytes of the payload stream",
        _ => "Bytes of the archive",
    };
    let range = |name: &'static str, stream: Stream, range: Option<(u64, u64)>| {
        range.map(|(start, end)| place(name, stream, start, end))
    };
    html! {
        <>
            <header class="entry-head"><h2>{ name }</h2><p class="muted">{ "They belong to no entry." }</p></header>
            <dl class="fields">
                { for spot.as_deref().and_then(what).map(|what| html! { <div><dt>{ "what" }</dt><dd>{ what }</dd></div> }) }
                { for range("archive", Stream::Meta, meta) }
                { for range("payload", Stream::Payload, payload) }
            </dl>
        </>
    }
}

/// A place in a stream, with jumps to its bytes and to the map.
fn place(name: &'static str, stream: Stream, start: u64, end: u64) -> Html {
    let size = end.saturating_sub(start);
    let title = format!("{} to {}: {}", text::exact(start), text::count(end), text::exact(size));
    html! {
        <div>
            <dt>{ name }</dt>
            <dd class="place">
                <Jump tab={Tab::Structure} to={Selection::Item(stream, start)} title="Show it in the structure">
                    <span class="mono" {title}>{ text::offset(start) }</span>
                </Jump>
                <span class="muted">{ "+" }{ sized(size) }</span>
                <Copy what="offset" text={text::offset(start)} />
            </dd>
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct PanelProps {
    doc: DocId,
    details: Rc<Details>,
    document: Document,
}

#[component]
fn Panel(props: &PanelProps) -> Html {
    let PanelProps { doc, details, document } = props;
    let doc = *doc;
    let app = use_app();
    let raw = use_state_eq(|| false);
    let node = use_node_ref();
    let entry = details.entry;
    let is_file = details.kind == Kind::File as u8 || details.kind == Kind::Hardlink as u8;
    let is_directory = details.kind == Kind::Directory as u8;
    let readable =
        details.contents.as_ref().is_some_and(|contents| contents.readable) || details.size == 0 && is_file;
    let file = details.target.unwrap_or(entry);
    {
        let app = app.clone();
        use_commands(&node, 0, move |command| {
            let can = command == Command::Save && is_file && readable;
            // Something else may be selected by now.
            if can && app.state().is_resolved() {
                export::save(&app, doc, Save::File(file));
            }
            can
        });
    }
    let save = |label: &'static str, what: Save, first: bool| {
        let app = app.clone();
        let onclick = Callback::from(move |_: MouseEvent| export::save(&app, doc, what.clone()));
        html! {
            <button type="button" class={classes!(first.then_some("first"))} {onclick}>
                { icon(Icon::Save) }{ label }
            </button>
        }
    };
    let toggle_raw = {
        let raw = raw.clone();
        Callback::from(move |_: MouseEvent| raw.set(!*raw))
    };
    let name = details.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/").to_owned();
    html! {
        <div ref={node} class="entry-panel">
            <header class="entry-head">
                <h2 title={details.path.clone()}>{ name }</h2>
                <nav class="crumbs mono" aria-label="Directories above">
                    { for details.above.iter().map(|(above, name)| {
                        let to = *above;
                        let onclick = app.on(move |_: MouseEvent| Message::Select(Selection::Entry(to)));
                        let name = if name.is_empty() || name == "/" { "/".to_owned() } else { format!("{name}/") };
                        html! { <button type="button" class="jump" key={*above} {onclick}>{ name }</button> }
                    }) }
                    <Copy what="path" text={details.path.clone()} />
                </nav>
                <p class="muted kind-line">
                    { text::kind(details.kind) }
                    { " · " }{ sized(details.size) }
                    if is_directory { { format!(" · {}", text::counted(details.entries, "entry", "entries")) } }
                </p>
            </header>
            if let Some(problem) = &details.problem { <p class="trouble" role="alert">{ problem }</p> }
            { for details.findings.iter().map(|(number, sentence)| html! { <Finding key={*number} number={*number} sentence={sentence.clone()} /> }) }
            <div class="actions">
                if is_file {
                    if readable {
                        { save("Save", Save::File(file), true) }
                    } else if let Some(hint) = &document.hint {
                        <p class="hint">{ hint }</p>
                    }
                }
                if is_directory && document.has_contents {
                    { save("Save as tar", Save::Folder(entry, Archive::Tar), true) }
                    { save("Save as zip", Save::Folder(entry, Archive::Zip), false) }
                }
            </div>
            <section class="entry-part" aria-label="Metadata">
                <h3>{ "Metadata" }
                    <button type="button" class="quiet" aria-pressed={raw.to_string()} onclick={toggle_raw} title="Show values as they are stored">{ "raw" }</button>
                </h3>
                <dl class="fields">
                    { for details.fields.iter().map(|field| self::field(field, *raw)) }
                    { place("items", Stream::Meta, details.items.0, details.items.1) }
                    if let Some(target) = details.target {
                        <div><dt>{ "file" }</dt><dd>
                            <Jump tab={Tab::Files} to={Selection::Entry(target)} title="The file that this is another name of">{ "show the file" }</Jump>
                        </dd></div>
                    }
                </dl>
            </section>
            if !details.attributes.is_empty() {
                <section class="entry-part" aria-label="Attributes">
                    <h3>{ "Attributes" }</h3>
                    <dl class="fields">{ for details.attributes.iter().map(|attribute| self::attribute(attribute, *raw)) }</dl>
                </section>
            }
            if let Some(contents) = &details.contents {
                <contents::Where contents={contents.clone()} />
            }
            if document.has_chunks && (is_directory || is_file) && document.is_archive() {
                <contents::Needed {doc} {entry} loading={document.is_loading()} />
            }
            if is_file && readable && details.size > 0 {
                <preview::Preview key={file} {doc} entry={Some(file)} size={details.size} name={details.path.clone()} />
            }
        </div>
    }
}

fn field(field: &Field, raw: bool) -> Html {
    let (value, title) = if raw { (&field.raw, &field.value) } else { (&field.value, &field.raw) };
    let is_moment = field.name == "mtime" && !raw;
    let mut title = title.clone();
    let seconds = field.raw.split_once('.').filter(|_| is_moment);
    let value = match seconds.and_then(|(seconds, nanos)| Some((local(seconds.parse().ok()?), nanos))) {
        // Where it does not fit into one line, the time goes to the next one as a whole.
        Some(((here, zone), nanos)) => {
            title = format!("{value}, stored as {title}");
            let (date, time) = here.split_once(' ').unwrap_or(("", &here));
            html! { <><span>{ date }</span>{ " " }<span>{ format!("{time}.{nanos} {zone}") }</span></> }
        }
        None => html! { { value } },
    };
    html! {
        <div key={field.name.clone()}>
            <dt>{ &field.name }</dt>
            <dd {title}><span class={classes!("value", raw.then_some("mono"), is_moment.then_some("moment"))}>{ value }</span></dd>
        </div>
    }
}

fn attribute(attribute: &Attribute, raw: bool) -> Html {
    let value = if raw { &attribute.raw } else { &attribute.value };
    html! {
        <div key={attribute.offset}>
            <dt>
                <Jump tab={Tab::Structure} to={Selection::Item(Stream::Meta, attribute.offset)} title={format!("{} at {}", attribute.item, text::offset(attribute.offset))}>
                    { if attribute.name.is_empty() { attribute.item.to_ascii_lowercase() } else { attribute.name.clone() } }
                </Jump>
            </dt>
            <dd title={if raw { attribute.value.clone() } else { attribute.raw.clone() }}>
                <span class={classes!("value", raw.then_some("mono"))}>{ value }</span>
                <Copy what="value" text={value.clone()} />
            </dd>
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct FindingProps {
    number: u32,
    sentence: String,
}

#[component]
fn Finding(props: &FindingProps) -> Html {
    let app = use_app();
    let number = props.number;
    let onclick = Callback::from(move |_: MouseEvent| {
        let mut place = app.state().place.clone();
        place.tab = Tab::Findings;
        place.params.insert(FINDING.to_owned(), number.to_string());
        app.send(Message::Place(place));
    });
    html! {
        <p class="trouble">{ &props.sentence }{ " " }<button type="button" class="jump" {onclick}>{ "Show the finding" }</button></p>
    }
}
