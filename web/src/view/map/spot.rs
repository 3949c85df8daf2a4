//! What is under the pointer, in words.

use yew::prelude::*;

use crate::{
    protocol::layout::{Padding, Spot, What},
    state::{
        text,
        window::{Window, grouped},
    },
};

/// What lies at a position: an entry, padding, which file a ghost was.
pub(in crate::view) fn what(spot: &Spot) -> Option<Html> {
    let range = spot.range.as_ref()?;
    Some(match (&range.what, &spot.path) {
        (What::Payload(_), Some(path)) => html! { <b class="mono">{ path.clone() }</b> },
        (What::Padding(Padding::Ghost), Some(path)) => {
            html! { <><b>{ "ghost" }</b>{ " was " }<b class="mono">{ path.clone() }</b></> }
        }
        (What::Padding(kind), _) => html! { <b>{ format!("padding: {}", kind.word()) }</b> },
        _ => html! { <b>{ range.label.clone() }</b> },
    })
}

/// What is under the pointer, in words; without one, what is visible.
pub(super) fn line(spot: Option<&Spot>, window: Window) -> Html {
    let place = |start: u64, end: u64| {
        html! { <span class="mono">{ format!("{} – {}", grouped(start), grouped(end)) }</span> }
    };
    let Some((spot, range)) = spot.and_then(|spot| Some((spot, spot.range.as_ref()?))) else {
        return html! {
            <p class="muted">
                { place(window.start, window.end) }
                <span title={text::exact(window.len())}>{ text::size(window.len()) }</span>
            </p>
        };
    };
    let size = range.end - range.start;
    html! {
        <p>
            <span class="what">{ what(spot) }</span>
            <span title={text::exact(size)}>{ text::size(size) }</span>
            { place(range.start, range.end) }
            if let Some(chunk) = &spot.chunk {
                <span>
                    { "chunk " }<span class="mono">{ chunk.label.clone() }</span>
                    { format!(" {}", text::size(chunk.end - chunk.start)) }
                    if spot.chunk_dead > 0 {
                        { format!(", {} dead ({})", text::size(spot.chunk_dead), text::percent(spot.chunk_dead, chunk.end - chunk.start)) }
                    }
                </span>
            }
        </p>
    }
}
