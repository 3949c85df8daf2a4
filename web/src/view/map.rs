//! The payload stream as a map: an overview of the whole with a brush, and the visible part in lanes.

use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, Element, PointerEvent};
use yew::prelude::*;

use super::raster::{Latest, Raster, Size, font, prepare, use_size, use_wheel};
use crate::{
    protocol::{
        DocId, EntryId, Problem, Reply, Request, Stream,
        layout::{Colouring, Lane, Map, MapQuery, Padding, Range, Spot, What},
    },
    state::{
        Message,
        app::{use_app, use_commands, use_slice},
        keys::Command,
        selection::Selection,
        text,
        window::{Window, grouped, ticks},
    },
    worker::paint::colour::{FRAME, GROUND, INK, MARK},
};

/// Pixels of the overview.
const OVERVIEW: u32 = 40;
/// Pixels of the scale below the lanes.
const SCALE: f64 = 24.0;
/// Single ranges that are asked for, for labels.
const RANGES: u32 = 300;
/// Bytes more or less at a turn of the wheel (100 units), and by a key.
const TURN: f64 = 1.35;
/// Letters of a name from which on a part of it says something.
const LETTERS: usize = 6;
/// Pixels from which on a movement is a drag.
const DRAG: f64 = 3.0;

/// Properties of [`MapView`].
#[derive(Clone, Properties, PartialEq)]
pub struct MapProps {
    /// Which document.
    pub doc: DocId,
    /// Grows when there is more to be seen.
    pub epoch: u32,
    /// Bytes of the stream.
    pub size: u64,
    /// Which stream.
    pub stream: Stream,
    /// What colours mean.
    pub colouring: Colouring,
    /// What is faded out.
    pub hidden: Vec<u8>,
    /// Chunks are known.
    pub has_chunks: bool,
}

/// A picture that was asked for, and whether older ones are of the same kind.
#[derive(Clone, PartialEq)]
struct Wanted {
    doc: DocId,
    epoch: u32,
    query: MapQuery,
}

/// A picture of the worker.
struct Picture {
    start: u64,
    end: u64,
    raster: Option<Raster>,
    ranges: Vec<Range>,
}

impl Picture {
    fn of(map: Map) -> Self {
        let raster = Raster::new(map.width, map.height, &map.rgba);
        Self { start: map.start, end: map.end, raster, ranges: map.ranges.unwrap_or_default() }
    }
}

fn ask(
    latest: &Latest<Wanted, Picture>,
    app: &crate::state::app::App,
    wanted: Wanted,
    changed: Callback<()>,
) {
    let request = |wanted: &Wanted| Request::Map(wanted.doc, wanted.query.clone());
    let take = |reply| if let Reply::Map(map) = reply { Some(Picture::of(*map)) } else { None };
    latest.want(app, wanted, request, take, changed);
}

/// Where the lanes are: top and height in pixels of the device.
fn lanes(has_chunks: bool, height: f64, scale: f64) -> Vec<(Lane, u32)> {
    let room = (height - SCALE * scale).max(0.0);
    let parts: &[(Lane, f64)] = if has_chunks {
        &[(Lane::Chunks, 0.2), (Lane::Payloads, 0.48), (Lane::Padding, 0.32)]
    } else {
        &[(Lane::Payloads, 0.6), (Lane::Padding, 0.4)]
    };
    parts.iter().map(|&(lane, part)| (lane, (room * part) as u32)).collect()
}

const fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Overview => "everything",
        Lane::Chunks => "chunks",
        Lane::Payloads => "payloads",
        Lane::Padding => "padding",
    }
}

/// The map.
#[component]
pub fn MapView(props: &MapProps) -> Html {
    let app = use_app();
    let zoom = use_slice(|state| state.place.zoom);
    let window = Window::of(zoom, props.size);
    let spot = use_state_eq(|| None::<Rc<Spot>>);
    let root = use_node_ref();
    {
        let (app, props) = (app.clone(), props.clone());
        use_commands(&root, 1, move |command| act(&app, &props, command));
    }
    let described = describe(window, props.size);
    html! {
        <div class="map" ref={root}>
            <Overview ..props.clone() />
            <Detail props={props.clone()} spot={spot.setter()} />
            <div class="readout" aria-live="polite">
                <SpotLine spot={(*spot).clone()} {window} />
            </div>
            <p class="hidden" id="map-description">{ described }</p>
        </div>
    }
}

