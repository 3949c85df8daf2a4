//! The frame of the page: header, views, panes, what lies over them, status.

use gloo::events::EventListener;
use wasm_bindgen::JsCast;
use yew::prelude::*;

use super::{
    chooser::Chooser,
    chunks::Chunks,
    compare::Compare,
    drop::use_drop,
    entry::Entry,
    export::Export,
    files::Files,
    findings::Findings,
    goto::Goto,
    help::help,
    keyboard::{use_keyboard, use_patience},
    later::{Arrival, Later},
    layout::Layout,
    open::Start,
    parts::{Icon, icon, use_select},
    status::{Failure, Status},
    structure::Structure,
};
use crate::{
    protocol::open::{Document, Kind, State as Stage},
    state::{
        Message, Panel, State, Tab, Theme, Worker,
        app::{use_app, use_document, use_slice},
        keys::Command,
        sentence, text,
    },
};

/// The whole page.
#[component]
pub fn Shell() -> Html {
    use_keyboard();
    use_colours();
    let dragging = use_drop();
    let root = use_node_ref();
    // What is saved and copied is what is selected, not what was before.
    let resolved = use_slice(State::is_resolved);
    use_patience(&root, 3, move |command| !resolved && matches!(command, Command::Save | Command::Copy));
    let tab = use_slice(|state| state.place.tab);
    let hidden = use_slice(|state| state.panel_hidden);
    let document = use_document();
    let worker = use_slice(|state| state.worker.clone());
    {
        let title = document.as_ref().map(|open| open.document.title.clone());
        use_effect_with(title, |title| {
            let title =
                title.as_ref().map_or_else(|| "pxkit inspector".to_owned(), |it| format!("{it} – pxkit"));
            gloo::utils::document().set_title(&title);
        });
    }
    let work = match (&worker, &document) {
        (Worker::Died(reason), _) => html! { <Failure reason={reason.clone()} /> },
        (_, None) => html! { <main class="work start"><Later><Start /><Arrival /></Later></main> },
        (_, Some(_)) => html! {
            <main class={classes!("work", hidden.then_some("without-entry"))} tabindex="-1">
                <Later><Files /></Later>
                <Later>
                    { view(tab) }
                    if !hidden { <Later><Entry /></Later> }
                    <Arrival />
                </Later>
            </main>
        },
    };
    html! {
        <div class="shell" ref={root} data-tab={tab.word()}>
            <Header />
            if document.is_some() { <Later><Tabs /></Later> }
            <Later><Banners /></Later>
            { work }
            <Later><Over /><Status /></Later>
            if dragging {
                <div class="dropping" aria-hidden="true"><p>{ "Drop to open: archives, their payload, indexes, blobs, a datastore" }</p></div>
            }
        </div>
    }
}

fn view(tab: Tab) -> Html {
    match tab {
        Tab::Files => html! {},
        Tab::Layout => html! { <Layout /> },
        Tab::Chunks => html! { <Chunks /> },
        Tab::Structure => html! { <Structure /> },
        Tab::Findings => html! { <Findings /> },
        Tab::Compare => html! { <Compare /> },
    }
}

/// What a document is, in words.
pub const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Unified => "archive",
        Kind::Split => "split archive",
        Kind::Payload => "payload file",
        Kind::DynamicIndex => "dynamic index",
        Kind::FixedIndex => "fixed index",
        Kind::Catalog => "catalog",
        Kind::Manifest => "manifest of a snapshot",
        Kind::Blob => "blob",
        Kind::Foreign => "file of another kind",
    }
}

