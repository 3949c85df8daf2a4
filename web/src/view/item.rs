//! One item in full: what it is for, its fields and what they mean, what is irregular, and of a goodbye table the tree that it is.

use yew::prelude::*;

use super::{
    goodbye::Goodbye,
    parts::{Copy, Jump},
};
use crate::{
    protocol::{
        DocId, Stream,
        structure::{Field, Item},
    },
    state::{Message, Tab, app::App, selection::Selection, text},
};

/// An item of a stream. Its fields tell `hover` the bytes that the pointer is on; one whose bytes are selected is marked.
pub fn pane(
    app: &App,
    doc: DocId,
    stream: Stream,
    item: &Item,
    hover: &Callback<Option<(u64, u64)>>,
    selected: Option<(u64, u64)>,
) -> Html {
    let offset = text::offset(item.offset);
    html! {
        <div class="item" role="group" aria-label={format!("{} at {offset}", item.name)}>
            <div class="item-head">
                <h2 class="mono">{ &item.name }</h2>
                <span class="mono muted">{ &offset }</span>
                <Copy what="offset" text={offset.clone()} />
                <span class="muted" title={text::exact(item.size)}>{ text::size(item.size) }</span>
                if let Some(entry) = item.entry {
                    <Jump tab={Tab::Files} to={Selection::Entry(entry)} title="Show the entry that this belongs to">{ "entry" }</Jump>
                }
            </div>
            <p>{ &item.about }</p>
            if let Some(error) = &item.error {
                <p class="trouble">{ error }</p>
            }
            { for item.findings.iter().map(|finding| html! { <p class="trouble" key={finding.clone()}>{ finding }</p> }) }
            if !item.fields.is_empty() {
                <table class="data fields">
                    <thead><tr><th>{ "field" }</th><th>{ "stored" }</th><th>{ "meaning" }</th></tr></thead>
                    <tbody>
                        { for item.fields.iter().map(|field| row(app, field, stream, hover, selected == Some(place(field)))) }
                    </tbody>
                </table>
            }
            if item.name == "GOODBYE" {
                <Goodbye {doc} offset={item.offset} />
            }
        </div>
    }
}

fn place(field: &Field) -> (u64, u64) {
    (field.offset, field.offset + u64::from(field.size))
}

/// A field; its bytes are marked when the pointer is on it, and selected by a click.
fn row(
    app: &App,
    field: &Field,
    stream: Stream,
    hover: &Callback<Option<(u64, u64)>>,
    is_selected: bool,
) -> Html {
    let (start, end) = place(field);
    let enter = hover.reform(move |_: MouseEvent| Some((start, end)));
    let leave = hover.reform(|_: MouseEvent| None);
    let onclick = app.on(move |_: MouseEvent| Message::Select(Selection::Bytes(stream, start, end)));
    let Field { name, value, meaning, link, .. } = field;
    html! {
        <tr class={classes!(is_selected.then_some("selected"))} onmouseenter={enter} onmouseleave={leave}>
            <td>
                <button type="button" class="plain" title={format!("{} … {}", text::offset(start), text::offset(end))}
                    aria-pressed={is_selected.to_string()} {onclick}>{ name }</button>
            </td>
            <td class="mono value">{ value }</td>
            <td>
                { meaning }
                if let Some((to, at)) = *link {
                    { " " }
                    <Jump tab={Tab::Structure} to={Selection::Item(to, at)} title="Show where it leads">
                        { format!("→ {}", text::offset(at)) }
                    </Jump>
                }
            </td>
        </tr>
    }
}
