//! Saving: the worker makes a file, the browser keeps it.

use gloo::events::EventListener;
use wasm_bindgen::JsCast;
use web_sys::{Blob, HtmlAnchorElement, Url};
use yew::prelude::*;

use crate::{
    protocol::{
        DocId, Reply,
        compare::Pair,
        export::{Format, List, Save},
    },
    state::{
        Notice, Tab,
        app::{App, use_app, use_commands, use_document, use_slice},
        keys::Command,
        text,
    },
};

/// Makes a file, with progress in the status line, and gives it to the browser to be saved.
pub fn save(app: &App, doc: DocId, what: Save) {
    let phrase = match &what {
        Save::File(_) | Save::Plain => "saving a file",
        Save::Folder(..) => "saving a folder",
        Save::Layout => "writing the report",
        Save::List(..) | Save::Differences(..) => "writing a list",
    };
    app.job(phrase.to_owned(), crate::protocol::Request::Save(doc, what), Vec::new(), |app, answer| {
        match answer {
            Ok((Reply::Saved(saved), handles)) => {
                let Some(blob) = handles.into_iter().next().and_then(|blob| blob.dyn_into::<Blob>().ok())
                else {
                    return app.say("The browser made no file of it.");
                };
                download(&blob, &saved.name);
                let mut text = format!("Saved {} ({}).", saved.name, text::size(saved.size));
                if let Some(first) = saved.left_out.first() {
                    let count = saved.left_out.len() as u64 + saved.more;
                    let left_out = text::counted(count, "thing was", "things were");
                    text = format!("{text} {left_out} left out: {first}");
                    // The others in lines of their own, which are seen when the pointer rests on the first.
                    saved.left_out[1..].iter().for_each(|other| text = format!("{text}\n{other}"));
                    if saved.more > 0 {
                        text = format!("{text}\nand {} more", text::count(saved.more));
                    }
                }
                let bad = !saved.left_out.is_empty();
                app.send(crate::state::Message::Notice(Some(Notice { text, bad, compare: None })));
            }
            Ok(_) => {}
            Err(problem) => app.complain(problem),
        }
    });
}

/// Hands a blob to the browser as a file of this name.
fn download(blob: &Blob, name: &str) {
    // Without a type the browser guesses one from the bytes, and adds its ending to the name.
    let size = blob.size();
    let Ok(typed) = blob.slice_with_f64_and_f64_and_content_type(0.0, size, "application/octet-stream")
    else {
        return;
    };
    let Ok(url) = Url::create_object_url_with_blob(&typed) else { return };
    let link = gloo::utils::document()
        .create_element("a")
        .ok()
        .and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(&url);
        link.set_download(name);
        link.click();
    }
    // The browser reads it a moment later.
    gloo::timers::callback::Timeout::new(60_000, move || {
        let _ = Url::revoke_object_url(&url);
    })
    .forget();
}

/// The menu with everything that can be exported.
#[component]
pub fn Export() -> Html {
    let app = use_app();
    let older = use_slice(|state| {
        let compared = state.older().filter(|_| state.place.tab == Tab::Compare);
        compared.map(|open| open.document.id)
    });
    let menu = use_node_ref();
    {
        let closing = menu.clone();
        use_commands(&menu, 2, move |command| command == Command::Escape && close(&closing));
        let menu = menu.clone();
        use_effect_with((), move |()| {
            let listener = EventListener::new(&gloo::utils::document(), "click", move |event| {
                let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
                if !menu.get().is_some_and(|menu| menu.contains(target.as_ref())) {
                    close(&menu);
                }
            });
            move || drop(listener)
        });
    }
    let Some(open) = use_document() else { return html! {} };
    let doc = open.document.id;
    let button = |label: &'static str, what: Save| {
        let (app, menu) = (app.clone(), menu.clone());
        let onclick = Callback::from(move |_: MouseEvent| {
            close(&menu);
            save(&app, doc, what.clone());
        });
        html! { <li><button type="button" {onclick}>{ label }</button></li> }
    };
    let both = |name: &'static str, what: &dyn Fn(Format) -> Save| {
        html! {
            <>
                <li class="menu-name">{ name }</li>
                { button("as JSON", what(Format::Json)) }
                { button("as CSV", what(Format::Csv)) }
            </>
        }
    };
    let list = |name, list: List| both(name, &|format| Save::List(list, format));
    html! {
        <details class="menu" ref={&menu}>
            <summary title="Save reports and lists">{ "Export" }</summary>
            <ul>
                if open.document.is_archive() {
                    { button("Layout report (JSON)", Save::Layout) }
                    { list("Files as shown", List::Files) }
                    { for older.map(|a| both("All differences", &|format| Save::Differences(Pair { a, b: doc }, format))) }
                    { list("Ranges of the payload", List::Ranges) }
                }
                if open.document.has_chunks {
                    { list("Chunks", List::Chunks) }
                }
                { list("Findings", List::Findings) }
            </ul>
        </details>
    }
}

/// Closes the menu; says whether it was open.
fn close(menu: &NodeRef) -> bool {
    let menu = menu.cast::<web_sys::Element>().filter(|menu| menu.has_attribute("open"));
    menu.as_ref().is_some_and(|menu| menu.remove_attribute("open").is_ok())
}
