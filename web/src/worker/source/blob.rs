//! Files of the browser.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob as JsBlob;

use super::{Reading, Source, check_range};
use crate::protocol::{Problem, ProblemKind};
use crate::worker::port;

/// Reads that are on their way at once. A browser reads a file in another process, and one read does not keep it busy: two of 4 MiB are
/// there in half of the time that they take one after the other.
const AHEAD: usize = 3;

/// A `Blob` or `File`.
pub struct Blob {
    name: String,
    size: u64,
    blob: JsBlob,
    /// What is on its way, in the order in which it will be read.
    ahead: RefCell<VecDeque<(Range<u64>, JsFuture)>>,
}

impl Blob {
    /// A blob under a name.
    pub fn new(name: String, blob: JsBlob) -> Self {
        Self { name, size: blob.size() as u64, blob, ahead: RefCell::default() }
    }

    /// Begins to read. A failure is heard from now on, whether anybody waits for it or not.
    fn start(&self, range: &Range<u64>) -> Result<JsFuture, JsValue> {
        // Positions below 2^53 are exact.
        let part = self.blob.slice_with_f64_and_f64(range.start as f64, range.end as f64)?;
        Ok(JsFuture::from(part.array_buffer()))
    }

    /// Takes a range that is on its way, and forgets those before it.
    fn announced(&self, range: &Range<u64>) -> Option<JsFuture> {
        let mut ahead = self.ahead.borrow_mut();
        let at = ahead.iter().position(|(announced, _)| announced == range)?;
        ahead.drain(..=at).next_back().map(|(_, bytes)| bytes)
    }

    fn problem(&self, offset: u64, error: &JsValue) -> Problem {
        let reason = error.dyn_ref::<js_sys::Error>().map_or_else(String::new, |e| e.message().into());
        let message = format!(
            "{} cannot be read any more; the file may have changed since it was opened. {reason}",
            self.name
        );
        let (kind, about) = (ProblemKind::Read, Some(self.name.clone()));
        Problem { kind, message: message.trim_end().to_owned(), about, offset: Some(offset) }
    }
}

impl Source for Blob {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read<'a>(&'a self, offset: u64, buffer: &'a mut [u8]) -> Reading<'a> {
        Box::pin(async move {
            check_range(self, offset, buffer.len())?;
            let range = offset..offset + buffer.len() as u64;
            let bytes = match self.announced(&range) {
                Some(bytes) => bytes,
                None => self.start(&range).map_err(|error| self.problem(offset, &error))?,
            };
            let bytes = bytes.await.map_err(|error| self.problem(offset, &error))?;
            let bytes: ArrayBuffer = bytes.unchecked_into();
            let view = Uint8Array::new(&bytes);
            if view.length() as usize != buffer.len() {
                return Err(self.problem(offset, &JsValue::NULL));
            }
            view.copy_to(buffer);
            port::release(&bytes);
            Ok(())
        })
    }

    fn will_read(&self, range: Range<u64>) {
        let range = range.start..range.end.min(self.size);
        if let Some(bytes) = self.start(&range).ok().filter(|_| !range.is_empty()) {
            let mut ahead = self.ahead.borrow_mut();
            if ahead.len() >= AHEAD {
                ahead.pop_front();
            }
            ahead.push_back((range, bytes));
        }
    }

    fn ahead(&self) -> usize {
        AHEAD
    }
}
