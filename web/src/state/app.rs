//! The state with what surrounds it: the worker, the address, long work. Components get at it with [`use_app`] and [`use_slice`].

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use futures::future::{AbortHandle, Abortable};
use gloo::{events::EventListener, storage::Storage, timers::callback::Timeout};
use pxkit_core::layout::sort_things;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::{
    Job, Message, Notice, State, Theme, Trace, Worker,
    client::{Answer, Client},
    follow::Follow,
    history::History,
    keys::Command,
    opening::Given,
    workspace::Open,
};
use crate::numbered::Numbered;
use crate::protocol::{DocId, Problem, ProblemKind, Reply, Request, Tell, open};

/// The page's one store. Clones are the same store.
#[derive(Clone)]
pub struct App(pub(super) Rc<Inner>);

pub(super) struct Inner {
    state: RefCell<Rc<State>>,
    listeners: RefCell<Numbered<Listener>>,
    /// Those who take commands of the keyboard, the latest last.
    takers: RefCell<Numbered<Taker>>,
    next: Cell<u32>,
    pub(super) client: Client,
    history: History,
    jobs: RefCell<Numbered<AbortHandle>>,
    pub(super) given: RefCell<Vec<Given>>,
    follow: Follow,
    _popstate: RefCell<Option<EventListener>>,
}

type Listener = Rc<dyn Fn(&State)>;

#[derive(Clone)]
struct Taker {
    node: NodeRef,
    rank: u8,
    /// It only keeps commands until another can take them, so it is asked before that one.
    keeps: bool,
    take: Rc<dyn Fn(Command) -> bool>,
}

impl PartialEq for App {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

const THEME_KEY: &str = "pxkit-theme";

impl App {
    /// Makes the store. The worker, which `spawn` makes, is started by the first question or by [`Client::wake`].
    pub fn start(spawn: impl Fn() -> Result<web_sys::Worker, JsValue> + 'static) -> Self {
        let inner = Rc::new_cyclic(|weak: &Weak<Inner>| {
            let news = weak.clone();
            let client = Client::new(spawn, move |tell| {
                if let Some(inner) = news.upgrade() {
                    Self(inner).hear(tell);
                }
            });
            Inner {
                state: RefCell::default(),
                listeners: RefCell::default(),
                takers: RefCell::default(),
                next: Cell::new(1),
                client,
                history: History::default(),
                jobs: RefCell::default(),
                given: RefCell::default(),
                follow: Follow::default(),
                _popstate: RefCell::default(),
            }
        });
        let app = Self(inner);
        let theme: Option<String> = gloo::storage::LocalStorage::get(THEME_KEY).ok();
        app.update(|state| {
            state.theme = match theme.as_deref() {
                Some("light") => Theme::Light,
                Some("dark") => Theme::Dark,
                _ => Theme::System,
            };
        });
        app.send(Message::Go(History::read()));
        let going = app.clone();
        let listener = app.0.history.listen(move |link| {
            going.send(Message::Go(link));
            going.open_wanted(&going.state().store_ids(), going.number());
        });
        *app.0._popstate.borrow_mut() = Some(listener);
        app
    }

    /// The state as it is now.
    pub fn state(&self) -> Rc<State> {
        self.0.state.borrow().clone()
    }

    /// The connection to the worker.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Changes the state.
    pub fn send(&self, message: Message) {
        if let Message::Theme(theme) = &message {
            let word = match theme {
                Theme::System => "system",
                Theme::Light => "light",
                Theme::Dark => "dark",
            };
            let _ = gloo::storage::LocalStorage::set(THEME_KEY, word);
        }
        let trace = self.update(|state| state.take(message));
        if trace != Trace::None {
            self.0.history.write(&self.state().link(), trace);
        }
        self.0.follow.update(self);
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = State::clone(&self.0.state.borrow());
        let out = change(&mut state);
        let state = Rc::new(state);
        *self.0.state.borrow_mut() = state.clone();
        let listeners: Vec<_> =
            self.0.listeners.borrow().iter().map(|(_, listener)| listener.clone()).collect();
        for listener in listeners {
            listener(&state);
        }
        out
    }

