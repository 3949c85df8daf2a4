//! What an item of an archive says: the fields of its content in words, and a summary.

use pxkit_core::format::{
    Device, HEADER_SIZE, ItemType, Kind, RECORD_SIZE, Record, Stat, TAIL_MARKER, Timestamp, hash_name,
};
use pxkit_core::pattern::decode_prelude;

use super::archive::Piece;
use super::fields::Fields;
use super::item;
use crate::protocol::{Problem, Stream};
use crate::worker::{Document, text, words};

/// Records of a table that are fields of its item; the table as a tree has them all.
const RECORDS: u64 = 32;
/// Bytes of a value in a summary.
const SUMMARY: usize = 120;

/// The two fields of every header.
pub fn header(fields: &mut Fields<'_>, kind: ItemType) {
    fields.id("type", format!("{kind}: the hash of {}", kind.seed()));
    fields.u64("size", |size| {
        format!("{}: 16 of the header and {} of content", item::count(size), size.saturating_sub(16))
    });
}

/// The fields of an item's content; the summary.
///
/// # Errors
/// Further bytes that it takes cannot be read.
pub(super) async fn fields(
    document: &Document,
    piece: &Piece,
    kind: ItemType,
    fields: &mut Fields<'_>,
) -> Result<String, Problem> {
    match kind {
        ItemType::Goodbye => goodbye(document, piece, fields).await,
        _ => Ok(content(document, piece, kind, fields)),
    }
}

fn content(document: &Document, piece: &Piece, kind: ItemType, fields: &mut Fields<'_>) -> String {
    let number = |value: u64| value.to_string();
    match kind {
        ItemType::FormatVersion => {
            let version = fields.u64("version", |version| match version {
                2 => "split: metadata here, contents in a payload stream".to_owned(),
                _ => "unified: everything in this stream".to_owned(),
            });
            version.map_or_else(String::new, |version| format!("version {version}"))
        }
        ItemType::Prelude => prelude(fields),
        ItemType::Entry | ItemType::EntryV1 => entry(fields, kind == ItemType::EntryV1),
        ItemType::Filename => {
            let len = fields.rest().saturating_sub(1);
            let name = fields.text("name", len, "").unwrap_or_default();
            fields.explain(format!(
                "{}, hash {:016x} in the table of its directory",
                item::count(len as u64),
                hash_name(name)
            ));
            fields.nul();
            text::escape(name)
        }
        ItemType::Symlink => {
            let len = fields.rest().saturating_sub(1);
            let target = fields.text("target", len, "").unwrap_or_default();
            fields.explain(item::count(len as u64));
            fields.nul();
            format!("→ {}", short(&text::escape(target)))
        }
        ItemType::Device => {
            let major = fields.u64("major", |_| "the driver".to_owned()).unwrap_or_default();
            let minor = fields.u64("minor", |_| "which device of the driver".to_owned()).unwrap_or_default();
            let dev = Device { major, minor }.to_dev_t();
            format!("{major}:{minor}, {dev:#x} as Linux has it")
        }
        ItemType::Hardlink => hardlink(document, piece, fields),
        ItemType::Payload => {
            let start = piece.range.start + HEADER_SIZE as u64;
            let size = piece.range.end - start;
            fields.region("contents", start, size, item::count(size), "the bytes of the file");
            item::count(size)
        }
        ItemType::PayloadRef => {
            let offset = fields.u64("offset", |offset| {
                format!("position {offset:#x} of the file's PAYLOAD header in the payload stream")
            });
            fields.link(Stream::Payload, offset.unwrap_or_default());
            let size =
                fields.u64("size", |size| format!("contents of {}, behind the header", item::count(size)));
            let (offset, size) = (offset.unwrap_or_default(), size.unwrap_or_default());
            format!("{} at {offset:#x} of the payload stream", item::count(size))
        }
        ItemType::PayloadStartMarker | ItemType::PayloadTailMarker => String::new(),
        ItemType::QuotaProjid => {
            let id = fields.u64("project", |_| "number of the quota project".to_owned());
            id.map_or_else(String::new, number)
        }
        ItemType::Goodbye => String::new(),
        attribute => attributes(attribute, fields),
    }
}

