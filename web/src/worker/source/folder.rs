//! Folders of the browser.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemHandle, FileSystemHandleKind,
};

use super::Source;
use super::blob::Blob;
use super::directory::{Directory, Listed, Looking};
use crate::protocol::{Problem, ProblemKind};
use crate::worker::problem;

/// Handles of subdirectories that are kept; a datastore has 65,536 directories of chunks.
const KEPT: usize = 8192;
/// Names that are listed at most.
const NAMES: usize = 1_000_000;

/// A `FileSystemDirectoryHandle`.
pub struct Folder {
    name: String,
    handle: FileSystemDirectoryHandle,
    below: RefCell<HashMap<String, FileSystemDirectoryHandle>>,
}

impl Folder {
    /// A folder under a name.
    pub fn new(name: String, handle: FileSystemDirectoryHandle) -> Self {
        Self { name, handle, below: RefCell::default() }
    }

    async fn directory(&self, path: &str) -> Result<Option<FileSystemDirectoryHandle>, Problem> {
        let mut at = self.handle.clone();
        let mut end = 0;
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            end = path[start..].find('/').map_or(path.len(), |len| start + len);
            let known = self.below.borrow().get(&path[..end]).cloned();
            at = match known {
                Some(known) => known,
                None => {
                    let promise = at.get_directory_handle(&path[start..end]);
                    let Some(found) = there(&path[..end], promise).await? else { return Ok(None) };
                    let mut below = self.below.borrow_mut();
                    if below.len() >= KEPT {
                        below.clear();
                    }
                    let found: FileSystemDirectoryHandle = found.unchecked_into();
                    below.insert(path[..end].to_owned(), found.clone());
                    found
                }
            };
        }
        Ok(Some(at))
    }
}

/// What a promise gives; `None` if there is nothing of that name, or something of another kind.
async fn there(path: &str, promise: Promise) -> Result<Option<JsValue>, Problem> {
    match JsFuture::from(promise).await {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
            match name.as_deref() {
                // The last one is for names that may not be: those with colons among them.
                Some("NotFoundError" | "TypeMismatchError" | "TypeError") => Ok(None),
                Some("NotAllowedError" | "SecurityError") => {
                    let message =
                        format!("{path} may not be read: the browser denies it. Give the folder again.");
                    Err(problem::about(ProblemKind::Read, path, message))
                }
                name => {
                    let message = format!("{path} cannot be read ({}).", name.unwrap_or("unknown reason"));
                    Err(problem::about(ProblemKind::Read, path, message))
                }
            }
        }
    }
}

impl Directory for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    /// Chromium takes such names for unsafe: it neither lists them nor finds them, and says nothing.
    fn hides_colons(&self) -> bool {
        true
    }

    fn list<'a>(&'a self, path: &'a str) -> Looking<'a, Vec<Listed>> {
        Box::pin(async move {
            let Some(directory) = self.directory(path).await? else { return Ok(None) };
            let mut names = Vec::new();
            let values = directory.values();
            let failed = || problem::about(ProblemKind::Read, path, format!("{path} cannot be listed."));
            while names.len() < NAMES {
                let promise = values.next().map_err(|_| failed())?;
                let Some(next) = there(path, promise).await? else { return Ok(None) };
                let next: js_sys::IteratorNext = next.unchecked_into();
                if next.done() {
                    break;
                }
                let handle: FileSystemHandle = next.value().unchecked_into();
                let is_directory = handle.kind() == FileSystemHandleKind::Directory;
                names.push(Listed { name: handle.name(), is_directory });
            }
            Ok(Some(names))
        })
    }

    fn file<'a>(&'a self, path: &'a str) -> Looking<'a, Rc<dyn Source>> {
        Box::pin(async move {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(directory) = self.directory(directory).await? else { return Ok(None) };
            let Some(handle) = there(path, directory.get_file_handle(name)).await? else { return Ok(None) };
            let handle: FileSystemFileHandle = handle.unchecked_into();
            let Some(file) = there(path, handle.get_file()).await? else { return Ok(None) };
            let file: File = file.unchecked_into();
            Ok(Some(Rc::new(Blob::new(name.to_owned(), file.into())) as Rc<dyn Source>))
        })
    }

    fn has<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move { Ok(self.directory(path).await?.is_some()) })
    }
}
