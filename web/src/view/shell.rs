//! The frame of the page: header, views, panes, status.

use yew::prelude::*;

use super::{
    chunks::Chunks, compare::Compare, entry::Entry, files::Files, findings::Findings, keyboard::use_keyboard,
    layout::Layout, structure::Structure,
};
use crate::state::{
    Message, Tab,
    app::{use_app, use_document, use_slice},
};

/// The whole page.
#[component]
pub fn Shell() -> Html {
    let app = use_app();
    use_keyboard();
    let tab = use_slice(|state| state.place.tab);
    let document = use_document();
    let view = match tab {
        Tab::Files => html! {},
        Tab::Layout => html! { <Layout /> },
        Tab::Chunks => html! { <Chunks /> },
        Tab::Structure => html! { <Structure /> },
        Tab::Findings => html! { <Findings /> },
        Tab::Compare => html! { <Compare /> },
    };
    html! {
        <div class="shell" data-tab={tab.word()}>
            <nav aria-label="Views">
                { for Tab::ALL.into_iter().map(|it| {
                    let onclick = app.on(move |_: MouseEvent| Message::Tab(it));
                    html! {
                        <button type="button" key={it.word()} aria-current={(it == tab).then_some("page")} {onclick}>
                            { it.name() }
                        </button>
                    }
                }) }
            </nav>
            if document.is_some() {
                <main>
                    <Files />
                    { view }
                    <Entry />
                </main>
            }
        </div>
    }
}
