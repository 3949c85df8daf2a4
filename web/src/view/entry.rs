//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Entry() -> Html {
    html! { <section class="view" id="view-entry" aria-label="Entry"></section> }
}
