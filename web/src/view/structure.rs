//! Every item of a stream with its fields, linked with its bytes both ways.

use std::rc::Rc;

use yew::prelude::*;

use super::{glide::use_glide, hex::Hex, item, keyboard::use_patience, parts::trouble};
use crate::{
    protocol::{
        Reply, Request, Stream,
        open::Document,
        structure::{Item, Items, Query},
    },
    state::{
        Message,
        app::{App, use_app, use_commands, use_document, use_reply, use_slice},
        keys::Command,
        selection::Selection,
        text,
    },
};

/// Items that are there at once: before the position that is looked at, and from it on.
const BEFORE: u32 = 60;
const FROM: u32 = 120;
/// Pixels of a row, as in structure.css.
const ROW: f64 = 24.0;
/// Narrower than this (pixels), rows of bytes have 8 columns.
const NARROW: i32 = 640;

/// The view.
#[component]
pub fn Structure() -> Html {
    let document = use_document();
    html! {
        <section class="view" id="view-structure" aria-label="Structure">
            if let Some(open) = document {
                <Streams document={open.document.clone()} epoch={open.epoch} />
            }
        </section>
    }
}

#[derive(Properties, PartialEq)]
struct StreamsProps {
    document: Document,
    epoch: u32,
}

/// One of the document's streams, with the way to the other one.
#[component]
fn Streams(props: &StreamsProps) -> Html {
    let app = use_app();
    let document = &props.document;
    let has_payload = document.payload_size.is_some() && document.has_contents;
    let selection = use_slice(|state| state.place.selection.clone());
    let wanted = use_slice(|state| state.place.params.get("stream").cloned());
    let stream = match selection.position() {
        Some((stream, _)) => stream,
        None if wanted.as_deref() == Some("payload") => Stream::Payload,
        None => Stream::Meta,
    };
    let stream = if has_payload { stream } else { Stream::Meta };
    let size = match stream {
        Stream::Meta => document.size,
        Stream::Payload => document.payload_size.unwrap_or_default(),
    };
    let choose = |to: Stream, name: &'static str| {
        let app = app.clone();
        let focus = app.state().focus.range(to);
        let onclick = Callback::from(move |_: MouseEvent| {
            let word = (to == Stream::Payload).then(|| "payload".to_owned());
            app.send(Message::Param("stream", word));
            // The same thing in the other stream, where it has a place there.
            let at = focus.map_or(0, |(start, _)| start);
            app.send(Message::Select(Selection::Item(to, at)));
        });
        html! { <button type="button" aria-pressed={(stream == to).to_string()} {onclick}>{ name }</button> }
    };
    html! {
        <>
            <div class="toolbar">
                if has_payload {
                    <div class="choice" role="group" aria-label="Stream">
                        { choose(Stream::Meta, "Metadata") }
                        { choose(Stream::Payload, "Payload") }
                    </div>
                }
                <span class="muted">{ facts(document, stream, size) }</span>
            </div>
            <ItemList key={format!("{}-{stream:?}", document.id)} doc={document.id} epoch={props.epoch} {stream} {size} />
        </>
    }
}

fn facts(document: &Document, stream: Stream, size: u64) -> String {
    let what = match (stream, document.version) {
        (Stream::Payload, _) => "payload stream".to_owned(),
        (Stream::Meta, Some(version)) => format!("pxar version {version}"),
        (Stream::Meta, None) => "file".to_owned(),
    };
    format!("{what}, {}", text::exact(size))
}

#[derive(Properties, PartialEq)]
struct ItemListProps {
    doc: u32,
    epoch: u32,
    stream: Stream,
    size: u64,
}

