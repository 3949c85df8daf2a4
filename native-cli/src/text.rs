//! Entries as lines of text (specification 10) and as JSON.

use std::io::{self, Write};
use std::path::{Display, Path};

use jiff::tz::TimeZone;
use pxkit_core::decode::{Content, Entry};
use pxkit_core::format::{Attribute, Kind, Stat, Timestamp, flag_names, mode};
use serde_json::{Map, Value, json};

/// Writes a path or name in double quotes (specification 10.2).
///
/// # Errors
/// Those of `out`.
pub fn quote(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(b"\"")?;
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        // Most names need no escaping, and are written at once.
        let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
        if text.bytes().all(plain) {
            out.write_all(text.as_bytes())?;
        } else {
            for c in text.chars() {
                match c {
                    '\'' => out.write_all(b"'")?,
                    c => write!(out, "{}", c.escape_debug())?,
                }
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02X}")?;
        }
    }
    out.write_all(b"\"")
}

/// The name of an input as errors have it.
pub fn input_name(path: &Path) -> Display<'_> {
    if path == Path::new("-") { Path::new("standard input") } else { path }.display()
}

/// A path in quotes, with the leading slash of listings, for messages.
pub fn quoted(path: &[u8]) -> String {
    let mut out = Vec::with_capacity(path.len() + 3);
    let full = [b"/", path].concat();
    // Writing to memory does not fail, and quoted text is UTF-8.
    let _ = quote(&mut out, &full);
    String::from_utf8_lossy(&out).into_owned()
}

/// A number of things: `1 group`, `2 groups`.
pub fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// The ten characters of type and permissions, without the marks for ACLs and attributes.
pub fn mode_string(kind: Kind, stat: &Stat) -> [u8; 10] {
    let mut text = *b"----------";
    text[0] = match kind {
        Kind::File => b'-',
        Kind::Directory => b'd',
        Kind::Symlink => b'l',
        Kind::Hardlink => b'L',
        Kind::Fifo => b'p',
        Kind::Socket => b's',
        Kind::Device if stat.mode & mode::TYPE == mode::BLOCK => b'b',
        Kind::Device if stat.mode & mode::TYPE == mode::CHAR => b'c',
        Kind::Device => b'?',
    };
    let bits = stat.mode;
    for (at, letter) in b"rwxrwxrwx".iter().enumerate() {
        if bits & (0o400 >> at) != 0 {
            text[at + 1] = *letter;
        }
    }
    for (at, bit, letter) in [(3, mode::SETUID, b's'), (6, mode::SETGID, b's'), (9, mode::STICKY, b't')] {
        if bits & bit != 0 {
            text[at] = if text[at] == b'x' { letter } else { letter.to_ascii_uppercase() };
        }
    }
    text
}

/// Writes the lines of a listing; keeps what lines share.
#[derive(Debug)]
pub struct Lines {
    zone: TimeZone,
    /// The time formatted last: entries unpacked together often share it.
    last: Option<(i64, String)>,
    buffer: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// Lines with times of the local zone.
    pub fn new() -> Self {
        Self { zone: TimeZone::system(), last: None, buffer: Vec::new() }
    }

