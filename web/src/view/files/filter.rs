//! The bar above the files: what is looked for, what else must hold, how many there are.

use gloo::timers::callback::Timeout;
use pxkit_core::format::Kind;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::{
    protocol::files::{Filter as Wanted, Syntax, View, ViewInfo},
    state::{
        Message,
        app::{App, use_app, use_commands, use_document, use_slice},
        keys::Command,
        text,
    },
    view::parts::{Icon, icon, use_select},
};

/// So long after the last key the worker is asked.
const QUIET_MS: u32 = 60;
/// From so many pixels on everything stands in the bar; below, a button shows the rest.
const WIDE: f64 = 760.0;

const KINDS: [(Kind, &str); 7] = [
    (Kind::File, "files"),
    (Kind::Directory, "directories"),
    (Kind::Symlink, "symlinks"),
    (Kind::Hardlink, "hard links"),
    (Kind::Device, "devices"),
    (Kind::Fifo, "FIFOs"),
    (Kind::Socket, "sockets"),
];

/// Properties of [`Filter`].
#[derive(Properties, PartialEq)]
pub struct FilterProps {
    /// What the worker said last.
    pub info: Option<ViewInfo>,
    /// The filter that it said it of.
    pub of: Option<Wanted>,
    /// Pixels there are.
    pub width: f64,
}

