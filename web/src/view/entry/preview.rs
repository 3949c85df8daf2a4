//! A look into contents: text, a picture, or bytes.

use std::fmt::Write as _;

use js_sys::Array;
use web_sys::{Blob, BlobPropertyBag, Url};
use yew::prelude::*;

use crate::{
    protocol::{Bytes, DocId, EntryId, Reply, Request, Stream, entry::Part},
    state::{
        app::{use_app, use_reply},
        preview::{Look, decode, look},
        text,
    },
    view::parts::{copy, trouble},
};

/// Bytes that are read for a look at text or bytes.
const FIRST: u32 = 64 << 10;
/// The largest picture that is shown; the worker gives as much at once.
const PICTURE: u64 = 16 << 20;
/// Bytes that are drawn as bytes.
const DUMPED: usize = 4 << 10;

/// Properties of [`Preview`].
#[derive(Properties, PartialEq)]
pub struct PreviewProps {
    /// The document.
    pub doc: DocId,
    /// The file; none if it is what the document itself holds, in the place of a payload stream.
    pub entry: Option<EntryId>,
    /// Its bytes.
    pub size: u64,
    /// Its path.
    pub name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What fits.
    Fitting,
    Bytes,
}

/// The look.
#[component]
pub fn Preview(props: &PreviewProps) -> Html {
    let PreviewProps { doc, entry, size, .. } = *props;
    let app = use_app();
    let way = use_state_eq(|| Way::Fitting);
    let ask = |len| {
        let part = Part { offset: 0, len };
        entry.map_or(Request::Bytes(doc, Stream::Payload, part), |entry| Request::Contents(doc, entry, part))
    };
    let first = use_reply(Some(ask(FIRST)), 0);
    let bytes = first.reply.as_ref().and_then(|reply| reply.as_ref().ok()).and_then(|reply| match &**reply {
        Reply::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let seen = bytes.as_ref().map(|bytes| look(&bytes.bytes, bytes.bytes.len() as u64 >= size));
    let is_large = matches!(seen, Some(Look::Image(_))) && size > PICTURE;
    let is_picture = matches!(seen, Some(Look::Image(_))) && !is_large && *way == Way::Fitting;
    // A picture is wanted whole.
    let rest = use_reply((is_picture && size > u64::from(FIRST)).then(|| ask(size as u32)), 0);
    let whole = match rest.reply.as_ref().map(|reply| reply.as_ref().map(|reply| (**reply).clone())) {
        Some(Ok(Reply::Bytes(bytes))) => Some(bytes),
        _ if size <= u64::from(FIRST) => bytes.clone(),
        _ => None,
    };
    if let Some(Err(problem)) = &first.reply {
        return html! { <section class="entry-part" aria-label="Preview"><h3>{ "Preview" }</h3>{ trouble(problem) }</section> };
    }
    let Some((bytes, seen)) = bytes.zip(seen) else {
        return html! { <section class="entry-part" aria-label="Preview"><h3>{ "Preview" }</h3></section> };
    };
    let kind = match seen {
        Look::Text(encoding) => encoding.name(),
        Look::Image(media) => media.trim_start_matches("image/"),
        Look::Bytes => "binary",
    };
    let (drawn, text) = match (*way, seen) {
        (Way::Fitting, Look::Text(encoding)) => {
            let text = decode(&bytes.bytes, encoding);
            (html! { <pre class="look text" tabindex="0" aria-label="Text">{ &text }</pre> }, text)
        }
        (Way::Fitting, Look::Image(media)) if size <= PICTURE => (
            html! { if let Some(whole) = whole { <Picture bytes={whole} {media} name={props.name.clone()} /> } },
            String::new(),
        ),
        _ => {
            let text = dump(&bytes);
            (html! { <pre class="look mono" tabindex="0" aria-label="Bytes">{ &text }</pre> }, text)
        }
    };
    let is_dump = *way == Way::Bytes || seen == Look::Bytes || is_large;
    let shown = if is_dump { DUMPED as u64 } else { u64::from(FIRST) };
    let cut = size > shown && !is_picture;
    let toggle = {
        let way = way.clone();
        Callback::from(move |_: MouseEvent| {
            way.set(if *way == Way::Bytes { Way::Fitting } else { Way::Bytes })
        })
    };
    let onclick = {
        let text = text.clone();
        Callback::from(move |_: MouseEvent| copy(&app, "text", &text))
    };
    html! {
        <section class="entry-part" aria-label="Preview">
            <h3>{ "Preview" }<span class="muted">{ kind }</span>
                if seen != Look::Bytes && !is_large {
                    <button type="button" class="quiet" aria-pressed={(*way == Way::Bytes).to_string()} onclick={toggle}>{ "hex" }</button>
                }
                if !text.is_empty() { <button type="button" class="quiet" {onclick}>{ "copy" }</button> }
            </h3>
            { drawn }
            if cut {
                <p class="muted">
                    { format!("The first {} of {}.", text::size(shown), text::size(size)) }
                    if is_large { { format!(" Pictures of up to {} are shown.", text::size(PICTURE)) } }
                </p>
            }
        </section>
    }
}

#[derive(Properties, PartialEq)]
struct PictureProps {
    bytes: Bytes,
    media: &'static str,
    name: String,
}

/// A picture, as an image and nothing else: scripts in it do not run, and it loads nothing.
#[component]
fn Picture(props: &PictureProps) -> Html {
    let url = use_state(|| None::<String>);
    {
        let url = url.setter();
        use_effect_with((props.bytes.clone(), props.media), move |(bytes, media)| {
            let options = BlobPropertyBag::new();
            options.set_type(media);
            let array = Array::of1(&js_sys::Uint8Array::from(bytes.bytes.as_slice()));
            let made = Blob::new_with_u8_array_sequence_and_options(&array, &options)
                .and_then(|blob| Url::create_object_url_with_blob(&blob))
                .ok();
            url.set(made.clone());
            move || {
                if let Some(made) = made {
                    let _ = Url::revoke_object_url(&made);
                }
            }
        });
    }
    html! {
        if let Some(url) = &*url { <img class="look picture" src={url.clone()} alt={format!("Contents of {}", props.name)} /> }
    }
}

/// Bytes, eight a line: the panel is narrow. The structure view has all of them.
fn dump(bytes: &Bytes) -> String {
    let mut out = String::new();
    for (line, eight) in bytes.bytes[..bytes.bytes.len().min(DUMPED)].chunks(8).enumerate() {
        let _ = write!(out, "{:06x} ", line * 8);
        for at in 0..8 {
            let _ = match eight.get(at) {
                Some(byte) => write!(out, " {byte:02x}"),
                None => write!(out, "   "),
            };
        }
        out.push_str("  ");
        out.extend(
            eight.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }),
        );
        out.push('\n');
    }
    out
}
