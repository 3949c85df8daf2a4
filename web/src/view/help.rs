//! The keys.

use yew::prelude::*;

use crate::state::keys::BINDINGS;

/// The list of keys.
pub fn help() -> Html {
    html! {
        <dl class="keys">
            { for BINDINGS.iter().map(|binding| html! {
                <div key={binding.shown}>
                    <dt>{ for binding.shown.split(' ').map(|key| html! { <kbd>{ key }</kbd> }) }</dt>
                    <dd>{ binding.does }</dd>
                </div>
            }) }
        </dl>
    }
}
