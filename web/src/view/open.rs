//! What can be opened, and how.

use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::{
    chooser::{Chooser, KeyFile},
    gather,
};
use crate::state::{
    Message, Panel,
    app::{use_app, use_document, use_slice},
};

/// The page without a document: what to do.
#[component]
pub fn Start() -> Html {
    let app = use_app();
    let panel = use_slice(|state| state.panel);
    let stores = use_slice(|state| state.workspace.stores.clone());
    let alone = use_document().is_none();
    // A datastore that was opened is to be chosen from.
    let store = match panel {
        Panel::Store(store) if alone => stores.iter().find(|known| known.id == store),
        _ if alone => stores.first(),
        _ => None,
    };
    if let Some(store) = store {
        return html! {
            <section class="start-store" aria-label="Snapshots">
                <Chooser key={store.id} store={store.id} />
                <details class="start-more"><summary>{ "Open something else" }</summary><Ways /></details>
            </section>
        };
    }
    let sample = |name: &'static str| {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            app.send(Message::Panel(Panel::None));
            gather::sample(&app, name);
        })
    };
    html! {
        <section class="start-page" aria-label="Open">
            if alone {
                <h2 class="title">{ "Look into a backup" }</h2>
                <p class="lead">{ "Drop an archive or a whole datastore anywhere on this page. It is read here, in this browser: nothing leaves the machine." }</p>
            }
            <Ways />
            <p class="samples">
                { "Nothing at hand? " }
                <button type="button" class="jump" onclick={sample("store")}>{ "Open a sample datastore" }</button>
                { " or " }
                <button type="button" class="jump" onclick={sample("damaged")}>{ "a damaged archive" }</button>
                { "." }
            </p>
            <KeyFile />
            if alone { { kinds() } }
        </section>
    }
}

/// Files, folders, addresses.
#[component]
fn Ways() -> Html {
    let app = use_app();
    let url = use_node_ref();
    let pick_folder = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| gather::pick_folder(&app))
    };
    let go = {
        let url = url.clone();
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if let Some(field) = url.cast::<HtmlInputElement>() {
                gather::address(&app, &field.value());
            }
        })
    };
    html! {
        <div class="ways">
            <button type="button" class="first" onclick={|_: MouseEvent| gather::pick_files()}>{ "Choose files…" }</button>
            <button type="button" onclick={pick_folder}>{ "Choose a folder…" }</button>
            <form class="url" onsubmit={go}>
                <input ref={url} type="text" inputmode="url" placeholder="https://… address of an archive" aria-label="Address of an archive" spellcheck="false" />
                <button type="submit">{ "Open" }</button>
            </form>
        </div>
    }
}

/// What each kind of file shows.
fn kinds() -> Html {
    let kinds = [
        (".pxar", "an archive", "everything in it"),
        (".mpxar + .ppxar", "a split archive", "everything; the .mpxar alone: all but contents"),
        (".didx", "an index", "its chunks; inside a datastore, the archive"),
        (".blob", "a blob, a manifest", "what it says"),
        (".fidx", "a fixed index", "its header and chunks"),
        ("a folder", "a datastore", "namespaces, groups and snapshots to choose from"),
    ];
    html! {
        <table class="data kinds">
            <caption>{ "What can be opened. What a file is, its first bytes say, not its name." }</caption>
            <tbody>
                { for kinds.map(|(name, what, shows)| html! {
                    <tr><th scope="row" class="mono">{ name }</th><td>{ what }</td><td>{ shows }</td></tr>
                }) }
            </tbody>
        </table>
    }
}
