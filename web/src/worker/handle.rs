//! Files and directories that come beside a request, and files that go beside an answer.

use std::rc::Rc;

use super::source::Source;

/// A thing that a message names by its number.
#[derive(Clone)]
pub enum Handle {
    /// A file, directory or blob of the browser.
    #[cfg(target_arch = "wasm32")]
    Js(wasm_bindgen::JsValue),
    /// Bytes that are known already.
    Source(Rc<dyn Source>),
}