fn prelude(fields: &mut Fields<'_>) -> String {
    let len = fields.rest();
    let json = fields.text("content", len, "").unwrap_or_default();
    let Some(patterns) = decode_prelude(json) else {
        fields.explain("not what the Proxmox tools write");
        return item::count(len as u64);
    };
    let lines: Vec<String> =
        patterns.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(pattern).collect();
    fields.explain(format!(
        "the exclude patterns of the command line, of which the last that matches decides: {}",
        lines.join("; ")
    ));
    match lines.len() {
        1 => format!("1 exclude pattern: {}", short(&text::escape(&patterns))),
        n => format!("{n} exclude patterns"),
    }
}

/// A line of an exclude list in words.
fn pattern(line: &[u8]) -> String {
    let (verb, line) = match line.strip_prefix(b"!") {
        Some(rest) => ("keeps", rest),
        None => ("leaves out", line),
    };
    let directories = if line.ends_with(b"/") { "directories that match " } else { "what matches " };
    let place = if line.starts_with(b"/") { " from the root" } else { "" };
    format!("{verb} {directories}{}{place}", text::escape(line))
}

fn entry(fields: &mut Fields<'_>, is_old: bool) -> String {
    let mode = fields.u64("mode", |mode| format!("{mode:#o}: {}", words::mode(mode))).unwrap_or_default();
    fields.u64("flags", |flags| format!("{flags:#x}: {}", words::flags(flags)));
    let uid = fields.u32("uid", |_| "the owner's number".to_owned()).unwrap_or_default();
    let gid = fields.u32("gid", |_| "the owning group's number".to_owned()).unwrap_or_default();
    let mut mtime = Timestamp::default();
    if is_old {
        let nanos = fields
            .u64("mtime", |nanos| format!("{} (nanoseconds since 1970)", words::timestamp(old_time(nanos))));
        mtime = old_time(nanos.unwrap_or_default());
    } else {
        mtime.secs = fields.i64("mtime seconds", text::time).unwrap_or_default();
        let nanos = fields.u32("mtime nanoseconds", |nanos| match nanos {
            0..1_000_000_000 => "always added, also before 1970".to_owned(),
            _ => "more than a second has".to_owned(),
        });
        mtime.nanos = nanos.unwrap_or_default();
        fields.u32("padding", |value| {
            if value == 0 { "historical, always 0" } else { "should be 0" }.to_owned()
        });
    }
    let kind = Stat { mode, ..Stat::default() }.kind().unwrap_or(Kind::File);
    format!("{} {uid}/{gid} {}", words::mode_letters(kind, mode), words::timestamp(mtime))
}

const fn old_time(nanos: u64) -> Timestamp {
    Timestamp { secs: (nanos / 1_000_000_000) as i64, nanos: (nanos % 1_000_000_000) as u32 }
}

fn hardlink(document: &Document, piece: &Piece, fields: &mut Fields<'_>) -> String {
    let tree = document.tree();
    let link = piece.entry.map(|entry| tree.filename(entry));
    let distance = fields.u64("distance", |_| String::new()).unwrap_or_default();
    let file = link.and_then(|link| link.checked_sub(distance));
    match (file, file.and_then(|file| tree.find(file))) {
        (Some(file), Some(id)) => {
            fields.explain(format!(
                "this FILENAME is at {}, that of the file so many bytes before: {file:#x}, {}",
                link.unwrap_or_default(),
                text::path(&tree, id)
            ));
        }
        _ => fields.explain("leads to no entry"),
    }
    if let Some(file) = file {
        fields.link(Stream::Meta, file);
    }
    let len = fields.rest().saturating_sub(1);
    let target = fields.text("target", len, "the file's path from the root").unwrap_or_default();
    fields.nul();
    format!("→ {}", short(&text::escape(target)))
}