/// The items, the one that is selected in full, and the bytes.
#[component]
fn ItemList(props: &ItemListProps) -> Html {
    let app = use_app();
    let ItemListProps { doc, epoch, stream, size } = *props;
    let glide = use_glide(ROW);
    let place = use_slice(move |state| {
        let own = state.place.selection.position().filter(|(of, _)| *of == stream);
        let selected = match state.place.selection {
            Selection::Bytes(of, start, end) if of == stream => Some((start, end)),
            _ => None,
        };
        let range = state.focus.range(stream);
        let is_known = own.is_some() || state.is_resolved();
        (own.map(|(_, at)| at).or(range.map(|(start, _)| start)), selected, is_known)
    });
    let (focus, selected_bytes, is_known) = place;
    let target = focus.unwrap_or_default().min(size.saturating_sub(1));
    let anchor = use_state_eq(|| target);
    {
        let (anchor, glide) = (anchor.clone(), glide.clone());
        use_effect_with(target, move |&target| {
            anchor.set(target);
            glide.show(target);
        });
    }
    let query = Query { stream, at: *anchor, before: BEFORE, count: FROM };
    let asking = use_reply(Some(Request::Items(doc, query)), epoch);
    let found = match &asking.reply {
        Some(Ok(reply)) => match &**reply {
            Reply::Items(items) => Some(items.clone()),
            _ => None,
        },
        _ => None,
    };
    let items: Rc<Items> = use_memo(found, |found| {
        found.clone().unwrap_or(Items { stream, size: 0, items: Vec::new(), at: 0, first: true, last: true })
    });
    let rows: Rc<Vec<u64>> =
        use_memo(items.clone(), |items| items.items.iter().map(|item| item.offset).collect());
    {
        let glide = glide.clone();
        use_effect_with((rows.clone(), target), move |(rows, _)| glide.settle(rows));
    }
    // The item that holds what is selected; until it is there, the one that was asked for.
    let current =
        items.items.iter().position(|item| (item.offset..item.offset + item.size.max(1)).contains(&target));
    let hovered = use_state_eq(|| None::<(u64, u64)>);
    let node = use_node_ref();
    let columns = use_columns(&node);

    let go = {
        let app = app.clone();
        move |offset: u64| app.send(Message::Select(Selection::Item(stream, offset)))
    };
    use_commands(&node, 1, {
        let (items, go, page) = (items.clone(), go.clone(), glide.page());
        move |command| {
            let Some(at) = current else { return false };
            let to = match command {
                Command::Down => at + 1,
                Command::Up => at.saturating_sub(1),
                Command::PageDown => at + page,
                Command::PageUp => at.saturating_sub(page),
                Command::First => {
                    go(0);
                    return true;
                }
                Command::Last => {
                    go(size.saturating_sub(1));
                    return true;
                }
                _ => return false,
            };
            if let Some(item) = items.items.get(to.min(items.items.len().saturating_sub(1))) {
                go(item.offset);
            }
            true
        }
    });
    // Until it is known where the selection lies, and what is there.
    let waits = !is_known || current.is_none() && !asking.fresh;
    use_patience(&node, 1, move |command| waits && command.is_of_view());
    let onscroll = {
        let (glide, rows, items, anchor) = (glide.clone(), rows.clone(), items.clone(), anchor.clone());
        Callback::from(move |_: Event| {
            if let Some(position) = glide.scrolled(&rows, items.first, items.last) {
                anchor.set(position);
            }
        })
    };
    let item = current.and_then(|at| items.items.get(at)).cloned().map(Rc::new);
    let fields: Rc<Vec<(u64, u64, String)>> = use_memo(item.clone(), |item| {
        let of = |item: &Rc<Item>| {
            let header = [(item.offset, 8, "type".to_owned()), (item.offset + 8, 8, "size".to_owned())];
            let fields =
                item.fields.iter().map(|field| (field.offset, u64::from(field.size), field.name.clone()));
            let known: Vec<_> = fields.collect();
            let has_header = known.iter().any(|(offset, ..)| *offset == item.offset);
            if has_header || item.size < 16 { known } else { header.into_iter().chain(known).collect() }
        };
        item.as_ref().map(of).unwrap_or_default()
    });
    let marked = selected_bytes
        .or_else(|| item.as_ref().map(|item| (item.offset, item.offset + item.size.min(1 << 20))));
    let hover = {
        let hovered = hovered.clone();
        Callback::from(move |range| hovered.set(range))
    };
    html! {
        <div class="structure" ref={node}>
            if let Some(Err(problem)) = asking.reply.clone() {
                { trouble(&problem) }
            }
            <div class="items-frame">
                <div class="items" ref={glide.node.clone()} role="listbox" tabindex="0" aria-label="Items" {onscroll}
                    aria-activedescendant={current.map(|_| "current-item")}>
                    { for items.items.iter().enumerate().map(|(number, item)| row(item, current == Some(number), go.clone())) }
                </div>
                { position(&app, size, target, stream) }
            </div>
            if let Some(item) = item {
                { item::pane(&app, doc, stream, &item, &hover, selected_bytes) }
            }
            <Hex {doc} {epoch} {stream} at={target} selected={marked} hovered={*hovered} {fields} {columns} />
        </div>
    }
}

/// One item in a line.
fn row(item: &Item, is_current: bool, go: impl Fn(u64) + 'static) -> Html {
    let offset = item.offset;
    let is_bad = item.error.is_some();
    let onclick = Callback::from(move |_: MouseEvent| go(offset));
    html! {
        <div key={offset} class={classes!("item-row", is_current.then_some("current"), is_bad.then_some("bad"))}
            role="option" id={is_current.then_some("current-item")} aria-selected={is_current.to_string()} {onclick}>
            <span class="mono muted offset">{ text::offset(offset) }</span>
            <span class="mono name" style={format!("padding-inline-start:{}px", u32::from(item.depth.min(16)) * 8)}>{ &item.name }</span>
            <span class="summary">{ &item.summary }</span>
            if !item.findings.is_empty() || is_bad {
                <span class="flag" title={item.error.clone().unwrap_or_else(|| item.findings.join("; "))}>{ "!" }</span>
            }
            <span class="number muted" title={text::exact(item.size)}>{ text::size(item.size) }</span>
        </div>
    }
}

/// Where in the stream this is: a slider over all of it.
fn position(app: &App, size: u64, at: u64, stream: Stream) -> Html {
    const STEPS: u64 = 10_000;
    let app = app.clone();
    let part = |of: u64| (u128::from(of) * u128::from(STEPS) / u128::from(size.max(1))) as u64;
    let oninput = Callback::from(move |event: InputEvent| {
        let input: web_sys::HtmlInputElement = event.target_unchecked_into();
        let step = input.value().parse().unwrap_or(0u64).min(STEPS);
        let to = (u128::from(size.saturating_sub(1)) * u128::from(step) / u128::from(STEPS)) as u64;
        app.send(Message::Select(Selection::Item(stream, to)));
    });
    html! {
        <input type="range" class="position" min="0" max={STEPS.to_string()} value={part(at).to_string()} {oninput}
            aria-label="Position in the stream" aria-valuetext={format!("{} of {}", text::offset(at), text::offset(size))} />
    }
}

/// Columns of a row of bytes, by the room there is.
#[hook]
fn use_columns(node: &NodeRef) -> u64 {
    let columns = use_state_eq(|| 16);
    {
        let (node, columns) = (node.clone(), columns.clone());
        use_effect_with((), move |()| {
            let measure = move || {
                let width = node.cast::<web_sys::Element>().map_or(0, |element| element.client_width());
                columns.set(if width > 0 && width < NARROW { 8 } else { 16 });
            };
            measure();
            let listener =
                gloo::events::EventListener::new(&gloo::utils::window(), "resize", move |_| measure());
            move || drop(listener)
        });
    }
    *columns
}
