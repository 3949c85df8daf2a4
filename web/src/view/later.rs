//! Work of the page in several tasks. A browser compiles a function when it is called first, which takes as long as everything else that drawing does for
//! the first time, longer while the worker has its functions compiled, too. Between two tasks the browser paints and handles what the person does.

use gloo::timers::callback::Timeout;
use yew::prelude::*;

use crate::{boot, state::app::use_app};

/// Properties of [`Later`].
#[derive(Properties, PartialEq)]
pub struct LaterProps {
    /// What is drawn.
    pub children: Html,
}

/// Draws its children for the first time in a task of their own, after what is around them.
#[component]
pub fn Later(props: &LaterProps) -> Html {
    let is_time = use_state(|| false);
    {
        let is_time = is_time.setter();
        use_effect_with((), move |()| {
            let timer = Timeout::new(0, move || is_time.set(true));
            move || drop(timer)
        });
    }
    if *is_time {
        props.children.clone()
    } else {
        html! {}
    }
}

/// Stands behind what a person sees first: when that was painted, the worker starts, which takes a processor for itself.
#[component]
pub fn First() -> Html {
    let app = use_app();
    use_effect_with((), move |()| {
        boot::mark("pxkit-view");
        boot::after_paint(move || app.client().wake());
    });
    html! {}
}
