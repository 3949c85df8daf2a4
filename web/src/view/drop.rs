//! Dropping: anywhere on the page, at any time.

use gloo::{
    events::{EventListener, EventListenerOptions},
    timers::callback::Timeout,
};
use wasm_bindgen::JsCast;
use yew::prelude::*;

use super::gather;
use crate::state::app::use_app;

/// Takes what is dropped on the page; says whether something is held above it.
#[hook]
pub fn use_drop() -> bool {
    let app = use_app();
    let above = use_state_eq(|| false);
    {
        let (above, picks) = (above.setter(), app.clone());
        use_effect_with((), move |()| {
            let listen = |name: &'static str, act: Box<dyn Fn(&DragEvent)>| {
                let options = EventListenerOptions::enable_prevent_default();
                EventListener::new_with_options(&gloo::utils::window(), name, options, move |event| {
                    if let Some(event) = event.dyn_ref::<DragEvent>() {
                        act(event);
                    }
                })
            };
            // Leaving is told for every element on the way; what counts is that nothing is told for a while.
            let gone = std::rc::Rc::new(std::cell::RefCell::new(None::<Timeout>));
            let over = {
                let (above, gone) = (above.clone(), gone.clone());
                listen(
                    "dragover",
                    Box::new(move |event| {
                        let Some(data) = event.data_transfer() else { return };
                        let takes =
                            data.types().iter().any(|kind| kind == "Files" || kind == "text/uri-list");
                        if takes {
                            event.prevent_default();
                            data.set_drop_effect("copy");
                            above.set(true);
                            let above = above.clone();
                            *gone.borrow_mut() = Some(Timeout::new(400, move || above.set(false)));
                        }
                    }),
                )
            };
            let drop_ = listen(
                "drop",
                Box::new(move |event| {
                    event.prevent_default();
                    gone.borrow_mut().take();
                    above.set(false);
                    if let Some(data) = event.data_transfer() {
                        gather::dropped(&app, &data);
                    }
                }),
            );
            // What is picked is taken from now on, too.
            gather::listen(&picks);
            move || drop((over, drop_))
        });
    }
    *above
}
