//! Work of the page in several tasks. A browser compiles a function when it is called first, which takes as long as everything else that drawing does for
//! the first time, longer while the worker has its functions compiled, too. Between two tasks the browser paints and handles what the person does.

use gloo::timers::callback::Timeout;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::prelude::*;

use crate::{
    boot,
    state::{
        Panel,
        app::{App, use_app, use_slice},
    },
};

/// Properties of [`Later`].
#[derive(Properties, PartialEq)]
pub struct LaterProps {
    /// What is drawn.
    pub children: Html,
}

/// Draws its children for the first time in a task of their own, after what is around them.
#[component]
pub fn Later(props: &LaterProps) -> Html {
    let is_time = use_state(|| false);
    {
        let is_time = is_time.setter();
        use_effect_with((), move |()| {
            let timer = Timeout::new(0, move || is_time.set(true));
            move || drop(timer)
        });
    }
    if *is_time {
        props.children.clone()
    } else {
        html! {}
    }
}

/// Stands behind what a person sees first: when that was painted, the worker starts, which takes a processor for itself. And behind the views: when
/// another document is shown, or what lay over them has gone and the keyboard with it, it goes to the view that is there.
#[component]
pub fn Arrival() -> Html {
    let app = use_app();
    let place = use_slice(|state| Some((state.place.doc?, state.panel == Panel::None)));
    use_effect_with(place, move |&place| match place {
        None => {
            boot::mark("pxkit-view");
            boot::after_paint(move || app.client().wake());
        }
        Some((_, true)) => find_keyboard(&app),
        Some(_) => {}
    });
    html! {}
}

/// Brings the keyboard, if it is nowhere, to the view.
fn find_keyboard(app: &App) {
    let page = gloo::utils::document();
    let is_lost = page.active_element().is_none_or(|element| element.tag_name() == "BODY");
    let find = |selector: &str| page.query_selector(selector).ok().flatten();
    // Of a view that waits for answers there is nothing yet.
    let view = format!("#view-{} [tabindex='0']", app.state().place.tab.word());
    let view = is_lost.then(|| find(&view).or_else(|| find(".work"))).flatten();
    if let Some(view) = view.and_then(|view| view.dyn_into::<HtmlElement>().ok()) {
        let _ = view.focus();
    }
}
