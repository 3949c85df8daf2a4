//! What `static/boot.js` and the program have to do with each other.
//!
//! boot.js sets the Content-Security-Policy, compiles the module and runs it: in the page at once, in a worker whenever [`worker`] is
//! called. Either way it ends in `main`, which looks where it is. Panics and other errors that nobody catches are reported to the scope
//! (`reportError`); from the page's own boot.js makes a notice, and those of a worker arrive as `error` events of its `Worker`,
//! with the reason as `message`.

use gloo::timers::callback::Timeout;
use js_sys::{Error, Function, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{DedicatedWorkerGlobalScope, Worker};

/// The scope of the worker, if that is where the program runs.
#[must_use]
pub fn worker_scope() -> Option<DedicatedWorkerGlobalScope> {
    js_sys::global().dyn_into().ok()
}

/// Starts a worker that runs this program. Messages may be posted at once: they arrive when it has started, in their order.
///
/// # Errors
/// If the browser makes no worker, or this is not the page.
pub fn worker() -> Result<Worker, JsValue> {
    global_function("pxkitWorker")?.call0(&JsValue::NULL)?.dyn_into()
}

/// Makes panics errors that nobody caught, in the page and in the worker.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let error = Error::new(&panic.to_string());
        if let Ok(report) = global_function("reportError") {
            // There is nobody left to tell that it could not be told.
            let _ = report.call1(&JsValue::NULL, &error);
        }
    }));
}

/// Leaves a mark in the browser's timeline, which tools for developers show and tests measure.
pub fn mark(name: &str) {
    let performance = Reflect::get(&js_sys::global(), &"performance".into());
    if let Ok(performance) = performance.and_then(JsCast::dyn_into::<web_sys::Performance>) {
        // A timeline that is full is no reason to stop.
        let _ = performance.mark(name);
    }
}

/// Calls `then` when what is drawn now has been painted. In a page that is not seen, that is when it is.
pub fn after_paint(then: impl FnOnce() + 'static) {
    let painting = Closure::once_into_js(move || Timeout::new(0, then).forget());
    // Whoever has no frames has nothing to wait for.
    let _ = gloo::utils::window().request_animation_frame(painting.unchecked_ref());
}

fn global_function(name: &str) -> Result<Function, JsValue> {
    Reflect::get(&js_sys::global(), &name.into())?.dyn_into()
}
