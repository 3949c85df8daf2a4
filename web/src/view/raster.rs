//! Pictures of the worker on a canvas: at most one is on its way, the last one is stretched meanwhile.

use std::{cell::RefCell, rc::Rc};

use wasm_bindgen::{Clamped, JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    CanvasRenderingContext2d, Element, HtmlCanvasElement, ImageData, ResizeObserver, ResizeObserverEntry,
};
use yew::prelude::*;

use crate::{
    protocol::{Problem, ProblemKind, Reply, Request},
    state::app::App,
};

/// How large an element is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// Pixels of the page.
    pub width: f64,
    /// Pixels of the page.
    pub height: f64,
    /// Pixels of the device for one of the page.
    pub scale: f64,
}

impl Size {
    /// Pixels of the device.
    pub fn device(self) -> (u32, u32) {
        ((self.width * self.scale).round() as u32, (self.height * self.scale).round() as u32)
    }
}

/// The size of an element, which is followed as it changes; also when the page is zoomed.
#[hook]
pub fn use_size(node: &NodeRef) -> Size {
    let size = use_state_eq(Size::default);
    let (setter, node) = (size.setter(), node.clone());
    use_effect_with(node, move |node| {
        let element = node.cast::<Element>();
        let watched = element.clone();
        let measure = Closure::<dyn FnMut(Vec<ResizeObserverEntry>)>::new(move |_| {
            if let Some(element) = &watched {
                let rect = element.get_bounding_client_rect();
                let scale = gloo::utils::window().device_pixel_ratio();
                setter.set(Size { width: rect.width(), height: rect.height(), scale });
            }
        });
        let observer = ResizeObserver::new(measure.as_ref().unchecked_ref()).ok();
        if let Some((observer, element)) = observer.as_ref().zip(element.as_ref()) {
            observer.observe(element);
        }
        move || {
            observer.iter().for_each(ResizeObserver::disconnect);
            drop(measure);
        }
    });
    *size
}

/// A picture that can be drawn.
pub struct Raster {
    canvas: HtmlCanvasElement,
}

impl Raster {
    /// From red, green, blue, alpha of each pixel.
    pub fn new(width: u32, height: u32, rgba: &[u8]) -> Option<Self> {
        let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(rgba), width, height).ok()?;
        let canvas: HtmlCanvasElement =
            gloo::utils::document().create_element("canvas").ok()?.dyn_into().ok()?;
        canvas.set_width(width);
        canvas.set_height(height);
        context(&canvas)?.put_image_data(&image, 0.0, 0.0).ok()?;
        Some(Self { canvas })
    }

    /// Draws a part of it, given as fractions of its width, into columns of a canvas. Nothing is smoothed.
    pub fn draw(&self, on: &CanvasRenderingContext2d, part: (f64, f64), to: (f64, f64), height: f64) {
        let (width, own_height) = (f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        on.set_image_smoothing_enabled(false);
        let (x, wide) = (part.0 * width, (part.1 - part.0) * width);
        let _ = on.draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
            &self.canvas,
            x,
            0.0,
            wide,
            own_height,
            to.0,
            0.0,
            to.1 - to.0,
            height,
        );
    }
}

/// What one draws on a canvas with.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

/// Gives a canvas its pixels, if it has others, and empties it.
pub fn prepare(node: &NodeRef, size: Size) -> Option<(CanvasRenderingContext2d, f64, f64)> {
    let canvas = node.cast::<HtmlCanvasElement>()?;
    let (width, height) = size.device();
    if canvas.width() != width || canvas.height() != height {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    let context = context(&canvas)?;
    context.clear_rect(0.0, 0.0, f64::from(width), f64::from(height));
    Some((context, f64::from(width), f64::from(height)))
}

/// The value of a variable of the stylesheets.
pub fn variable(name: &str) -> String {
    let root = gloo::utils::document().document_element();
    let style = root.and_then(|root| gloo::utils::window().get_computed_style(&root).ok().flatten());
    style.and_then(|style| style.get_property_value(name).ok()).unwrap_or_default()
}

/// A question with the picture or text that answers it.
type Shown<Q, A> = Option<(Q, Rc<A>)>;

/// Asks one question at a time and always the latest: what was asked for meanwhile is left out.
pub struct Latest<Q, A>(Rc<RefCell<Inner<Q, A>>>);

struct Inner<Q, A> {
    wanted: Option<Q>,
    /// What was asked last.
    asked: Option<Q>,
    shown: Shown<Q, A>,
    problem: Option<Problem>,
    busy: bool,
}

impl<Q, A> Clone for Latest<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Default for Latest<Q, A> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            wanted: None,
            asked: None,
            shown: None,
            problem: None,
            busy: false,
        })))
    }
}