fn describe(window: Window, size: u64) -> String {
    format!(
        "{} to {}, {} of {}",
        grouped(window.start),
        grouped(window.end),
        text::size(window.len()),
        text::size(size)
    )
}

/// What keys do.
fn act(app: &crate::state::app::App, props: &MapProps, command: Command) -> bool {
    let state = app.state();
    let window = Window::of(state.place.zoom, props.size);
    let focus = selected(&state.focus, props.stream);
    let to = |window: Window| app.send(Message::Zoom(window.zoom(), false));
    let middle = focus.filter(|&(start, end)| start < window.end && end > window.start);
    let middle = middle.map_or(0.5, |(start, end)| window.fraction(start / 2 + end / 2).clamp(0.0, 1.0));
    match command {
        Command::ZoomIn => to(window.zoomed(middle, 1.0 / (TURN * TURN))),
        Command::ZoomOut => to(window.zoomed(middle, TURN * TURN)),
        Command::ZoomAll => app.send(Message::Zoom(None, true)),
        Command::Left => to(window.moved(-0.2)),
        Command::Right => to(window.moved(0.2)),
        Command::PageUp => to(window.moved(-1.0)),
        Command::PageDown => to(window.moved(1.0)),
        Command::First => to(window.moved(-1e18)),
        Command::Last => to(window.moved(1e18)),
        Command::Open => {
            let Some((start, end)) = focus else { return false };
            app.send(Message::Zoom(Window::around(start, end, props.size).zoom(), true));
        }
        Command::Down => neighbour(app, props, focus.map_or(window.start, |(_, end)| end)),
        Command::Up => match focus {
            Some((0, _)) => {}
            Some((start, _)) => neighbour(app, props, start - 1),
            None => neighbour(app, props, window.end.saturating_sub(1)),
        },
        Command::Escape => {
            if window.is_whole() {
                return false;
            }
            app.send(Message::Zoom(None, true));
        }
        _ => return false,
    }
    true
}

/// Selects what lies at a position, and shows it.
fn neighbour(app: &crate::state::app::App, props: &MapProps, offset: u64) {
    if offset >= props.size {
        return;
    }
    let (app, props) = (app.clone(), props.clone());
    wasm_bindgen_futures::spawn_local(async move {
        let Ok(spot) = crate::reply!(app.client().ask(Request::Spot(props.doc, offset)), Spot) else {
            return;
        };
        let Some(range) = &spot.range else { return };
        let window = Window::of(app.state().place.zoom, props.size).showing(range.start, range.end);
        app.send(Message::Zoom(window.zoom(), false));
        select(&app, &spot, Lane::Payloads, props.stream);
    });
}

/// Selects what lies at a spot, as seen in a lane.
fn select(app: &crate::state::app::App, spot: &Spot, lane: Lane, stream: Stream) {
    let chunk = spot.chunk.as_ref().filter(|_| lane == Lane::Chunks);
    let Some(range) = chunk.or(spot.range.as_ref()) else { return };
    app.send(Message::Select(match range.what {
        What::Payload(entry) => Selection::Entry(entry),
        What::Chunk(chunk) => Selection::Chunk(chunk),
        What::Padding(_) | What::Marker => Selection::Bytes(stream, range.start, range.end),
        What::Metadata => Selection::Item(stream, spot.offset),
    }));
}

