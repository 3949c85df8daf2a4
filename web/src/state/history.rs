//! The address in the browser: written when the place changes, read when the person goes back or forward.

use std::{cell::RefCell, rc::Rc};

use gloo::{
    events::EventListener,
    timers::callback::Timeout,
    utils::{history, window},
};
use wasm_bindgen::JsValue;

use super::{Trace, link::Link};

/// Browsers refuse addresses that change too often; steps in place are written when it is quiet for so long.
const QUIET_MS: u32 = 150;

/// Writes addresses.
#[derive(Clone, Default)]
pub struct History(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    hash: String,
    timer: Option<Timeout>,
}

impl History {
    /// The place that the address names now.
    pub fn read() -> Link {
        Link::from_hash(&window().location().hash().unwrap_or_default())
    }

    /// Calls back when the person goes back or forward, or changes the address.
    pub fn listen(&self, go: impl Fn(Link) + 'static) -> EventListener {
        let this = self.clone();
        EventListener::new(&window(), "popstate", move |_| {
            // What was still to be written belongs to the place that was left.
            this.0.borrow_mut().timer = None;
            go(Self::read());
        })
    }

    /// Writes a place.
    pub fn write(&self, link: &Link, trace: Trace) {
        let hash = link.to_hash();
        match trace {
            Trace::None => {}
            Trace::Push => {
                self.flush();
                if hash != window().location().hash().unwrap_or_default() {
                    let _ = history().push_state_with_url(&JsValue::NULL, "", Some(&hash));
                }
            }
            Trace::Replace => {
                let this = self.clone();
                let mut waiting = self.0.borrow_mut();
                waiting.hash = hash;
                waiting.timer = Some(Timeout::new(QUIET_MS, move || this.flush()));
            }
        }
    }

    fn flush(&self) {
        let mut waiting = self.0.borrow_mut();
        if waiting.timer.take().is_some() {
            let _ = history().replace_state_with_url(&JsValue::NULL, "", Some(&waiting.hash));
        }
    }
}
