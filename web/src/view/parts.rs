//! Small things that all views use: values that can be copied, problems, bars, jumps.

use gloo::timers::callback::Timeout;
use js_sys::Array;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Element, HtmlSelectElement, ResizeObserver, ResizeObserverEntry};
use yew::prelude::*;

use crate::{
    protocol::{Problem, Progress},
    state::{Message, Tab, app::use_app, selection::Selection, sentence, text},
};

/// Copies text, and says so.
pub fn copy(app: &crate::state::app::App, what: &'static str, text: &str) {
    let promise = gloo::utils::window().navigator().clipboard().write_text(text);
    let app = app.clone();
    spawn_local(async move {
        match JsFuture::from(promise).await {
            Ok(_) => app.say(format!("Copied the {what}.")),
            Err(_) => app.say("The browser does not let the page copy."),
        }
    });
}

/// False when a component is drawn for the first time, true from the next task on: for what can come a moment later, so that no task is long.
#[hook]
pub fn use_later() -> bool {
    let later = use_state_eq(|| false);
    let setter = later.setter();
    use_effect_with((), move |()| {
        let timer = Timeout::new(0, move || setter.set(true));
        move || drop(timer)
    });
    *later
}

/// Keeps a `select` at the value that holds, whatever was chosen in it before.
#[hook]
pub fn use_value(select: &NodeRef, value: String) {
    let select = select.clone();
    use_effect(move || {
        if let Some(select) = select.cast::<HtmlSelectElement>() {
            select.set_value(&value);
        }
    });
}

/// A `select` that always shows the value that holds: what is chosen in it, it shows once that holds. `options` are values with what is
/// shown of them; it has a label if none is around it.
#[hook]
pub fn use_select(
    label: Option<&'static str>,
    class: Option<&'static str>,
    value: String,
    options: Vec<(String, String)>,
    choose: Callback<String>,
) -> Html {
    let select = use_node_ref();
    use_value(&select, value.clone());
    let onchange = Callback::from(move |event: Event| {
        let select: HtmlSelectElement = event.target_unchecked_into();
        let chosen = select.value();
        select.set_value(&value);
        choose.emit(chosen);
    });
    let option = |(value, shown)| html! { <option {value}>{ shown }</option> };
    html! { <select ref={select} {class} aria-label={label} {onchange}>{ for options.into_iter().map(option) }</select> }
}

/// Choices from words and names.
pub fn options<T, const N: usize>(all: [(T, &str, &str); N]) -> Vec<(String, String)> {
    all.map(|(_, word, name)| (word.to_owned(), name.to_owned())).into()
}

/// Properties of [`Copy`].
#[derive(Properties, PartialEq)]
pub struct CopyProps {
    /// What is copied, as a noun ("digest").
    pub what: &'static str,
    /// The text.
    pub text: AttrValue,
}

/// A button that copies.
#[component]
pub fn Copy(props: &CopyProps) -> Html {
    let app = use_app();
    let (what, text) = (props.what, props.text.clone());
    let onclick = Callback::from(move |event: MouseEvent| {
        event.stop_propagation();
        copy(&app, what, &text);
    });
    let label = format!("Copy the {what}");
    html! {
        <button type="button" class="icon" title={label.clone()} aria-label={label} {onclick}>{ icon(Icon::Copy) }</button>
    }
}

/// A number of bytes with a unit; the exact one on hover.
pub fn sized(bytes: u64) -> Html {
    html! { <span class="number" title={text::exact(bytes)}>{ text::size(bytes) }</span> }
}

/// Properties of [`Jump`].
#[derive(Properties, PartialEq)]
pub struct JumpProps {
    /// The view.
    pub tab: Tab,
    /// What is selected there.
    pub to: Selection,
    /// What it is called on hover.
    #[prop_or_default]
    pub title: AttrValue,
    /// What is shown.
    pub children: Html,
}

/// Selects something in a view, as a step that one can go back from.
#[component]
pub fn Jump(props: &JumpProps) -> Html {
    let app = use_app();
    let (tab, to) = (props.tab, props.to.clone());
    let onclick = app.on(move |event: MouseEvent| {
        event.stop_propagation();
        Message::Jump(tab, to.clone())
    });
    html! { <button type="button" class="jump" title={&props.title} {onclick}>{ props.children.clone() }</button> }
}

