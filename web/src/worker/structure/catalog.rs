//! Items of a catalog: its tables, each one item.

use std::ops::Range;
use std::rc::Rc;

use pxkit_core::blob::{CATALOG_MAGIC, Catalog, CatalogKind, Table};

use super::fields::Fields;
use super::{Around, Found, item};
use crate::protocol::structure::Item;
use crate::protocol::{Problem, Stream};
use crate::worker::source::Source;
use crate::worker::{Document, Task, problem, text};

/// Bytes of a table that is read; of a longer one only its length is said.
const READ: u64 = 1 << 20;
/// Names of a table that are fields.
const NAMES: usize = 200;
/// Tables that are passed.
const PASSED: usize = 1 << 20;
/// Bytes at each end that are no tables.
const END: u64 = 8;

/// Items around a position. Tables are passed from the first on, as only they tell how long they are.
pub async fn items(task: &Task, document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let source = document.meta().clone();
    let Some(catalog) = open(&*source, around.size).await? else {
        return Ok(Found { items: vec![item::bytes(0, around.size, "BYTES")], first: true, last: true });
    };
    let starts = &document.structure.starts;
    if starts.borrow().is_empty() {
        starts.borrow_mut().extend([0, END]);
    }
    let tail = around.size - END;
    let mut error = None;
    loop {
        let (len, last) = (starts.borrow().len(), starts.borrow().last().copied().unwrap_or_default());
        let place = starts.borrow().partition_point(|&start| start <= around.at);
        if last >= tail || len >= place + around.count || len >= PASSED {
            break;
        }
        match extent(&*source, &catalog, last).await? {
            Ok(body) => starts.borrow_mut().push(body.end),
            Err(message) => {
                error = Some(message);
                break;
            }
        }
        task.progress("passing tables", last, Some(around.size), true);
        task.breathe().await?;
    }
    let known = starts.borrow().clone();
    let at = known.partition_point(|&start| start <= around.at).saturating_sub(1);
    let range = at.saturating_sub(around.before)..known.len().min(at + around.count);
    let mut found = Found { first: range.start == 0, last: range.end == known.len(), ..Found::default() };
    for number in range {
        let start = known[number];
        let item = match known.get(number + 1) {
            _ if start == 0 => magic(&*source).await?,
            _ if start >= tail => root(&*source, start).await?,
            Some(&end) => table(&*source, &catalog, start, end).await?,
            None => match &error {
                Some(error) => item::damage(start, around.size - start, error.clone()),
                // More is not looked at yet: it is not among what is wanted, or there are too many.
                None if number + 1 < PASSED && number > at => {
                    found.last = false;
                    break;
                }
                None => item::bytes(start, around.size - start, "BYTES"),
            },
        };
        found.items.push(item);
    }
    Ok(found)
}

async fn open(source: &dyn Source, size: u64) -> Result<Option<Catalog>, Problem> {
    if size < 2 * END {
        return Ok(None);
    }
    let (first, last) = (source.bytes(0, 8).await?, source.bytes(size - END, 8).await?);
    let ends = first.first_chunk().zip(last.first_chunk());
    Ok(ends.and_then(|(first, last)| Catalog::open(size, first, last).ok()))
}

/// Where the body of a table lies.
async fn extent(
    source: &dyn Source,
    catalog: &Catalog,
    start: u64,
) -> Result<Result<Range<u64>, String>, Problem> {
    let head = catalog.head(start);
    let bytes = source.bytes(head.start, (head.end - head.start) as usize).await?;
    Ok(catalog.extent(start, &bytes).map_err(|error| error.to_string()))
}

async fn magic(source: &dyn Source) -> Result<Item, Problem> {
    let bytes = source.bytes(0, END as usize).await?;
    let mut fields = Fields::new(0, &bytes);
    fields.hex("magic", 8, if bytes == CATALOG_MAGIC { "a catalog" } else { "not that of a catalog" });
    Ok(Item {
        summary: "a catalog".to_owned(),
        fields: fields.finish(),
        ..item::bytes(0, END, "CATALOG_MAGIC")
    })
}

async fn root(source: &dyn Source, start: u64) -> Result<Item, Problem> {
    let bytes = source.bytes(start, END as usize).await?;
    let mut fields = Fields::new(start, &bytes);
    let root = fields.u64("root", |_| "where the table of the root begins".to_owned()).unwrap_or_default();
    fields.link(Stream::Meta, root);
    Ok(Item {
        summary: format!("the root's table is at {root:#x}"),
        fields: fields.finish(),
        ..item::bytes(start, END, "CATALOG_ROOT")
    })
}

async fn table(source: &dyn Source, catalog: &Catalog, start: u64, end: u64) -> Result<Item, Problem> {
    let body = extent(source, catalog, start).await?.map_err(problem::request)?;
    let item = item::bytes(start, end - start, "CATALOG_TABLE");
    let size = body.end - body.start;
    let mut fields = Fields::new(start, &[]);
    fields.region("length", start, body.start - start, size.to_string(), item::count(size));
    if size > READ {
        return Ok(Item { fields: fields.finish(), ..item });
    }
    let bytes = source.bytes(body.start, size as usize).await?;
    let table = match Table::parse(start, body.start, &bytes) {
        Ok(table) => table,
        Err(error) => return Ok(Item { fields: fields.finish(), error: Some(error.to_string()), ..item }),
    };
    let mut names = 0;
    for entry in table.entries() {
        names += 1;
        if names > NAMES {
            continue;
        }
        let (words, link) = match entry.kind {
            CatalogKind::Directory { table } => (format!("directory, table at {table:#x}"), Some(table)),
            CatalogKind::File { size, mtime } => {
                (format!("file, {}, {}", item::count(size), text::time(mtime)), None)
            }
            CatalogKind::Symlink => ("symbolic link".to_owned(), None),
            CatalogKind::Hardlink => ("hard link".to_owned(), None),
            CatalogKind::BlockDevice => ("block device".to_owned(), None),
            CatalogKind::CharDevice => ("character device".to_owned(), None),
            CatalogKind::Fifo => ("FIFO".to_owned(), None),
            CatalogKind::Socket => ("socket".to_owned(), None),
        };
        // Names borrow from the body, which says where they are.
        let at = body.start + (entry.name.as_ptr() as usize - bytes.as_ptr() as usize) as u64;
        fields.region("name", at, entry.name.len() as u64, text::escape(entry.name), words);
        if let Some(table) = link {
            fields.link(Stream::Meta, table);
        }
    }
    let summary = if names == 1 { "1 name".to_owned() } else { format!("{names} names") };
    Ok(Item { summary, fields: fields.finish(), ..item })
}