/// The colours that were chosen, or those of the system.
#[hook]
fn use_colours() {
    let app = use_app();
    let theme = use_slice(|state| state.theme);
    use_effect_with(theme, |theme| {
        let root = gloo::utils::document().document_element();
        let word = match theme {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        root.map(|root| root.set_attribute("data-theme", word));
    });
    use_effect_with((), move |()| {
        let query = gloo::utils::window().match_media("(prefers-color-scheme: dark)").ok().flatten();
        let listener = query.map(|query| {
            app.send(Message::SystemDark(query.matches()));
            let (again, app) = (query.clone(), app.clone());
            EventListener::new(&query, "change", move |_| app.send(Message::SystemDark(again.matches())))
        });
        move || drop(listener)
    });
}

#[component]
fn Header() -> Html {
    let app = use_app();
    let (theme, panel) = use_slice(|state| (state.theme, state.panel));
    let stores = use_slice(|state| state.workspace.stores.clone());
    let has_document = use_document().is_some();
    let hidden = use_slice(|state| state.panel_hidden);
    let toggle = |which: Panel| {
        app.on(move |_: MouseEvent| Message::Panel(if panel == which { Panel::None } else { which }))
    };
    let (next, picture, label) = match theme {
        Theme::System => (Theme::Light, Icon::System, "Colours: as the system has them"),
        Theme::Light => (Theme::Dark, Icon::Sun, "Colours: light"),
        Theme::Dark => (Theme::System, Icon::Moon, "Colours: dark"),
    };
    let find = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            app.command(Command::Find);
        })
    };
    html! {
        <header class="top">
            <h1 class="brand">{ "pxkit" }</h1>
            <Switcher />
            <span class="tools">
                if has_document {
                    <button type="button" class="tool" onclick={toggle(Panel::Open)} aria-expanded={(panel == Panel::Open).to_string()} title="Open more">
                        { icon(Icon::Open) }<span class="label">{ "Open" }</span>
                    </button>
                    { for stores.iter().map(|store| {
                        let open = panel == Panel::Store(store.id);
                        html! {
                            <button type="button" class="tool" key={store.id} onclick={toggle(Panel::Store(store.id))} aria-expanded={open.to_string()}
                                title={format!("Snapshots of {}", store.name)}>
                                { icon(Icon::Store) }<span class="label">{ "Snapshots" }</span>
                            </button>
                        }
                    }) }
                    <button type="button" class="tool" onclick={find} title="Find by name or path (/)">
                        { icon(Icon::Search) }<span class="label">{ "Find" }</span><kbd>{ "/" }</kbd>
                    </button>
                    <Export />
                    <button type="button" class="tool" aria-pressed={(!hidden).to_string()} title="Show and hide the entry panel (p)" aria-label="Entry panel"
                        onclick={app.on(move |_: MouseEvent| Message::HidePanel(!hidden))}>
                        { icon(Icon::Panel) }
                    </button>
                }
                <button type="button" class="tool" title={label} aria-label={label} onclick={app.on(move |_: MouseEvent| Message::Theme(next))}>
                    { icon(picture) }
                </button>
                <button type="button" class="tool" title="Keys (?)" aria-label="Keys" aria-expanded={(panel == Panel::Help).to_string()} onclick={toggle(Panel::Help)}>
                    <kbd>{ "?" }</kbd>
                </button>
            </span>
        </header>
    }
}

/// What is shown, and a choice if more is open.
#[component]
fn Switcher() -> Html {
    let app = use_app();
    let documents = use_slice(|state| state.workspace.documents.clone());
    let active = use_document();
    let choose = {
        let app = app.clone();
        Callback::from(move |doc: String| {
            doc.parse().into_iter().for_each(|doc| app.send(Message::Activate(doc)))
        })
    };
    let shown = active.as_ref().map_or_else(String::new, |open| open.document.id.to_string());
    let all =
        documents.iter().map(|open| (open.document.id.to_string(), open.document.title.clone())).collect();
    let select = use_select(Some("Document"), Some("switch"), shown, all, choose);
    let Some(active) = active else {
        return html! { <span class="document muted">{ "inspector" }</span> };
    };
    let document = &active.document;
    let id = document.id;
    let close = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| app.close(id))
    };
    let title = format!("Close {}", document.title);
    html! {
        <span class="document">
            if documents.len() > 1 {
                { select }
            } else {
                <span class="title" title={document.title.clone()}>{ &document.title }</span>
            }
            <button type="button" class="icon" title={title.clone()} aria-label={title} onclick={close}>{ icon(Icon::Close) }</button>
            <span class="facts">
                <span>{ kind(document.kind) }</span>
                if let Some(version) = document.version { <span>{ format!("version {version}") }</span> }
            </span>
        </span>
    }
}

#[component]
fn Tabs() -> Html {
    let app = use_app();
    let tab = use_slice(|state| state.place.tab);
    let Some(open) = use_document() else { return html! {} };
    let document = &open.document;
    let button = |(at, it): (usize, Tab)| {
        let onclick = app.on(move |_: MouseEvent| Message::Tab(it));
        let badge = (it == Tab::Findings && document.findings > 0).then(|| text::count(document.findings));
        html! {
            <button type="button" key={it.word()} class="tab" aria-current={(it == tab).then_some("page")}
                title={format!("{} ({})", it.name(), at + 1)} {onclick}>
                { it.name() }
                if let Some(badge) = badge { <span class="badge number">{ badge }</span> }
            </button>
        }
    };
    html! {
        <nav class="tabs" aria-label="Views">
            <span class="row-of-tabs">{ for Tab::ALL.into_iter().enumerate().map(button) }</span>
            { summary(document) }
        </nav>
    }
}

