//! Goes to an offset of one of the streams.

use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::{
    protocol::Stream,
    state::{
        Message, Panel, Tab,
        app::{use_app, use_document, use_slice},
        link::number,
        selection::Selection,
        text,
    },
    view::parts::use_select,
};

/// What the streams are called.
const STREAMS: [&str; 2] = ["metadata", "payload"];

/// A field for an offset. Enter shows the item there.
#[component]
pub fn Goto() -> Html {
    let app = use_app();
    let open = use_document();
    let field = use_node_ref();
    let error = use_state(|| None::<String>);
    // The stream that one is in is meant, unless another is chosen.
    let chosen = use_state(|| None::<String>);
    let in_payload = use_slice(|state| {
        state.place.selection.position().is_some_and(|(stream, _)| stream == Stream::Payload)
    });
    {
        let field = field.clone();
        use_effect_with((), move |()| {
            field.cast::<HtmlInputElement>().map(|field| field.focus());
        });
    }
    let name = (*chosen).clone().unwrap_or_else(|| STREAMS[usize::from(in_payload)].to_owned());
    let choose = {
        let error = error.clone();
        Callback::from(move |word: String| {
            chosen.set(Some(word));
            error.set(None);
        })
    };
    let all = STREAMS.map(|name| (name.to_owned(), name.to_owned())).into();
    let streams = use_select(Some("Stream"), None, name.clone(), all, choose);
    let Some(open) = open else { return html! { <p>{ "Nothing is open." }</p> } };
    let document = open.document.clone();
    let has_payload = document.payload_size.is_some();
    let go = {
        let (field, error) = (field.clone(), error.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let typed = field.cast::<HtmlInputElement>().map(|field| field.value()).unwrap_or_default();
            let (stream, size) = if has_payload && name == STREAMS[1] {
                (Stream::Payload, document.payload_size)
            } else {
                (Stream::Meta, Some(document.size))
            };
            match number(typed.trim()) {
                None => error.set(Some("An offset is a number, such as 4096 or 0x1000.".to_owned())),
                Some(offset) if size.is_some_and(|size| offset >= size) => {
                    let end = size.unwrap_or_default();
                    error.set(Some(format!(
                        "The stream ends at {} ({}).",
                        text::offset(end),
                        text::exact(end)
                    )));
                }
                Some(offset) => {
                    app.send(Message::Panel(Panel::None));
                    app.send(Message::Jump(Tab::Structure, Selection::Item(stream, offset)));
                }
            }
        })
    };
    html! {
        <form class="goto" onsubmit={go}>
            if has_payload { { streams } }
            <input ref={field} type="text" class="mono" placeholder="0x1000" aria-label="Offset" autocomplete="off" spellcheck="false"
                aria-invalid={error.is_some().then_some("true")} />
            <button type="submit" class="first">{ "Go" }</button>
            if let Some(error) = &*error { <p class="trouble" role="alert">{ error }</p> }
        </form>
    }
}
