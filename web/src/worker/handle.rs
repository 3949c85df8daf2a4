//! Files and directories that come beside a request, and files that go beside an answer.

use std::rc::Rc;

use super::problem;
use super::source::Source;
use super::source::directory::Directory;
use crate::protocol::{Problem, ProblemKind};

/// A thing that a message names by its number.
#[derive(Clone)]
pub enum Handle {
    /// A file, directory or blob of the browser.
    #[cfg(target_arch = "wasm32")]
    Js(wasm_bindgen::JsValue),
    /// Bytes.
    Source(Rc<dyn Source>),
    /// A directory.
    Directory(Rc<dyn Directory>),
}

impl Handle {
    /// The file that it is.
    ///
    /// # Errors
    /// It is none.
    pub fn file(&self, name: &str) -> Result<Rc<dyn Source>, Problem> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Js(value) => {
                use wasm_bindgen::JsCast as _;
                let blob = value.dyn_ref::<web_sys::Blob>().cloned().ok_or_else(|| none(name, "file"))?;
                Ok(Rc::new(super::source::blob::Blob::new(name.to_owned(), blob)))
            }
            Self::Source(source) => Ok(source.clone()),
            Self::Directory(_) => Err(none(name, "file")),
        }
    }

    /// The directory that it is.
    ///
    /// # Errors
    /// It is none.
    pub fn directory(&self, name: &str) -> Result<Rc<dyn Directory>, Problem> {
        match self {
            #[cfg(target_arch = "wasm32")]
            Self::Js(value) => {
                use wasm_bindgen::JsCast as _;
                let handle = value.dyn_ref::<web_sys::FileSystemDirectoryHandle>().cloned();
                let handle = handle.ok_or_else(|| none(name, "folder"))?;
                Ok(Rc::new(super::source::folder::Folder::new(name.to_owned(), handle)))
            }
            Self::Source(_) => Err(none(name, "folder")),
            Self::Directory(directory) => Ok(directory.clone()),
        }
    }
}

fn none(name: &str, what: &str) -> Problem {
    problem::about(ProblemKind::Request, name, format!("{name} is no {what}."))
}
