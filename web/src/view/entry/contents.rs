//! Where contents lie, and which chunks hold them.

use std::rc::Rc;

use yew::prelude::*;

use crate::{
    protocol::{
        DocId, EntryId, Reply, Request, Stream,
        chunks::Chunk,
        entry::{ChunkPart, Contents},
    },
    state::{
        Message, Tab,
        app::{use_app, use_reply},
        selection::Selection,
        text,
    },
    view::parts::{Copy, Jump, sized, trouble},
};

/// Chunks that are listed at first.
const FEW: usize = 8;

/// Properties of [`Where`].
#[derive(Properties, PartialEq)]
pub struct WhereProps {
    /// Where contents lie.
    pub contents: Contents,
}

/// Where contents lie: header, bytes, padding around, chunks.
#[component]
pub fn Where(props: &WhereProps) -> Html {
    let app = use_app();
    let contents = &props.contents;
    let all = use_state_eq(|| false);
    let show_all = {
        let all = all.clone();
        Callback::from(move |_: MouseEvent| all.set(true))
    };
    let end = contents.offset.saturating_add(contents.size);
    let header = contents.header;
    let zoom = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            // A little of what is around it helps to see where it is.
            let margin = (end - header) / 4 + 16;
            let mut place = app.state().place.clone();
            place.tab = Tab::Layout;
            place.zoom = Some((header.saturating_sub(margin), end.saturating_add(margin)));
            app.send(Message::Place(place));
        })
    };
    let shown = if *all { contents.chunks.len() } else { FEW };
    html! {
        <section class="entry-part" aria-label="Contents">
            <h3>{ match contents.stream { Stream::Payload => "Payload", Stream::Meta => "Contents" } }
                <button type="button" class="quiet" onclick={zoom} title="Show it in the map">{ "map" }</button>
            </h3>
            <dl class="fields">
                if contents.header != contents.offset {
                    { super::place("header", contents.stream, header, contents.offset) }
                }
                { super::place("bytes", contents.stream, contents.offset, end) }
                if contents.padding.0 > 0 { <div><dt>{ "padding before" }</dt><dd>{ sized(contents.padding.0) }</dd></div> }
                if contents.padding.1 > 0 { <div><dt>{ "padding behind" }</dt><dd>{ sized(contents.padding.1) }</dd></div> }
            </dl>
            if contents.chunk_count > 0 {
                <table class="data chunk-parts">
                    <caption class="muted">{ text::counted(contents.chunk_count, "chunk holds it", "chunks hold it") }</caption>
                    <tbody>{ for contents.chunks.iter().take(shown).map(part) }</tbody>
                </table>
                if contents.chunks.len() > shown {
                    <button type="button" class="quiet" onclick={show_all}>{ format!("Show {} more", text::count((contents.chunks.len() - shown) as u64)) }</button>
                } else if (contents.chunks.len() as u64) < u64::from(contents.chunk_count) {
                    <p class="muted">{ format!("and {} more", text::count(u64::from(contents.chunk_count) - contents.chunks.len() as u64)) }</p>
                }
            }
        </section>
    }
}

fn part(part: &ChunkPart) -> Html {
    html! {
        <tr key={part.chunk}>
            <td>
                <Jump tab={Tab::Chunks} to={Selection::Chunk(part.chunk)} title={part.digest.clone()}>
                    <span class="mono">{ text::short(&part.digest) }{ "…" }</span>
                </Jump>
                <Copy what="digest" text={part.digest.clone()} />
            </td>
            <td class="number">{ sized(part.used) }</td>
            <td class="number muted">{ "of " }{ sized(part.size) }</td>
            <td class="number muted">{ text::percent(part.used, part.size) }</td>
        </tr>
    }
}

/// Properties of [`Needed`].
#[derive(Properties, PartialEq)]
pub struct NeededProps {
    /// The document.
    pub doc: DocId,
    /// The entry.
    pub entry: EntryId,
    /// It is still being decoded, so nothing can be said yet.
    pub loading: bool,
}