/// Where the selection lies in the stream that the map shows.
fn selected(focus: &crate::state::selection::Focus, stream: Stream) -> Option<(u64, u64)> {
    let chunk = focus.chunk.as_ref().map(|chunk| (chunk.row.start, chunk.row.start + chunk.row.size));
    let contents = focus.details.as_ref().and_then(|details| details.contents.as_ref());
    let contents = contents.filter(|contents| contents.stream == stream);
    let contents = contents.map(|contents| (contents.header, contents.offset.saturating_add(contents.size)));
    chunk.or(contents).or(focus.range(stream)).filter(|(start, end)| start < end)
}

/// A directory that is selected is marked in the picture, since it may lie in many places.
fn marked(focus: &crate::state::selection::Focus) -> Option<EntryId> {
    let details = focus.details.as_ref()?;
    (details.kind == pxkit_core::format::Kind::Directory as u8 && details.entry != 0).then_some(details.entry)
}

/// The whole stream in a strip, with a brush around the visible part.
#[component]
fn Overview(props: &MapProps) -> Html {
    let app = use_app();
    let canvas = use_node_ref();
    let size = use_size(&canvas);
    let dark = use_slice(|state| state.dark());
    let zoom = use_slice(|state| state.place.zoom);
    let mark = use_slice(|state| marked(&state.focus));
    let stream = props.stream;
    let focus = use_slice(move |state| selected(&state.focus, stream));
    let latest = use_memo(props.doc, |_| Latest::<Wanted, Picture>::default());
    let again = use_force_update();
    let drag = use_mut_ref(|| None::<Drag>);
    let window = Window::of(zoom, props.size);

    {
        let (app, latest, canvas, props) = (app.clone(), latest.clone(), canvas.clone(), props.clone());
        use_effect(move || {
            let (width, height) = size.device();
            if width == 0 || props.size == 0 {
                return;
            }
            let query = query(
                &props,
                Window::whole(props.size),
                width,
                size.scale,
                vec![(Lane::Overview, height)],
                mark,
                dark,
                0,
            );
            let changed = Callback::from(move |()| again.force_update());
            ask(&latest, &app, Wanted { doc: props.doc, epoch: props.epoch, query }, changed);
            let Some((on, width, height)) = prepare(&canvas, size) else { return };
            if let Some(raster) = latest.shown().as_ref().and_then(|(_, picture)| picture.raster.as_ref()) {
                raster.draw(&on, (0.0, 1.0), (0.0, width), height);
            }
            if let Some((start, end)) = focus {
                let whole = Window::whole(props.size);
                pointer(
                    &on,
                    whole.fraction(start) * width,
                    whole.fraction(end) * width,
                    height,
                    size.scale,
                    dark,
                );
            }
        });
    }

    let left = window.start as f64 / props.size.max(1) as f64 * 100.0;
    let wide = window.len() as f64 / props.size.max(1) as f64 * 100.0;
    let down = {
        let drag = drag.clone();
        let (app, size) = (app.clone(), props.size);
        Callback::from(move |event: PointerEvent| {
            let Some((strip, fraction)) = strip(&event) else { return };
            let _ = strip.set_pointer_capture(event.pointer_id());
            let part = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let is = |class| part.as_ref().is_some_and(|element| element.matches(class).unwrap_or(false));
            let kind = if is(".from") {
                Hold::Start
            } else if is(".to") {
                Hold::End
            } else {
                Hold::Whole
            };
            let mut window = window;
            if kind == Hold::Whole && !is(".brush") {
                // Beside the brush: it comes here.
                window = window.moved(
                    (fraction * size as f64 - (window.start + window.len() / 2) as f64)
                        / window.len().max(1) as f64,
                );
                app.send(Message::Zoom(window.zoom(), false));
            }
            *drag.borrow_mut() = Some(Drag { hold: kind, from: fraction, window });
        })
    };
    let moved = {
        let drag = drag.clone();
        let (app, size) = (app.clone(), props.size);
        Callback::from(move |event: PointerEvent| {
            let Some(Drag { hold, from, window }) = *drag.borrow() else { return };
            let Some((_, fraction)) = strip(&event) else { return };
            let at = (fraction.clamp(0.0, 1.0) * size as f64) as u64;
            let window = match hold {
                Hold::Start => Window::new(at.min(window.end.saturating_sub(1)), window.end, size),
                Hold::End => Window::new(window.start, at.max(window.start + 1), size),
                Hold::Whole => window.moved((fraction - from) * size as f64 / window.len().max(1) as f64),
            };
            app.send(Message::Zoom(window.zoom(), false));
        })
    };
    let up = Callback::from(move |_: PointerEvent| *drag.borrow_mut() = None);
    let strip_node = use_node_ref();
    {
        let (app, node, size) = (app.clone(), strip_node.clone(), props.size);
        use_wheel(&strip_node, move |event| wheel(&app, &node, &event, size, true));
    }
    let now = (left + wide / 2.0).round().to_string();
    let style = format!("left: {left:.4}%; width: {wide:.4}%");
    html! {
        <div class="strip" ref={strip_node} onpointerdown={down} onpointermove={moved} onpointerup={up.clone()} onpointercancel={up}>
            <canvas ref={canvas} role="img" aria-label="Overview of the whole stream" style={format!("height: {OVERVIEW}px")}></canvas>
            <div
                class="brush" role="slider" tabindex="0" aria-label="Visible part" aria-valuemin="0" aria-valuemax="100"
                aria-valuenow={now} aria-valuetext={describe(window, props.size)} {style}
            >
                <span class="from"></span><span class="to"></span>
            </div>
        </div>
    }
}