    /// The quoted path.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn plain(&mut self, out: &mut impl Write, entry: &Entry<'_>) -> io::Result<()> {
        self.path(out, entry.path)?;
        out.write_all(b"\n")
    }

    /// All columns (specification 10.3).
    ///
    /// # Errors
    /// Those of `out`.
    pub fn long(&mut self, out: &mut impl Write, entry: &Entry<'_>) -> io::Result<()> {
        let Entry { kind, stat, attributes, .. } = *entry;
        out.write_all(&mode_string(kind, stat))?;
        let mark = |has: bool| if has { b'+' } else { b' ' };
        out.write_all(&[mark(attributes.has_acl()), mark(attributes.has_xattr()), b' '])?;
        let owner = format!("{}/{}", stat.uid, stat.gid);
        write!(out, "{owner:13} {} ", self.time(stat.mtime))?;
        match entry.content {
            Content::Device(device) => write!(out, "{:>8} ", format!("{},{}", device.major, device.minor))?,
            _ => write!(out, "{:>8} ", entry.size())?,
        }
        self.path(out, entry.path)?;
        match entry.content {
            Content::Target(target) | Content::Hardlink { target, .. } => {
                out.write_all(b" -> ")?;
                quote(out, target)?;
            }
            Content::Reference(reference) => write!(out, " {}", reference.offset)?,
            _ => {}
        }
        out.write_all(b"\n")
    }

    /// One JSON object.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn json(&mut self, out: &mut impl Write, entry: &Entry<'_>) -> io::Result<()> {
        self.json_in(out, "", entry)
    }

    /// The same, with the name of the archive in front if it has one.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn json_in(&mut self, out: &mut impl Write, archive: &str, entry: &Entry<'_>) -> io::Result<()> {
        let mut object = Map::new();
        if !archive.is_empty() {
            object.insert("archive".into(), archive.into());
        }
        put_bytes(&mut object, "path", &[b"/", entry.path].concat());
        object.insert("type".into(), entry.kind.name().into());
        object.insert("offset".into(), entry.filename.into());
        if entry.kind != Kind::Hardlink {
            put_stat(&mut object, entry.stat);
        }
        match entry.content {
            Content::None => {}
            Content::Inline { offset, size } => {
                object.insert("size".into(), size.into());
                object.insert("content_offset".into(), offset.into());
            }
            Content::Reference(reference) => {
                object.insert("size".into(), reference.size.into());
                object.insert("payload_offset".into(), reference.offset.into());
            }
            Content::Target(target) | Content::Hardlink { target, .. } => {
                put_bytes(&mut object, "target", target);
            }
            Content::Device(device) => {
                object.insert("device".into(), json!([device.major, device.minor]));
            }
        }
        if let Content::Hardlink { distance, .. } = entry.content {
            object.insert("distance".into(), distance.into());
        }
        if !entry.attributes.is_empty() {
            let attributes = entry.attributes.iter().map(|a| attribute_json(&a)).collect();
            object.insert("attributes".into(), Value::Array(attributes));
        }
        serde_json::to_writer(&mut *out, &Value::Object(object))?;
        out.write_all(b"\n")
    }

    /// A line of a catalog: a letter, the path as it is, and size and time in seconds of a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn catalog(
        &mut self,
        out: &mut impl Write,
        letter: char,
        path: &[u8],
        content: Option<(u64, i64)>,
    ) -> io::Result<()> {
        write!(out, "{letter} ")?;
        quote(out, path)?;
        if let Some((size, secs)) = content {
            write!(out, " {size} {}", self.time(Timestamp { secs, nanos: 0 }))?;
        }
        out.write_all(b"\n")
    }

    fn path(&mut self, out: &mut impl Write, path: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.push(b'/');
        self.buffer.extend_from_slice(path);
        quote(out, &self.buffer)
    }

    /// A time in the local zone.
    pub fn time(&mut self, time: Timestamp) -> &str {
        if self.last.as_ref().is_none_or(|(secs, _)| *secs != time.secs) {
            let text = match jiff::Timestamp::from_second(time.secs) {
                Ok(stamp) => stamp.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
                // Beyond what a calendar can say; not remembered, since it shows the nanoseconds.
                Err(_) => {
                    return &self.last.insert((i64::MIN, format!("{}.{}", time.secs, time.nanos))).1;
                }
            };
            self.last = Some((time.secs, text));
        }
        self.last.as_ref().map_or("", |(_, text)| text)
    }
}

