//! Goes to an offset of one of the streams.

use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use crate::{
    protocol::Stream,
    state::{
        Message, Panel, Tab,
        app::{use_app, use_document},
        link::number,
        selection::Selection,
        text,
    },
};

/// A field for an offset. Enter shows the item there.
#[component]
pub fn Goto() -> Html {
    let app = use_app();
    let open = use_document();
    let field = use_node_ref();
    let choice = use_node_ref();
    let error = use_state(|| None::<String>);
    // The stream that one is in is meant, unless another is chosen.
    let shown = app.state().place.selection.position().map_or(Stream::Meta, |(stream, _)| stream);
    {
        let field = field.clone();
        use_effect_with((), move |()| {
            field.cast::<HtmlInputElement>().map(|field| field.focus());
        });
    }
    let Some(open) = open else { return html! { <p>{ "Nothing is open." }</p> } };
    let document = open.document.clone();
    let go = {
        let (field, choice, error) = (field.clone(), choice.clone(), error.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let typed = field.cast::<HtmlInputElement>().map(|field| field.value()).unwrap_or_default();
            let payload =
                choice.cast::<HtmlSelectElement>().is_some_and(|choice| choice.value() == "payload");
            let (stream, size) = if payload {
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
            if open.document.payload_size.is_some() {
                <select ref={choice} aria-label="Stream">
                    <option value="meta" selected={shown == Stream::Meta}>{ "metadata" }</option>
                    <option value="payload" selected={shown == Stream::Payload}>{ "payload" }</option>
                </select>
            }
            <input ref={field} type="text" class="mono" placeholder="0x1000" aria-label="Offset" autocomplete="off" spellcheck="false"
                aria-invalid={error.is_some().then_some("true")} />
            <button type="submit" class="first">{ "Go" }</button>
            if let Some(error) = &*error { <p class="trouble" role="alert">{ error }</p> }
        </form>
    }
}