#[derive(Clone, Copy)]
struct Drag {
    hold: Hold,
    /// Fraction of the strip where it began.
    from: f64,
    /// The window then.
    window: Window,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    Start,
    End,
    Whole,
}

/// The strip that an event is in, and where in it as a fraction of its width.
fn strip(event: &PointerEvent) -> Option<(Element, f64)> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    let strip = target.closest(".strip").ok()??;
    let rect = strip.get_bounding_client_rect();
    Some((strip, (f64::from(event.client_x()) - rect.left()) / rect.width().max(1.0)))
}

/// Zooms at the pointer; sideways it moves.
fn wheel(app: &crate::state::app::App, node: &NodeRef, event: &WheelEvent, size: u64, is_overview: bool) {
    let Some(element) = node.cast::<Element>() else { return };
    let rect = element.get_bounding_client_rect();
    let at = ((f64::from(event.client_x()) - rect.left()) / rect.width().max(1.0)).clamp(0.0, 1.0);
    let window = Window::of(app.state().place.zoom, size);
    // Lines and pages count as pixels of a usual size.
    let unit = match event.delta_mode() {
        WheelEvent::DOM_DELTA_LINE => 33.0,
        WheelEvent::DOM_DELTA_PAGE => 300.0,
        _ => 1.0,
    };
    let (x, y) = (event.delta_x() * unit, event.delta_y() * unit);
    let window = if x.abs() > y.abs() || event.shift_key() {
        let by = if event.shift_key() && x == 0.0 { y } else { x };
        window.moved(by / rect.width().max(1.0))
    } else {
        let at = if is_overview { window.fraction((at * size as f64) as u64).clamp(0.0, 1.0) } else { at };
        window.zoomed(at, TURN.powf((y / 100.0).clamp(-6.0, 6.0)))
    };
    app.send(Message::Zoom(window.zoom(), false));
}

#[expect(clippy::too_many_arguments, reason = "a query has as many fields")]
fn query(
    props: &MapProps,
    window: Window,
    width: u32,
    scale: f64,
    lanes: Vec<(Lane, u32)>,
    marked: Option<EntryId>,
    dark: bool,
    ranges: u32,
) -> MapQuery {
    MapQuery {
        start: window.start,
        end: window.end,
        width,
        scale,
        lanes,
        colouring: props.colouring,
        hidden: props.hidden.clone(),
        marked,
        dark,
        ranges,
    }
}

#[derive(Properties, PartialEq)]
struct DetailProps {
    props: MapProps,
    spot: UseStateSetter<Option<Rc<Spot>>>,
}