/// Adds bytes as text, and as hexadecimal digits where the text cannot say all.
pub fn put_bytes(object: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    object.insert(key.into(), String::from_utf8_lossy(bytes).into());
    if str::from_utf8(bytes).is_err() {
        object.insert(format!("{key}_hex"), hex(bytes).into());
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Adds the fields of an ENTRY.
pub fn put_stat(object: &mut Map<String, Value>, stat: &Stat) {
    object.insert("mode".into(), stat.mode.into());
    object.insert("uid".into(), stat.uid.into());
    object.insert("gid".into(), stat.gid.into());
    object.insert("mtime".into(), json!([stat.mtime.secs, stat.mtime.nanos]));
    if stat.flags != 0 {
        object.insert("flags".into(), stat.flags.into());
        object.insert("flag_names".into(), flag_names(stat.flags).collect());
    }
}

/// An attribute as a JSON object.
pub fn attribute_json(attribute: &Attribute<'_>) -> Value {
    let mut object = Map::new();
    object.insert("item".into(), attribute.item().name().into());
    match *attribute {
        Attribute::Xattr { name, value } => {
            put_bytes(&mut object, "name", name);
            object.insert("value_hex".into(), hex(value).into());
        }
        Attribute::AclUser(p)
        | Attribute::AclGroup(p)
        | Attribute::AclDefaultUser(p)
        | Attribute::AclDefaultGroup(p) => {
            object.insert("id".into(), p.id.into());
            object.insert("permissions".into(), p.permissions.into());
        }
        Attribute::AclGroupObj(permissions) => {
            object.insert("permissions".into(), permissions.into());
        }
        Attribute::AclDefault(acl) => {
            object.insert("user".into(), acl.user_obj.into());
            object.insert("group".into(), acl.group_obj.into());
            object.insert("other".into(), acl.other.into());
            object.insert("mask".into(), acl.mask.into());
        }
        Attribute::Fcaps(value) => {
            object.insert("value_hex".into(), hex(value).into());
        }
        Attribute::QuotaProjid(id) => {
            object.insert("id".into(), id.into());
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted_bytes(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        quote(&mut out, bytes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quoting_of_the_specification() {
        for (bytes, text) in [
            (&b"a'b\"c\\d"[..], r#""a'b\"c\\d""#),
            (b"\x01\x7f", r#""\u{1}\u{7f}""#),
            (b"\xff\xfe", r#""\xFF\xFE""#),
            (b"\t\n\r\0", r#""\t\n\r\0""#),
            ("é\u{301}\u{200b}😀\u{a0}".as_bytes(), "\"é\\u{301}\\u{200b}😀\\u{a0}\""),
            (b"a b", "\"a b\""),
        ] {
            assert_eq!(quoted_bytes(bytes), text);
        }
    }

    #[test]
    fn mode_strings() {
        let text = |kind, mode| {
            let stat = Stat { mode, ..Stat::default() };
            String::from_utf8(mode_string(kind, &stat).to_vec()).unwrap()
        };
        assert_eq!(text(Kind::File, 0o104755), "-rwsr-xr-x");
        assert_eq!(text(Kind::File, 0o104644), "-rwSr--r--");
        assert_eq!(text(Kind::File, 0o102745), "-rwxr-Sr-x");
        assert_eq!(text(Kind::Directory, 0o041777), "drwxrwxrwt");
        assert_eq!(text(Kind::Directory, 0o041776), "drwxrwxrwT");
        assert_eq!(text(Kind::Device, 0o060644), "brw-r--r--");
        assert_eq!(text(Kind::Device, 0o020644), "crw-r--r--");
        assert_eq!(text(Kind::Device, 0o644), "?rw-r--r--");
        assert_eq!(text(Kind::Hardlink, 0), "L---------");
    }

    #[test]
    fn times_beyond_the_calendar_are_numbers() {
        let mut lines = Lines { zone: TimeZone::UTC, last: None, buffer: Vec::new() };
        let far = Timestamp { secs: i64::MAX, nanos: 7 };
        assert_eq!(lines.time(far), format!("{}.7", i64::MAX));
        assert_eq!(lines.time(Timestamp { secs: 0, nanos: 5 }), "1970-01-01 00:00:00");
        assert_eq!(lines.time(Timestamp { secs: -300_000_000, nanos: 5 }), "1960-06-29 18:40:00");
    }
}