fn attributes(kind: ItemType, fields: &mut Fields<'_>) -> String {
    let bits = |bits: u64| words::permissions(bits);
    match kind {
        ItemType::Xattr => {
            let (name, value) = fields.split_at_nul();
            let name = fields.text("name", name, "namespace and name").unwrap_or_default();
            fields.nul();
            let value = fields.text("value", value, "").unwrap_or_default();
            fields.explain(format!("{}: {}", item::count(value.len() as u64), words::value(value)));
            format!("{} = {}", text::escape(name), short(&text::escape(words::value(value).as_bytes())))
        }
        ItemType::Fcaps => {
            let len = fields.rest();
            let value = fields.hex("value", len, "").unwrap_or_default();
            fields.explain(words::capabilities(value));
            words::capabilities(value)
        }
        ItemType::AclGroupObj => {
            let value = fields.u64("permissions", bits);
            format!("owning group {}", bits(value.unwrap_or_default()))
        }
        ItemType::AclDefault => {
            let names = ["owner", "group", "others", "mask"];
            let values = names.map(|name| (name, fields.u64(name, bits).unwrap_or_default()));
            values.map(|(name, value)| format!("{name} {}", bits(value))).join(", ")
        }
        _ => {
            let who =
                if matches!(kind, ItemType::AclUser | ItemType::AclDefaultUser) { "user" } else { "group" };
            let id = fields.u64("id", |id| format!("{who} {id}")).unwrap_or_default();
            let value = fields.u64("permissions", bits).unwrap_or_default();
            format!("{who} {id} {}", bits(value))
        }
    }
}

/// The records of a table, the first of them, and the tail.
async fn goodbye(document: &Document, piece: &Piece, fields: &mut Fields<'_>) -> Result<String, Problem> {
    let content = piece.range.end - piece.range.start - HEADER_SIZE as u64;
    let size = RECORD_SIZE as u64;
    let Some(records) = (content / size).checked_sub(1).filter(|_| content.is_multiple_of(size)) else {
        return Ok(format!("{}: not 24 for each record and the tail", item::count(content)));
    };
    let start = piece.range.start + HEADER_SIZE as u64;
    let tail = document.meta().bytes(start + records * size, RECORD_SIZE).await?;
    for slot in 0..records.min(RECORDS) {
        let Some(bytes) = fields.peek(RECORD_SIZE) else { break };
        let record = Record::parse(bytes);
        let tree = document.tree();
        let child = piece.range.start.checked_sub(record.offset);
        let name = child.and_then(|child| tree.find(child)).map(|id| text::escape(tree.name(id)));
        let words = match (child, name) {
            (Some(child), Some(name)) => format!("{name}, {} at {child:#x}", item::count(record.size)),
            _ => "leads to no entry".to_owned(),
        };
        fields.hex(&format!("record {slot}"), RECORD_SIZE, format!("hash {:016x}: {words}", record.hash));
        if let Some(child) = child {
            fields.link(Stream::Meta, child);
        }
    }
    if records > RECORDS {
        let (at, left) = (start + RECORDS * size, records - RECORDS);
        fields.region("more records", at, left * size, left.to_string(), "all are in the table's own view");
    }
    let at = start + records * size;
    let Record { hash, offset, .. } = Record::parse(&tail);
    let mut last = Fields::new(at, &tail);
    last.hex(
        "tail marker",
        8,
        if hash == TAIL_MARKER {
            "the hash that marks the tail"
        } else {
            "another value than the tail marker"
        },
    );
    last.u64("tail offset", |offset| {
        format!("bytes from the directory's ENTRY (of the root, from the start) to this table: {offset:#x}")
    });
    if let Some(entry) = piece.range.start.checked_sub(offset) {
        last.link(Stream::Meta, entry);
    }
    last.u64("tail size", |size| format!("{} of this table with its header", item::count(size)));
    fields.append(last);
    Ok(if records == 1 { "1 record".to_owned() } else { format!("{records} records") })
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    let end = text.floor_char_boundary(SUMMARY);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}