/// The document in a few numbers.
fn summary(document: &Document) -> Html {
    let mut parts = Vec::new();
    if document.is_archive() {
        parts.push((
            text::counted(document.entries, "entry", "entries"),
            format!("{} with contents of their own", text::counted(document.files, "file", "files")),
        ));
        parts.push((text::size(document.content), format!("{} of contents", text::exact(document.content))));
        let whole = document.payload_size.or(document.padding.map(|_| document.content));
        if let (Some(padding), Some(whole)) = (document.padding, whole) {
            let live = whole.saturating_sub(padding);
            parts.push((
                format!("padding {}", text::percent(padding, live)),
                format!("{} of padding for {} that are in use", text::exact(padding), text::size(live)),
            ));
        }
    } else {
        parts.push((text::size(document.size), text::exact(document.size)));
    }
    html! {
        <span class="summary number">
            { for parts.into_iter().map(|(text, title)| html! { <span {title}>{ text }</span> }) }
        </span>
    }
}

/// What went wrong, what is missing, what is offered.
#[component]
fn Banners() -> Html {
    let app = use_app();
    let problems = use_slice(|state| state.workspace.problems.clone());
    let compare = use_slice(|state| state.notice.clone().filter(|notice| notice.compare.is_some()));
    let open = use_document();
    let dismiss = |at: usize| {
        html! {
            <button type="button" class="icon" aria-label="Dismiss" title="Dismiss" onclick={app.on(move |_: MouseEvent| Message::Dismiss(at))}>
                { icon(Icon::Close) }
            </button>
        }
    };
    let damage = open.as_ref().and_then(|open| match &open.document.state {
        Stage::Damaged(problem) => Some(problem.clone()),
        _ => None,
    });
    let damage_jump = damage.as_ref().and_then(|problem| problem.offset).map(|offset| {
        let to = crate::state::selection::Selection::Item(crate::protocol::Stream::Meta, offset);
        html! {
            <super::parts::Jump tab={Tab::Structure} {to}>{ "Show the bytes" }</super::parts::Jump>
        }
    });
    html! {
        <>
            { for problems.iter().enumerate().map(|(at, problem)| html! {
                <div class="banner bad" role="alert" key={at}><p>{ sentence(problem) }</p>{ dismiss(at) }</div>
            }) }
            if let Some(problem) = &damage {
                <div class="banner bad" role="alert">
                    <p>
                        { sentence(problem).trim_end_matches('.') }{ "." }
                        if open.as_ref().is_some_and(|open| open.document.entries > 0) { { " What comes before is shown." } }
                    </p>
                    { for damage_jump }
                </div>
            }
            if let Some((notice, pair)) = compare.and_then(|notice| notice.compare.map(|pair| (notice, pair))) {
                <div class="banner" role="status">
                    <p>{ notice.text }</p>
                    <button type="button" onclick={app.on(move |_: MouseEvent| Message::Compare(pair.0, pair.1))}>{ "Compare them" }</button>
                    <button type="button" class="icon" aria-label="Dismiss" title="Dismiss" onclick={app.on(|_: MouseEvent| Message::Notice(None))}>
                        { icon(Icon::Close) }
                    </button>
                </div>
            }
        </>
    }
}

/// What lies over the views.
#[component]
fn Over() -> Html {
    let app = use_app();
    let panel = use_slice(|state| state.panel);
    let document = use_document().map(|open| open.document.id);
    let (label, content) = match panel {
        Panel::None => return html! {},
        Panel::Help => ("Keys", help()),
        // Without a document these are the page itself.
        Panel::Open | Panel::Store(_) if document.is_none() => return html! {},
        Panel::Open => ("Open", html! { <Start /> }),
        Panel::Store(store) => ("Snapshots", html! { <Chooser key={store} {store} /> }),
        Panel::Goto => ("Go to an offset", html! { <Goto key={document.unwrap_or_default()} /> }),
    };
    html! {
        <aside class={classes!("over", format!("over-{}", label.split(' ').next().unwrap_or_default().to_lowercase()))} aria-label={label}>
            <header>
                <h2>{ label }</h2>
                <button type="button" class="icon" aria-label="Close" title="Close (Esc)" onclick={app.on(|_: MouseEvent| Message::Panel(Panel::None))}>
                    { icon(Icon::Close) }
                </button>
            </header>
            <div class="over-body">{ content }</div>
        </aside>
    }
}

/// Moves the keyboard into an element by its id, once it is drawn.
pub fn focus_later(id: &'static str) {
    gloo::timers::callback::Timeout::new(0, move || {
        let element = gloo::utils::document().get_element_by_id(id);
        if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = element.focus();
        }
    })
    .forget();
}
