//! The visible part of the stream in lanes, with what the pointer does there.

use std::rc::Rc;

use web_sys::{Element, PointerEvent};
use yew::prelude::*;

use super::{
    MapProps, Picture, Wanted, ask, describe, drawing::Drawing, lanes, marked, name, query, select, selected,
    wheel,
};
use crate::{
    protocol::{
        Problem, Reply, Request,
        layout::{Lane, Spot},
    },
    state::{
        Message,
        app::{use_app, use_slice},
        window::Window,
    },
    view::raster::{Latest, prepare, use_size, use_wheel},
};

/// Single ranges that are asked for, for labels.
const RANGES: u32 = 300;
/// Pixels from which on a movement is a drag.
const DRAG: f64 = 3.0;

/// Properties of [`Detail`].
#[derive(Properties, PartialEq)]
pub(super) struct DetailProps {
    /// Those of the map.
    pub props: MapProps,
    /// Takes what is under the pointer.
    pub spot: UseStateSetter<Option<Rc<Spot>>>,
}

/// The visible part in lanes.
#[component]
pub(super) fn Detail(DetailProps { props, spot }: &DetailProps) -> Html {
    let app = use_app();
    let canvas = use_node_ref();
    let size = use_size(&canvas);
    let dark = use_slice(|state| state.dark());
    let zoom = use_slice(|state| state.place.zoom);
    let mark = use_slice(|state| marked(&state.focus));
    let stream = props.stream;
    let focus = use_slice(move |state| selected(&state.focus, stream));
    let latest = use_memo(props.doc, |_| Latest::<Wanted, Picture>::default());
    let hover = use_memo(props.doc, |_| Latest::<(u64, u32), Spot>::default());
    let pointer_at = use_state_eq(|| None::<(f64, f64)>);
    let again = use_force_update();
    let window = Window::of(zoom, props.size);
    let lanes = lanes(props.has_chunks, size.height * size.scale, size.scale);

    {
        let (app, latest, hover, canvas, props, lanes) =
            (app.clone(), latest.clone(), hover.clone(), canvas.clone(), props.clone(), lanes.clone());
        let (spot, pointer_at) = (spot.clone(), *pointer_at);
        use_effect(move || {
            let (width, _) = size.device();
            if width == 0 || props.size == 0 {
                return;
            }
            let query = query(&props, window, width, size.scale, lanes.clone(), mark, dark, RANGES);
            let changed = Callback::from(move |()| again.force_update());
            // What is under the pointer changes with the picture, too.
            if let Some((x, _)) = pointer_at {
                let request = move |&(offset, _): &(u64, u32)| Request::Spot(props.doc, offset);
                let take = |reply| if let Reply::Spot(spot) = reply { Some(spot) } else { None };
                let at = window.offset(x / size.width);
                hover.want(&app, (at, props.epoch), request, take, changed.clone());
            }
            let under = pointer_at.and(hover.shown()).map(|(_, spot)| spot);
            spot.set(under.clone());
            ask(&latest, &app, Wanted { doc: props.doc, epoch: props.epoch, query }, changed);
            let Some((on, width, height)) = prepare(&canvas, size) else { return };
            let drawing = Drawing { on, width, height, size, window, lanes, dark };
            if let Some((wanted, picture)) = latest.shown() {
                drawing.picture(&picture, &wanted.query.lanes);
            }
            drawing.overlays(focus, pointer_at, under.as_deref());
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
        let (pointer_at, hover) = (pointer_at.setter(), hover.clone());
        Callback::from(move |_: PointerEvent| {
            pointer_at.set(None);
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
                { crate::view::parts::trouble(&problem) }
            }
        </div>
    }
}

/// Where an event is in the canvas, and how wide that is.
fn place(canvas: &NodeRef, event: &PointerEvent) -> Option<(f64, f64, f64)> {
    let rect = canvas.cast::<Element>()?.get_bounding_client_rect();
    Some((f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top(), rect.width()))
}
