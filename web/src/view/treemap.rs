//! Directories as areas, with padding as an area of its own.

use pxkit_core::layout::sort_things;
use web_sys::Element;
use yew::prelude::*;

use super::{
    keyboard::use_patience,
    raster::{Latest, Raster, font, prepare, use_size},
};
use crate::{
    protocol::{
        DocId, EntryId, Reply, Request,
        layout::{Area, Colouring, Treemap, TreemapQuery},
    },
    state::{
        Message,
        app::{use_app, use_commands, use_slice},
        keys::Command,
        selection::Selection,
        text,
    },
    worker::paint::colour::{GROUND, INK},
};

/// Properties of [`TreemapView`].
#[derive(Clone, Properties, PartialEq)]
pub struct TreemapProps {
    /// Which document.
    pub doc: DocId,
    /// Grows when there is more to be seen.
    pub epoch: u32,
    /// What colours mean.
    pub colouring: Colouring,
    /// What is faded out.
    pub hidden: Vec<u8>,
}

/// What was asked for.
#[derive(Clone, PartialEq)]
struct Wanted {
    doc: DocId,
    epoch: u32,
    query: TreemapQuery,
}

struct Picture {
    raster: Option<Raster>,
    areas: Vec<Area>,
}

/// The directory that is shown as a whole.
fn root(params: &crate::state::link::Params) -> EntryId {
    params.get("dir").and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The areas.
#[component]
pub fn TreemapView(props: &TreemapProps) -> Html {
    let app = use_app();
    let canvas = use_node_ref();
    let view = use_node_ref();
    let size = use_size(&canvas);
    let dark = use_slice(|state| state.dark());
    let root = use_slice(|state| root(&state.place.params));
    let marked = use_slice(|state| state.focus.entry);
    let latest = use_memo(props.doc, |_| Latest::<Wanted, Picture>::default());
    let hover = use_state_eq(|| None::<usize>);
    let again = use_force_update();
    let shown = latest.shown();
    let areas = shown.as_ref().map(|(_, picture)| picture.clone());

    {
        let (app, latest, canvas, props) = (app.clone(), latest.clone(), canvas.clone(), props.clone());
        let hover = *hover;
        use_effect(move || {
            let (width, height) = size.device();
            if width == 0 || height == 0 {
                return;
            }
            let query = TreemapQuery {
                root,
                width,
                height,
                scale: size.scale,
                colouring: props.colouring,
                hidden: props.hidden.clone(),
                marked,
                dark,
            };
            let request = |wanted: &Wanted| Request::Treemap(wanted.doc, wanted.query.clone());
            let take = |reply| {
                let Reply::Treemap(map) = reply else { return None };
                let Treemap { width, height, rgba, areas } = *map;
                Some(Picture { raster: Raster::new(width, height, &rgba), areas })
            };
            let changed = Callback::from(move |()| again.force_update());
            latest.want(&app, Wanted { doc: props.doc, epoch: props.epoch, query }, request, take, changed);
            let Some((on, width, height)) = prepare(&canvas, size) else { return };
            let Some((wanted, picture)) = latest.shown() else { return };
            if let Some(raster) = &picture.raster {
                raster.draw(&on, (0.0, 1.0), (0.0, width), height);
            }
            // Names only where they lie: a picture of another size is stretched until the next one comes.
            if (wanted.query.width, wanted.query.height) == (width as u32, height as u32) {
                labels(&on, &picture.areas, size.scale, dark);
                if let Some(area) = hover.and_then(|at| picture.areas.get(at)) {
                    let (x, y, w, h) = area.rect;
                    let half = size.scale / 2.0;
                    on.set_stroke_style_str(&INK.on(dark).css());
                    on.set_line_width(size.scale);
                    let (w, h) = (f64::from(w) - size.scale, f64::from(h) - size.scale);
                    on.stroke_rect(f64::from(x) + half, f64::from(y) + half, w, h);
                }
            }
        });
    }

    let find = {
        let (canvas, areas) = (canvas.clone(), areas.clone());
        move |event: &MouseEvent| {
            let rect = canvas.cast::<Element>()?.get_bounding_client_rect();
            let x = ((f64::from(event.client_x()) - rect.left()) * size.scale) as u32;
            let y = ((f64::from(event.client_y()) - rect.top()) * size.scale) as u32;
            // The innermost is the last one.
            areas.as_ref()?.areas.iter().rposition(|area| {
                let (left, top, width, height) = area.rect;
                (left..left + width).contains(&x) && (top..top + height).contains(&y)
            })
        }
    };
    let onmousemove = {
        let (find, hover) = (find.clone(), hover.setter());
        Callback::from(move |event: MouseEvent| hover.set(find(&event)))
    };
    let onmouseleave = {
        let hover = hover.setter();
        Callback::from(move |_: MouseEvent| hover.set(None))
    };
    let onclick = {
        let (app, find, areas) = (app.clone(), find.clone(), areas.clone());
        Callback::from(move |event: MouseEvent| {
            if let Some(entry) =
                find(&event).zip(areas.as_ref()).and_then(|(at, picture)| entry(&picture.areas, at))
            {
                app.send(Message::Select(Selection::Entry(entry)));
            }
        })
    };
    let ondblclick = {
        let (app, areas) = (app.clone(), areas.clone());
        Callback::from(move |event: MouseEvent| {
            let Some((at, picture)) = find(&event).zip(areas.as_ref()) else { return };
            if let Some(directory) = into(&picture.areas, at, root) {
                app.send(Message::Param("dir", Some(directory.to_string())));
            }
        })
    };
    {
        let (app, areas) = (app.clone(), areas.clone());
        use_commands(&view, 1, move |command| {
            act(&app, command, areas.as_ref().map_or(&[], |picture| &picture.areas))
        });
    }
    {
        let is_there = areas.is_some() || latest.problem().is_some();
        use_patience(&view, 1, move |command| !is_there && command.is_of_view());
    }
    let told = (*hover).zip(areas.as_ref()).and_then(|(at, picture)| picture.areas.get(at).cloned());
    let largest = areas.as_ref().map_or_else(String::new, |picture| in_words(&picture.areas));
    html! {
        <div class="treemap" ref={view}>
            <Above doc={props.doc} entry={root} />
            <div class="areas" role="group" tabindex="0" aria-label="Directories as areas" aria-describedby="areas-description">
                <canvas ref={canvas} role="img" aria-label={format!("Areas of files and padding. {largest}")}
                    {onmousemove} {onmouseleave} {onclick} {ondblclick}></canvas>
                if let Some(problem) = latest.problem() {
                    { super::parts::trouble(&problem) }
                }
            </div>
            <p class="hidden" id="areas-description">{ largest.clone() }</p>
            <div class="readout" aria-live="polite">
                if let Some(area) = told {
                    <p><b class="mono">{ area.label }</b><span title={text::exact(area.size)}>{ text::size(area.size) }</span></p>
                } else {
                    <p class="muted">{ "Click selects, double click goes into a directory." }</p>
                }
            </div>
        </div>
    }
}

/// What keys do: the selection goes through the areas of one directory, into it and out.
fn act(app: &crate::state::app::App, command: Command, areas: &[Area]) -> bool {
    let state = app.state();
    let root = root(&state.place.params);
    let now = state.focus.entry.and_then(|entry| areas.iter().position(|area| area.entry == Some(entry)));
    let select = |at: Option<usize>| {
        if let Some(entry) = at.and_then(|at| areas.get(at)).and_then(|area| area.entry) {
            app.send(Message::Select(Selection::Entry(entry)));
        }
        true
    };
    let entries = || areas.iter().enumerate().filter(|(_, area)| area.entry.is_some()).map(|(at, _)| at);
    let go = |to: EntryId| {
        app.send(Message::Param("dir", (to != 0).then(|| to.to_string())));
        true
    };
    match command {
        Command::Down | Command::Right => select(entries().find(|&at| now.is_none_or(|now| at > now))),
        Command::Up | Command::Left => select(entries().rfind(|&at| now.is_some_and(|now| at < now))),
        Command::First => select(entries().next()),
        Command::Last => select(entries().next_back()),
        Command::Open | Command::ZoomIn => match now.and_then(|at| into(areas, at, root)) {
            Some(directory) => go(directory),
            None => false,
        },
        Command::ZoomAll => go(0),
        Command::Escape | Command::ZoomOut if root != 0 => {
            let (app, doc) = (app.clone(), state.place.doc);
            wasm_bindgen_futures::spawn_local(async move {
                let Some(doc) = doc else { return };
                let Ok(entry) = crate::reply!(app.client().ask(Request::Entry(doc, root)), Entry) else {
                    return;
                };
                let parent = entry.above.last().map_or(0, |(parent, _)| *parent);
                app.send(Message::Param("dir", (parent != 0).then(|| parent.to_string())));
            });
            true
        }
        _ => false,
    }
}

/// The entry of an area; of the small ones of a directory, that directory.
fn entry(areas: &[Area], at: usize) -> Option<EntryId> {
    let area = areas.get(at)?;
    area.entry.or_else(|| around(areas, at)?.entry).filter(|_| !area.padding)
}

/// The area directly around another.
fn around(areas: &[Area], at: usize) -> Option<&Area> {
    let inner = areas.get(at)?;
    let (x, y, width, height) = inner.rect;
    areas[..at].iter().rev().find(|outer| {
        let (left, top, wide, high) = outer.rect;
        outer.depth < inner.depth
            && left <= x
            && top <= y
            && x + width <= left + wide
            && y + height <= top + high
    })
}

/// The directory to go into for an area: the one directly below the shown one that the area is in.
fn into(areas: &[Area], at: usize, root: EntryId) -> Option<EntryId> {
    let mut area = areas.get(at)?;
    let mut at = at;
    while area.depth > 1 {
        let outer = around(areas, at)?;
        at = areas.iter().position(|other| std::ptr::eq(other, outer))?;
        area = outer;
    }
    area.entry.filter(|&entry| entry != root && !area.padding)
}

/// Names in areas that have room for them.
fn labels(on: &web_sys::CanvasRenderingContext2d, areas: &[Area], scale: f64, dark: bool) {
    on.set_font(&font(11.0 * scale, false));
    on.set_text_baseline("top");
    on.set_line_join("round");
    on.set_line_width(3.0 * scale);
    let glyph = on.measure_text("n").map_or(7.0 * scale, |text| text.width());
    for area in areas {
        let (x, y, width, height) = area.rect;
        let room = ((f64::from(width) - 6.0 * scale) / glyph) as usize;
        // A few letters of a name say nothing.
        if room < 6.min(area.label.chars().count()) || f64::from(height) < 15.0 * scale {
            continue;
        }
        let full = format!("{} {}", area.label, text::size(area.size));
        let label = if full.chars().count() <= room {
            full
        } else if area.label.chars().count() <= room {
            area.label.clone()
        } else {
            area.label.chars().take(room - 1).chain(['…']).collect()
        };
        let (x, y) = (f64::from(x) + 3.0 * scale, f64::from(y) + 2.0 * scale);
        on.set_stroke_style_str(&GROUND.on(dark).css());
        on.set_fill_style_str(&INK.on(dark).css());
        let _ = on.stroke_text(&label, x, y);
        let _ = on.fill_text(&label, x, y);
    }
}

/// The largest areas, for those who do not see them.
fn in_words(areas: &[Area]) -> String {
    let mut tops: Vec<&Area> = areas.iter().filter(|area| area.depth <= 1 && area.entry != Some(0)).collect();
    sort_things(&mut tops, |a, b| b.size.cmp(&a.size));
    let words = tops.iter().take(8).map(|area| format!("{}: {}", area.label, text::size(area.size)));
    words.collect::<Vec<_>>().join("; ")
}

#[derive(Properties, PartialEq)]
struct AboveProps {
    doc: DocId,
    entry: EntryId,
}

/// The directories above the one that is shown, each a way back.
#[component]
fn Above(props: &AboveProps) -> Html {
    let app = use_app();
    let asked = (props.entry != 0).then_some(Request::Entry(props.doc, props.entry));
    let reply = crate::state::app::use_reply(asked, 0).reply;
    let mut path: Vec<(EntryId, String)> = vec![(0, "/".to_owned())];
    if let Some(Ok(reply)) = &reply
        && let Reply::Entry(entry) = &**reply
        && props.entry != 0
    {
        path.extend(entry.above.iter().filter(|(id, _)| *id != 0).cloned());
        let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
        path.push((props.entry, name));
    }
    let last = path.len() - 1;
    let steps = path.into_iter().enumerate().map(|(at, (id, name))| {
        let onclick = app.on(move |_: MouseEvent| Message::Param("dir", (id != 0).then(|| id.to_string())));
        html! {
            <li key={id.to_string()}>
                if at == last {
                    <span class="mono" aria-current="true">{ name }</span>
                } else {
                    <button type="button" class="jump mono" {onclick}>{ name }</button>
                }
            </li>
        }
    });
    html! { <nav class="path" aria-label="Shown directory"><ol>{ for steps }</ol></nav> }
}
