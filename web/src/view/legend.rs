//! What colours and hatches mean, how much there is of each, and which of them are faded out.

use std::fmt::Write as _;

use yew::prelude::*;

use crate::{
    protocol::{
        export::Totals,
        layout::{Category, Padding},
    },
    state::{
        Message,
        app::{App, use_app, use_slice},
        text,
    },
    worker::paint::hatch,
};

/// Number of the first kind of padding among what can be hidden.
const PADDING: u8 = 16;
/// Pixels of a swatch.
const SWATCH: (u32, u32) = (20, 12);

/// What is hidden, as the address has it: numbers with commas.
pub fn hidden(params: &crate::state::link::Params) -> Vec<u8> {
    let list = params.get("hide").map_or("", String::as_str);
    list.split(',').filter_map(|number| number.parse().ok()).collect()
}

fn toggle(app: &App, number: u8) {
    let mut hidden = hidden(&app.state().place.params);
    match hidden.iter().position(|&other| other == number) {
        Some(at) => {
            hidden.remove(at);
        }
        None => hidden.insert(hidden.iter().take_while(|&&other| other < number).count(), number),
    }
    let list: Vec<String> = hidden.iter().map(ToString::to_string).collect();
    app.send(Message::Param("hide", (!list.is_empty()).then(|| list.join(","))));
}

/// Properties of [`LegendView`].
#[derive(Properties, PartialEq)]
pub struct LegendProps {
    /// The categories, if they are known.
    pub categories: Vec<Category>,
    /// How much padding there is, if that is known.
    pub totals: Option<Totals>,
}

/// The legend: a button for each category and each kind of padding.
#[component]
pub fn LegendView(props: &LegendProps) -> Html {
    let app = use_app();
    let dark = use_slice(|state| state.dark());
    let hidden = use_slice(|state| hidden(&state.place.params));
    let item = |number: u8, swatch: Html, name: String, bytes: u64, more: String| {
        let app = app.clone();
        let is_shown = !hidden.contains(&number);
        let onclick = Callback::from(move |_: MouseEvent| toggle(&app, number));
        html! {
            <li key={number.to_string()}>
                <button type="button" aria-pressed={is_shown.to_string()} {onclick} title={format!("{name}: {more}")}>
                    { swatch }
                    <span class="name">{ name.clone() }</span>
                    <span class="number">{ text::size(bytes) }</span>
                </button>
            </li>
        }
    };
    let categories =
        props.categories.iter().enumerate().filter(|(_, category)| category.files > 0 || category.bytes > 0);
    let categories = categories.map(|(number, category)| {
        let colour = if dark { &category.dark } else { &category.light };
        let more =
            format!("{}, {}", text::exact(category.bytes), text::counted(category.files, "file", "files"));
        item(number as u8, solid(colour), category.name.clone(), category.bytes, more)
    });
    let kinds = props.totals.iter().flat_map(|totals| {
        Padding::ALL.into_iter().map(|kind| (kind, bytes(totals, kind))).filter(|&(_, bytes)| bytes > 0)
    });
    let kinds: Vec<_> = kinds.collect();
    let has_padding = !kinds.is_empty();
    let kinds = kinds.into_iter().map(|(kind, bytes)| {
        let number = PADDING + hatch::index(kind) as u8;
        item(
            number,
            hatched(kind),
            kind.word().to_owned(),
            bytes,
            format!("{}, {}", text::exact(bytes), about(kind)),
        )
    });
    html! {
        <div class="legend">
            <ul aria-label="Colours">{ for categories }</ul>
            if has_padding {
                <ul aria-label="Padding"><li class="muted" aria-hidden="true">{ "Padding" }</li>{ for kinds }</ul>
            }
        </div>
    }
}

/// Bytes of a kind of padding; ghosts lie within the others.
const fn bytes(totals: &Totals, kind: Padding) -> u64 {
    match kind {
        Padding::Head => totals.classes[0],
        Padding::Inner => totals.classes[1],
        Padding::Tail => totals.classes[2],
        Padding::Whole => totals.classes[3],
        Padding::Gap => totals.classes[4],
        Padding::Ghost => totals.ghosts.1,
    }
}

const fn about(kind: Padding) -> &'static str {
    match kind {
        Padding::Head => "before the first used byte of a chunk",
        Padding::Inner => "between used bytes of a chunk",
        Padding::Tail => "behind the last used byte of a chunk",
        Padding::Whole => "chunks without a used byte",
        Padding::Gap => "between payloads; without an index it is not known in which chunks",
        Padding::Ghost => "payloads in padding whose files are gone",
    }
}

fn solid(colour: &str) -> Html {
    let (width, height) = (SWATCH.0.to_string(), SWATCH.1.to_string());
    html! {
        <svg class="swatch" {width} {height} aria-hidden="true" focusable="false">
            <rect width="100%" height="100%" fill={colour.to_owned()} />
        </svg>
    }
}

/// The hatch itself, pixel by pixel as in the map.
fn hatched(kind: Padding) -> Html {
    let mut path = String::new();
    for y in 0..SWATCH.1 {
        for x in (0..SWATCH.0).filter(|&x| hatch::is_inked(kind, x, y, 1)) {
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    let (width, height) = (SWATCH.0.to_string(), SWATCH.1.to_string());
    html! {
        <svg class="swatch hatched" {width} {height} shape-rendering="crispEdges" aria-hidden="true" focusable="false">
            <path d={path} fill="currentColor" />
        </svg>
    }
}