/// The visible part in lanes.
#[component]
fn Detail(DetailProps { props, spot }: &DetailProps) -> Html {
    let app = use_app();
    let canvas = use_node_ref();
    let size = use_size(&canvas);
    let dark = use_slice(|state| state.dark());
    let zoom = use_slice(|state| state.place.zoom);
    let mark = use_slice(|state| marked(&state.focus));
    let stream = props.stream;
    let focus = use_slice(move |state| selected(&state.focus, stream));
    let latest = use_memo(props.doc, |_| Latest::<Wanted, Picture>::default());
    let hover = use_memo(props.doc, |_| Latest::<u64, Spot>::default());
    let pointer_at = use_state_eq(|| None::<(f64, f64)>);
    let again = use_force_update();
    let window = Window::of(zoom, props.size);
    let lanes = lanes(props.has_chunks, size.height * size.scale, size.scale);

    {
        let (app, latest, hover, canvas, props, lanes) =
            (app.clone(), latest.clone(), hover.clone(), canvas.clone(), props.clone(), lanes.clone());
        let (again, pointer_at) = (again.clone(), *pointer_at);
        use_effect(move || {
            let (width, _) = size.device();
            if width == 0 || props.size == 0 {
                return;
            }
            let query = query(&props, window, width, size.scale, lanes.clone(), mark, dark, RANGES);
            let changed = Callback::from(move |()| again.force_update());
            ask(&latest, &app, Wanted { doc: props.doc, epoch: props.epoch, query }, changed);
            let Some((on, width, height)) = prepare(&canvas, size) else { return };
            let drawing = Drawing { on, width, height, size, window, lanes, dark };
            if let Some((wanted, picture)) = latest.shown() {
                drawing.picture(&picture, &wanted.query.lanes);
            }
            let under = pointer_at.and(hover.shown());
            drawing.overlays(focus, pointer_at, under.as_ref().map(|(_, spot)| &**spot));
            drawing.scale();
        });
    }

    let drag = use_mut_ref(|| None::<(f64, Window, bool)>);
    let lane_at = {
        let lanes = lanes.clone();
        move |y: f64| {
            let mut top = 0.0;
            let at = lanes.iter().find(|(_, height)| {
                top += f64::from(*height) / size.scale;
                y < top
            });
            at.map_or(Lane::Payloads, |(lane, _)| *lane)
        }
    };
    let ask_spot = {
        let (app, hover, spot, again) = (app.clone(), hover.clone(), spot.clone(), again.clone());
        let doc = props.doc;
        move |offset: u64| {
            let (hover_now, spot, again) = (hover.clone(), spot.clone(), again.clone());
            let changed = Callback::from(move |()| {
                spot.set(hover_now.shown().map(|(_, spot)| spot));
                again.force_update();
            });
            let take = |reply| if let Reply::Spot(spot) = reply { Some(spot) } else { None };
            hover.want(&app, offset, move |&offset| Request::Spot(doc, offset), take, changed);
        }
    };
    let down = {
        let (drag, canvas) = (drag.clone(), canvas.clone());
        Callback::from(move |event: PointerEvent| {
            if event.button() != 0 {
                return;
            }
            if let Some(element) = canvas.cast::<Element>() {
                let _ = element.set_pointer_capture(event.pointer_id());
            }
            *drag.borrow_mut() = Some((f64::from(event.client_x()), window, false));
        })
    };
    let moved = {
        let (app, drag, canvas, pointer_at) =
            (app.clone(), drag.clone(), canvas.clone(), pointer_at.setter());
        let ask_spot = ask_spot.clone();
        Callback::from(move |event: PointerEvent| {
            let Some((x, y, width)) = place(&canvas, &event) else { return };
            let mut held = drag.borrow_mut();
            if let Some((from, start, is_moving)) = held.as_mut() {
                let by = f64::from(event.client_x()) - *from;
                *is_moving |= by.abs() > DRAG;
                if *is_moving {
                    pointer_at.set(None);
                    let to = start.moved(-by / width.max(1.0)).zoom();
                    drop(held);
                    return app.send(Message::Zoom(to, false));
                }
            }
            drop(held);
            pointer_at.set(Some((x, y)));
            ask_spot(window.offset(x / width.max(1.0)));
        })
    };
    let up = {
        let (app, drag, canvas, lane_at) = (app.clone(), drag.clone(), canvas.clone(), lane_at.clone());
        let (doc, stream) = (props.doc, props.stream);
        Callback::from(move |event: PointerEvent| {
            let Some((_, _, is_moving)) = drag.borrow_mut().take() else { return };
            let Some((x, y, width)) = place(&canvas, &event).filter(|_| !is_moving) else { return };
            let (app, lane) = (app.clone(), lane_at(y));
            let offset = window.offset(x / width.max(1.0));
            wasm_bindgen_futures::spawn_local(async move {
                match crate::reply!(app.client().ask(Request::Spot(doc, offset)), Spot) {
                    Ok(spot) => select(&app, &spot, lane, stream),
                    Err(problem) => app.complain(problem),
                }
            });
        })
    };
    let leave = {
        let (pointer_at, spot, hover) = (pointer_at.setter(), spot.clone(), hover.clone());
        Callback::from(move |_: PointerEvent| {
            pointer_at.set(None);
            spot.set(None);
            hover.forget();
        })
    };
    let double = {
        let (app, canvas, props) = (app.clone(), canvas.clone(), props.clone());
        Callback::from(move |event: MouseEvent| {
            let Some(element) = canvas.cast::<Element>() else { return };
            let rect = element.get_bounding_client_rect();
            let offset = window.offset((f64::from(event.client_x()) - rect.left()) / rect.width().max(1.0));
            let lane = lane_at(f64::from(event.client_y()) - rect.top());
            let (app, props) = (app.clone(), props.clone());
            wasm_bindgen_futures::spawn_local(async move {
                let Ok(spot) = crate::reply!(app.client().ask(Request::Spot(props.doc, offset)), Spot) else {
                    return;
                };
                let chunk = spot.chunk.as_ref().filter(|_| lane == Lane::Chunks);
                if let Some(range) = chunk.or(spot.range.as_ref()) {
                    let to = Window::around(range.start, range.end, props.size);
                    app.send(Message::Zoom(to.zoom(), true));
                }
            });
        })
    };
    {
        let (app, node, size) = (app.clone(), canvas.clone(), props.size);
        use_wheel(&canvas, move |event| wheel(&app, &node, &event, size, false));
    }
    let mut top = 0.0;
    let names = lanes.iter().map(|(lane, height)| {
        let style = format!("top: {top:.1}px");
        top += f64::from(*height) / size.scale.max(0.1);
        html! { <span class="lane" {style} aria-hidden="true">{ name(*lane) }</span> }
    });
    let problem: Option<Problem> = latest.problem();
    html! {
        <div class="detail" role="group" tabindex="0" aria-label="Visible part of the stream" aria-describedby="map-description">
            <canvas
                ref={canvas} role="img" aria-label={describe(window, props.size)}
                onpointerdown={down} onpointermove={moved} onpointerup={up} onpointerleave={leave} ondblclick={double}
            ></canvas>
            { for names }
            if let Some(problem) = problem {
                <super::parts::Trouble {problem} />
            }
        </div>
    }
}

