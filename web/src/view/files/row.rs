//! A row of the table of files.

use pxkit_core::format::Kind;
use yew::prelude::*;

use crate::{
    protocol::files::{Row, Sort},
    state::{columns::Column, text},
    view::{list::Line, parts},
};

/// Pixels by which each level is indented.
const INDENT: u32 = 14;
/// Deeper levels stay where this one is, so that names keep some room.
const DEEPEST: u32 = 24;

/// Draws a row.
pub fn line(
    row: &std::rc::Rc<Row>,
    columns: &[Column],
    flat: bool,
    toggle: &Callback<(std::rc::Rc<Row>, bool)>,
) -> Line {
    let cells = columns.iter().map(|column| match column.sort {
        Sort::Name => name(row, flat, toggle),
        _ => cell(row, *column),
    });
    Line {
        class: classes!((row.kind == Kind::Directory as u8).then_some("directory")),
        level: (!flat).then(|| u32::from(row.depth) + 1),
        expanded: (!flat && row.has_children).then_some(row.open),
        cells: html! { <>{ for cells }</> },
    }
}

fn name(row: &std::rc::Rc<Row>, flat: bool, toggle: &Callback<(std::rc::Rc<Row>, bool)>) -> Html {
    let depth = if flat { 0 } else { u32::from(row.depth).min(DEEPEST) };
    let indent = format!("padding-left: {}px", 2 + depth * INDENT);
    let twisty = if flat {
        html! {}
    } else if row.has_children {
        let (toggle, value) = (toggle.clone(), row.clone());
        let onclick = Callback::from(move |event: MouseEvent| {
            event.stop_propagation();
            toggle.emit((value.clone(), !value.open));
        });
        // The row itself says whether it is open; this is for the mouse.
        let picture = if row.open { parts::Icon::Down } else { parts::Icon::Right };
        html! { <span class="twisty" aria-hidden="true" {onclick}>{ parts::icon(picture) }</span> }
    } else {
        html! { <span class="twisty" aria-hidden="true"></span> }
    };
    let target = row.target.as_ref().map(|target| {
        let arrow = if row.kind == Kind::Hardlink as u8 { " = " } else { " → " };
        html! { <span class="target">{ arrow }{ target }</span> }
    });
    let title = format!("{} ({})", row.name, text::kind(row.kind));
    html! {
        <span class="name" role="gridcell" style={indent} {title}>
            { twisty }
            <span class={classes!("kind", format!("kind-{}", text::kind(row.kind)))} aria-hidden="true"></span>
            <span class="text">{ marked(&row.name, &row.marks) }{ for target }</span>
            if row.finding {
                <span class="finding" title="Something irregular was found here" aria-label="has a finding">{ "!" }</span>
            }
        </span>
    }
}

/// A name with what the filter found in it.
fn marked(name: &str, marks: &[(u32, u32)]) -> Html {
    let mut out = Vec::new();
    let mut from = 0;
    for (start, end) in marks {
        let (start, end) = (*start as usize, *end as usize);
        let (Some(before), Some(mark)) = (name.get(from..start), name.get(start..end)) else { break };
        out.push(html! { { before } });
        out.push(html! { <mark>{ mark }</mark> });
        from = end;
    }
    out.push(html! { { name.get(from..).unwrap_or_default() } });
    html! { <>{ for out }</> }
}

fn cell(row: &Row, column: Column) -> Html {
    // A hard link has its metadata at the file that it is another name of.
    let is_link = row.kind == Kind::Hardlink as u8;
    let bytes = |bytes: u64| (text::size(bytes), text::exact(bytes));
    let plain = |text: String| (text, String::new());
    let (shown, title) = match column.sort {
        Sort::Size if row.kind == Kind::File as u8 || row.kind == Kind::Directory as u8 => bytes(row.size),
        Sort::Entries if row.kind == Kind::Directory as u8 => plain(text::count(row.entries)),
        Sort::Mode | Sort::Owner | Sort::Mtime if is_link => Default::default(),
        Sort::Mode => (text::mode(row.kind, row.mode), text::octal(row.mode)),
        Sort::Owner => plain(format!("{}/{}", row.uid, row.gid)),
        Sort::Mtime => {
            let (local, zone) = parts::local(row.mtime);
            let fraction = text::fraction(row.nanos);
            (local.clone(), format!("{local}{fraction} {zone}, {}{fraction} UTC", text::time(row.mtime)))
        }
        Sort::Offset => row.offset.map_or_else(Default::default, |offset| {
            (text::offset(offset), format!("{} = {}", text::offset(offset), text::exact(offset)))
        }),
        Sort::Chunks => row.chunks.map_or_else(Default::default, |chunks| plain(text::count(chunks))),
        Sort::Padding => row.padding.filter(|padding| *padding > 0).map_or_else(Default::default, bytes),
        _ => Default::default(),
    };
    let title = (!title.is_empty()).then_some(title);
    let mono = matches!(column.sort, Sort::Mode | Sort::Offset);
    let reused = matches!(column.sort, Sort::Chunks).then_some(row.reused).flatten();
    html! {
        <span role="gridcell" class={classes!(column.number.then_some("number"), mono.then_some("mono"), "cell")} {title}>
            if reused == Some(true) {
                <span class="reused" title="In chunks of an earlier snapshot">{ "↺ " }</span>
            }
            { shown }
        </span>
    }
}
