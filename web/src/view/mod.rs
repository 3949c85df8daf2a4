//! The page: one file a view. Views get at the state by [`crate::state::app`] and draw what the worker answers.

mod charts;
mod chooser;
mod chunks;
mod compare;
mod drop;
mod entry;
pub mod export;
mod files;
mod findings;
mod gather;
mod generations;
mod glide;
mod goodbye;
mod goto;
mod help;
mod hex;
mod item;
mod keyboard;
mod later;
mod layout;
mod legend;
pub mod list;
mod map;
mod open;
pub mod parts;
mod raster;
mod shell;
mod status;
mod structure;
mod treemap;

use gloo::timers::callback::Timeout;
use yew::prelude::*;

use crate::{boot, state::app::App};

/// Shows the page. What a browser runs for the first time it has to compile, so this goes in steps (see [`later`]).
pub fn start() {
    let app = App::start(boot::worker);
    Timeout::new(0, move || {
        gather::at_start(&app);
        let root =
            gloo::utils::document().get_element_by_id("app").expect("the page has a place for the program");
        yew::Renderer::<Page>::with_root_and_props(root, PageProps { app }).render();
    })
    .forget();
}

#[derive(Properties, PartialEq)]
struct PageProps {
    app: App,
}

#[component]
fn Page(props: &PageProps) -> Html {
    html! {
        <ContextProvider<App> context={props.app.clone()}>
            <shell::Shell />
        </ContextProvider<App>>
    }
}
