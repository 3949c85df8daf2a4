//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Structure() -> Html {
    html! { <section class="view" id="view-structure" aria-label="Structure"></section> }
}
