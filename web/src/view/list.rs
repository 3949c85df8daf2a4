//! A list of any length: rows are read from the worker in pages and drawn as far as they are on screen.
//!
//! The rows lie in a layer that sticks to the view, so that scrolling never shows an empty place: until the rows of a new place are there,
//! those of the old one stay. One row is the current one; the keyboard's focus is on it (roving `tabindex`).

use std::{cell::RefCell, ops::Range, rc::Rc};

use futures::future::{AbortHandle, Abortable, LocalBoxFuture};
use gloo::timers::callback::Timeout;
use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, FocusOptions, HtmlElement};
use yew::prelude::*;

use super::{keyboard::use_patience, parts::use_size};
use crate::state::{
    Message,
    app::{use_app, use_commands, use_slice},
    keys::Command,
    pages::{PAGE, Pages},
    scroll::Scroll,
    selection::Selection,
};

/// Height of a row in pixels, as in `tokens.css`.
pub const ROW: f64 = 24.0;
/// So long rows of the old place stay; then the new place is drawn with what is there.
const PATIENCE_MS: u32 = 150;
/// So long it is quiet before the scrollbar is put right.
const QUIET_MS: u32 = 120;

/// How a row is drawn.
#[derive(Default)]
pub struct Line {
    /// Classes beside `row`.
    pub class: Classes,
    /// Depth in a tree, from 1.
    pub level: Option<u32>,
    /// Whether it is open, if it can be opened.
    pub expanded: Option<bool>,
    /// Its cells.
    pub cells: Html,
}

/// Rows that were read: `None` if they could not be.
pub type Fetched<T> = LocalBoxFuture<'static, Option<Vec<T>>>;

/// A row with its number.
pub type Numbered<T> = (u32, Rc<T>);

/// Properties of [`List`].
#[derive(Properties, PartialEq)]
pub struct ListProps<T: PartialEq + 'static> {
    /// What the list is, for those who do not see it.
    pub label: AttrValue,
    /// `grid` or `treegrid`.
    #[prop_or("grid")]
    pub role: &'static str,
    /// Classes beside `list`.
    #[prop_or_default]
    pub class: Classes,
    /// Cells of the header.
    pub head: Html,
    /// Columns there are.
    pub columns: usize,
    /// Their widths, as `grid-template-columns`.
    pub template: AttrValue,
    /// Rows there are.
    pub total: u32,
    /// Another number says that rows may have changed.
    pub revision: u64,
    /// Another number says that it is another list: it begins at its start.
    #[prop_or_default]
    pub identity: u64,
    /// Reads rows: the first, and how many.
    pub fetch: Callback<(u32, u32), Fetched<T>>,
    /// Draws a row.
    pub line: Callback<(u32, Rc<T>), Line>,
    /// The current row.
    pub current: Option<u32>,
    /// A row that is scrolled to if none is the current one.
    #[prop_or_default]
    pub reveal: Option<u32>,
    /// Another number scrolls to the current row, or to the one that is revealed.
    #[prop_or_default]
    pub show: u64,
    /// Another row becomes the current one.
    pub on_current: Callback<(u32, Rc<T>)>,
    /// A row is opened, by Enter or a double click.
    pub on_open: Callback<(u32, Rc<T>)>,
    /// Other commands, with the current row if it is on screen; says whether it was for the list.
    #[prop_or_else(|| Callback::from(|_| false))]
    pub on_command: Callback<(Command, Option<Numbered<T>>), bool>,
    /// Who takes commands first, see [`use_commands`].
    #[prop_or(1)]
    pub rank: u8,
    /// What stands there if there are no rows.
    #[prop_or_default]
    pub empty: Html,
}

/// The row that was selected in a list last, while its selection stays and rows are those of this revision; and a callback that selects a row.
#[hook]
pub fn use_picked(revision: u64) -> (Option<u32>, Callback<(u32, Selection)>) {
    let app = use_app();
    let picked = use_state_eq(|| None::<(u32, u64, Selection)>);
    let selection = use_slice(|state| state.place.selection.clone());
    let current = picked.as_ref().filter(|(_, of, what)| (*of, what) == (revision, &selection));
    let current = current.map(|(row, ..)| *row);
    let pick = Callback::from(move |(row, selection): (u32, Selection)| {
        picked.set(Some((row, revision, selection.clone())));
        app.send(Message::Select(selection));
    });
    (current, pick)
}

