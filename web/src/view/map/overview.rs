//! The whole stream in a strip, with a brush around the visible part.

use wasm_bindgen::JsCast;
use web_sys::{Element, PointerEvent};
use yew::prelude::*;

use super::{MapProps, Picture, Wanted, ask, describe, drawing::pointer, marked, query, selected, wheel};
use crate::{
    protocol::layout::Lane,
    state::{
        Message,
        app::{use_app, use_slice},
        window::Window,
    },
    view::raster::{Latest, prepare, use_size, use_wheel},
};

/// Pixels of the overview.
const OVERVIEW: u32 = 40;

/// The whole stream in a strip, with a brush around the visible part.
#[component]
pub(super) fn Overview(props: &MapProps) -> Html {
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