/// The bar.
#[component]
pub fn Filter(props: &FilterProps) -> Html {
    let app = use_app();
    let view = use_slice(|state| state.place.files.clone());
    let field = use_node_ref();
    let bar = use_node_ref();
    let kinds = use_kinds(&view.filter.kinds);
    let typed = use_state(|| view.filter.text.clone());
    let timer = use_mut_ref(|| None::<Timeout>);
    let more = use_state(|| false);
    let loading = use_document().is_some_and(|open| open.document.is_loading());

    // The text may come from an address, too.
    {
        let typed = typed.setter();
        let timer = timer.clone();
        use_effect_with(view.filter.text.clone(), move |text| {
            if timer.borrow().is_none() {
                typed.set(text.clone());
            }
        });
    }
    let look_for = {
        let (app, typed, timer) = (app.clone(), typed.setter(), timer.clone());
        Callback::from(move |text: String| {
            typed.set(text.clone());
            let (app, held) = (app.clone(), timer.clone());
            *timer.borrow_mut() = Some(Timeout::new(QUIET_MS, move || {
                held.borrow_mut().take();
                change(&app, |view| view.filter.text = text);
            }));
        })
    };
    // Who leaves the field means what was typed, also when the worker was not asked yet.
    let hurry = {
        let (app, field, timer) = (app.clone(), field.clone(), timer.clone());
        move || {
            if timer.borrow_mut().take().is_some() {
                change(&app, |view| view.filter.text = typed_in(&field));
            }
        }
    };
    let oninput = {
        let look_for = look_for.clone();
        Callback::from(move |event: InputEvent| {
            look_for.emit(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let onkeydown = {
        let (app, look_for, field) = (app.clone(), look_for.clone(), field.clone());
        Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
            // The first clears, the second leaves.
            "Escape" if !typed_in(&field).is_empty() => {
                event.prevent_default();
                look_for.emit(String::new());
            }
            "Enter" | "ArrowDown" => {
                event.prevent_default();
                hurry();
                crate::view::keyboard::blur();
                app.command(Command::First);
            }
            _ => {}
        })
    };
    {
        let (app, field) = (app.clone(), field.clone());
        use_commands(&bar, 0, move |command| {
            if command != Command::Find {
                return false;
            }
            let enter = |field: &NodeRef| {
                if let Some(field) = field.cast::<HtmlInputElement>() {
                    let _ = field.focus();
                    field.select();
                }
            };
            // At once where it can be: what is typed next belongs to the field.
            if super::is_visible(&field) {
                enter(&field);
            } else {
                super::go_there(&app);
                let field = field.clone();
                Timeout::new(0, move || enter(&field)).forget();
            }
            true
        });
    }

    let wide = props.width >= WIDE;
    let set = others(&view.filter);
    let toggle_more = {
        let more = more.clone();
        Callback::from(move |_: MouseEvent| more.set(!*more))
    };
    let malformed = props.info.as_ref().and_then(|info| info.malformed.clone());
    // The answer to what was asked before stays until the next one is there, and is seen to be old; what all entries are is no answer.
    let is_old = props.of.as_ref() != Some(&view.filter);
    let count = match (&props.info, &props.of) {
        (Some(info), Some(of)) if ![&view.filter, of].contains(&&Wanted::default()) => super::counted(info),
        _ => String::new(),
    };
    html! {
        <div class="toolbar filter" ref={bar} role="search">
            <span class="field">
                { icon(Icon::Search) }
                <input
                    ref={field}
                    type="text"
                    class="find"
                    placeholder="Find by name or path"
                    aria-label="Find by name or path"
                    aria-keyshortcuts="/"
                    aria-invalid={malformed.is_some().then_some("true")}
                    spellcheck="false"
                    autocomplete="off"
                    value={(*typed).clone()}
                    {oninput}
                    {onkeydown}
                />
                { syntaxes(&app, view.filter.syntax) }
            </span>
            if wide || *more {
                { conditions(&app, &view, props.info.as_ref().is_some_and(|info| info.has_earlier), kinds) }
            }
            if !wide {
                <button type="button" class="quiet" aria-expanded={more.to_string()} onclick={toggle_more}>
                    { if set > 0 { format!("Filter ({set})") } else { "Filter".to_owned() } }
                </button>
            }
            <span class="count number" role="status" aria-busy={is_old.to_string()}>{ &count }{ if loading && !count.is_empty() { " so far" } else { "" } }</span>
            if let Some(malformed) = malformed {
                <p class="trouble" role="alert">{ malformed }</p>
            }
        </div>
    }
}

/// The choice of a kind. Addresses may say more than can be chosen here.
#[hook]
fn use_kinds(now: &[u8]) -> Html {
    let app = use_app();
    let mut all = vec![(String::new(), "all kinds".to_owned())];
    all.extend(KINDS.map(|(kind, name)| ((kind as u8).to_string(), name.to_owned())));
    let chosen = now.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if all.iter().all(|(value, _)| *value != chosen) {
        let names = KINDS.iter().filter(|(kind, _)| now.contains(&(*kind as u8)));
        all.push((chosen.clone(), names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")));
    }
    let choose = Callback::from(move |kind: String| {
        change(&app, |view| view.filter.kinds = kind.parse().into_iter().collect());
    });
    use_select(Some("Kind of entry"), None, chosen, all, choose)
}

fn typed_in(field: &NodeRef) -> String {
    field.cast::<HtmlInputElement>().map(|field| field.value()).unwrap_or_default()
}

fn change(app: &App, change: impl FnOnce(&mut View)) {
    let mut view = app.state().place.files.clone();
    change(&mut view);
    app.send(Message::Files(view));
}

fn syntaxes(app: &App, now: Syntax) -> Html {
    let all = [
        (Syntax::Text, "Aa", "Text: contained; case matters if there are capitals in it"),
        (Syntax::Glob, "*?", "Glob: as in exclude lists"),
        (Syntax::Regex, ".*", "Regular expression"),
    ];
    html! {
        <span class="choice" role="group" aria-label="How the text is meant">
            { for all.map(|(syntax, label, title)| {
                let app = app.clone();
                let onclick = Callback::from(move |_: MouseEvent| change(&app, |view| view.filter.syntax = syntax));
                let pressed = (syntax == now).to_string();
                html! {
                    <button type="button" class="mono" {title} aria-label={title} aria-pressed={pressed} {onclick}>
                        { label }
                    </button>
                }
            }) }
        </span>
    }
}

/// How many conditions beside the text there are.
fn others(filter: &Wanted) -> usize {
    [
        !filter.kinds.is_empty(),
        filter.least.is_some(),
        filter.most.is_some(),
        filter.with_finding,
        filter.reused.is_some(),
        filter.chunk.is_some(),
        filter.below.is_some(),
    ]
    .into_iter()
    .filter(|set| *set)
    .count()
}

fn conditions(app: &App, view: &View, has_earlier: bool, kinds: Html) -> Html {
    let filter = &view.filter;
    let size = |label: &'static str, now: Option<u64>, set: fn(&mut Wanted, Option<u64>)| {
        let app = app.clone();
        let onchange = Callback::from(move |event: Event| {
            let value = event.target_unchecked_into::<HtmlInputElement>().value();
            change(&app, |view| set(&mut view.filter, text::parse_size(&value)));
        });
        let value = now.map(text::size_to_type).unwrap_or_default();
        // Another element for another value: what is typed and does not hold yet stays when the bar is drawn again.
        html! {
            <input key={value.clone()} type="text" class="size" placeholder={label} aria-label={format!("{label}, such as 10 KiB")}
                ~defaultValue={value} {onchange} />
        }
    };
    let check = |label: String, on: bool, why_not: Option<&'static str>, set: fn(&mut View, bool)| {
        let app = app.clone();
        let onchange = Callback::from(move |event: Event| {
            let on = event.target_unchecked_into::<HtmlInputElement>().checked();
            change(&app, |view| set(view, on));
        });
        let disabled = why_not.is_some() && !on;
        html! { <label class="check" title={why_not}><input type="checkbox" checked={on} {disabled} {onchange} />{ label }</label> }
    };
    let unknown = (!has_earlier).then_some("Not known: no earlier snapshot of this group is open");
    let reused = if filter.reused == Some(false) { "not reused" } else { "reused" };
    html! {
        <>
            { kinds }
            { size("from size", filter.least, |filter, value| filter.least = value) }
            { size("to size", filter.most, |filter, value| filter.most = value) }
            { check("finding".to_owned(), filter.with_finding, None, |view, on| view.filter.with_finding = on) }
            { check(reused.to_owned(), filter.reused.is_some(), unknown, |view, on| view.filter.reused = on.then_some(true)) }
            if let Some(chunk) = filter.chunk {
                { check(format!("in chunk {chunk}"), true, None, |view, _| view.filter.chunk = None) }
            }
            if filter.below.is_some() {
                { check("below a directory".to_owned(), true, None, |view, _| view.filter.below = None) }
            }
            { check("as a list".to_owned(), view.flat, None, |view, on| view.flat = on) }
        </>
    }
}