/// Which chunks a restore of the entry would read.
#[component]
pub fn Needed(props: &NeededProps) -> Html {
    let app = use_app();
    let request = (!props.loading).then_some(Request::ChunksOf(props.doc, props.entry));
    let asked = use_reply(request, 0);
    let needed = match &asked.reply {
        _ if !asked.fresh => return html! {},
        Some(Ok(reply)) => match &**reply {
            Reply::ChunksOf(needed) => needed.clone(),
            _ => return html! {},
        },
        Some(Err(problem)) => {
            return html! { <div class="entry-part">{ trouble(problem) }</div> };
        }
        None => return html! {},
    };
    if needed.chunks == 0 {
        return html! {};
    }
    let runs: Vec<_> = needed.runs.iter().take(12).map(|(first, end)| (*first, *end)).collect();
    let more = needed.runs.len().saturating_sub(runs.len());
    html! {
        <section class="entry-part" aria-label="Restore">
            <h3>{ "A restore reads" }</h3>
            <p>
                { text::counted(needed.chunks, "chunk", "chunks") }{ " with " }{ sized(needed.bytes) }
                { " for " }{ sized(needed.content) }{ " of contents" }
                if needed.bytes > needed.content && needed.content > 0 {
                    <span class="muted">{ format!(" (needs {} of what it reads)", text::percent(needed.content, needed.bytes)) }</span>
                }
            </p>
            <p class="runs">
                { for runs.into_iter().map(|(first, end)| {
                    let onclick = app.on(move |_: MouseEvent| Message::Jump(Tab::Chunks, Selection::Chunk(first)));
                    let label = if end - first == 1 { format!("#{first}") } else { format!("#{first}–{}", end - 1) };
                    html! { <button type="button" class="jump number" key={first} {onclick} title="Show it among the chunks">{ label }</button> }
                }) }
                if more > 0 { <span class="muted">{ format!("and {} more runs", text::count(more as u64)) }</span> }
            </p>
        </section>
    }
}

/// Properties of [`ChunkPanel`].
#[derive(Properties, PartialEq)]
pub struct ChunkPanelProps {
    /// The document.
    pub doc: DocId,
    /// The chunk.
    pub chunk: Rc<Chunk>,
}

/// The panel of a chunk.
#[component]
pub fn ChunkPanel(props: &ChunkPanelProps) -> Html {
    let app = use_app();
    let Chunk { row, files, elsewhere, stored, checked } = &*props.chunk;
    let number = row.chunk;
    let filter = {
        let app = app.clone();
        Callback::from(move |_: MouseEvent| {
            let mut place = app.state().place.clone();
            place.tab = Tab::Files;
            place.files.filter.chunk = Some(number);
            app.send(Message::Place(place));
        })
    };
    html! {
        <>
            <header class="entry-head">
                <h2>{ format!("Chunk {}", text::count(number)) }</h2>
                <p class="mono digest">{ &row.digest }<Copy what="digest" text={row.digest.clone()} /></p>
            </header>
            <dl class="fields">
                { super::place("payload", Stream::Payload, row.start, row.start.saturating_add(row.size)) }
                if row.has_use() {
                    <div><dt>{ "used" }</dt><dd>{ sized(row.live) }<span class="muted">{ text::percent(row.live, row.size) }</span></dd></div>
                    <div><dt>{ "dead" }</dt><dd>{ sized(row.dead) }</dd></div>
                }
                { for stored.map(|bytes| html! { <div><dt>{ "stored" }</dt><dd>{ sized(bytes) }</dd></div> }) }
                { for checked.iter().map(|checked| match checked {
                    Ok(()) => html! { <div><dt>{ "digest" }</dt><dd class="good">{ "right" }</dd></div> },
                    Err(sentence) => html! { <div><dt>{ "digest" }</dt><dd class="bad">{ sentence }</dd></div> },
                }) }
                { for row.age.map(|age| html! { <div><dt>{ "age" }</dt><dd>{ match age {
                    0 => "new in this snapshot".to_owned(),
                    _ => format!("since {} ago", text::counted(age, "snapshot", "snapshots")),
                } }</dd></div> }) }
                { for row.shared.map(|shared| html! { <div><dt>{ "earlier snapshot" }</dt><dd>{ if shared { "has it" } else { "has it not" } }</dd></div> }) }
                if !elsewhere.is_empty() {
                    <div><dt>{ "also at" }</dt><dd class="runs">
                        { for elsewhere.iter().take(20).map(|at| html! {
                            <Jump tab={Tab::Chunks} to={Selection::Chunk(*at)}>{ text::count(*at) }</Jump>
                        }) }
                    </dd></div>
                }
            </dl>
            if row.has_use() {
                <section class="entry-part" aria-label="Files in it">
                <h3>{ text::counted(row.files, "file in it", "files in it") }
                    if row.files > 0 { <button type="button" class="quiet" onclick={filter} title="Show only these among the files">{ "list" }</button> }
                </h3>
                <table class="data"><tbody>
                    { for files.iter().take(200).map(|(entry, path, bytes)| html! {
                        <tr key={*entry}>
                            <td class="path"><Jump tab={Tab::Files} to={Selection::Entry(*entry)} title={path.clone()}><span class="mono">{ path }</span></Jump></td>
                            <td class="number">{ sized(*bytes) }</td>
                        </tr>
                    }) }
                </tbody></table>
                if files.len() > 200 { <p class="muted">{ "The list has all of them." }</p> }
                </section>
            }
        </>
    }
}
