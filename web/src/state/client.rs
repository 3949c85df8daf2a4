//! Asks the worker. Each question is a future; dropping it takes the question back.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures::channel::oneshot;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent};

use crate::{
    envelope,
    protocol::{Ask, Problem, ProblemKind, Progress, Reply, Request, Tell},
};

/// What a question is answered with: the reply, and the browser's objects beside it.
pub type Answer = Result<(Reply, Vec<JsValue>), Problem>;
type OnProgress = Box<dyn Fn(Progress)>;

/// The one connection to the worker.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    spawn: Box<dyn Fn() -> Result<web_sys::Worker, JsValue>>,
    /// What is not an answer.
    news: Box<dyn Fn(Tell)>,
    link: RefCell<Option<Link>>,
    /// A worker was started once.
    awake: Cell<bool>,
    next: Cell<u32>,
    pending: RefCell<HashMap<u32, Pending>>,
}

struct Pending {
    answer: oneshot::Sender<Answer>,
    progress: Option<Rc<OnProgress>>,
}

/// A running worker with what listens to it.
struct Link {
    worker: web_sys::Worker,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Client {
    /// For the worker that `spawn` makes; `news` gets everything that is not an answer, and answers that came when nobody waited any more.
    pub fn new(
        spawn: impl Fn() -> Result<web_sys::Worker, JsValue> + 'static,
        news: impl Fn(Tell) + 'static,
    ) -> Self {
        Self(Rc::new(Inner {
            spawn: Box::new(spawn),
            news: Box::new(news),
            link: RefCell::new(None),
            awake: Cell::new(false),
            next: Cell::new(0),
            pending: RefCell::default(),
        }))
    }

    /// Starts the worker if none was started so far. The first question does that, too.
    pub fn wake(&self) {
        if !self.0.awake.get() {
            self.start();
        }
    }

    /// Starts the worker, or another one in its place. Open questions are answered with a problem.
    pub fn start(&self) {
        self.0.awake.set(true);
        self.stop("The worker was started anew.");
        let worker = match (self.0.spawn)() {
            Ok(worker) => worker,
            Err(error) => {
                (self.0.news)(Tell::Died(format!("The worker cannot be started: {}", reason(&error))));
                return;
            }
        };
        let client = self.clone();
        let message = Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| client.hear(&event.data()));
        let client = self.clone();
        let error = Closure::<dyn FnMut(_)>::new(move |event: ErrorEvent| client.died(event.message()));
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        *self.0.link.borrow_mut() = Some(Link { worker, _message: message, _error: error });
    }

    /// Asks.
    pub fn ask(&self, request: Request) -> Asked {
        self.ask_with(request, &[], None)
    }

    /// Asks with the browser's objects beside, and hears of progress.
    pub fn ask_with(&self, request: Request, handles: &[JsValue], progress: Option<OnProgress>) -> Asked {
        let id = self.0.next.get();
        self.0.next.set(id.wrapping_add(1));
        let (sender, receiver) = oneshot::channel();
        let sent = self.send(&Ask { id, request }, handles);
        match sent {
            Ok(()) => {
                let pending = Pending { answer: sender, progress: progress.map(Rc::new) };
                self.0.pending.borrow_mut().insert(id, pending);
            }
            Err(message) => {
                let _ = sender.send(Err(gone(message)));
            }
        }
        Asked { id, client: self.clone(), receiver }
    }

    fn send(&self, ask: &Ask, handles: &[JsValue]) -> Result<(), String> {
        self.wake();
        let link = self.0.link.borrow();
        let link = link.as_ref().ok_or("The worker does not run.")?;
        let sent = envelope::seal(ask, handles)
            .and_then(|sealed| link.worker.post_message_with_transfer(&sealed.message, &sealed.moved));
        sent.map_err(|error| reason(&error))
    }

    fn hear(&self, message: &JsValue) {
        let (tell, handles) = match envelope::open::<Tell>(message) {
            Ok(opened) => opened,
            Err(error) => {
                return self.died(format!("It said something that the page does not understand: {}", error));
            }
        };
        match tell {
            Tell::Reply { id, result } => {
                let pending = self.0.pending.borrow_mut().remove(&id);
                match pending {
                    Some(pending) => {
                        let _ = pending.answer.send(result.map(|reply| (reply, handles)));
                    }
                    None => (self.0.news)(Tell::Reply { id, result }),
                }
            }
            Tell::Progress { id, progress } => {
                let listener = self.0.pending.borrow().get(&id).and_then(|pending| pending.progress.clone());
                if let Some(listener) = listener {
                    listener(progress);
                }
            }
            Tell::Died(message) => self.died(message),
            Tell::Ready | Tell::Document(_) => (self.0.news)(tell),
        }
    }

    fn died(&self, message: String) {
        if self.0.link.borrow().is_some() {
            self.stop(&message);
            (self.0.news)(Tell::Died(message));
        }
    }

    fn stop(&self, message: &str) {
        // Dropped a turn later: this may run in one of the closures that it holds.
        if let Some(link) = self.0.link.borrow_mut().take() {
            link.worker.terminate();
            wasm_bindgen_futures::spawn_local(async move { drop(link) });
        }
        for (_, pending) in self.0.pending.take() {
            let _ = pending.answer.send(Err(gone(message.to_owned())));
        }
    }
}

/// A question that is on its way. Dropping it takes it back.
#[must_use = "a question that is dropped is taken back"]
pub struct Asked {
    id: u32,
    client: Client,
    receiver: oneshot::Receiver<Answer>,
}

impl Future for Asked {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let lost = |_| Err(gone("The worker does not run.".to_owned()));
        Pin::new(&mut self.receiver).poll(context).map(|answer| answer.unwrap_or_else(lost))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.client.0.pending.borrow_mut().remove(&self.id).is_some() {
            let id = self.client.0.next.get();
            self.client.0.next.set(id.wrapping_add(1));
            let _ = self.client.send(&Ask { id, request: Request::Cancel(self.id) }, &[]);
        }
    }
}

fn gone(message: String) -> Problem {
    Problem { kind: ProblemKind::Cancelled, message, about: None, offset: None }
}

/// What an error of the browser says.
pub fn reason(error: &JsValue) -> String {
    let message =
        js_sys::Reflect::get(error, &JsValue::from_str("message")).ok().and_then(|text| text.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| "the browser gave no reason".to_owned())
}

/// The objects of a list, as handles.
pub fn handles(list: &Array) -> Vec<JsValue> {
    list.to_vec()
}

/// Asks and takes the reply of the kind that the request has: `reply!(client.ask(request), Rows)`.
#[macro_export]
macro_rules! reply {
    ($asked:expr, $kind:ident) => {
        match $asked.await {
            Ok(($crate::protocol::Reply::$kind(it), _)) => Ok(it),
            Ok((other, _)) => Err($crate::state::client::unexpected(&other)),
            Err(problem) => Err(problem),
        }
    };
}

/// The problem of a reply of another kind than the request has.
pub fn unexpected(_reply: &Reply) -> Problem {
    Problem {
        kind: ProblemKind::Request,
        message: "The worker answered with something that was not asked for.".to_owned(),
        about: None,
        offset: None,
    }
}