struct Model<T> {
    scroll: Scroll,
    pages: Pages<T>,
    total: u32,
    /// What is drawn: rows, and how far above the view the first begins.
    shown: (Range<u32>, f64),
    /// The new place is drawn even if its rows are not there.
    impatient: bool,
    /// Pages that are being read, in which state of the list.
    reading: Vec<(u32, u64, AbortHandle)>,
    /// A row that becomes the current one as soon as it is read.
    wanted: Option<u32>,
    patience: Option<Timeout>,
    quiet: Option<Timeout>,
}

impl<T> Model<T> {
    fn new() -> Self {
        Self {
            scroll: Scroll::new(ROW),
            pages: Pages::default(),
            total: 0,
            shown: (0..0, 0.0),
            impatient: false,
            reading: Vec::new(),
            wanted: None,
            patience: None,
            quiet: None,
        }
    }

    /// Decides what is drawn.
    fn plan(&mut self) -> (Range<u32>, f64) {
        let target = self.scroll.window();
        let held = self.pages.holds(&target.0);
        if held {
            self.impatient = false;
            self.patience = None;
        }
        if held || self.impatient || self.shown.0.end > self.total || self.shown.0.is_empty() {
            self.shown = target;
        }
        self.pages.touch(&self.shown.0);
        self.shown.clone()
    }
}

impl<T> Drop for Model<T> {
    fn drop(&mut self) {
        for (_, _, abort) in &self.reading {
            abort.abort();
        }
    }
}

