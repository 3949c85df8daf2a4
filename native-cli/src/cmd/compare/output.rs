//! Differences as lines, as JSON, and added up.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use pxkit_core::compare::{Change, Fields};
use pxkit_core::format::{Kind, Timestamp, mode};
use serde_json::{Map, Value, json};

use crate::compare::{Comparer, Difference, Item};
use crate::text::{put_bytes, put_stat, quote};

/// Writes differences, and adds them up.
pub struct Output<W: Write> {
    out: W,
    is_json: bool,
    is_stat: bool,
    entries: [u64; Change::ALL.len()],
    bytes: [u64; Change::ALL.len()],
}

impl<W: Write> Output<W> {
    pub const fn new(out: W, is_json: bool, is_stat: bool) -> Self {
        Self { out, is_json, is_stat, entries: [0; Change::ALL.len()], bytes: [0; Change::ALL.len()] }
    }

    /// Whether nothing differed so far.
    pub fn is_same(&self) -> bool {
        self.entries.iter().sum::<u64>() == self.entries[Change::Unchanged as usize]
    }

    /// A path of a tree, which is called `label` if there are several.
    pub fn difference(&mut self, label: Option<&str>, difference: &Difference<'_>) -> io::Result<()> {
        self.count(difference);
        let Difference { change, .. } = *difference;
        if self.is_stat || change == Change::Unchanged {
            return Ok(());
        }
        if self.is_json {
            return self.json(label, difference, true);
        }
        let style = style_of(change);
        write!(self.out, "{style}{:<9}{style:#} ", word(change))?;
        if let Some(old) = difference.old.filter(|_| change == Change::Moved) {
            write_path(&mut self.out, label, old)?;
            self.out.write_all(b" -> ")?;
        }
        let Some(item) = difference.new.or(difference.old) else { return Ok(()) };
        write_path(&mut self.out, label, item)?;
        self.details(difference)?;
        self.out.write_all(b"\n")
    }

    /// An archive, image or small file as a whole.
    pub fn archive(&mut self, name: &str, difference: &Difference<'_>) -> io::Result<()> {
        self.count(difference);
        let Difference { change, .. } = *difference;
        if self.is_stat || change == Change::Unchanged {
            return Ok(());
        }
        if self.is_json {
            return self.json(Some(name), difference, false);
        }
        let style = style_of(change);
        writeln!(self.out, "{style}{:<9}{style:#} {name}", word(change))
    }

    fn count(&mut self, difference: &Difference<'_>) {
        let at = difference.change as usize;
        self.entries[at] += 1;
        let size = difference.new.or(difference.old).map_or(0, |item| item.size);
        self.bytes[at] = self.bytes[at].saturating_add(size);
    }

    /// What exactly differs.
    fn details(&mut self, difference: &Difference<'_>) -> io::Result<()> {
        let (Some(old), Some(new)) = (difference.old, difference.new) else { return Ok(()) };
        if difference.change == Change::Kind {
            return write!(self.out, "  {} -> {}", kind_of(old), kind_of(new));
        }
        let mut comma = "  ";
        for name in difference.fields.names() {
            write!(self.out, "{comma}{name}")?;
            comma = ", ";
            if let Some((before, after)) = values(name, old, new) {
                write!(self.out, " {before} -> {after}")?;
            }
        }
        Ok(())
    }

    fn json(&mut self, label: Option<&str>, difference: &Difference<'_>, is_entry: bool) -> io::Result<()> {
        let Difference { change, fields, old, new } = *difference;
        let mut object = Map::new();
        object.insert("change".into(), word(change).into());
        if let Some(label) = label {
            object.insert("archive".into(), label.into());
        }
        let Some(item) = new.or(old).filter(|_| is_entry) else {
            serde_json::to_writer(&mut self.out, &object)?;
            return self.out.write_all(b"\n");
        };
        put_bytes(&mut object, "path", &[b"/", &*item.path].concat());
        if let Some(old) = old.filter(|_| change == Change::Moved) {
            put_bytes(&mut object, "from", &[b"/", &*old.path].concat());
        }
        if fields != Fields::NONE {
            object.insert("fields".into(), fields.names().collect());
        }
        for (key, item) in [("old", old), ("new", new)] {
            if let Some(item) = item {
                object.insert(key.into(), item_json(item));
            }
        }
        serde_json::to_writer(&mut self.out, &object)?;
        self.out.write_all(b"\n")
    }

