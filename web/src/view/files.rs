//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Files() -> Html {
    html! { <section class="view" id="view-files" aria-label="Files"></section> }
}
