//! What a folder is: a datastore, a directory of chunks, a snapshot, or just files.

use std::rc::Rc;

use pxkit_core::layout::sort_things;

use crate::protocol::{Problem, ProblemKind};
use crate::worker::problem;
use crate::worker::source::chunked::Arrangement;
use crate::worker::source::directory::{Directory, Listed};

/// Files of a folder that are looked at.
const FILES: usize = 1000;
/// Names by which a datastore, or a namespace, is known.
const TYPES: [&str; 3] = ["ct", "host", "vm"];

/// What a folder is.
pub enum Folder {
    /// A datastore.
    Store {
        /// Its chunks are there.
        has_chunks: bool,
    },
    /// Chunks.
    Chunks(Arrangement),
    /// Files: their names.
    Files(Vec<String>),
}

/// Looks at a folder. Directories of chunks, which may have 65,536 names, are known by their name and never listed.
///
/// # Errors
/// It cannot be read, or there is nothing in it that can be opened; the sentence says what would do.
pub async fn look(directory: &Rc<dyn Directory>) -> Result<Folder, Problem> {
    let name = directory.name();
    if name == ".chunks" {
        return Ok(Folder::Chunks(Arrangement::Nested));
    }
    if directory.has(".chunks").await? {
        return Ok(Folder::Store { has_chunks: true });
    }
    let listed = directory.list("").await?.unwrap_or_default();
    let is_directory = |name: &str| listed.iter().any(|one| one.is_directory && one.name == name);
    if TYPES.iter().any(|name| is_directory(name)) || (is_directory("ns") && !listed.iter().any(is_index)) {
        return Ok(Folder::Store { has_chunks: false });
    }
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let all = |is_directory, len| {
        let mut some = listed.iter().filter(|one| one.is_directory == is_directory).peekable();
        some.peek().is_some() && some.all(|one| one.name.len() >= len && is_hex(&one.name[..len]))
    };
    if all(true, 4) && listed.iter().all(|one| one.is_directory && one.name.len() == 4) {
        return Ok(Folder::Chunks(Arrangement::Nested));
    }
    if all(false, 64) && listed.iter().all(|one| !one.is_directory) {
        return Ok(Folder::Chunks(Arrangement::Flat));
    }
    let mut files: Vec<String> =
        listed.iter().filter(|one| !one.is_directory).map(|one| one.name.clone()).collect();
    sort_things(&mut files, Ord::cmp);
    files.truncate(FILES);
    let is_group = listed.iter().any(|one| one.is_directory && is_time(&one.name));
    if files.is_empty() || is_group {
        let message = if is_group || TYPES.contains(&name) {
            format!(
                "{name} is a folder within a datastore: give the datastore's own folder, the one with .chunks \
                in it, or the folder of one snapshot."
            )
        } else if listed.is_empty() {
            format!("The folder {name} is empty.")
        } else {
            format!("There is nothing in the folder {name} that can be shown, only further folders.")
        };
        return Err(problem::about(ProblemKind::Foreign, name, message));
    }
    Ok(Folder::Files(files))
}

fn is_index(one: &Listed) -> bool {
    one.name.ends_with(".didx") || one.name.ends_with(".fidx")
}

/// Whether a name is a time as directories of snapshots have it: `2026-11-22T21:15:52Z`.
pub fn is_time(name: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    name.len() == form.len()
        && name.bytes().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => byte == *form,
        })
}

/// Whether a text may be part of a path in a datastore (datastore specification 2).
pub fn is_safe(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}