/// The list.
#[component]
pub fn List<T: PartialEq + 'static>(props: &ListProps<T>) -> Html {
    let root = use_node_ref();
    let model = use_mut_ref(Model::<T>::new);
    let again = use_force_update();
    let (_, height) = use_size(&root);
    // The header lies in it, too.
    let height = (height - ROW).max(0.0);

    // Changes of the list take effect before it is drawn.
    let known = use_mut_ref(|| (props.identity, props.revision));
    {
        let mut known = known.borrow_mut();
        let mut model = model.borrow_mut();
        if known.0 != props.identity {
            let row = Scroll::new(ROW);
            model.scroll = row;
            model.pages.clear();
            model.wanted = None;
            set_bar(&root, 0.0);
        } else if known.1 != props.revision {
            model.pages.renew();
        }
        *known = (props.identity, props.revision);
        model.total = props.total;
        if let Some(bar) = model.scroll.resize(props.total, height) {
            set_bar(&root, bar);
        }
    }

    {
        let (model, root, again) = (model.clone(), root.clone(), again.clone());
        let current = props.current.or(props.reveal);
        use_effect_with((props.show, height > 0.0), move |_| {
            if let Some(row) = current {
                show(&model, &root, row);
                again.force_update();
            }
        });
    }

    let onscroll = {
        let (model, root, again) = (model.clone(), root.clone(), again.clone());
        Callback::from(move |_: Event| {
            let Some(bar) = bar(&root) else { return };
            let mut held = model.borrow_mut();
            held.scroll.scrolled(bar);
            if held.scroll.is_urgent()
                && let Some(bar) = held.scroll.settle()
            {
                set_bar(&root, bar);
            }
            let (settling, place) = (model.clone(), root.clone());
            held.quiet = Some(Timeout::new(QUIET_MS, move || {
                if let Some(bar) = settling.borrow_mut().scroll.settle() {
                    set_bar(&place, bar);
                }
            }));
            again.force_update();
        })
    };

    let (rows, above) = model.borrow_mut().plan();

    // After drawing: read what is missing, and wait only so long.
    {
        let (model, again) = (model.clone(), again.clone());
        let (fetch, on_current) = (props.fetch.clone(), props.on_current.clone());
        use_effect(move || {
            read(&model, &fetch, &on_current, &again);
            let mut held = model.borrow_mut();
            if held.shown.0 != held.scroll.window().0 && held.patience.is_none() {
                let waiting = model.clone();
                held.patience = Some(Timeout::new(PATIENCE_MS, move || {
                    let mut model = waiting.borrow_mut();
                    model.impatient = true;
                    model.patience = None;
                    again.force_update();
                }));
            }
        });
    }

    // The keyboard's focus goes with the current row while it is in the list.
    {
        let root = root.clone();
        let current = props.current;
        let rank = props.rank;
        use_effect(move || follow_focus(&root, rank, current));
    }

    let go = {
        let (model, root, again) = (model.clone(), root.clone(), again.clone());
        let on_current = props.on_current.clone();
        Callback::from(move |row: u32| {
            show(&model, &root, row);
            let held = model.borrow().pages.get(row).cloned();
            match held {
                Some(value) => on_current.emit((row, value)),
                None => model.borrow_mut().wanted = Some(row),
            }
            again.force_update();
        })
    };

    {
        let (model, go) = (model.clone(), go.clone());
        let (current, total) = (props.current, props.total);
        let (on_open, on_command) = (props.on_open.clone(), props.on_command.clone());
        use_commands(&root, props.rank, move |command| {
            let (page, first, wanted) = {
                let model = model.borrow();
                (model.scroll.page(), model.scroll.first(), model.wanted)
            };
            let from = wanted.or(current);
            let value = current.and_then(|row| Some((row, model.borrow().pages.get(row)?.clone())));
            let last = total.saturating_sub(1);
            let to = match command {
                Command::Down => from.map_or(first, |row| row.saturating_add(1)),
                Command::Up => from.map_or(first, |row| row.saturating_sub(1)),
                Command::PageDown => from.map_or(first, |row| row.saturating_add(page)),
                Command::PageUp => from.map_or(first, |row| row.saturating_sub(page)),
                Command::First => 0,
                Command::Last => last,
                Command::Open => {
                    let is_open = value.is_some();
                    if !on_command.emit((command, value.clone()))
                        && let Some(value) = value
                    {
                        on_open.emit(value);
                    }
                    return is_open;
                }
                _ => return on_command.emit((command, value)),
            };
            if total > 0 {
                go.emit(to.min(last));
            }
            total > 0
        });
    }

    {
        // The row that the last step led to is not there yet; further steps start from it all the same.
        let model = model.clone();
        use_patience(&root, props.rank, move |command| {
            command.is_of_view() && !command.is_step() && model.borrow().wanted.is_some()
        });
    }

    let held = model.borrow();
    let current_drawn = props.current.is_some_and(|row| rows.contains(&row));
    let lines = rows.clone().map(|row| {
        let index = (row + 2).to_string();
        let Some(value) = held.pages.get(row).cloned() else {
            return html! {
                <div class="row waiting" role="row" aria-rowindex={index}><span role="gridcell">{ "…" }</span></div>
            };
        };
        let Line { class, level, expanded, cells } = props.line.emit((row, value.clone()));
        let current = props.current == Some(row);
        let onclick = {
            let (on_current, value) = (props.on_current.clone(), value.clone());
            Callback::from(move |_: MouseEvent| on_current.emit((row, value.clone())))
        };
        let ondblclick = {
            let on_open = props.on_open.clone();
            Callback::from(move |_: MouseEvent| on_open.emit((row, value.clone())))
        };
        html! {
            <div
                class={classes!("row", class, current.then_some("current"))}
                role="row"
                data-row={row.to_string()}
                tabindex={if current { "0" } else { "-1" }}
                aria-rowindex={index}
                aria-selected={if current { "true" } else { "false" }}
                aria-level={level.map(|level| level.to_string())}
                aria-expanded={expanded.map(|open| open.to_string())}
                {onclick}
                {ondblclick}
            >
                { cells }
            </div>
        }
    });
    let spacer = format!("height: {}px", held.scroll.spacer());
    let layer = format!("height: {height}px");
    let place = format!("transform: translateY({}px)", -above);
    html! {
        <div
            ref={root}
            class={classes!("list", props.class.clone())}
            style={format!("--columns: {}", props.template)}
            role={props.role}
            aria-label={props.label.clone()}
            aria-rowcount={(u64::from(props.total) + 1).to_string()}
            aria-colcount={props.columns.to_string()}
            tabindex={if current_drawn { "-1" } else { "0" }}
            {onscroll}
        >
            <div class="list-head" role="rowgroup">
                <div class="row" role="row" aria-rowindex="1">{ props.head.clone() }</div>
            </div>
            <div class="list-spacer" role="rowgroup" style={spacer}>
                <div class="list-layer" role="presentation" style={layer}>
                    <div class="list-rows" role="presentation" style={place}>{ for lines }</div>
                </div>
            </div>
            if props.total == 0 {
                { props.empty.clone() }
            }
        </div>
    }
}

