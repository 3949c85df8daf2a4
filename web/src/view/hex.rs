//! Bytes of a stream in rows, with what is selected marked. Bytes and items lead to each other.

use std::rc::Rc;

use yew::prelude::*;

use super::{
    glide::use_glide,
    parts::{Copy, trouble},
};
use crate::{
    protocol::{DocId, Reply, Request, Stream, entry::Part},
    state::{
        Message,
        app::{use_app, use_commands, use_reply},
        keys::Command,
        selection::Selection,
        text,
    },
};

/// Bytes that are there at once.
const STRETCH: u64 = 8 << 10;
/// Pixels of a row, as in structure.css.
const ROW: f64 = 20.0;

/// Properties of [`Hex`].
#[derive(Properties, PartialEq)]
pub struct HexProps {
    /// The document.
    pub doc: DocId,
    /// How often it has changed.
    pub epoch: u32,
    /// The stream.
    pub stream: Stream,
    /// Where to look: the start of what is selected, or of the item that is shown.
    pub at: u64,
    /// What is selected, half-open.
    pub selected: Option<(u64, u64)>,
    /// What the pointer is on elsewhere, half-open.
    pub hovered: Option<(u64, u64)>,
    /// Fields of the item that is shown: place, size, name; bytes lead to them.
    pub fields: Rc<Vec<(u64, u64, String)>>,
    /// Bytes in a row: 16, on narrow screens 8.
    pub columns: u64,
}

/// Bytes of a stream.
#[component]
pub fn Hex(props: &HexProps) -> Html {
    let app = use_app();
    let glide = use_glide(ROW);
    let HexProps { doc, stream, columns, .. } = *props;
    let anchor = use_state_eq(|| props.at);
    {
        let (anchor, glide) = (anchor.clone(), glide.clone());
        use_effect_with((doc, stream, props.at), move |&(_, _, at)| {
            anchor.set(at);
            glide.show(at);
        });
    }
    let offset = (*anchor).saturating_sub(STRETCH / 2) / columns * columns;
    let request = Request::Bytes(doc, stream, Part { offset, len: STRETCH as u32 });
    let asking = use_reply(Some(request), props.epoch);
    let bytes = match &asking.reply {
        Some(Ok(reply)) => match &**reply {
            Reply::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        },
        _ => None,
    };
    let rows: Rc<Vec<u64>> =
        use_memo((bytes.as_ref().map(|it| (it.offset, it.bytes.len())), columns), |(it, columns)| {
            let (offset, len) = it.unwrap_or_default();
            (0..(len as u64).div_ceil(*columns)).map(|row| offset + row * columns).collect()
        });
    {
        let (glide, rows) = (glide.clone(), rows.clone());
        use_effect_with((rows, props.at), move |(rows, _)| glide.settle(rows));
    }
    let (start, size, len) =
        bytes.as_ref().map_or((0, 0, 0), |it| (it.offset, it.size, it.bytes.len() as u64));
    let onscroll = {
        let (glide, rows, anchor) = (glide.clone(), rows.clone(), anchor.clone());
        Callback::from(move |_: Event| {
            if let Some(position) = glide.scrolled(&rows, start == 0, start + len >= size) {
                anchor.set(position);
            }
        })
    };
    let move_by = {
        let (app, selected, at, page) = (app.clone(), props.selected, props.at, glide.page() as u64);
        move |command: Command| {
            let from = selected.map_or(at, |(start, _)| start);
            let to = match command {
                Command::Left => from.saturating_sub(1),
                Command::Right => from + 1,
                Command::Up => from.saturating_sub(columns),
                Command::Down => from + columns,
                Command::PageUp => from.saturating_sub(columns * page),
                Command::PageDown => from + columns * page,
                Command::First => 0,
                Command::Last => size.saturating_sub(1),
                _ => return false,
            };
            let to = to.min(size.saturating_sub(1));
            app.send(Message::Select(Selection::Bytes(stream, to, to + 1)));
            true
        }
    };
    use_commands(&glide.node, 0, {
        let node = glide.node.clone();
        move |command| has_focus(&node) && move_by(command)
    });
    let onclick = {
        let (app, fields) = (app.clone(), props.fields.clone());
        Callback::from(move |event: MouseEvent| {
            let Some(at) = byte_of(&event) else { return };
            let field = fields.iter().find(|(start, size, _)| (*start..start + size).contains(&at));
            let (start, end) = field.map_or((at, at + 1), |(start, size, _)| (*start, start + size));
            app.send(Message::Select(Selection::Bytes(stream, start, end)));
        })
    };
    let name = match stream {
        Stream::Meta => "Bytes",
        Stream::Payload => "Bytes of the payload stream",
    };
    let copied = bytes.as_ref().zip(props.selected).and_then(|(bytes, (from, to))| {
        let from = usize::try_from(from.checked_sub(bytes.offset)?).ok()?;
        let to = usize::try_from(to.checked_sub(bytes.offset)?).ok()?.min(bytes.bytes.len());
        Some(hexadecimal(bytes.bytes.get(from..to)?))
    });
    html! {
        <div class="hex" role="group" aria-label={name}>
            <div class="hex-head">
                <span class="mono">{ selected_text(props) }</span>
                if let Some(copied) = copied.filter(|text| !text.is_empty()) {
                    <Copy what="bytes" text={copied} />
                }
            </div>
            if let Some(Err(problem)) = asking.reply.clone() {
                { trouble(&problem) }
            }
            <div class="hex-rows mono" ref={glide.node.clone()} tabindex="0" role="region" aria-label={name} {onscroll} {onclick}>
                if let Some(bytes) = &bytes {
                    { for bytes.bytes.chunks(columns as usize).zip(rows.iter()).map(|(chunk, offset)| row(props, *offset, chunk)) }
                }
            </div>
        </div>
    }
}

