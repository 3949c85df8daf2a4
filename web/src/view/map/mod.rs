//! The payload stream as a map: an overview of the whole with a brush, and the visible part in lanes.

mod detail;
mod drawing;
mod overview;
mod spot;

use std::rc::Rc;

use web_sys::Element;
use yew::prelude::*;

pub(super) use self::spot::what;
use self::{detail::Detail, overview::Overview};
use super::{
    keyboard::use_patience,
    raster::{Latest, Raster},
};
use crate::{
    protocol::{
        DocId, EntryId, Reply, Request, Stream,
        layout::{Colouring, Lane, Map, MapQuery, Range, Spot, What},
    },
    state::{
        Message, State,
        app::{App, use_app, use_commands, use_slice},
        keys::Command,
        selection::{Focus, Selection},
        text,
        window::{Window, grouped},
    },
};

/// Pixels of the scale below the lanes.
const SCALE: f64 = 24.0;
/// Bytes more or less at a turn of the wheel (100 units), and by a key.
const TURN: f64 = 1.35;

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

fn ask(latest: &Latest<Wanted, Picture>, app: &App, wanted: Wanted, changed: Callback<()>) {
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
    let looking = use_state_eq(|| false);
    {
        let (app, props, looking) = (app.clone(), props.clone(), looking.setter());
        use_commands(&root, 1, move |command| act(&app, &props, &looking, command));
    }
    // Its neighbour is that of the selection, which must be known; the latest is asked first.
    let resolved = use_slice(State::is_resolved);
    let waits = *looking || !resolved;
    use_patience(&root, 1, move |command| {
        waits && matches!(command, Command::Down | Command::Up | Command::Open)
    });
    let described = describe(window, props.size);
    html! {
        <div class="map" ref={root}>
            <Overview ..props.clone() />
            <Detail props={props.clone()} spot={spot.setter()} />
            <div class="readout" aria-live="polite">
                { spot::line(spot.as_deref(), window) }
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
fn act(app: &App, props: &MapProps, looking: &UseStateSetter<bool>, command: Command) -> bool {
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
        Command::Down => neighbour(app, props, looking, focus.map_or(window.start, |(_, end)| end)),
        Command::Up => match focus {
            Some((0, _)) => {}
            Some((start, _)) => neighbour(app, props, looking, start - 1),
            None => neighbour(app, props, looking, window.end.saturating_sub(1)),
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

/// Selects what lies at a position, and shows it. `looking` is set until that is known.
fn neighbour(app: &App, props: &MapProps, looking: &UseStateSetter<bool>, offset: u64) {
    if offset >= props.size {
        return;
    }
    let (app, props, looking) = (app.clone(), props.clone(), looking.clone());
    looking.set(true);
    wasm_bindgen_futures::spawn_local(async move {
        let spot = crate::reply!(app.client().ask(Request::Spot(props.doc, offset)), Spot);
        looking.set(false);
        let Ok(spot) = spot else { return };
        let Some(range) = &spot.range else { return };
        let window = Window::of(app.state().place.zoom, props.size).showing(range.start, range.end);
        app.send(Message::Zoom(window.zoom(), false));
        select(&app, &spot, Lane::Payloads, props.stream);
    });
}

/// Selects what lies at a spot, as seen in a lane.
fn select(app: &App, spot: &Spot, lane: Lane, stream: Stream) {
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
fn selected(focus: &Focus, stream: Stream) -> Option<(u64, u64)> {
    let chunk = focus.chunk.as_ref().map(|chunk| (chunk.row.start, chunk.row.start + chunk.row.size));
    let contents = focus.details.as_ref().and_then(|details| details.contents.as_ref());
    let contents = contents.filter(|contents| contents.stream == stream);
    let contents = contents.map(|contents| (contents.header, contents.offset.saturating_add(contents.size)));
    chunk.or(contents).or(focus.range(stream)).filter(|(start, end)| start < end)
}

/// A directory that is selected is marked in the picture, since it may lie in many places.
fn marked(focus: &Focus) -> Option<EntryId> {
    let details = focus.details.as_ref()?;
    (details.kind == pxkit_core::format::Kind::Directory as u8 && details.entry != 0).then_some(details.entry)
}

/// Zooms at the pointer; sideways it moves.
fn wheel(app: &App, node: &NodeRef, event: &WheelEvent, size: u64, is_overview: bool) {
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
