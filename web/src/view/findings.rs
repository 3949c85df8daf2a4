//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Findings() -> Html {
    html! { <section class="view" id="view-findings" aria-label="Findings"></section> }
}