    /// A callback that makes a message of each event.
    pub fn on<E: 'static>(&self, message: impl Fn(E) -> Message + 'static) -> Callback<E> {
        let app = self.clone();
        Callback::from(move |event| app.send(message(event)))
    }

    /// A number that is larger than those before.
    pub fn number(&self) -> u32 {
        let number = self.0.next.get();
        self.0.next.set(number.wrapping_add(1));
        number
    }

    fn hear(&self, tell: Tell) {
        match tell {
            Tell::Ready => self.send(Message::Worker(Worker::Ready)),
            Tell::Document(document) => {
                let is_complete = document.state == open::State::Complete;
                self.send(Message::Document(*document));
                if is_complete {
                    // Once it is shown.
                    Timeout::new(0, || crate::boot::mark("pxkit-tree")).forget();
                }
            }
            Tell::Died(message) => self.send(Message::Worker(Worker::Died(message))),
            // It was taken back too late.
            Tell::Reply { result: Ok(Reply::Opened(opened)), .. } => {
                let state = self.state();
                let unknown = opened.documents.iter().filter(|it| state.workspace.get(it.id).is_none());
                unknown.for_each(|document| self.tell(Request::Close(document.id)));
            }
            Tell::Reply { .. } | Tell::Progress { .. } => {}
        }
    }

    /// Says what went wrong, unless it was taken back.
    pub fn complain(&self, problem: Problem) {
        if problem.kind != ProblemKind::Cancelled {
            let opened = open::Opened { problems: vec![problem], ..open::Opened::default() };
            self.send(Message::Opened(opened, self.number()));
        }
    }

    /// Says something.
    pub fn say(&self, text: impl Into<String>) {
        self.send(Message::Notice(Some(Notice { text: text.into(), bad: false, compare: None })));
    }

    /// Asks for what needs no answer.
    pub(super) fn tell(&self, request: Request) {
        let asked = self.client().ask(request);
        spawn_local(async move { drop(asked.await) });
    }

    /// Asks for long work: its progress stands in the status line, where it can be cancelled. Gives its number.
    pub fn job(
        &self,
        what: String,
        request: Request,
        handles: Vec<JsValue>,
        done: impl FnOnce(Self, Answer) + 'static,
    ) -> u32 {
        let id = self.number();
        self.send(Message::Job(Job { id, what: what.clone(), progress: None }));
        let app = self.clone();
        let progress = Box::new(move |progress| {
            app.send(Message::Job(Job { id, what: what.clone(), progress: Some(progress) }));
        });
        let asked = self.client().ask_with(request, &handles, Some(progress));
        let (abort, registration) = AbortHandle::new_pair();
        self.0.jobs.borrow_mut().insert(id, abort);
        let app = self.clone();
        spawn_local(async move {
            let outcome = Abortable::new(asked, registration).await;
            app.0.jobs.borrow_mut().remove(id);
            app.send(Message::JobEnded(id));
            if let Ok(answer) = outcome {
                done(app, answer);
            }
        });
        id
    }

    /// Takes long work back.
    pub fn cancel(&self, job: u32) {
        if let Some(abort) = self.0.jobs.borrow().get(job) {
            abort.abort();
        }
    }

    /// Hands a command to those who take it: first those in whose element the keyboard is, then by rank, then the latest.
    pub fn command(&self, command: Command) -> bool {
        let focused = gloo::utils::document().active_element();
        let mut takers: Vec<(u32, Taker)> =
            self.0.takers.borrow().iter().map(|(number, taker)| (number, taker.clone())).collect();
        let rank = |(number, taker): &(u32, Taker)| {
            let node = taker.node.get();
            let inside =
                node.zip(focused.as_ref()).is_some_and(|(node, focused)| node.contains(Some(focused)));
            (inside, taker.rank, taker.keeps, *number)
        };
        sort_things(&mut takers, |a, b| rank(b).cmp(&rank(a)));
        takers.iter().any(|(_, taker)| (taker.take)(command))
    }
}

/// The store.
#[hook]
pub fn use_app() -> App {
    use_context::<App>().expect("components are inside the page")
}

