//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Chunks() -> Html {
    html! { <section class="view" id="view-chunks" aria-label="Chunks"></section> }
}