    /// Writes the sums, if they are wanted, and whatever waits.
    pub fn finish(&mut self, comparer: &Comparer) -> io::Result<()> {
        if !self.is_stat {
            return self.out.flush();
        }
        if self.is_json {
            let mut object = Map::new();
            for change in Change::ALL {
                let (entries, bytes) = (self.entries[change as usize], self.bytes[change as usize]);
                object.insert(word(change).into(), json!({ "entries": entries, "bytes": bytes }));
            }
            object.insert("same".into(), self.is_same().into());
            object.insert("files_compared_by_chunks".into(), comparer.by_chunks.into());
            object.insert("bytes_read".into(), comparer.read.into());
            serde_json::to_writer(&mut self.out, &object)?;
            self.out.write_all(b"\n")?;
            return self.out.flush();
        }
        for change in Change::ALL {
            let (entries, bytes) = (self.entries[change as usize], self.bytes[change as usize]);
            let style = if entries == 0 { Style::new() } else { style_of(change) };
            writeln!(
                self.out,
                "{style}{:<9}{style:#} {entries:>12} entries {bytes:>18} bytes",
                word(change)
            )?;
        }
        self.out.flush()
    }
}

/// The word for a change.
const fn word(change: Change) -> &'static str {
    match change {
        Change::Contents => "content",
        Change::Kind => "type",
        other => other.name(),
    }
}

/// The colours of diff.
const fn style_of(change: Change) -> Style {
    let colour = match change {
        Change::Unchanged => return Style::new(),
        Change::Added => AnsiColor::Green,
        Change::Removed => AnsiColor::Red,
        Change::Moved => AnsiColor::Cyan,
        Change::Metadata => AnsiColor::Blue,
        Change::Contents | Change::Kind => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

fn write_path(out: &mut impl Write, label: Option<&str>, item: &Item) -> io::Result<()> {
    if let Some(label) = label {
        write!(out, "{label}:")?;
    }
    quote(out, &[b"/", &*item.path].concat())
}

/// What it is, with the two types of devices.
fn kind_of(item: &Item) -> &'static str {
    match item.kind {
        Kind::Device if item.stat.mode & mode::TYPE == mode::BLOCK => "block device",
        Kind::Device => "character device",
        kind => kind.name(),
    }
}

/// Both values of a field, where they are short.
fn values(field: &str, old: &Item, new: &Item) -> Option<(String, String)> {
    let value = |item: &Item| {
        let stat = &item.stat;
        Some(match field {
            "size" => item.size.to_string(),
            "mtime" => time(stat.mtime),
            "mode" => format!("{:04o}", stat.mode & mode::PERMISSIONS),
            "owner" => stat.uid.to_string(),
            "group" => stat.gid.to_string(),
            "flags" => format!("{:#x}", stat.flags),
            "target" => in_quotes(&item.target),
            "link" => {
                item.link.as_deref().map_or("first name".into(), |link| in_quotes(&[b"/", link].concat()))
            }
            "device" => {
                item.device.map_or(String::new(), |device| format!("{},{}", device.major, device.minor))
            }
            _ => return None,
        })
    };
    value(old).zip(value(new))
}

fn in_quotes(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = quote(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

fn time(time: Timestamp) -> String {
    let stamp = jiff::Timestamp::new(time.secs, time.nanos.min(999_999_999) as i32);
    stamp.map_or_else(|_| format!("{}.{:09}", time.secs, time.nanos), |stamp| stamp.to_string())
}

fn item_json(item: &Item) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), item.kind.name().into());
    put_stat(&mut object, &item.stat);
    match item.kind {
        Kind::File => {
            object.insert("size".into(), item.size.into());
        }
        Kind::Symlink => put_bytes(&mut object, "target", &item.target),
        _ => {}
    }
    if let Some(device) = item.device {
        object.insert("device".into(), json!([device.major, device.minor]));
    }
    if let Some(link) = &item.link {
        put_bytes(&mut object, "link", link);
    }
    Value::Object(object)
}