fn show<T>(model: &Rc<RefCell<Model<T>>>, root: &NodeRef, row: u32) {
    let bar = model.borrow_mut().scroll.show(row);
    if let Some(bar) = bar {
        set_bar(root, bar);
    }
}

/// Reads the pages that are missing, and lets go of those that are no longer wanted.
fn read<T: PartialEq + 'static>(
    model: &Rc<RefCell<Model<T>>>,
    fetch: &Callback<(u32, u32), Fetched<T>>,
    on_current: &Callback<(u32, Rc<T>)>,
    again: &UseForceUpdateHandle,
) {
    let mut held = model.borrow_mut();
    let (window, _) = held.scroll.window();
    let mut missing = held.pages.missing(&window, held.total);
    if let Some(row) = held.wanted
        && held.pages.get(row).is_none()
        && !missing.contains(&(row / PAGE))
    {
        missing.push(row / PAGE);
    }
    let revision = held.pages.revision();
    held.reading.retain(|(page, of, abort)| {
        let wanted = *of == revision && missing.contains(page);
        if !wanted {
            abort.abort();
        }
        wanted
    });
    for page in missing {
        if held.reading.iter().any(|(known, _, _)| *known == page) {
            continue;
        }
        let (abort, registration) = AbortHandle::new_pair();
        held.reading.push((page, revision, abort));
        let rows = fetch.emit((page * PAGE, PAGE));
        let (model, on_current, again) = (model.clone(), on_current.clone(), again.clone());
        spawn_local(async move {
            let Ok(rows) = Abortable::new(rows, registration).await else { return };
            let mut held = model.borrow_mut();
            held.reading.retain(|(known, of, _)| (*known, *of) != (page, revision));
            // A row that is not in its page is none.
            let was_wanted = held.wanted.take_if(|row| *row / PAGE == page);
            match rows {
                Some(rows) => held.pages.insert(page, revision, rows),
                None if was_wanted.is_none() => return,
                None => {}
            }
            let wanted = was_wanted.and_then(|row| Some((row, held.pages.get(row)?.clone())));
            drop(held);
            if let Some(row) = wanted {
                on_current.emit(row);
            }
            again.force_update();
        });
    }
}

fn follow_focus(root: &NodeRef, rank: u8, current: Option<u32>) {
    let Some(root) = root.cast::<HtmlElement>() else { return };
    let Some(focused) = gloo::utils::document().active_element() else { return };
    // The keyboard came to the views before this one had its list. That of the files is a view only where there is no other.
    let is_view = rank > 0 || root.matches("[data-tab=files] *").unwrap_or(false);
    let waits = is_view && focused.tag_name() == "MAIN";
    if !waits && !root.contains(Some(&focused)) {
        return;
    }
    let on = focused.get_attribute("data-row").and_then(|row| row.parse::<u32>().ok());
    if on.is_some() && on == current {
        return;
    }
    let row = current.and_then(|row| root.query_selector(&format!("[data-row=\"{row}\"]")).ok().flatten());
    let row = row.and_then(|row| row.dyn_into::<HtmlElement>().ok());
    // A control inside the current row keeps it.
    if row.as_ref().is_some_and(|row| row.contains(Some(&focused))) {
        return;
    }
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    let _ = row.as_ref().unwrap_or(&root).focus_with_options(&options);
}

fn bar(root: &NodeRef) -> Option<f64> {
    let root = root.cast::<Element>()?;
    // As a fraction, which web-sys rounds away.
    Reflect::get(&root, &"scrollTop".into()).ok()?.as_f64()
}

fn set_bar(root: &NodeRef, bar: f64) {
    if let Some(root) = root.cast::<Element>() {
        let _ = Reflect::set(&root, &"scrollTop".into(), &bar.into());
    }
}
