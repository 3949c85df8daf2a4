//! TEMP

use yew::prelude::*;

/// The view.
#[component]
pub fn Compare() -> Html {
    html! { <section class="view" id="view-compare" aria-label="Compare"></section> }
}
