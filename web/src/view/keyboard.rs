//! The keyboard: finds out what a key asks for, does what concerns the whole page, and hands the rest to the views.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use gloo::{
    events::{EventListener, EventListenerOptions},
    timers::callback::Timeout,
};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};
use yew::prelude::*;

use super::parts;
use crate::state::{
    Message, Panel,
    app::{App, use_app, use_keeper},
    keys::{self, Command, Where},
    selection::Selection,
};

/// Listens to the keys of the whole page.
#[hook]
pub fn use_keyboard() {
    let app = use_app();
    use_effect_with((), move |()| {
        let options = EventListenerOptions::enable_prevent_default();
        let listener =
            EventListener::new_with_options(&gloo::utils::document(), "keydown", options, move |event| {
                let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
                if event.default_prevented() || event.is_composing() {
                    return;
                }
                let place = location(event);
                let Some(command) = keys::command(&event.key(), place) else { return };
                if act(&app, command, place) {
                    event.prevent_default();
                }
            });
        move || drop(listener)
    });
}

/// Keeps commands that are about something still on its way, and acts on them once it is there: who types faster than answers come loses no
/// key, and nothing else takes it. `waits` says whether a command cannot be acted on yet; it is asked when a key is pressed, and again
/// whenever the component is drawn. `node` and `rank` are those of `use_commands`.
#[hook]
pub fn use_patience(node: &NodeRef, rank: u8, waits: impl Fn(Command) -> bool + 'static) {
    use_held(node, rank, Rc::new(waits));
}

#[hook]
fn use_held(node: &NodeRef, rank: u8, waits: Waits) {
    let app = use_app();
    let held = use_memo((), |()| Held::default());
    *held.waits.borrow_mut() = Some(waits);
    {
        let held = held.clone();
        use_keeper(node, rank, move |command| held.take(command));
    }
    {
        let held = held.clone();
        use_effect(move || resume(held, app));
    }
    use_effect_with((), move |()| move || held.commands.borrow_mut().clear());
}

/// Whether a command cannot be acted on yet.
type Waits = Rc<dyn Fn(Command) -> bool>;

#[derive(Default)]
struct Held {
    commands: RefCell<VecDeque<Command>>,
    /// One of them is acted on.
    is_acting: Cell<bool>,
    waits: RefCell<Option<Waits>>,
}

impl Held {
    fn waits(&self, command: Command) -> bool {
        let waits = self.waits.borrow().clone();
        waits.is_some_and(|waits| waits(command))
    }

    fn take(&self, command: Command) -> bool {
        // What was asked for later is done later.
        let behind = command.is_of_view() && !self.commands.borrow().is_empty();
        let is_held = !self.is_acting.get() && (behind || self.waits(command));
        if is_held {
            self.commands.borrow_mut().push_back(command);
        }
        is_held
    }

    /// The next command, if it need not wait any more.
    fn next(&self) -> Option<Command> {
        let next = self.commands.borrow().front().copied();
        next.filter(|&command| !self.waits(command))?;
        self.commands.borrow_mut().pop_front()
    }
}

/// Acts on what was held, one by one, each after what the one before changed was drawn.
fn resume(held: Rc<Held>, app: App) {
    if held.commands.borrow().is_empty() {
        return;
    }
    let later = move || {
        let Some(command) = held.next() else { return };
        held.is_acting.set(true);
        act(&app, command, Where::default());
        held.is_acting.set(false);
        resume(held, app);
    };
    Timeout::new(0, later).forget();
}

fn location(event: &KeyboardEvent) -> Where {
    let element = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let is = |selector| element.as_ref().is_some_and(|element| element.matches(selector).unwrap_or(false));
    Where {
        modified: event.ctrl_key() || event.alt_key() || event.meta_key(),
        typing: is(
            "input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, [contenteditable]",
        ),
        control: is("button, a, summary, input"),
        choice: is("select, input[type=radio], input[type=range], [role=slider]"),
    }
}

fn act(app: &App, command: Command, place: Where) -> bool {
    let state = app.state();
    if command == Command::Escape && place.typing {
        blur();
        // A field in a panel goes with the panel.
        if state.panel == Panel::None {
            return true;
        }
    }
    if command == Command::Escape && state.panel != Panel::None {
        app.send(Message::Panel(Panel::None));
        return true;
    }
    if app.command(command) {
        return true;
    }
    match command {
        Command::Tab(tab) => app.send(Message::Tab(tab)),
        Command::Help => toggle(app, Panel::Help),
        Command::Goto => toggle(app, Panel::Goto),
        Command::Panel => app.send(Message::HidePanel(!state.panel_hidden)),
        Command::PreviousFinding | Command::NextFinding => super::findings::step(app, command),
        Command::Copy => match (&state.focus.details, &state.focus.chunk) {
            (_, Some(chunk)) => parts::copy(app, "digest", &chunk.row.digest),
            (Some(details), None) => parts::copy(app, "path", &details.path),
            (None, None) => return false,
        },
        Command::Escape if state.notice.is_some() => app.send(Message::Notice(None)),
        Command::Escape if state.place.selection != Selection::None => {
            app.send(Message::Select(Selection::None));
        }
        _ => return false,
    }
    true
}

fn toggle(app: &App, panel: Panel) {
    let open = app.state().panel == panel;
    app.send(Message::Panel(if open { Panel::None } else { panel }));
}

/// Leaves the field in which the keyboard is.
pub fn blur() {
    let active = gloo::utils::document().active_element();
    if let Some(element) = active.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        let _ = element.blur();
    }
}
