//! The worker in the browser: its messages, its turns.

use std::cell::OnceCell;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use js_sys::{Array, ArrayBuffer, Promise};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent, MessagePort};

use super::{Handle, Host, Worker};
use crate::envelope;
use crate::protocol::{Ask, Tell};

/// Starts the worker; called once, in the scope of a dedicated worker.
pub fn start() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let host = Rc::new(Browser { scope: scope.clone() });
    let worker = Worker::new(host.clone());
    let receive = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        match envelope::open::<Ask>(&event.data()) {
            Ok((ask, handles)) => worker.ask(ask, handles.into_iter().map(Handle::Js).collect()),
            Err(error) => web_sys::console::error_2(&"a message that is none".into(), &error.into()),
        }
    });
    scope.set_onmessage(Some(receive.as_ref().unchecked_ref()));
    // The worker lives as long as its scope.
    receive.forget();
    host.tell(Tell::Ready, Vec::new());
}

struct Browser {
    scope: DedicatedWorkerGlobalScope,
}

impl Host for Browser {
    fn tell(&self, tell: Tell, handles: Vec<Handle>) {
        let handles: Vec<JsValue> = handles.iter().filter_map(Handle::to_js).collect();
        let sent = envelope::seal(&tell, &handles)
            .and_then(|sealed| self.scope.post_message_with_transfer(&sealed.message, &sealed.moved));
        if let Err(error) = sent {
            web_sys::console::error_2(&"a message that cannot be sent".into(), &error);
        }
    }

    fn spawn(&self, future: LocalBoxFuture<'static, ()>) {
        spawn_local(future);
    }

    fn pause(&self) -> LocalBoxFuture<'static, ()> {
        Box::pin(async {
            // A message to oneself comes behind the messages that wait; a timer would wait 4 ms.
            let turn = Promise::new(&mut |resolve, _| {
                if let Ok(channel) = MessageChannel::new() {
                    channel.port1().set_onmessage(Some(&resolve));
                    if channel.port2().post_message(&JsValue::NULL).is_ok() {
                        return;
                    }
                }
                let _ = resolve.call0(&JsValue::NULL);
            });
            let _ = JsFuture::from(turn).await;
        })
    }

    fn rest(&self, milliseconds: i32) -> LocalBoxFuture<'static, ()> {
        let over = Promise::new(&mut |resolve, _| {
            let set =
                self.scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
            if set.is_err() {
                let _ = resolve.call0(&JsValue::NULL);
            }
        });
        Box::pin(async {
            let _ = JsFuture::from(over).await;
        })
    }

    fn now(&self) -> f64 {
        self.scope.performance().map_or(0.0, |clock| clock.now())
    }

    fn memory(&self) -> u64 {
        let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
        memory.buffer().unchecked_into::<ArrayBuffer>().byte_length().into()
    }
}

impl Handle {
    fn to_js(&self) -> Option<JsValue> {
        match self {
            Self::Js(value) => Some(value.clone()),
            Self::Source(_) | Self::Directory(_) => None,
        }
    }
}

/// Frees the memory of a buffer at once: it is sent to a port that nobody listens to. Left to the garbage collector, which does not
/// know how large it is, such buffers would grow to gigabytes.
pub fn release(buffer: &ArrayBuffer) {
    thread_local! {
        static CLOSED: OnceCell<Option<MessagePort>> = const { OnceCell::new() };
    }
    CLOSED.with(|closed| {
        let port = closed.get_or_init(|| {
            let port = MessageChannel::new().ok()?.port1();
            port.close();
            Some(port)
        });
        if let Some(port) = port {
            let _ = port.post_message_with_transferable(buffer, &Array::of1(buffer));
        }
    });
}
