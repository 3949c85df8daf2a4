//! Items of index files.

use std::rc::Rc;

use pxkit_core::index::INDEX_HEADER_SIZE;

use super::fields::Fields;
use super::{Around, Found, item};
use crate::protocol::Problem;
use crate::protocol::structure::Item;
use crate::worker::{Document, text};

const HEAD: u64 = INDEX_HEADER_SIZE as u64;

/// Items of a dynamic index.
pub async fn dynamic(document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let checksum = document.index().map(|index| index.checksum().to_string());
    entries(document, around, "INDEX_ENTRY", 40, |fields| head(fields, checksum.as_deref(), false), |number, bytes, before| {
        let mut fields = Fields::new(HEAD + 40 * number, bytes);
        let start = before.and_then(|before| before.first_chunk()).map_or(0, |end| u64::from_le_bytes(*end));
        let mut summary = String::new();
        fields.u64("end", |end| {
            let size = end.checked_sub(start).map_or_else(|| "before the one before ends".to_owned(), item::count);
            summary = format!("chunk {number}: {size} at {start:#x}");
            format!("behind the last byte; it begins at {start}: {size}")
        });
        fields.hex("digest", 32, "SHA-256 of the bytes, with a secret behind them if they are encrypted; the name of the file below .chunks");
        (summary, fields)
    })
    .await
}

/// Items of a fixed index.
pub async fn fixed(document: &Rc<Document>, around: Around) -> Result<Found, Problem> {
    let index = document.fixed_index();
    let checksum = index.as_ref().map(|index| index.checksum().to_string());
    entries(
        document,
        around,
        "FIXED_ENTRY",
        32,
        |fields| head(fields, checksum.as_deref(), true),
        |number, bytes, _| {
            let mut fields = Fields::new(HEAD + 32 * number, bytes);
            fields.hex("digest", 32, "SHA-256 of the bytes; the name of the file below .chunks");
            let extent = index.as_ref().and_then(|index| index.extent(number as usize));
            let place = extent
                .map(|extent| format!(": {} at {:#x}", item::count(extent.end - extent.start), extent.start));
            (format!("chunk {number}{}", place.unwrap_or_default()), fields)
        },
    )
    .await
}

/// The header's fields; the summary.
fn head(fields: &mut Fields<'_>, checksum: Option<&str>, is_fixed: bool) -> String {
    let mut summary = String::new();
    fields.hex("magic", 8, if is_fixed { "a fixed index" } else { "a dynamic index" });
    fields.hex("uuid", 16, "random bytes of whoever wrote it");
    fields.i64("ctime", |time| {
        summary = text::time(time);
        format!("when it was begun: {summary}")
    });
    let stored = fields.hex("checksum", 32, "").map(crate::worker::words::hex).unwrap_or_default();
    fields.explain(match checksum {
        Some(right) if right == stored => "SHA-256 of all entries; it is right".to_owned(),
        Some(right) => format!("should be the SHA-256 of all entries, {right}; readers do not look at it"),
        None => "SHA-256 of all entries".to_owned(),
    });
    if is_fixed {
        fields.u64("image size", item::count);
        fields.u64("chunk size", |size| format!("{}, but for the last", item::count(size)));
    }
    let reserved = fields.rest();
    fields.hex("reserved", reserved, "zeros");
    summary
}

/// Header and entries of one size around a position.
async fn entries<'d>(
    document: &'d Rc<Document>,
    around: Around,
    name: &str,
    len: u64,
    head: impl FnOnce(&mut Fields<'_>) -> String,
    describe: impl for<'b> Fn(u64, &'b [u8], Option<&'b [u8]>) -> (String, Fields<'b>),
) -> Result<Found, Problem> {
    let source = document.meta();
    let whole = around.size.saturating_sub(HEAD) / len;
    // Items are numbered: the header, the entries, what is left over.
    let at = if around.at < HEAD { 0 } else { 1 + (around.at - HEAD) / len };
    let surplus = around.size.saturating_sub(HEAD) % len;
    let total = 1 + whole + u64::from(surplus > 0);
    let range = at.saturating_sub(around.before as u64)..total.min(at + around.count as u64);
    let mut found = Found { first: range.start == 0, last: range.end == total, ..Found::default() };
    let mut head = Some(head);
    // One read for all, with the entry before the first.
    let from = range.start.saturating_sub(2);
    let until = (HEAD + range.end.saturating_sub(1).min(whole) * len).max(HEAD).min(around.size);
    let start = (HEAD + from * len).min(until);
    let bytes = source.bytes(start, (until - start) as usize).await?;
    let entry = |number: u64| {
        let at = (HEAD + number * len).checked_sub(start)? as usize;
        bytes.get(at..at + len as usize)
    };
    for number in range {
        let item = if number == 0 {
            let size = around.size.min(HEAD);
            let bytes = source.bytes(0, size as usize).await?;
            let mut fields = Fields::new(0, &bytes);
            let summary = head.take().map(|head| head(&mut fields)).unwrap_or_default();
            Item { summary, fields: fields.finish(), ..item::bytes(0, size, "INDEX_HEADER") }
        } else if number > whole {
            let at = HEAD + whole * len;
            let error = format!("a part of an entry: expected {len} bytes, got {surplus}");
            item::damage(at, surplus, error)
        } else {
            let number = number - 1;
            let before = number.checked_sub(1).and_then(entry);
            let (summary, fields) = describe(number, entry(number).unwrap_or_default(), before);
            Item { summary, fields: fields.finish(), ..item::bytes(HEAD + number * len, len, name) }
        };
        found.items.push(item);
    }
    Ok(found)
}