/// A part of the state; the component is drawn again when it changes.
#[hook]
pub fn use_slice<T, F>(select: F) -> T
where
    T: PartialEq + Clone + 'static,
    F: Fn(&State) -> T + 'static,
{
    let app = use_app();
    let again = use_force_update();
    let value = select(&app.state());
    let shown = use_mut_ref(|| None::<(T, F)>);
    *shown.borrow_mut() = Some((value.clone(), select));
    use_effect_with((), move |()| {
        let number = app.number();
        let check = move |state: &State| {
            let changed = shown.borrow().as_ref().is_some_and(|(value, select)| *value != select(state));
            if changed {
                again.force_update();
            }
        };
        // It may have changed since it was drawn.
        check(&app.state());
        app.0.listeners.borrow_mut().insert(number, Rc::new(check));
        move || {
            app.0.listeners.borrow_mut().remove(number);
        }
    });
    value
}

/// The document that is shown.
#[hook]
pub fn use_document() -> Option<Rc<Open>> {
    use_slice(|state| state.active().cloned())
}

/// What [`use_reply`] is to be given for what depends on other snapshots that are open, too.
#[hook]
pub fn use_epoch(id: DocId) -> u32 {
    use_slice(move |state| state.workspace.epoch(id))
}

/// Takes commands of the keyboard while the component is there. `rank`: 2 for what lies over the screen, 1 for the view, 0 for the panes
/// beside it. The callback says whether it was for it.
#[hook]
pub fn use_commands(node: &NodeRef, rank: u8, take: impl Fn(Command) -> bool + 'static) {
    use_taker(node, rank, false, take);
}

/// As [`use_commands`], for those who only keep commands until others of their rank can take them.
#[hook]
pub fn use_keeper(node: &NodeRef, rank: u8, take: impl Fn(Command) -> bool + 'static) {
    use_taker(node, rank, true, take);
}

#[hook]
fn use_taker(node: &NodeRef, rank: u8, keeps: bool, take: impl Fn(Command) -> bool + 'static) {
    let app = use_app();
    let latest = use_mut_ref(|| None::<Rc<dyn Fn(Command) -> bool>>);
    *latest.borrow_mut() = Some(Rc::new(take));
    let node = node.clone();
    use_effect_with((), move |()| {
        let number = app.number();
        let take = Rc::new(move |command| {
            let take = latest.borrow().clone();
            take.is_some_and(|take| take(command))
        });
        app.0.takers.borrow_mut().insert(number, Taker { node, rank, keeps, take });
        move || {
            app.0.takers.borrow_mut().remove(number);
        }
    });
}

/// What [`use_reply`] gives.
#[derive(Clone, PartialEq)]
pub struct Asking {
    /// The last reply, also while a later one is on its way, so that nothing flashes.
    pub reply: Option<Result<Rc<Reply>, Problem>>,
    /// A reply is on its way.
    pub waiting: bool,
    /// The last reply is that of the request that was given.
    pub fresh: bool,
}

/// Asks whenever the request or `epoch` changes; the question before is taken back. `None` asks nothing and forgets the last reply.
#[hook]
pub fn use_reply(request: Option<Request>, epoch: u32) -> Asking {
    let app = use_app();
    let last = use_state(|| None::<(Request, Result<Rc<Reply>, Problem>)>);
    let waiting = use_state_eq(|| false);
    {
        let (last, waiting) = (last.setter(), waiting.setter());
        use_effect_with((request.clone(), epoch), move |(request, _)| {
            let (abort, registration) = AbortHandle::new_pair();
            match request.clone() {
                None => {
                    last.set(None);
                    waiting.set(false);
                }
                Some(request) => {
                    waiting.set(true);
                    let asked = app.client().ask(request.clone());
                    spawn_local(async move {
                        let Ok(answer) = Abortable::new(asked, registration).await else { return };
                        waiting.set(false);
                        if let Err(problem) = &answer
                            && problem.kind == ProblemKind::Cancelled
                        {
                            return;
                        }
                        last.set(Some((request, answer.map(|(reply, _)| Rc::new(reply)))));
                    });
                }
            }
            move || abort.abort()
        });
    }
    let fresh = last.as_ref().is_some_and(|(asked, _)| Some(asked) == request.as_ref());
    let reply = request.and(last.as_ref().map(|(_, reply)| reply.clone()));
    Asking { reply, waiting: *waiting, fresh }
}