impl<Q: Clone + PartialEq + 'static, A: 'static> Latest<Q, A> {
    /// The last answer with its question; it may be older than what is wanted.
    pub fn shown(&self) -> Shown<Q, A> {
        self.0.borrow().shown.clone()
    }

    /// What went wrong with the last question.
    pub fn problem(&self) -> Option<Problem> {
        self.0.borrow().problem.clone()
    }

    /// Forgets the last answer, as it is about something else.
    pub fn forget(&self) {
        let mut inner = self.0.borrow_mut();
        inner.shown = None;
        inner.wanted = None;
        inner.asked = None;
    }

    /// Asks `query` as soon as the question before it is answered, unless the answer is there. `request` makes the request of a
    /// query, `take` the answer of a reply; `changed` is called when there is one.
    pub fn want(
        &self,
        app: &App,
        query: Q,
        request: impl Fn(&Q) -> Request + 'static,
        take: impl Fn(Reply) -> Option<A> + 'static,
        changed: Callback<()>,
    ) {
        {
            let mut inner = self.0.borrow_mut();
            if inner.wanted.as_ref() == Some(&query) {
                return;
            }
            inner.wanted = Some(query);
            if inner.busy {
                return;
            }
            inner.busy = true;
        }
        let (latest, app) = (self.clone(), app.clone());
        spawn_local(async move {
            while let Some(query) = latest.next() {
                let answer = app.client().ask(request(&query)).await;
                let mut inner = latest.0.borrow_mut();
                match answer.map(|(reply, _)| take(reply)) {
                    // It may have been forgotten meanwhile.
                    Ok(_) if inner.wanted.is_none() => {}
                    Ok(Some(answer)) => {
                        inner.shown = Some((query, Rc::new(answer)));
                        inner.problem = None;
                    }
                    Ok(None) => {}
                    Err(problem) if problem.kind == ProblemKind::Cancelled => {}
                    Err(problem) => {
                        inner.shown = None;
                        inner.problem = Some(problem);
                    }
                }
                drop(inner);
                changed.emit(());
            }
        });
    }

    /// The question that is to be asked now, or the end. One that failed is not asked again.
    fn next(&self) -> Option<Q> {
        let mut inner = self.0.borrow_mut();
        let next = inner.wanted.clone().filter(|wanted| inner.asked.as_ref() != Some(wanted));
        if next.is_some() {
            inner.asked.clone_from(&next);
        }
        inner.busy = next.is_some();
        next
    }
}

/// Text on a canvas in the font of the page.
pub fn font(size: f64, is_mono: bool) -> String {
    let family = variable(if is_mono { "--mono" } else { "--ui" });
    format!("{size}px {family}")
}

/// Listens for the wheel, which scrolls the page unless it is told not to.
#[hook]
pub fn use_wheel(node: &NodeRef, take: impl Fn(WheelEvent) + 'static) {
    let latest = use_mut_ref(|| None::<Rc<dyn Fn(WheelEvent)>>);
    *latest.borrow_mut() = Some(Rc::new(take));
    use_effect_with(node.clone(), move |node| {
        let options = gloo::events::EventListenerOptions::enable_prevent_default();
        let listener = node.cast::<Element>().map(|target| {
            gloo::events::EventListener::new_with_options(&target, "wheel", options, move |event| {
                let take = latest.borrow().clone();
                if let Some((take, event)) = take.zip(event.dyn_ref::<WheelEvent>()) {
                    event.prevent_default();
                    take(event.clone());
                }
            })
        });
        move || drop(listener)
    });
}
