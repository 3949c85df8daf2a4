//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Layout() -> Html {
    html! { <section class="view" id="view-layout" aria-label="Layout"></section> }
}