/// Where an event is in the canvas, and how wide that is.
fn place(canvas: &NodeRef, event: &PointerEvent) -> Option<(f64, f64, f64)> {
    let rect = canvas.cast::<Element>()?.get_bounding_client_rect();
    Some((f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top(), rect.width()))
}

/// The canvas of the visible part while it is drawn.
struct Drawing {
    on: CanvasRenderingContext2d,
    width: f64,
    height: f64,
    size: Size,
    window: Window,
    lanes: Vec<(Lane, u32)>,
    dark: bool,
}

impl Drawing {
    fn x(&self, offset: u64) -> f64 {
        self.window.fraction(offset) * self.width
    }

    /// Top and height of a lane.
    fn lane(&self, wanted: Lane) -> Option<(f64, f64)> {
        let mut top = 0.0;
        for &(lane, height) in &self.lanes {
            if lane == wanted {
                return Some((top, f64::from(height)));
            }
            top += f64::from(height);
        }
        None
    }

    fn lanes_height(&self) -> f64 {
        self.lanes.iter().map(|lane| f64::from(lane.1)).sum()
    }

    /// The picture, stretched if it is of another part; then its labels.
    fn picture(&self, picture: &Picture, lanes: &[(Lane, u32)]) {
        let Some(raster) = &picture.raster else { return };
        let len = picture.end.saturating_sub(picture.start);
        let (start, end) = (self.window.start.max(picture.start), self.window.end.min(picture.end));
        if len == 0 || start >= end {
            return;
        }
        let fraction = |offset: u64| (offset - picture.start) as f64 / len as f64;
        let height =
            if lanes == self.lanes { self.lanes_height() } else { self.height - SCALE * self.size.scale };
        raster.draw(&self.on, (fraction(start), fraction(end)), (self.x(start), self.x(end)), height);
        self.labels(&picture.ranges);
    }

