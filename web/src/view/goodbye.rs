//! A goodbye table drawn as the search tree that it is: the children of slot i are 2i + 1 and 2i + 2.

use yew::prelude::*;

use super::parts::trouble;
use crate::{
    protocol::{
        DocId, Reply, Request, Stream,
        structure::{Goodbye as Table, Record},
    },
    state::{
        Message, Tab,
        app::{use_app, use_epoch, use_reply},
        selection::Selection,
        text,
    },
};

/// Levels that are drawn at once; deeper parts by going into a record.
const LEVELS: u32 = 5;
/// Units of the picture: width of a leaf's place and height of a level.
const LEAF: u32 = 64;
const LEVEL: u32 = 40;

/// Properties of [`Goodbye`].
#[derive(Properties, PartialEq)]
pub struct GoodbyeProps {
    /// The document.
    pub doc: DocId,
    /// Position of the GOODBYE item.
    pub offset: u64,
}

/// The table.
#[component]
pub fn Goodbye(props: &GoodbyeProps) -> Html {
    let top = use_state_eq(|| 0usize);
    {
        let top = top.clone();
        use_effect_with((props.doc, props.offset), move |_| top.set(0));
    }
    let epoch = use_epoch(props.doc);
    let asking = use_reply(Some(Request::Goodbye(props.doc, props.offset)), epoch);
    let table = match &asking.reply {
        Some(Ok(reply)) => match &**reply {
            Reply::Goodbye(table) => table.clone(),
            _ => return html! {},
        },
        Some(Err(problem)) => return trouble(problem),
        None => return html! {},
    };
    if table.records.is_empty() {
        return html! { <p class="muted">{ "The directory is empty: the table has only its tail." }</p> };
    }
    let enter = {
        let top = top.clone();
        Callback::from(move |slot| top.set(slot))
    };
    let shown = (*top).min(table.records.len() - 1);
    let up = {
        let top = top.clone();
        Callback::from(move |_: MouseEvent| top.set(shown.saturating_sub(1) / 2))
    };
    let all = table.total as usize;
    html! {
        <figure class="goodbye">
            <figcaption>
                { format!("{} by the hash of their names, as a search tree: smaller hashes to the left.",
                    text::counted(table.total, "record, sorted", "records, sorted")) }
                if all > table.records.len() {
                    { format!(" The upper {} of them can be looked at.", text::count(table.records.len() as u64)) }
                }
                if shown > 0 {
                    { " " }<button type="button" onclick={up}>{ "up" }</button>
                }
            </figcaption>
            <Tree {table} top={shown} {enter} />
        </figure>
    }
}

#[derive(Properties, PartialEq)]
struct TreeProps {
    table: Table,
    top: usize,
    enter: Callback<usize>,
}

/// Some levels of the tree below a slot.
#[component]
fn Tree(props: &TreeProps) -> Html {
    let app = use_app();
    let count = props.table.records.len();
    let mut nodes = Vec::new();
    let levels = (0..LEVELS).take_while(|level| first_below(props.top, *level) < count).count() as u32;
    let width = LEAF << levels.saturating_sub(1);
    for level in 0..levels {
        let first = first_below(props.top, level);
        let step = width >> level;
        for number in 0..1usize << level {
            let slot = first + number;
            if slot < count {
                nodes.push((slot, step * number as u32 + step / 2, level * LEVEL + 14, level));
            }
        }
    }
    let place = |slot: usize| nodes.iter().find(|node| node.0 == slot).map(|node| (node.1, node.2));
    let lines = nodes.iter().filter(|node| node.0 != props.top).filter_map(|&(slot, x, y, _)| {
        let (px, py) = place((slot - 1) / 2)?;
        Some(html! { <line x1={px.to_string()} y1={py.to_string()} x2={x.to_string()} y2={y.to_string()} /> })
    });
    let draw = |&(slot, x, y, level): &(usize, u32, u32, u32)| {
        let record = &props.table.records[slot];
        let has_more = level + 1 == levels && 2 * slot + 1 < count;
        let open = {
            let (app, enter, target) = (app.clone(), props.enter.clone(), record.target);
            move || {
                if has_more {
                    enter.emit(slot);
                } else if let Some(target) = target {
                    app.send(Message::Jump(Tab::Structure, Selection::Item(Stream::Meta, target)));
                }
            }
        };
        let by_key = {
            let open = open.clone();
            Callback::from(move |event: KeyboardEvent| {
                if event.key() == "Enter" || event.key() == " " {
                    event.prevent_default();
                    event.stop_propagation();
                    open();
                }
            })
        };
        let onclick = Callback::from(move |_: MouseEvent| open());
        let label = label(record);
        html! {
            <g key={slot} class={classes!("record", record.problem.is_some().then_some("bad"), has_more.then_some("more"))}
                role="button" tabindex="0" aria-label={format!("slot {slot}: {label}")} {onclick} onkeydown={by_key}>
                <title>{ explain(slot, record, has_more) }</title>
                <rect x={(x.saturating_sub(30)).to_string()} y={(y - 11).to_string()} width="60" height="22" rx="3" />
                <text x={x.to_string()} y={(y + 4).to_string()} text-anchor="middle">{ shortened(&label) }</text>
            </g>
        }
    };
    let height = levels * LEVEL;
    html! {
        <div class="goodbye-scroll" tabindex="0" role="region" aria-label="Search tree of the goodbye table">
            <svg viewBox={format!("0 0 {width} {height}")} width={width.to_string()} height={height.to_string()}
                role="group" aria-label="Search tree">
                { for lines }
                { for nodes.iter().map(draw) }
            </svg>
        </div>
    }
}

/// The first slot so many levels below another.
const fn first_below(slot: usize, level: u32) -> usize {
    ((slot + 1) << level) - 1
}

fn label(record: &Record) -> String {
    match &record.child {
        Some((_, name)) => name.clone(),
        None => record.hash.get(..8).unwrap_or(&record.hash).to_owned(),
    }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= 9 {
        return label.to_owned();
    }
    label.chars().take(8).chain(['…']).collect()
}

fn explain(slot: usize, record: &Record, has_more: bool) -> String {
    let mut out = format!("slot {slot}, hash {}", record.hash);
    if let Some((_, name)) = &record.child {
        out.push_str(&format!("\n{name}"));
    }
    if let Some(target) = record.target {
        out.push_str(&format!("\nFILENAME at {}, {}", text::offset(target), text::exact(record.size)));
    }
    if let Some(problem) = &record.problem {
        out.push_str(&format!("\n{problem}"));
    }
    out.push_str(if has_more { "\nclick to see the records below" } else { "\nclick to go to the child" });
    out
}