/// A row: offset, bytes, characters. A byte is an element of its own only where it must be.
fn row(props: &HexProps, offset: u64, bytes: &[u8]) -> Html {
    let mark = |at: u64| {
        let within = |range: Option<(u64, u64)>| range.is_some_and(|(start, end)| (start..end).contains(&at));
        let field = props.fields.iter().position(|(start, size, _)| (*start..start + size).contains(&at));
        let shade = field.map_or("", |number| if number % 2 == 0 { "field" } else { "field odd" });
        let state = if within(props.selected) {
            " selected"
        } else if within(props.hovered) {
            " hovered"
        } else {
            ""
        };
        (shade, state)
    };
    // Runs of bytes that look alike are one element.
    let mut runs: Vec<(usize, usize, String)> = Vec::new();
    for at in 0..bytes.len() {
        let (shade, state) = mark(offset + at as u64);
        let class = format!("{shade}{state}");
        match runs.last_mut() {
            Some((_, end, same)) if *same == class => *end = at + 1,
            _ => runs.push((at, at + 1, class)),
        }
    }
    let missing = "   ".repeat((props.columns as usize).saturating_sub(bytes.len()));
    let digits = |run: &[u8]| run.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    let letters = |run: &[u8]| run.iter().map(|byte| letter(*byte)).collect::<String>();
    html! {
        <div class="hex-row" key={offset} data-offset={offset.to_string()}>
            <span class="muted">{ format!("{offset:010x}") }</span>
            <span class="digits">
                { for runs.iter().map(|(start, end, class)| html! {
                    <span class={class.clone()} data-from={start.to_string()}>{ digits(&bytes[*start..*end]) }</span>
                }) }
                { missing }
            </span>
            <span class="letters">
                { for runs.iter().map(|(start, end, class)| html! {
                    <span class={class.clone()} data-from={start.to_string()}>{ letters(&bytes[*start..*end]) }</span>
                }) }
            </span>
        </div>
    }
}

const fn letter(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '·' }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn selected_text(props: &HexProps) -> String {
    match props.selected {
        Some((start, end)) if end > start + 1 => {
            format!("{} … {} ({})", text::offset(start), text::offset(end), text::exact(end - start))
        }
        Some((start, _)) => text::offset(start),
        None => text::offset(props.at),
    }
}

/// The position of the byte under the pointer: the run says where it begins, the place within it how far it is.
fn byte_of(event: &MouseEvent) -> Option<u64> {
    let target = event.target_dyn_into::<web_sys::Element>()?;
    let row = target.closest(".hex-row").ok()??;
    let offset: u64 = row.get_attribute("data-offset")?.parse().ok()?;
    let Some(from) = target.get_attribute("data-from") else { return Some(offset) };
    let from: u64 = from.parse().ok()?;
    let is_digits = target.closest(".digits").ok()?.is_some();
    let shown = target.text_content().unwrap_or_default().chars().count();
    let count = (if is_digits { shown / 3 } else { shown }).max(1) as f64;
    let place = target.get_bounding_client_rect();
    let part = (f64::from(event.client_x()) - place.left()) / place.width().max(1.0);
    Some(offset + from + (part * count).clamp(0.0, count - 1.0) as u64)
}

fn has_focus(node: &NodeRef) -> bool {
    let focused = gloo::utils::document().active_element();
    node.get().zip(focused).is_some_and(|(node, focused)| node.contains(Some(&focused)))
}