    fn labels(&self, ranges: &[Range]) {
        let scale = self.size.scale;
        self.on.set_font(&font(11.0 * scale, true));
        self.on.set_text_baseline("middle");
        self.on.set_line_join("round");
        let glyph = self.on.measure_text("0").map_or(7.0 * scale, |text| text.width());
        for range in ranges {
            let lane = match range.what {
                What::Chunk(_) => Lane::Chunks,
                What::Padding(_) => Lane::Padding,
                _ => Lane::Payloads,
            };
            let Some((top, height)) = self.lane(lane) else { continue };
            let (left, right) = (self.x(range.start).max(0.0), self.x(range.end).min(self.width));
            let room = ((right - left - 8.0 * scale) / glyph) as usize;
            let fits = room >= LETTERS.min(range.label.chars().count());
            if right <= left || !fits || height < 12.0 * scale {
                continue;
            }
            let size = range.end - range.start;
            let detail = format!("{} {}", range.label, text::size(size));
            let label = if detail.chars().count() <= room { detail } else { shortened(&range.label, room) };
            let y = top + height / 2.0;
            self.on.set_line_width(3.0 * scale);
            self.on.set_stroke_style_str(&GROUND.on(self.dark).css());
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            let x = left + 4.0 * scale;
            let _ = self.on.stroke_text(&label, x, y);
            let _ = self.on.fill_text(&label, x, y);
        }
    }

    /// What is selected, what is under the pointer.
    fn overlays(&self, focus: Option<(u64, u64)>, pointer_at: Option<(f64, f64)>, spot: Option<&Spot>) {
        let (scale, height) = (self.size.scale, self.lanes_height());
        if let Some((start, end)) = focus {
            pointer(&self.on, self.x(start), self.x(end), height, scale, self.dark);
        }
        if let Some(spot) = spot {
            for range in [spot.chunk.as_ref(), spot.range.as_ref()].into_iter().flatten() {
                let lane = match range.what {
                    What::Chunk(_) => Lane::Chunks,
                    What::Padding(_) => Lane::Padding,
                    _ => Lane::Payloads,
                };
                let Some((top, height)) = self.lane(lane) else { continue };
                let (left, right) = (self.x(range.start).max(-2.0), self.x(range.end).min(self.width + 2.0));
                self.on.set_stroke_style_str(&INK.on(self.dark).css());
                self.on.set_line_width(scale);
                let half = scale / 2.0;
                self.on.stroke_rect(
                    left.floor() + half,
                    top + half,
                    (right - left).max(scale),
                    height - scale,
                );
            }
        }
        if let Some((x, _)) = pointer_at {
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            self.on.set_global_alpha(0.35);
            self.on.fill_rect((x * scale).floor(), 0.0, scale, height + 6.0 * scale);
            self.on.set_global_alpha(1.0);
        }
    }

