//! Files that leave the inspector.

mod folder;
mod lists;
mod sink;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::ops::Range;
use std::rc::Rc;

use pxkit_core::access::Tree;
use pxkit_core::decode::Content;
use pxkit_core::format::{HEADER_SIZE, Kind};

use super::source::Source;
use super::{Document, Handle, Task, problem, text};
use crate::protocol::export::{Archive, Format, List, Save, Saved};
use crate::protocol::{Problem, ProblemKind, Stream};
use sink::Sink;

/// Bytes that are read at once.
const PIECE: u64 = 4 << 20;

/// Makes a file; it goes into `given`.
pub async fn save(
    task: &Task,
    document: &Rc<Document>,
    save: Save,
    given: &mut Vec<Handle>,
) -> Result<Saved, Problem> {
    let mut sink = Sink::new();
    let (mut left_out, mut more) = (Vec::new(), 0);
    let base = document.name.replace('/', "_");
    let name = match save {
        Save::File(entry) => {
            contents(task, document, Some(entry), &mut sink).await?;
            let tree = document.tree();
            text::escape(tree.name(entry))
        }
        Save::Plain => {
            contents(task, document, None, &mut sink).await?;
            base.strip_suffix(".blob").unwrap_or(&base).to_owned()
        }
        Save::Folder(entry, archive) => {
            (left_out, more) = folder::write(task, document, entry, archive, &mut sink).await?;
            let tree = document.tree();
            let name = if entry == 0 { base } else { text::escape(tree.name(entry)) };
            format!("{name}.{}", if archive == Archive::Tar { "tar" } else { "zip" })
        }
        Save::Layout => {
            lists::report(document, &mut sink)?;
            format!("{base}.layout.json")
        }
        Save::List(list, format) => {
            lists::list(task, document, list, format, &mut sink).await?;
            let what = match list {
                List::Files => "files",
                List::Ranges => "ranges",
                List::Chunks => "chunks",
                List::Findings => "findings",
            };
            format!("{base}.{what}.{}", ending(format))
        }
        Save::Differences(pair, format) => {
            lists::changes(task, pair, format, &mut sink).await?;
            let older = task.worker().document(pair.a)?.name.replace('/', "_");
            let newer = task.worker().document(pair.b)?.name.replace('/', "_");
            format!("{older}-{newer}.differences.{}", ending(format))
        }
    };
    let size = sink.size();
    let file = sink.finish(&name).ok_or_else(|| {
        problem::new(ProblemKind::Limit, "The browser has no room for a file of this size.")
    })?;
    given.push(file);
    Ok(Saved { name, size, left_out, more })
}

const fn ending(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Csv => "csv",
    }
}

/// The file that a hard link leads to.
fn link_target(tree: &Tree, link: u32) -> Option<u32> {
    let Content::Hardlink { distance, .. } = tree.content(link) else { return None };
    let filename = tree.filename(link).checked_sub(distance).filter(|_| distance > 0)?;
    tree.find(filename).filter(|&file| tree.kind(file) == Kind::File)
}

/// Where the contents of a file are, behind a header that was checked.
async fn open_contents(document: &Document, file: u32) -> Result<(Rc<dyn Source>, Range<u64>), Problem> {
    let (stream, range) = document.contents(file)?;
    let source = document.stream(stream)?;
    let reference = match document.tree().content(file) {
        Content::Reference(reference) => Some(reference),
        _ => None,
    };
    if let Some(reference) = reference {
        let mut header = [0; HEADER_SIZE];
        source.read(reference.offset, &mut header).await?;
        reference.check_header(&header).map_err(|error| problem::of(error, source.name()))?;
    }
    Ok((source, range))
}

/// Appends the contents of a file; of a hard link those of the file that it names. Without an entry, what the document itself holds.
async fn contents(
    task: &Task,
    document: &Rc<Document>,
    entry: Option<u32>,
    sink: &mut Sink,
) -> Result<(), Problem> {
    let (source, range) = match entry {
        Some(entry) => {
            document.check_entry(entry)?;
            let is_link = document.tree().kind(entry) == Kind::Hardlink;
            let file = if is_link { link_target(&document.tree(), entry) } else { Some(entry) };
            let file =
                file.ok_or_else(|| problem::new(ProblemKind::Format, "This hard link leads to no file."))?;
            open_contents(document, file).await?
        }
        None => {
            let source = document.stream(Stream::Payload)?;
            let size = source.size();
            (source, 0..size)
        }
    };
    let total = range.end - range.start;
    let mut at = range.start;
    while at < range.end {
        let len = PIECE.min(range.end - at);
        let piece = source.bytes(at, len as usize).await?;
        at += len;
        if at < range.end {
            source.will_read(at..(at + PIECE).min(range.end));
        }
        sink.push(&piece);
        task.progress("saving", at - range.start, Some(total), true);
        task.breathe().await?;
    }
    Ok(())
}
