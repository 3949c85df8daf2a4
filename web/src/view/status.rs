//! How work goes: the line at the bottom, and what stands in place of everything when the worker is gone.

use yew::prelude::*;

use super::parts::bar;
use crate::{
    protocol::open::{Document, State as Stage},
    state::{
        Message, Worker,
        app::{use_app, use_document, use_slice},
        text,
    },
};

/// The line at the bottom: what is being done, what was done.
#[component]
pub fn Status() -> Html {
    let app = use_app();
    let jobs = use_slice(|state| state.jobs.clone());
    let notice = use_slice(|state| state.notice.clone().filter(|notice| notice.compare.is_none()));
    let starting = use_slice(|state| state.worker == Worker::Starting);
    let open = use_document();
    let loading = open.as_ref().filter(|open| open.document.is_loading());
    {
        // What was said goes away by itself; what went wrong stays until Esc.
        let app = app.clone();
        use_effect_with(notice.clone(), move |notice| {
            let timer = notice
                .as_ref()
                .filter(|notice| !notice.bad)
                .map(|_| gloo::timers::callback::Timeout::new(6000, move || app.send(Message::Notice(None))));
            move || drop(timer)
        });
    }
    html! {
        <footer class="status">
            if let Some(open) = loading { <Loading document={open.document.clone()} /> }
            { for jobs.iter().map(|job| {
                let id = job.id;
                let cancel = { let app = app.clone(); Callback::from(move |_: MouseEvent| app.cancel(id)) };
                html! {
                    <span class="job" key={id}>
                        if let Some(progress) = &job.progress {
                            { bar(progress) }
                        } else {
                            <span>{ &job.what }{ "…" }</span>
                        }
                        <button type="button" class="quiet" onclick={cancel} aria-label={format!("Cancel {}", job.what)}>{ "Cancel" }</button>
                    </span>
                }
            }) }
            <span class="said" role="status">
                if let Some(notice) = &notice {
                    <span class={classes!(notice.bad.then_some("bad"))} title={notice.text.clone()}>{ notice.text.lines().next() }</span>
                } else if starting {
                    { "The decoder is starting…" }
                }
            </span>
            if let Some(hint) = open.as_ref().and_then(|open| open.document.hint.clone()) {
                <span class="hint">{ hint }</span>
            }
        </footer>
    }
}

#[derive(Properties, PartialEq)]
struct LoadingProps {
    document: Document,
}

/// How far decoding is: bytes, entries, rate.
#[component]
fn Loading(props: &LoadingProps) -> Html {
    let document = &props.document;
    let id = document.id;
    let app = use_app();
    let began = use_mut_ref(|| None::<(u32, f64)>);
    let now = js_sys::Date::now();
    let since = {
        let mut began = began.borrow_mut();
        match *began {
            Some((of, since)) if of == id => since,
            _ => {
                *began = Some((id, now));
                now
            }
        }
    };
    let Stage::Loading(done) = document.state else { return html! {} };
    let seconds = (now - since) / 1000.0;
    let rate = (seconds > 0.2).then(|| text::count((f64::from(document.entries) / seconds) as u64));
    let stop = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| app.close(id))
    };
    html! {
        <span class="job">
            <span class="bar">
                <progress max={document.size.max(1).to_string()} value={done.min(document.size).to_string()} aria-label="decoding" />
                <span class="number">
                    { format!("{} of {} · {} entries", text::size(done), text::size(document.size), text::count(document.entries)) }
                    if let Some(rate) = rate { { format!(" · {rate}/s") } }
                </span>
            </span>
            <button type="button" class="quiet" onclick={stop}>{ "Cancel" }</button>
        </span>
    }
}

/// Properties of [`Failure`].
#[derive(Properties, PartialEq)]
pub struct FailureProps {
    /// Why it is gone.
    pub reason: String,
}

/// The worker is gone: why, and what can be done.
#[component]
pub fn Failure(props: &FailureProps) -> Html {
    let app = use_app();
    let restart = |again: bool| {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| app.restart(again))
    };
    html! {
        <main class="work start">
            <section class="failure" role="alert" aria-label="The decoder stopped">
                <h2>{ "The decoder stopped" }</h2>
                <p>{ "Nothing was changed or sent: archives are only read. What was open can be opened again in a new decoder." }</p>
                <pre>{ &props.reason }</pre>
                <p class="actions">
                    <button type="button" class="first" onclick={restart(true)}>{ "Restart and open again" }</button>
                    <button type="button" onclick={restart(false)}>{ "Restart empty" }</button>
                </p>
            </section>
        </main>
    }
}