/// A problem in a view: what is wrong, where, what still works.
pub fn trouble(problem: &Problem) -> Html {
    html! { <p class="trouble" role="alert">{ sentence(problem) }</p> }
}

/// How far something is, as a bar with its figures.
pub fn bar(Progress { what, done, total, bytes }: &Progress) -> Html {
    let show = |number: u64| if *bytes { text::size(number) } else { text::count(number) };
    let figures = match total {
        Some(total) => format!("{what}: {} of {}", show(*done), show(*total)),
        None => format!("{what}: {}", show(*done)),
    };
    html! {
        <span class="bar">
            <progress
                max={total.map(|total| total.max(1).to_string())}
                value={total.map(|total| (*done).min(total).to_string())}
                aria-label={what.clone()}
            />
            <span class="number">{ figures }</span>
        </span>
    }
}

/// Pictures on buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Icon {
    Close,
    Copy,
    Down,
    Left,
    Moon,
    Open,
    Panel,
    Right,
    Save,
    Search,
    Store,
    Sun,
    System,
    Up,
}

/// A picture of 16 by 16, in the colour of the text.
pub fn icon(icon: Icon) -> Html {
    let path = match icon {
        Icon::Close => "M4 4l8 8M12 4l-8 8",
        Icon::Copy => "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
        Icon::Down => "M4 6l4 4 4-4",
        Icon::Left => "M10 4L6 8l4 4",
        Icon::Moon => "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z",
        Icon::Open => "M2.5 12.5v-9h4l1.5 2h5.5v7z",
        Icon::Panel => "M2.5 3.5h11v9h-11zM9.5 3.5v9",
        Icon::Right => "M6 4l4 4-4 4",
        Icon::Save => "M8 2.5v7M5 7l3 3 3-3M3 13.5h10",
        Icon::Search => "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3",
        Icon::Store => {
            "M3 4c0-1 2-1.5 5-1.5s5 .5 5 1.5-2 1.5-5 1.5-5-.5-5-1.5zM3 4v8c0 1 2 1.5 5 1.5s5-.5 5-1.5V4M3 8c0 1 2 1.5 5 1.5s5-.5 5-1.5"
        }
        Icon::Sun => {
            "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5L13 13M13 3l-1.5 1.5M4.5 11.5L3 13"
        }
        Icon::System => "M2.5 3.5h11v7h-11zM6 13.5h4M8 10.5v3",
        Icon::Up => "M4 10l4-4 4 4",
    };
    html! {
        <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><path d={path} /></svg>
    }
}

/// Width and height of an element in pixels, as they change; zero before it is drawn.
#[hook]
pub fn use_size(node: &NodeRef) -> (f64, f64) {
    let size = use_state_eq(|| (0.0, 0.0));
    {
        let (node, size) = (node.clone(), size.setter());
        use_effect_with((), move |()| {
            let observed = node.cast::<Element>().and_then(|element| {
                let changed = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
                    if let Ok(entry) = entries.get(0).dyn_into::<ResizeObserverEntry>() {
                        let rect = entry.content_rect();
                        size.set((rect.width(), rect.height()));
                    }
                });
                let observer = ResizeObserver::new(changed.as_ref().unchecked_ref()).ok()?;
                observer.observe(&element);
                Some((observer, changed))
            });
            move || {
                if let Some((observer, _)) = &observed {
                    observer.disconnect();
                }
            }
        });
    }
    *size
}

/// The local time of seconds since 1970, and the zone's distance from UTC (`+02:00`).
pub fn local(seconds: i64) -> (String, String) {
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(seconds as f64 * 1000.0));
    // Beyond what the browser's calendar holds there is no zone.
    let minutes =
        Some(-date.get_timezone_offset()).filter(|minutes| minutes.is_finite()).unwrap_or(0.0) as i64;
    let sign = if minutes < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    (text::time(seconds.saturating_add(minutes * 60)), zone)
}