    /// Positions below the lanes.
    fn scale(&self) {
        let (scale, top) = (self.size.scale, self.lanes_height());
        self.on.set_font(&font(11.0 * scale, true));
        self.on.set_text_baseline("top");
        self.on.set_fill_style_str(&FRAME.on(self.dark).css());
        self.on.fill_rect(0.0, top, self.width, scale);
        let apart = 120.0 * scale / self.width.max(1.0);
        for tick in ticks(self.window, apart / 4.0) {
            self.on.fill_rect(self.x(tick).floor(), top, scale, 4.0 * scale);
        }
        for tick in ticks(self.window, apart) {
            let x = self.x(tick).floor();
            self.on.set_fill_style_str(&INK.on(self.dark).css());
            self.on.fill_rect(x, top, scale, 7.0 * scale);
            let _ = self.on.fill_text(&grouped(tick), x + 4.0 * scale, top + 7.0 * scale);
        }
    }
}

/// Brackets around what is selected; what is narrow has a pointer above it.
fn pointer(on: &CanvasRenderingContext2d, left: f64, right: f64, height: f64, scale: f64, dark: bool) {
    let colour = MARK.on(dark).css();
    on.set_fill_style_str(&colour);
    let width = right - left;
    on.set_global_alpha(0.14);
    on.fill_rect(left, 0.0, width, height);
    on.set_global_alpha(1.0);
    let line = (2.0 * scale).max(1.0);
    on.fill_rect(left.floor(), 0.0, line, height);
    on.fill_rect(right.ceil() - line, 0.0, line, height);
    on.fill_rect(left, 0.0, width.max(line), line);
    on.fill_rect(left, height - line, width.max(line), line);
    if width < 10.0 * scale {
        let (middle, side) = (f64::midpoint(left, right), 5.0 * scale);
        on.begin_path();
        on.move_to(middle - side, 0.0);
        on.line_to(middle + side, 0.0);
        on.line_to(middle, side * 1.4);
        on.close_path();
        on.fill();
    }
}

/// As much of a text as there is room for.
fn shortened(label: &str, room: usize) -> String {
    if label.chars().count() <= room {
        return label.to_owned();
    }
    label.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[derive(Properties, PartialEq)]
struct SpotLineProps {
    spot: Option<Rc<Spot>>,
    window: Window,
}

/// What is under the pointer, in words; without one, what is visible.
#[component]
fn SpotLine(SpotLineProps { spot, window }: &SpotLineProps) -> Html {
    let place = |start: u64, end: u64| {
        html! { <span class="mono">{ format!("{} – {}", grouped(start), grouped(end)) }</span> }
    };
    let Some((spot, range)) = spot.as_ref().and_then(|spot| Some((spot, spot.range.as_ref()?))) else {
        return html! {
            <p class="muted">
                { place(window.start, window.end) }
                <span title={text::exact(window.len())}>{ text::size(window.len()) }</span>
            </p>
        };
    };
    let what = match (&range.what, &spot.path) {
        (What::Payload(_), Some(path)) => html! { <b class="mono">{ path.clone() }</b> },
        (What::Padding(Padding::Ghost), Some(path)) => {
            html! { <><b>{ "ghost" }</b>{ " was " }<b class="mono">{ path.clone() }</b></> }
        }
        (What::Padding(kind), _) => html! { <b>{ format!("padding: {}", kind.word()) }</b> },
        _ => html! { <b>{ range.label.clone() }</b> },
    };
    let size = range.end - range.start;
    html! {
        <p>
            <span class="what">{ what }</span>
            <span title={text::exact(size)}>{ text::size(size) }</span>
            { place(range.start, range.end) }
            if let Some(chunk) = &spot.chunk {
                <span>
                    { "chunk " }<span class="mono">{ chunk.label.clone() }</span>
                    { format!(" {}", text::size(chunk.end - chunk.start)) }
                    if spot.chunk_dead > 0 {
                        { format!(", {} dead ({})", text::size(spot.chunk_dead), text::percent(spot.chunk_dead, chunk.end - chunk.start)) }
                    }
                </span>
            }
        </p>
    }
}
